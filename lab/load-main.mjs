// @ts-check
// Owns the churn as a process of its own: sessions of all users, some at a time or at a rate, until enough of them.
//
// Its one argument is a LoadOrder as JSON. It sends LoadCounts to its parent while it runs, and LoadFigures at the end.

import { clearInterval, setInterval } from 'node:timers';
import { setPriority } from 'node:os';
import process from 'node:process';
import { quantile } from '../bench/support/figures.mjs';
import { Session } from './session.mjs';

/** @typedef {import('./load.mjs').LoadOrder} LoadOrder */
/** @typedef {import('./load.mjs').LoadCounts} LoadCounts */

/** @type {LoadOrder} */
const order = JSON.parse(process.argv[2] ?? '');
/** So long a failed session's place stays empty: nobody comes again at once, and a full range isn't hammered. */
const pauseAfterFailureMs = 50;
const sessionTimeoutMs = 30_000;
const reportIntervalMs = 50;
/** Of all processes of the lab: on a machine of its own a client waits for no CPU that the server holds. */
const priority = -20;

/** @type {Map<string, number>} */
const failures = new Map();
const latencies = new Float64Array(order.sessions);
/** @type {Set<Session>} */
const open = new Set();
/** @type {LoadCounts} */
const counts = { started: 0, succeeded: 0, failed: 0, addressNotAvailable: 0 };
/** @type {number | undefined} */
let succeededBeforeFirstFailure;

/** The longest absent first: so nobody has two sessions at a time, and each comes back late. */
const absent = [...order.users];

setPriority(priority);
const startMs = performance.now();
await new Promise((resolve) => {
  const report = setInterval(() => process.send?.({ counts }), reportIntervalMs);
  // One sweep for all sessions is cheaper than a timer for each.
  const sweep = setInterval(() => {
    for (const session of open) session.failIfOlderThan(sessionTimeoutMs);
  }, 500);

  const isOver = () =>
    counts.started === order.sessions ||
    counts.addressNotAvailable >= (order.stopAfterRefusedPorts ?? Infinity);
  const finishIfOver = () => {
    if (open.size > 0 || !isOver()) return;
    clearInterval(report);
    clearInterval(sweep);
    resolve(undefined);
  };

  const start = (/** @type {(hasFailed: boolean) => void} */ next) => {
    const user = pickUser();
    counts.started += 1;
    const session = new Session(order.target, user, (latencyMs, failure) => {
      open.delete(session);
      if (order.perSecond === undefined) absent.push(user);
      note(latencyMs, failure);
      next(failure !== undefined);
      finishIfOver();
    });
    open.add(session);
  };
  const startPlace = () => {
    if (isOver()) return;
    start((hasFailed) => {
      if (hasFailed) setTimeout(startPlace, pauseAfterFailureMs);
      else startPlace();
    });
  };
  const startArrivals = (/** @type {number} */ perSecond) => {
    if (isOver()) return;
    start(() => undefined);
    setTimeout(startArrivals, (-Math.log(1 - Math.random()) / perSecond) * 1_000, perSecond);
  };

  if (order.perSecond === undefined) for (let n = 0; n < order.concurrency; n++) startPlace();
  else startArrivals(order.perSecond);
});
const seconds = (performance.now() - startMs) / 1_000;
const sorted = latencies.subarray(0, counts.succeeded).sort();

process.send?.({
  figures: {
    ...counts,
    failures: Object.fromEntries(failures),
    succeededBeforeFirstFailure,
    seconds,
    sessionsPerSecond: counts.succeeded / seconds,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
  },
});
process.disconnect?.();

/** At a rate it is anybody, so that a user's pauses differ as they do in real life. */
function pickUser() {
  const { users, perSecond } = order;
  const user = perSecond === undefined ? absent.shift() : users[Math.floor(Math.random() * users.length)];
  if (user === undefined) throw new Error('every user has a session: fewer at a time, or more users');
  return user;
}

/**
 * @param {number} latencyMs
 * @param {string | undefined} failure
 */
function note(latencyMs, failure) {
  if (failure === undefined) {
    latencies[counts.succeeded] = latencyMs;
    counts.succeeded += 1;
    return;
  }
  succeededBeforeFirstFailure ??= counts.succeeded;
  counts.failed += 1;
  if (failure.endsWith(': EADDRNOTAVAIL')) counts.addressNotAvailable += 1;
  failures.set(failure, (failures.get(failure) ?? 0) + 1);
}
