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
  const direct = await measureDirect(stage, options, 'directly', await stage.startRelay(relay));
  /** @type {import('../measure-proxy.mjs').ProxyRun[]} */
  const proxied = [];
  const load = { sessions: stage.range.ports + refusedPorts, concurrency, perSecond };
  for (const ttl of ttls) {
    const upstream = await stage.startRelay(relay);
    const settings = { MAILBOX_CACHE_TTL: ttl };
    proxied.push(await measureProxy(stage, { label: `MAILBOX_CACHE_TTL=${ttl}`, upstream, settings, load }));
  }
  const runs = [direct, ...proxied];
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
    remarks: [
      ...runs.flatMap(({ label, failures }) =>
        Object.entries(failures).map(([reason, times]) => `${label}: ${times} × ${reason}`),
      ),
      ...proxied.flatMap(({ label, warnings }) => warningRemarks(label, warnings)),
      ...proxied.slice(0, 1).map(curveRemark),
    ],
    runs,
  };
}

/**
 * @param {string} label
 * @param {import('../proxy.mjs').Warning[]} warnings
 */
function warningRemarks(label, warnings) {
  const first = new Map(
    warnings.map(({ text, seconds }) => /** @type {const} */ ([text, seconds])).reverse(),
  );
  return [...first].map(
    ([text, seconds]) => `${label}: its log warns after ${seconds.toFixed(1)} s: ${text}`,
  );
}

/** @param {import('../measure-proxy.mjs').ProxyRun} run */
function curveRemark({ label, portReport: { advice } }) {
  const figures = advice.curve.map(
    ({ upstreamLoginsPerSecond, timeWaitPorts, heldConnections }) =>
      `${upstreamLoginsPerSecond.toFixed(1)} logins a second, ${timeWaitPorts.toFixed(0)} ports in TIME_WAIT, ${heldConnections.toFixed(0)} connections idle`,
  );
  const points = advice.curve.flatMap(({ ttlMs }, at) =>
    figures[at] === figures[at - 1] ? [] : [`\n  ${ttlMs / 1_000} s: ${figures[at]}`],
  );
  const { recommendedTtlMs } = advice;
  const recommended = recommendedTtlMs === undefined ? 'nothing yet' : `${recommendedTtlMs / 1_000} s`;
  return `${label}: /api/ports recommends ${recommended}, because on average there would be with a MAILBOX_CACHE_TTL of${points.join('')}`;
}
