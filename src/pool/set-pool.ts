/** Owns connections that any session of a kind may use, since they are alike: their slots, and which are idle. */

import { SlotPool } from './slot-pool.js';

/** What is known here of a connection. */
export interface Poolable {
  readonly connection: { readonly isUsable: boolean };
  /** Runs while the connection is asked whether it still lives. */
  readonly proof: Promise<boolean> | undefined;
}

/** A place for one connection: empty when new, and useless when what stands in it is closed. */
export interface Slot<P> {
  pooled: P | undefined;
}

/** What makes connections of one identity differ for those who want one. */
export interface SetKey {
  /** As in `EnableRequest`; empty if nothing is enabled. */
  readonly set: string;
  /** The fingerprint of the token that opened them, and that alone says whose they are; empty for passwords. */
  readonly token: string;
}

export interface SetPoolOptions<P> {
  /** How often idle connections are looked at; milliseconds. */
  readonly sweepIntervalMs: number;
  /** Whether an idle connection is to go now. */
  readonly isExpired: (pooled: P) => boolean;
  /** The slot has left the pool. */
  readonly onDropped: (pooled: P) => void;
  readonly reportFault: (error: unknown) => void;
}

export class SetPool<P extends Poolable> {
  readonly set: string;
  readonly token: string;
  readonly slots: SlotPool<Slot<P>>;
  /** Idle connections that are promised, and not taken yet. */
  promised = 0;
  /** Not promised or promised; the longest idle first. */
  readonly idle = new Set<P>();
  /** Connections that stand here, from when they come to the end of their closing. */
  readonly connections = new Set<P>();

  constructor({ set, token }: SetKey, options: SetPoolOptions<P>) {
    this.set = set;
    this.token = token;
    this.slots = new SlotPool<Slot<P>>({
      createSlot: () => ({ pooled: undefined }),
      // While it is being proven it is not usable, and whoever takes it waits for the proof.
      isUsable: ({ pooled }) =>
        pooled !== undefined &&
        (pooled.proof !== undefined || pooled.connection.isUsable) &&
        !options.isExpired(pooled),
      isExpired: ({ pooled }) =>
        pooled === undefined ||
        (pooled.proof === undefined && !pooled.connection.isUsable) ||
        options.isExpired(pooled),
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

  /** Nothing stands here, and nobody is about to take anything. */
  get isEmpty(): boolean {
    return this.connections.size === 0 && this.promised === 0;
  }
}
