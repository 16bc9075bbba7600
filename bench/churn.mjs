// Measures short sessions straight to a Dovecot of its own and through the proxy, interleaved, on one machine.
//
//   node bench/churn.mjs [--sessions 10000] [--rounds 3] [--concurrency 8] [--users 50] [--systems direct,proxy]
//     [--warm 64] [--ttl 5] [--json file]
//
// --warm n   one more phase of n sessions at a time, after the others have warmed everything up
// --ttl s    start the proxy with MAILBOX_CACHE_TTL=s, and wait at the end until it holds no upstream connection

import '../scripts/typescript-loader.mjs';
import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { setTimeout as delay } from 'node:timers/promises';
import { median, renderTable } from './support/figures.mjs';
import { listenCountersSince, readListenCounters } from './support/kernel.mjs';
import { runLoad } from './support/load.mjs';
import { countSockets } from './support/sockets.mjs';
import { systems } from './support/systems.mjs';

const { startDovecot, defaultPassword } = await import('../test/support/dovecot.js');
const { pickFreePorts } = await import('../test/support/dovecot/ports.js');

/** @typedef {import('./support/load.mjs').LoadFigures} LoadFigures */
/** @typedef {import('./support/systems.mjs').RunningSystem} RunningSystem */
/**
 * @typedef {object} Run - one round of one system
 * @property {string} system
 * @property {number} round
 * @property {LoadFigures} figures
 * @property {import('./support/kernel.mjs').ListenCounters} listen
 * @property {number} timeWait - this system's ports towards Dovecot that are in TIME_WAIT right after the round
 */

const { values } = parseArgs({
  options: {
    sessions: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '3' },
    concurrency: { type: 'string', default: '8' },
    users: { type: 'string', default: '50' },
    systems: { type: 'string', default: 'direct,proxy' },
    warm: { type: 'string' },
    ttl: { type: 'string' },
    json: { type: 'string' },
  },
});
const messages = 10;
const names = values.systems.split(',');
const load = {
  sessions: Number(values.sessions),
  concurrency: Number(values.concurrency),
  users: Number(values.users),
  messages,
  password: defaultPassword,
};

const extraUsers = Object.fromEntries(
  Array.from({ length: load.users }, (_, n) => [`user${n}`, defaultPassword]),
);
// Each system reaches Dovecot on a port of its own: so the kernel's sockets tell whose they are.
const upstreamPorts = await pickFreePorts(names.length);
const listeners = upstreamPorts.map((port, n) => `inet_listener bench${n} {\n port = ${port}\n }\n`).join('');
const extraConfig = `service imap-login {\n${listeners}}\n`;
const dovecot = await startDovecot({ messagesPerUser: messages, users: extraUsers, extraConfig });
/** @type {Map<string, RunningSystem>} */
const running = new Map();
let failed = 0;
try {
  const proxyEnv = values.ttl === undefined ? {} : { MAILBOX_CACHE_TTL: `${values.ttl}s` };
  for (const [at, name] of names.entries()) {
    const start = systems[name];
    const upstreamPort = upstreamPorts[at] ?? 0;
    if (start === undefined)
      throw new Error(`no system ${name}; there are ${Object.keys(systems).join(', ')}`);
    running.set(name, await start({ upstreamPort, pickPorts: pickFreePorts, proxyEnv }));
  }

  /** @type {Run[]} */
  const runs = [];
  for (let round = 1; round <= Number(values.rounds); round++) {
    for (const [name, system] of running) runs.push(await measure(name, system, round, load));
  }
  const pool = await readPool();
  /** @type {Run[]} */
  const warm = [];
  if (values.warm !== undefined) {
    const concurrency = Number(values.warm);
    const sessions = Math.min(load.sessions, concurrency * 100);
    for (const [name, system] of running)
      warm.push(await measure(name, system, 1, { ...load, concurrency, sessions }));
  }
  const ttl = values.ttl === undefined ? undefined : await waitUntilReleased(Number(values.ttl));

  report(runs, warm, pool, ttl);
  failed = [...runs, ...warm].reduce((sum, { figures }) => sum + figures.failed, 0);
  if (values.json !== undefined) {
    const machine = { cpus: cpus().length, model: cpus()[0]?.model, node: process.version };
    await writeFile(
      values.json,
      `${JSON.stringify({ options: values, machine, runs, warm, pool, ttl }, null, 2)}\n`,
    );
  }
} finally {
  for (const system of running.values()) await system.stop();
  await dovecot.stop();
}
process.exitCode = failed === 0 ? 0 : 1;

/**
 * @param {string} system
 * @param {RunningSystem} target
 * @param {number} round
 * @param {typeof load} what
 * @returns {Promise<Run>}
 */
