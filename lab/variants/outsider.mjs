// @ts-check
// Owns the question what users notice when another process of the host has taken every port towards the server.

import { setTimeout as delay } from 'node:timers/promises';
import { measure } from '../measure.mjs';
import { exhaustPorts } from '../outsider.mjs';

const calmTimeoutMs = 60_000;
const pollIntervalMs = 100;
/** By the proxy, and without it. */
const refusal = /NO \[UNAVAILABLE\] .*\b[Pp]orts? towards the mail server|^connect: EADDRNOTAVAIL$/;

/**
 * @param {import('../stage.mjs').Stage} stage
 * @param {import('../variants.mjs').VariantOptions} options
 * @returns {Promise<import('../variants.mjs').VariantResult>}
 */
export async function runOutsider(stage, { concurrency, isShort }) {
  const upstream = stage.claimEndpoint();
  const proxy = await stage.startProxy(upstream, { LOG_LEVEL: 'fatal' });
  const warmSessions = isShort ? 500 : 5_000;
  const run = (
    /** @type {string} */ label,
    /** @type {string[]} */ users,
    /** @type {number} */ sessions,
    /** @type {import('../session.mjs').Target} */ target,
  ) => measure(stage, { label, upstream, order: { target, users, sessions, concurrency } });

  const { users, otherUsers } = stage;
  const warmUp = await run('warm-up, before the outsider', users, users.length * 4, proxy.unix);
  const outsider = await exhaustPorts(upstream);
  const short = [];
  try {
    short.push(await run('warm users, no port left', users, warmSessions, proxy.unix));
    short.push(await run('cold users, no port left', otherUsers, otherUsers.length, proxy.unix));
    short.push(await run('directly, no port left', users, users.length, upstream));
    short.push(await run('warm users, after the cold ones', users, warmSessions, proxy.unix));
  } finally {
    await outsider.stop();
  }
  const calmSeconds = await untilCalm(proxy);
  const calm = await run('cold users, ports free again', otherUsers, otherUsers.length, proxy.unix);
  await proxy.stop();
  const runs = [warmUp, ...short, calm];
  const [warm, cold, direct, warmAgain] = short;
  return {
    title: 'Ports used up from outside',
    conditions: `Another process of the client host connects to the same address and port of the server until connect() fails
with EADDRNOTAVAIL, and holds what it has got: ${outsider.held()} of ${stage.range.ports} ports. Warm users have a connection in the pool, cold ones don't.
The ports were free again ${calmSeconds.toFixed(1)} s before the last row: so long the proxy still opened no connection.`,
    head: ['', 'sessions', 'succeeded', 'failed', 'p50 ms', 'p99 ms', 'logins', 'ports in use (most)'],
    rows: runs.map((each) => [
      each.label,
      each.started,
      each.succeeded,
      each.failed,
      each.p50Ms ?? NaN,
      each.p99Ms ?? NaN,
      each.upstreamLogins,
      each.mostPorts,
    ]),
    remarks: runs.flatMap(({ label, failures }) =>
      Object.entries(failures).map(([reason, times]) => `${label}: ${times} × ${reason}`),
    ),
    verdicts: [...[warmUp, warm, warmAgain, calm].map(allSucceed), ...[cold, direct].map(allAreRefused)],
    runs,
  };
}

/**
 * @param {import('../measure.mjs').Run} run
 * @returns {import('../verdicts.mjs').Verdict}
 */
function allSucceed({ label, started, succeeded }) {
  return {
    claim: `ports used up from outside: ${label}: every session succeeds`,
    measured: `${succeeded} of ${started}`,
    holds: succeeded === started,
  };
}

/**
 * @param {import('../measure.mjs').Run} run
 * @returns {import('../verdicts.mjs').Verdict}
 */
function allAreRefused({ label, started, failures }) {
  const refused = Object.entries(failures).filter(([reason]) => refusal.test(reason));
  const times = refused.reduce((sum, [, count]) => sum + count, 0);
  return {
    claim: `ports used up from outside: ${label}: every session hears that there is no port`,
    measured: `${times} of ${started}`,
    holds: times === started,
  };
}

/**
 * @param {import('../stage.mjs').RunningProxy} proxy
 * @returns {Promise<number>} after how many seconds it didn't think any more that ports are short
 */
async function untilCalm(proxy) {
  const startMs = performance.now();
  while ((await proxy.metric('imapbouncer_port_pressure')) > 0) {
    if (performance.now() - startMs > calmTimeoutMs)
      throw new Error(`ports are free, and short for the proxy after ${calmTimeoutMs / 1_000} s`);
    await delay(pollIntervalMs);
  }
  return (performance.now() - startMs) / 1_000;
}
