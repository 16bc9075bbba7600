// @ts-check
// Owns a proxy of the lab, started as a user starts it: what it says of itself, and that nothing of it stays.

import { get } from 'node:http';
import process from 'node:process';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startChild } from '../bench/support/child.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const readyTimeoutMs = 15_000;
const pollIntervalMs = 50;
/** Below the client host's range, of which no port may be left. */
let nextLocalPort = 20_000;

/**
 * @typedef {object} TtlPoint - a part of what /api/ports shows
 * @property {number} ttlMs
 * @property {number} hitShare
 * @property {number} upstreamLoginsPerSecond
 * @property {number} timeWaitPorts
 * @property {number} heldConnections
 */
/** @typedef {{ limit: number, pressure: string, advice: { curve: TtlPoint[], recommendedTtlMs?: number } }} PortReport */
/** @typedef {{ seconds: number, text: string, numbers: Record<string, number> }} Warning - since the start of the proxy */

/**
 * @typedef {object} LabProxy
 * @property {(name: string) => Promise<number>} metric - the sum of a metric's samples
 * @property {() => Promise<PortReport>} portReport
 * @property {() => Warning[]} warnings - what it has logged
 * @property {() => Promise<void>} stop - TERM, and KILL after 5 s; twice is safe
 */

/**
 * @param {number} adminPort - as in `settings`
 * @param {Record<string, string>} settings - environment variables; no others of ours are inherited, but PATH
 * @returns {Promise<LabProxy>} ready: it has reached the server
 */
export async function startProxy(adminPort, settings) {
  const startMs = performance.now();
  const env = { PATH: process.env['PATH'] ?? '', ...settings };
  const child = startChild('the proxy', ['dist/main.js'], { env, cwd: root });
  /** @type {Warning[]} */
  const warnings = [];
  forEachLine(child.process.stdout, (line) => {
    const warning = warningIn(line);
    if (warning !== undefined) warnings.push({ seconds: (performance.now() - startMs) / 1_000, ...warning });
  });
  try {
    await Promise.race([untilReady(adminPort), child.failed]);
  } catch (error) {
    await child.stop();
    throw error;
  }
  return {
    metric: async (name) => sumOf((await ask(adminPort, '/metrics')).body, name),
    portReport: async () => JSON.parse((await ask(adminPort, '/api/ports')).body),
    warnings: () => [...warnings],
    stop: child.stop,
  };
}

/**
 * @param {import('node:stream').Readable | null} stream - of text
 * @param {(line: string) => void} take
 */
function forEachLine(stream, take) {
  let rest = '';
  stream?.on('data', (chunk) => {
    const lines = `${rest}${chunk}`.split('\n');
    rest = lines.pop() ?? '';
    lines.forEach(take);
  });
}

/** @param {string} line - of the log */
function warningIn(line) {
  try {
    const { level, msg, ...fields } = JSON.parse(line);
    if (level !== 'warn') return undefined;
    const isNumber = (/** @type {[string, unknown]} */ [name, value]) =>
      typeof value === 'number' && name !== 'time' && name !== 'pid';
    const numbers = Object.entries(fields).filter(isNumber);
    return { text: String(msg), numbers: Object.fromEntries(numbers) };
  } catch {
    // Whatever ends a process with a stack trace is no log line.
    return undefined;
  }
}

/** @param {number} adminPort */
async function untilReady(adminPort) {
  const deadlineMs = performance.now() + readyTimeoutMs;
  let seen = 'no answer';
  while (performance.now() < deadlineMs) {
    try {
      const { status, body } = await ask(adminPort, '/readyz');
      if (status === 200) return;
      seen = body.trim();
    } catch {
      // It doesn't listen yet.
    }
    await delay(pollIntervalMs);
  }
  throw new Error(`the proxy is not ready after ${readyTimeoutMs / 1_000} s; /readyz: ${seen}`);
}

/**
 * @param {number} port
 * @param {string} path
 * @returns {Promise<{ status: number, body: string }>}
 */
function ask(port, path) {
  const localPort = nextLocalPort++;
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, localPort, agent: false }, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    }).on('error', reject);
  });
}

/**
 * @param {string} text - of /metrics
 * @param {string} name
 */
function sumOf(text, name) {
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}
