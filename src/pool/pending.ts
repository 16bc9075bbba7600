/** Owns what is known of a request between its arrival and its connection. */

import type { UpstreamConnection } from '../upstream/connection.js';
import type { IdentityPool, PooledConnection } from './identity-pool.js';
import type { LeaseRequest } from './pool-options.js';

/** A request on its way to a connection. */
export interface Pending {
  readonly pool: IdentityPool;
  /** Opens a connection for it, or has it already: one that has just logged in. */
  readonly source: { readonly open: LeaseRequest['open'] } | { readonly verified: UpstreamConnection };
  readonly signal: AbortSignal | undefined;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  /** Whether it rather waits for a connection that is just being reset than have another one opened. */
  isPatient: boolean;
  /** Set when the request is granted. */
  lending?: Promise<PooledConnection>;
  /** The idle connection that was closed to make room for this request: one at a time. */
  evicted?: PooledConnection;
}

/** The connection of a request that was granted. */
export async function granted(pending: Pending): Promise<PooledConnection> {
  if (pending.lending === undefined) throw new Error('a request left the queue without a grant');
  return pending.lending;
}
