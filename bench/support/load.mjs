// Runs the load generator as a process of its own and reads its figures.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const client = fileURLToPath(new URL('../churn-client.mjs', import.meta.url));

/**
 * @typedef {object} LoadFigures
 * @property {number} sessions
 * @property {number} succeeded
 * @property {number} failed
 * @property {Record<string, number>} failures - how many, by reason
 * @property {number} seconds
 * @property {number} sessionsPerSecond
 * @property {number} p50Ms
 * @property {number} p95Ms
 * @property {number} p99Ms
 * @property {number} maxMs
 * @property {number} clientCpuSeconds
 */

/**
 * @param {{ port: number, sessions: number, concurrency: number, users: number, messages: number, password: string }} load
 * @returns {Promise<LoadFigures>}
 */
export async function runLoad(load) {
  const args = Object.entries(load).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const { stdout } = await run(process.execPath, [client, ...args], { maxBuffer: 16 * 1024 * 1024 });
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
}