async function measure(system, target, round, what) {
  const before = readListenCounters();
  const figures = await runLoad({ ...what, port: target.port });
  const timeWait = countPorts(target.upstreamPort, 'time-wait');
  return { system, round, figures, listen: listenCountersSince(before), timeWait };
}

/** What the proxy says about its pool, if it runs and speaks. */
async function readPool() {
  const metric = running.get('proxy')?.metric;
  if (metric === undefined) return undefined;
  const leases = await metric('imapbouncer_leases_total');
  const reuses = await metric('imapbouncer_lease_reuses_total');
  const upstreamConnectionsOpened = await metric('imapbouncer_upstream_connections_opened_total');
  return { leases, reuses, reuseRatio: reuses / leases, upstreamConnectionsOpened };
}

/**
 * Ports that are in use, or in TIME_WAIT, towards Dovecot.
 *
 * @param {number} upstreamPort
 * @param {'time-wait' | 'established'} state
 */
function countPorts(upstreamPort, state) {
  return countSockets(upstreamPort, state)?.clientSide ?? NaN;
}

/**
 * Waits until the proxy holds no connection to Dovecot, and counts what that left behind.
 *
 * @param {number} ttlSeconds
 */
async function waitUntilReleased(ttlSeconds) {
  const upstreamPort = running.get('proxy')?.upstreamPort;
  if (upstreamPort === undefined) return undefined;
  const startMs = performance.now();
  const deadlineMs = startMs + ttlSeconds * 1_000 + 30_000;
  while (countPorts(upstreamPort, 'established') > 0) {
    if (performance.now() > deadlineMs) break;
    await delay(200);
  }
  return {
    seconds: (performance.now() - startMs) / 1_000,
    stillOpen: countPorts(upstreamPort, 'established'),
    timeWait: countPorts(upstreamPort, 'time-wait'),
  };
}

/**
 * @param {Run[]} runs
 * @param {Run[]} warm
 * @param {Awaited<ReturnType<typeof readPool>>} pool
 * @param {Awaited<ReturnType<typeof waitUntilReleased>>} ttl
 */
function report(runs, warm, pool, ttl) {
  console.log(
    `${load.sessions} sessions a round, ${load.concurrency} at a time, ${load.users} users, medians of ${values.rounds} rounds\n`,
  );
  console.log(tableOf(runs));
  const [base, ...others] = names.map((name) => ({ name, rate: rateOf(runs, name) }));
  for (const { name, rate } of others) {
    if (base !== undefined)
      console.log(`\n${name} / ${base.name}: ${(rate / base.rate).toFixed(2)} times the sessions per second`);
  }
  if (pool !== undefined) {
    console.log(
      `\npool: ${pool.leases} leases, reuse ratio ${pool.reuseRatio.toFixed(4)}, ${pool.upstreamConnectionsOpened} upstream connections opened`,
    );
  }
  if (warm.length > 0) console.log(`\nwarm, ${values.warm} at a time\n\n${tableOf(warm)}`);
  if (ttl !== undefined) {
    console.log(
      `\nafter the TTL: ${ttl.stillOpen} upstream connections open after ${ttl.seconds.toFixed(1)} s, ${ttl.timeWait} ports in TIME_WAIT`,
    );
  }
  for (const { system, round, figures } of [...runs, ...warm]) {
    for (const [reason, count] of Object.entries(figures.failures))
      console.log(`failed: ${system}, round ${round}: ${count} × ${reason}`);
  }
}

/**
 * @param {Run[]} runs
 * @param {string} name
 */
function rateOf(runs, name) {
  return median(runs.filter(({ system }) => system === name).map(({ figures }) => figures.sessionsPerSecond));
}

/** @param {Run[]} runs */
function tableOf(runs) {
  const rows = names.map((name) => {
    const own = runs.filter(({ system }) => system === name);
    const middle = (/** @type {(run: Run) => number} */ pick) => median(own.map(pick));
    const sum = (/** @type {(run: Run) => number} */ pick) =>
      own.reduce((total, run) => total + pick(run), 0);
    return [
      name,
      middle((run) => run.figures.sessionsPerSecond),
      middle((run) => run.figures.p50Ms),
      middle((run) => run.figures.p95Ms),
      middle((run) => run.figures.p99Ms),
      sum((run) => run.figures.failed),
      sum((run) => run.listen.overflows),
      sum((run) => run.listen.drops),
      Math.max(...own.map((run) => run.timeWait)),
    ];
  });
  const head = [
    'system',
    'sessions/s',
    'p50 ms',
    'p95 ms',
    'p99 ms',
    'failed',
    'listen overflows',
    'listen drops',
    'TIME_WAIT (most)',
  ];
  return renderTable(head, rows);
}
