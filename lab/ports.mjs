// @ts-check
// Shows what short sessions do to a client host's ephemeral ports, straight to a mail server and through the proxy.
//
//   npm run lab:ports -- [options]      (--help lists them; Linux and root)
//
// This file owns the two hosts: it makes the namespaces, runs client-host.mjs in one of them, and removes both.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { createNetwork, removeNetwork } from './network.mjs';
import { readOptions, usage } from './options.mjs';
import { reasonAgainstLab } from './requirements.mjs';

/** As in sysexits.h. */
const exitCodes = { failed: 1, usage: 64, unavailable: 69 };

const clientHost = fileURLToPath(new URL('client-host.mjs', import.meta.url));
const proxy = fileURLToPath(new URL('../dist/main.js', import.meta.url));

process.exitCode = await main(process.argv.slice(2));

/** @param {string[]} args */
async function main(args) {
  let options;
  try {
    options = readOptions(args);
  } catch (error) {
    return complain(exitCodes.usage, `${/** @type {Error} */ (error).message}\n\n${usage}`);
  }
  if (options === undefined) {
    console.log(usage);
    return 0;
  }
  const reason = reasonAgainstLab();
  if (reason !== undefined) return complain(exitCodes.unavailable, `the lab can't run here: ${reason}`);

  let network;
  try {
    network = createNetwork(options.range);
  } catch (error) {
    const { message } = /** @type {Error} */ (error);
    return complain(exitCodes.unavailable, `the lab can't run here: no network namespaces: ${message}`);
  }
  try {
    if (options.isCheck) {
      console.log('the lab can run here');
      return 0;
    }
    if (!existsSync(proxy)) return complain(exitCodes.failed, 'dist/main.js is missing: run `npm run build`');
    return await runOnClientHost(network, options);
  } finally {
    removeNetwork(network);
  }
}

/**
 * @param {import('./network.mjs').Network} network
 * @param {import('./options.mjs').LabOptions} options
 * @returns {Promise<number>} its exit code
 */
function runOnClientHost({ client, server }, options) {
  const order = JSON.stringify({ options, serverNamespace: server });
  // The channel tells it when we are gone, whatever ended us.
  const child = spawn('ip', ['netns', 'exec', client, process.execPath, clientHost, order], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  // It ends in good order and then we do; after Ctrl-C it has had the signal already, and a second one does no harm.
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']))
    process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? exitCodes.failed));
  });
}

/**
 * @param {number} code
 * @param {string} message
 */
function complain(code, message) {
  console.error(`lab: ${message}`);
  return code;
}
