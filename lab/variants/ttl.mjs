// @ts-check
// Owns the question what MAILBOX_CACHE_TTL costs and saves in front of a server that closes first after LOGOUT.

import { measureProxy } from '../measure-proxy.mjs';

const ttls = ['0', '1s', '5m'];
const perSecond = 100;

/**
 * @param {import('../stage.mjs').Stage} stage
 * @param {import('../variants.mjs').VariantOptions} options
 * @returns {Promise<import('../variants.mjs').VariantResult>}
 */
export async function runTtl(stage, { isShort, concurrency }) {
  const load = { sessions: isShort ? 400 : 3_000, concurrency, perSecond };
  const runs = [];
  for (const ttl of ttls) {
    const settings = { MAILBOX_CACHE_TTL: ttl };
    runs.push(await measureProxy(stage, { label: `MAILBOX_CACHE_TTL=${ttl}`, settings, load }));
  }
  return {
    title: 'MAILBOX_CACHE_TTL, in front of Dovecot',
    conditions: `${load.sessions} sessions each by Unix socket, ${perSecond} a second at random moments, of ${stage.users.length} users
at random: a user comes every ${stage.users.length / perSecond} s on average. The proxy says LOGOUT and lets Dovecot close first.`,
    head: [
      '',
      'failed',
      'p50 ms',
      'p99 ms',
      'logins',
      'ports (most)',
      'TIME_WAIT (most)',
      "the server's TIME_WAIT",
    ],
    rows: runs.map((run) => [
      run.label,
      run.failed,
      run.p50Ms ?? NaN,
      run.p99Ms ?? NaN,
      run.upstreamLogins,
      run.mostInUse,
      run.mostTimeWait,
      run.serverTimeWait,
    ]),
    remarks: [],
    runs,
  };
}
