// The proxy's settings for random clients, and what may not be left of it when they have gone.

import type { KillingRelay } from './killing-relay.js';

/** Few connections, all of them short-lived in every sense: they change hands as often as they can. */
export const crosstalkSettings: Readonly<Record<string, string>> = {
  UPSTREAM_MAX_CONNECTIONS: '60',
  UPSTREAM_MAX_CONNECTIONS_PER_USER: '4',
  UPSTREAM_MAX_LEASES_PER_CONNECTION: '200',
  UPSTREAM_MAX_AGE: '10s',
  MAILBOX_CACHE_TTL: '2s',
  AUTH_CACHE_TTL: '15s',
  PROBE_AFTER: '100ms',
  KEEPALIVE_INTERVAL: '1s',
  ACQUIRE_TIMEOUT: '25s',
  LOG_LEVEL: 'warn',
};

type Metric = (name: string, labels?: Readonly<Record<string, string>>) => Promise<number>;

/** What is left though all clients have gone, in words. */
export async function leftovers(metric: Metric, relay: KillingRelay): Promise<string[]> {
  const [sessions, waiters, leased, resetting, live, opened, closed] = await Promise.all([
    metric('imapbouncer_client_connections'),
    metric('imapbouncer_lease_waiters'),
    metric('imapbouncer_upstream_connections', { state: 'leased' }),
    metric('imapbouncer_upstream_connections', { state: 'resetting' }),
    metric('imapbouncer_upstream_connections'),
    metric('imapbouncer_upstream_connections_opened_total'),
    metric('imapbouncer_upstream_connections_closed_total'),
  ]);
  const left = { sessions, waiters, leased, resetting };
  return [
    ...Object.entries(left).flatMap(([what, count]) => (count === 0 ? [] : [`${count} ${what}`])),
    ...(opened === closed + live ? [] : [`${opened} opened, ${closed} closed, ${live} live`]),
    ...(relay.open === live ? [] : [`${relay.open} connections through the relay, ${live} live`]),
  ];
}
