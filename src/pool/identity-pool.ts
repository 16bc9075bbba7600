/** Owns the connections of one identity: their slots, how many there are, and which are idle. */

import type { Identity } from '../identity.js';
import type { UpstreamConnection } from '../upstream/connection.js';
import { SlotPool } from './slot-pool.js';

/** More logins at once for one identity only make a server suspicious. */
const MAX_OPENING = 2;
/** Until one has succeeded: if the password was changed meanwhile, finding that out is to cost one attempt. */
const MAX_OPENING_UNPROVEN = 1;

/** An upstream connection from its login to the end of its socket, with what decides its retirement. */
export interface PooledConnection {
  readonly connection: UpstreamConnection;
  readonly pool: IdentityPool;
  /** Where it stands. */
  readonly slot: Slot;
  /** When it is too old to be lent again; monotonic milliseconds. */
  readonly retireAt: number;
  /** When it was given back last; monotonic milliseconds. */
  idleSince: number;
  /** How many leases it has had. */
  leases: number;
}

/** A place for one connection: empty when new, and useless when what stands in it is closed. */
export interface Slot {
  pooled: PooledConnection | undefined;
}

export interface IdentityPoolOptions {
  readonly identity: Identity;
  /** How often idle connections are looked at; milliseconds. */
  readonly sweepIntervalMs: number;
  /** Whether an idle connection is to go now. */
  readonly isExpired: (pooled: PooledConnection) => boolean;
  /** The slot has left the pool. */
  readonly onDropped: (pooled: PooledConnection) => void;
  readonly reportFault: (error: unknown) => void;
}

/**
 * Generic-pool takes a connection for gone when it begins to close. Here it counts until its socket is gone, since
 * the server and the kernel count it that long, too.
 */
export class IdentityPool {
  readonly identity: Identity;
  readonly slots: SlotPool<Slot>;
  /** Connections from the start of their opening to the end of their closing. */
  connections = 0;
  /** Connections that are being opened. */
  opening = 0;
  /** Connections that are only a round trip away from being idle. */
  returning = 0;
  /** Idle connections that are promised, and not taken yet. */
  promised = 0;
  /** Not promised or promised; the longest idle first. */
  readonly idle = new Set<PooledConnection>();

  constructor(options: IdentityPoolOptions) {
    this.identity = options.identity;
    this.slots = new SlotPool<Slot>({
      createSlot: () => ({ pooled: undefined }),
      isUsable: ({ pooled }) => pooled?.connection.isUsable === true && !options.isExpired(pooled),
      isExpired: ({ pooled }) => pooled?.connection.isUsable !== true || options.isExpired(pooled),
      onDropped: ({ pooled }) => {
        if (pooled !== undefined) options.onDropped(pooled);
      },
      sweepIntervalMs: options.sweepIntervalMs,
      reportFault: options.reportFault,
    });
  }

  /** Whether an idle connection is free to be promised. */
  get hasIdle(): boolean {
    return this.idle.size > this.promised;
  }

  /** Whether one more login may be under way. */
  get mayOpen(): boolean {
    const isProven = this.connections > this.opening;
    return this.opening < (isProven ? MAX_OPENING : MAX_OPENING_UNPROVEN);
  }

  /** Nothing is left and nothing is under way: the pool may be forgotten. */
  get isEmpty(): boolean {
    return this.connections === 0 && this.promised === 0;
  }
}
