/** Owns what is known of a request between its arrival and its connection. */

import type { ProxyError } from '../errors.js';
import type { UpstreamConnection } from '../upstream/connection.js';
import type { EnableRequest } from '../wire/enable.js';
import type { IdentityPool, PooledConnection } from './identity-pool.js';
import type { Lent } from './lease-book.js';

/** A connection that has just logged in. */
export interface Verified {
  readonly verified: UpstreamConnection;
  /** The generation of connections in which its login began. */
  readonly startedIn: number;
}

/** Where a connection may come from if none is idle. */
export type Source =
  /** A login; undefined if the credentials aren't there any more. */
  { readonly open: (() => Promise<UpstreamConnection>) | undefined } | Verified;

/** A request on its way to a connection. */
export interface Pending {
  readonly pool: IdentityPool;
  readonly source: Source;
  /** Which credentials a new connection is opened with. */
  readonly credential: object;
  /** As in `SetKey`. */
  readonly token: string;
  /** What is to be enabled on the connection. */
  readonly enable: EnableRequest | undefined;
  readonly signal: AbortSignal | undefined;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  /** Until then it rather waits for a connection that is just being reset than have another one opened. */
  readonly patientUntil: number;
  /** How long it was in the queue, logins not counted; milliseconds. */
  waitedMs: number;
  /** Whether a connection has died of what was to be enabled on it. */
  hasFailedToEnable?: boolean;
  /** Set when the request is granted. */
  lending?: Promise<Lent>;
  /** Set when it is no use to wait; whoever waits for the grant hears of it. */
  refusal?: ProxyError;
  /** The idle connection that was closed to make room for this request: one at a time. */
  evicted?: PooledConnection;
  /** How many connections the identity had when {@link evicted} was closed: with fewer, this request may replace it. */
  connectionsBefore?: number;
}

/** The connection of a request that was granted. */
export async function granted(pending: Pending): Promise<Lent> {
  if (pending.refusal !== undefined) throw pending.refusal;
  if (pending.lending === undefined) throw new Error('a request left the queue without a grant');
  return pending.lending;
}
