/** Owns the connections of one identity on which the same extensions are enabled: their slots, and which are idle. */

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
  /** As in `EnableRequest`; empty if nothing is enabled. */
  readonly set: string;
  readonly slots: SlotPool<Slot<P>>;
  /** Idle connections that are promised, and not taken yet. */
  promised = 0;
  /** Not promised or promised; the longest idle first. */
  readonly idle = new Set<P>();

  constructor(set: string, options: SetPoolOptions<P>) {
    this.set = set;
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
}
