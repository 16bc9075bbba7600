// @ts-check
// Owns the question what a distant server changes: 20 ms more for each round trip, directly and through the proxy.

import { measure } from '../measure.mjs';
import { measureProxy } from '../measure-proxy.mjs';

const roundTripMs = 20;

/**
 * @param {import('../stage.mjs').Stage} stage
 * @param {import('../variants.mjs').VariantOptions} options
 * @returns {Promise<import('../variants.mjs').VariantResult>}
 */
export async function runDelay(stage, { concurrency, isShort }) {
  const load = { sessions: isShort ? 200 : 1_000, concurrency };
  const relay = { isPatient: false, delayMs: roundTripMs / 2 };
  const upstream = await stage.startRelay(relay);
  const order = { target: upstream, users: stage.users, ...load };
  const runs = [
    await measure(stage, { label: 'directly', upstream, order }),
    await measureProxy(stage, { label: 'proxy, Unix socket', upstream: await stage.startRelay(relay), load }),
  ];
  return {
    title: `A server ${roundTripMs} ms away`,
    conditions: `A relay on the server host passes everything on ${roundTripMs / 2} ms later, in both directions; netem would do the same, but not every
kernel has it. TCP's handshake is not delayed: in reality a session straight to the server takes ${roundTripMs} ms more.
${load.sessions} sessions each, ${concurrency} at a time, the proxy's first logins included.`,
    head: [
      '',
      'failed',
      'p50 ms',
      'p99 ms',
      'sessions/s',
      'logins',
      'ports in use (most)',
      'TIME_WAIT (most)',
    ],
    rows: runs.map((run) => [
      run.label,
      run.failed,
      run.p50Ms ?? NaN,
      run.p99Ms ?? NaN,
      run.sessionsPerSecond,
      run.upstreamLogins,
      run.mostInUse,
      run.mostTimeWait,
    ]),
    remarks: [],
    runs,
  };
}
