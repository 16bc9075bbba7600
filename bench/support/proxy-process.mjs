// @ts-check
// The proxy as a user starts it: its own process, told what to do by environment variables only.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

/** The metric names that the benchmarks read. */
export const metricNames = {
  leases: 'imapbouncer_leases_total',
  reuses: 'imapbouncer_lease_reuses_total',
  opened: 'imapbouncer_upstream_connections_opened_total',
};

/**
 * @typedef {object} ProxyProcess
 * @property {number} pid
 * @property {() => Promise<Record<string, number>>} metrics - sums over all labels
 * @property {() => Promise<void>} stop
 */

/**
 * @param {{ port: number, adminPort: number, env: Record<string, string> }} settings
 * @returns {Promise<ProxyProcess>}
 */
export async function startProxy({ port, adminPort, env }) {
  if (!existsSync(main)) throw new Error('dist/main.js is missing: run `npm run build` first');
  const child = spawn(process.execPath, [main], {
    env: {
      PATH: process.env['PATH'],
      LISTEN: `imap://127.0.0.1:${port}`,
      ADMIN_LISTEN: `127.0.0.1:${adminPort}`,
      LOG_LEVEL: 'warn',
      ...env,
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const hasExited = () => child.exitCode !== null || child.signalCode !== null;

  const deadline = performance.now() + 15_000;
  while (!(await isReady(adminPort))) {
    if (hasExited()) throw new Error(`the proxy ended with ${child.exitCode ?? child.signalCode}`);
    if (performance.now() > deadline) {
      kill();
      throw new Error('the proxy is not ready after 15 s');
    }
    await delay(50);
  }
  return {
    pid: child.pid ?? 0,
    metrics: () => readMetrics(adminPort),
    stop: async () => {
      process.off('exit', kill);
      if (hasExited()) return;
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      const timer = setTimeout(kill, 10_000);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** @param {number} adminPort */
async function isReady(adminPort) {
  return globalThis.fetch(`http://127.0.0.1:${adminPort}/readyz`).then(
    (response) => response.ok,
    () => false,
  );
}

/** @param {number} adminPort */
async function readMetrics(adminPort) {
  const text = await (await globalThis.fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  /** @type {Record<string, number>} */
  const sums = {};
  for (const line of text.split('\n')) {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{[^}]*\})? (\S+)/.exec(line);
    if (match?.[1] !== undefined) sums[match[1]] = (sums[match[1]] ?? 0) + Number(match[2]);
  }
  return sums;
}
