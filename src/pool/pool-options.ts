/** Owns what the pools are told from outside: their limits, the server they use, and who hears of what they do. */

import type { ProxyError } from '../errors.js';
import type { Identity } from '../identity.js';
import type { Leaving, UpstreamConnection } from '../upstream/connection.js';
import type { ResetOutcome } from '../upstream/reset.js';
import type { EnableReply, EnableRequest } from '../wire/enable.js';

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
  /** Of the connections per user, how many no quiet session may hold while others wait. */
  readonly reservedPerUser: number;
  /** A connection that sat idle for longer is asked whether it lives before it is lent; 0: always. */
  readonly probeAfterMs: number;
  /** How often an idle connection is asked; 0: never. */
  readonly keepaliveIntervalMs: number;
  /** How long what a client left running may take to end; 0: such a connection is discarded at once. */
  readonly releaseTimeoutMs: number;
}

/** What the pools need of the server, injected so that they don't speak IMAP. */
export interface PoolUpstream {
  reset(connection: UpstreamConnection, leaving: Leaving, timeoutMs: number): Promise<ResetOutcome>;
  enable(
    connection: UpstreamConnection,
    request: string,
    timeoutMs: number,
  ): Promise<EnableReply | undefined>;
}

/** Why the last connection of a pool went; the same strings are the `reason` label of the metric. */
export type PoolEviction = 'idle' | 'room' | 'credentials' | 'admin';

export interface PoolEvents {
  onLeased(identity: Identity, isReuse: boolean, waitedMs: number): void;
  /** A session has ended its lease, and another of the identity could use the connection. */
  onReturned(identity: Identity): void;
  /** A session got another connection for its lease. */
  onSwapped(identity: Identity): void;
  onLeaseEnded(heldMs: number): void;
  onRejected(error: ProxyError): void;
  onReset(outcome: ResetOutcome): void;
  onProbed(isAlive: boolean): void;
  onPoolCreated(): void;
  onPoolEvicted(reason: PoolEviction): void;
  /** Others waited for what quiet sessions held: so many of them give it back. */
  onReclaimed(identity: Identity, count: number): void;
  /** A defect of our own; nothing depends on what is done with it. */
  onFault(error: unknown): void;
}

export interface LeaseRequest {
  readonly identity: Identity;
  /** Which credentials `open` uses; compared by identity. */
  readonly credential: object;
  /** As in `SetKey`; none for passwords. */
  readonly token?: string | undefined;
  /**
   * Opens a connection and logs in as the identity; not called any more once the request is settled. Undefined if the
   * credentials aren't there any more: then only a connection that is there already will do.
   */
  readonly open: (() => Promise<UpstreamConnection>) | undefined;
  /** What the session wants enabled; only a connection with exactly that is lent, if the server can enable it. */
  readonly enable?: EnableRequest | undefined;
  /** Whether the session had a lease before. */
  readonly isSwap?: boolean;
  /** Aborted when the client has gone. */
  readonly signal?: AbortSignal | undefined;
}

/** How many connections are in which state, at this moment. */
export interface PoolSnapshot {
  readonly pools: number;
  readonly connecting: number;
  readonly idle: number;
  readonly leased: number;
  readonly resetting: number;
  readonly probing: number;
  readonly closing: number;
  /** Leases of sessions that are in IDLE, or quiet for more than a minute. */
  readonly quiet: number;
  readonly waiting: number;
  readonly longestWaitMs: number;
}
