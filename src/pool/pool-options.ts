/** Owns what the pools are told from outside: their limits, the server they use, and who hears of what they do. */

import type { ProxyError } from '../errors.js';
import type { Identity } from '../identity.js';
import type { Leaving, UpstreamConnection } from '../upstream/connection.js';
import type { ResetOutcome } from '../upstream/reset.js';

export interface PoolOptions {
  /** How long a connection may sit idle; 0: it is closed at release. */
  readonly mailboxCacheTtlMs: number;
  readonly maxConnections: number;
  readonly maxConnectionsPerUser: number;
  /** After so many leases a connection is retired; 0: never. */
  readonly maxLeasesPerConnection: number;
  /** A connection about this old (10 % jitter) is retired; 0: never. */
  readonly maxAgeMs: number;
  readonly acquireTimeoutMs: number;
  readonly acquireMaxWaiting: number;
  /** How long what a client left running may take to end; 0: such a connection is discarded at once. */
  readonly releaseTimeoutMs: number;
}

/** What the pools need of the server, injected so that they don't speak IMAP. */
export interface PoolUpstream {
  reset(connection: UpstreamConnection, leaving: Leaving, timeoutMs: number): Promise<ResetOutcome>;
}

export interface PoolEvents {
  onLeased(isReuse: boolean, waitedMs: number): void;
  onLeaseEnded(heldMs: number): void;
  onRejected(error: ProxyError): void;
  onReset(outcome: ResetOutcome): void;
  /** A defect of our own; nothing depends on what is done with it. */
  onFault(error: unknown): void;
}

export interface LeaseRequest {
  readonly identity: Identity;
  /** Opens a connection and logs in as the identity; not called any more once the request is settled. */
  readonly open: () => Promise<UpstreamConnection>;
  /** Aborted when the client has gone. */
  readonly signal?: AbortSignal;
}

/** How many connections are in which state, at this moment. */
export interface PoolSnapshot {
  readonly pools: number;
  readonly connecting: number;
  readonly idle: number;
  readonly leased: number;
  readonly resetting: number;
  readonly closing: number;
  readonly waiting: number;
  readonly longestWaitMs: number;
}
