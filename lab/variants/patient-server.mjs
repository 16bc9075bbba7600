// @ts-check
// Owns the question what happens in front of a server that never closes first, so that TIME_WAIT is always the client's.

import { measureDirect } from '../churn.mjs';
import { measureProxy } from '../measure-proxy.mjs';

const ttls = ['0', '1s', '5m'];
const perSecond = 150;
const relay = { isPatient: true, delayMs: 0 };

/**
 * @param {import('../stage.mjs').Stage} stage
 * @param {import('../variants.mjs').VariantOptions} options
 * @returns {Promise<import('../variants.mjs').VariantResult>}
 */
export async function runPatientServer(stage, options) {
  const { refusedPorts, concurrency } = options;
  const runs = [await measureDirect(stage, options, 'directly', await stage.startRelay(relay))];
  const load = { sessions: stage.range.ports + refusedPorts, concurrency, perSecond };
  for (const ttl of ttls) {
    const upstream = await stage.startRelay(relay);
    const settings = { MAILBOX_CACHE_TTL: ttl };
    runs.push(await measureProxy(stage, { label: `MAILBOX_CACHE_TTL=${ttl}`, upstream, settings, load }));
  }
  return {
    title: 'A server that never closes first',
    conditions: `Dovecot behind a relay that waits for its client to close. Directly: ${concurrency} sessions at a time, until ${refusedPorts} found no
port. Through the proxy: ${load.sessions} sessions by Unix socket, ${perSecond} a second at random moments, of ${stage.users.length} users at random:
a user comes every ${(stage.users.length / perSecond).toFixed(2)} s on average. The proxy waits for a second after LOGOUT, and closes then.`,
    head: [
      '',
      'succeeded',
      'failed',
      'before the first failure',
      'logins',
      'ports in use (most)',
      'TIME_WAIT (most)',
      'after the proxy’s end',
      'p50 ms',
      'p99 ms',
    ],
    rows: runs.map((run) => [
      run.label,
      run.succeeded,
      run.failed,
      run.succeededBeforeFirstFailure ?? '-',
      run.upstreamLogins,
      run.mostInUse,
      run.duringLoad.mostTimeWait,
      run.mostTimeWait,
      run.p50Ms ?? NaN,
      run.p99Ms ?? NaN,
    ]),
    remarks: runs.flatMap(({ label, failures }) =>
      Object.entries(failures).map(([reason, times]) => `${label}: ${times} × ${reason}`),
    ),
    runs,
  };
}
