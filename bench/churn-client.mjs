// A light load generator: short webmail-like sessions, as many at a time as asked; prints one JSON line at the end.
//
//   node bench/churn-client.mjs --port 1143 [--host 127.0.0.1 | --path /run/imap.sock] [--sessions 10000]
//     [--concurrency 8] [--users 50] [--password secret] [--messages 10] [--timeout 30]

import { clearInterval, setInterval } from 'node:timers';
import { parseArgs } from 'node:util';
import { ChurnSession } from './support/churn-session.mjs';
import { quantile } from './support/figures.mjs';

/** @typedef {import('./support/churn-session.mjs').Target} Target */

const { values } = parseArgs({
  options: {
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string' },
    path: { type: 'string' },
    sessions: { type: 'string', default: '10000' },
    concurrency: { type: 'string', default: '8' },
    users: { type: 'string', default: '50' },
    password: { type: 'string', default: 'secret' },
    messages: { type: 'string', default: '10' },
    timeout: { type: 'string', default: '30' },
  },
});

const sessions = Number(values.sessions);
const users = Number(values.users);
const timeoutMs = Number(values.timeout) * 1_000;
/** @type {Target} */
const target =
  values.path === undefined ? { host: values.host, port: Number(values.port) } : { path: values.path };
if (values.path === undefined && !(Number(values.port) > 0)) throw new Error('--port or --path is needed');

/** @type {Map<string, number>} */
const failures = new Map();
/** @type {Float64Array} */
const latencies = new Float64Array(sessions);
/** @type {Set<ChurnSession>} */
const open = new Set();
let started = 0;
let succeeded = 0;
let finished = 0;

const startCpu = process.cpuUsage();
const startMs = performance.now();
await new Promise((resolve) => {
  // One sweep for all sessions is cheaper than a timer for each.
  const sweep = setInterval(() => {
    for (const session of open) session.failIfOlderThan(timeoutMs);
  }, 500);

  const startNext = () => {
    if (started === sessions) return;
    const user = `user${started % users}`;
    started += 1;
    const session = new ChurnSession(
      target,
      user,
      values.password,
      Number(values.messages),
      (latencyMs, failure) => {
        open.delete(session);
        finished += 1;
        if (failure === undefined) {
          latencies[succeeded] = latencyMs;
          succeeded += 1;
        } else {
          failures.set(failure, (failures.get(failure) ?? 0) + 1);
        }
        if (finished === sessions) {
          clearInterval(sweep);
          resolve(undefined);
          return;
        }
        startNext();
      },
    );
    open.add(session);
  };
  for (let n = 0; n < Number(values.concurrency); n++) startNext();
});
const seconds = (performance.now() - startMs) / 1_000;
const cpu = process.cpuUsage(startCpu);

const sorted = latencies.subarray(0, succeeded).sort();
console.log(
  JSON.stringify({
    sessions,
    succeeded,
    failed: sessions - succeeded,
    failures: Object.fromEntries(failures),
    seconds: round(seconds),
    sessionsPerSecond: round(succeeded / seconds),
    p50Ms: round(quantile(sorted, 0.5)),
    p95Ms: round(quantile(sorted, 0.95)),
    p99Ms: round(quantile(sorted, 0.99)),
    maxMs: round(quantile(sorted, 1)),
    clientCpuSeconds: round((cpu.user + cpu.system) / 1e6),
  }),
);

/** @param {number} value */
function round(value) {
  return Math.round(value * 100) / 100;
}
