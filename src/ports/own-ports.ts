/** Owns the count of the ports that our own connections take, from their opening to the end of TIME_WAIT. */

import { performance } from 'node:perf_hooks';

import type { PortUse } from './socket-tally.js';

/** Who ended a connection first: `local` is what leaves TIME_WAIT on this host. */
export type PortCloser = 'local' | 'remote';

export interface OwnPortsOptions {
  /** How long a port is taken after we closed first. */
  readonly timeWaitMs: number;
  /** @defaultValue the monotonic clock, in milliseconds */
  readonly now?: () => number;
}

const BUCKET_MS = 1_000;

/**
 * Works on every system, and knows of no other process. Ports in TIME_WAIT are counted by the second in which they
 * were closed, so the memory is the same for any rate; one of them is forgotten up to a second late, never early.
 */
export class OwnPorts {
  readonly #now: () => number;
  /** A ring: how many were closed in each of the last seconds. */
  readonly #buckets: Uint32Array;
  #open = 0;
  #timeWait = 0;
  /** The second up to which everything older than TIME_WAIT has been forgotten. */
  #second: number;

  constructor(options: OwnPortsOptions) {
    this.#now = options.now ?? (() => performance.now());
    this.#buckets = new Uint32Array(Math.ceil(options.timeWaitMs / BUCKET_MS) + 1);
    this.#second = this.#currentSecond();
  }

  /** A connection is being opened: it takes its port before the server has answered. */
  opened(): void {
    this.#open += 1;
  }

  /**
   * Once for each `opened`.
   *
   * @param closer - `remote` too for an attempt that failed, and for a connection that was reset: they leave no
   *   TIME_WAIT here
   */
  closed(closer: PortCloser): void {
    this.#open -= 1;
    if (closer === 'remote') return;
    const second = this.#forget();
    const at = this.#slot(second);
    this.#buckets[at] = (this.#buckets[at] ?? 0) + 1;
    this.#timeWait += 1;
  }

  /** What is taken now. */
  get use(): PortUse {
    this.#forget();
    return { open: this.#open, timeWait: this.#timeWait };
  }

  /** The ring has a slot for each second of TIME_WAIT and one for the present: reusing a slot is forgetting it. */
  #forget(): number {
    const second = this.#currentSecond();
    const oldest = second - this.#buckets.length;
    for (let passed = Math.max(this.#second, oldest) + 1; passed <= second; passed += 1) {
      const at = this.#slot(passed);
      this.#timeWait -= this.#buckets[at] ?? 0;
      this.#buckets[at] = 0;
    }
    this.#second = second;
    return second;
  }

  #slot(second: number): number {
    return second % this.#buckets.length;
  }

  #currentSecond(): number {
    return Math.floor(this.#now() / BUCKET_MS);
  }
}
