// Owns the proxy as a user starts it: `node dist/main.js`, told what to do by environment variables alone.

import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startChild } from './child.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const readyTimeoutMs = 15_000;

/**
 * @typedef {object} Proxy
 * @property {Record<string, string>} settings - the variables that it was given
 * @property {(name: string, label?: string) => Promise<number>} metric - the sum of a metric's samples
 * @property {(signal: NodeJS.Signals) => void} signal
 * @property {Promise<never>} failed - rejects if it ends by itself
 * @property {() => Promise<void>} stop
 */

/**
 * @param {number} adminPort - as in `settings`
 * @param {Record<string, string>} settings
 * @param {string[]} [command] - what Node is to run: its own options, and the proxy's main file
 * @returns {Promise<Proxy>} ready: it has reached the server
 */
export async function startProxy(adminPort, settings, command = ['dist/main.js']) {
  // Nothing else is inherited: variables of the same names in the shell would change what is measured.
  const inherited = Object.fromEntries(
    ['PATH', 'SystemRoot'].flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
  const env = { ...inherited, ...settings };
  const child = startChild('the proxy', command, { env, cwd: root });
  const admin = `http://127.0.0.1:${adminPort}`;
  try {
    await Promise.race([untilReady(admin), child.failed]);
  } catch (error) {
    await child.stop();
    throw error;
  }
  return {
    settings,
    metric: async (name, label = '') => sumOf(await textOf(`${admin}/metrics`), name, label),
    signal: (signal) => void child.process.kill(signal),
    failed: child.failed,
    stop: child.stop,
  };
}

/** @param {string} admin */
async function untilReady(admin) {
  const deadlineMs = performance.now() + readyTimeoutMs;
  let seen = 'no answer';
  while (performance.now() < deadlineMs) {
    try {
      const response = await globalThis.fetch(`${admin}/readyz`);
      if (response.ok) return;
      seen = (await response.text()).trim();
    } catch {
      // It doesn't listen yet.
    }
    await delay(50);
  }
  throw new Error(`the proxy is not ready after ${readyTimeoutMs / 1_000} s; ${admin}/readyz: ${seen}`);
}

/** @param {string} url */
async function textOf(url) {
  return (await globalThis.fetch(url)).text();
}

/**
 * @param {string} text
 * @param {string} name
 * @param {string} label - as in `initiator="local"`; empty: all samples
 */
function sumOf(text, name, label) {
  return text
    .split('\n')
    .filter((line) => (line.startsWith(`${name} `) || line.startsWith(`${name}{`)) && line.includes(label))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}
