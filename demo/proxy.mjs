// Owns the proxy in the demo: started as a user would, `node dist/main.js` told what to do by environment variables.
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { startChild } from './child.mjs';

const readyTimeoutMs = 15_000;

/**
 * @typedef {object} Proxy
 * @property {Record<string, string>} settings - the variables that it was given
 * @property {(name: string, label?: string) => Promise<number>} metric - the sum of a metric's samples
 * @property {Promise<never>} failed
 * @property {() => Promise<void>} stop
 */

/**
 * @param {string} root - the repository
 * @param {number} adminPort
 * @param {Record<string, string>} settings
 * @returns {Promise<Proxy>} ready: it has reached the server
 */
export async function startProxy(root, adminPort, settings) {
  // Nothing else is inherited: variables of the same names in the shell would change what is shown.
  const system = ['PATH', 'SystemRoot'].filter((name) => process.env[name] !== undefined);
  const inherited = Object.fromEntries(system.map((name) => [name, process.env[name]]));
  const child = startChild('the proxy', ['dist/main.js'], { env: { ...inherited, ...settings }, cwd: root });
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
    failed: child.failed,
    stop: child.stop,
  };
}

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

async function textOf(url) {
  return (await globalThis.fetch(url)).text();
}

/** @param {string} label - as in `initiator="local"`; empty: all samples */
function sumOf(text, name, label) {
  return text
    .split('\n')
    .filter((line) => (line.startsWith(`${name} `) || line.startsWith(`${name}{`)) && line.includes(label))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}
