/** Owns generic-pool: the places of connections that are alike, lent last-in-first-out and swept when idle. */

import genericPool from 'generic-pool';
import type { Factory, Options, Pool } from 'generic-pool';

/**
 * The pool lends places, not connections: a place is made at once and can't fail, so `create` never rejects and
 * never hangs (a rejecting one is retried without end, a hanging one keeps its place for ever). What stands in a
 * place is the borrower's business.
 */
export interface SlotPoolOptions<S> {
  readonly createSlot: () => S;
  /** Whether the slot may be lent; an unusable one is dropped when it is met. */
  readonly isUsable: (slot: S) => boolean;
  /** Whether an idle slot is to go now; asked on every sweep. */
  readonly isExpired: (slot: S) => boolean;
  /** The slot has left the pool: close what stands in it. Must not throw. */
  readonly onDropped: (slot: S) => void;
  /** How often idle slots are looked at; milliseconds. */
  readonly sweepIntervalMs: number;
  /** Hears of a slot that was given back twice: a defect of our own. */
  readonly reportFault: (error: unknown) => void;
}

/** The caps are counted outside, until each socket is really gone; at this one an acquire would wait for ever. */
const UNBOUNDED = 1_000_000;

interface IdleItem<S> {
  readonly obj: S;
}
/** The constructor that the bundled types leave out: `createPool` fixes the evictor, which goes by the wall clock. */
type PoolConstructor = new <S>(
  evictor: new () => { evict(config: unknown, item: IdleItem<S>): boolean },
  deque: unknown,
  priorityQueue: unknown,
  factory: Factory<S>,
  options: Options,
) => Pool<S>;
const parts = genericPool as unknown as { Pool: PoolConstructor; Deque: unknown; PriorityQueue: unknown };

export class SlotPool<S extends object> {
  readonly #pool: Pool<S>;
  readonly #isUsable: (slot: S) => boolean;
  readonly #reportFault: (error: unknown) => void;
  readonly #fresh = new WeakSet<S>();
  #renewal: Promise<S> | undefined;

  constructor(options: SlotPoolOptions<S>) {
    const fresh = this.#fresh;
    this.#isUsable = options.isUsable;
    this.#reportFault = options.reportFault;
    this.#pool = new parts.Pool<S>(
      class {
        evict(_config: unknown, item: IdleItem<S>): boolean {
          return fresh.has(item.obj) || options.isExpired(item.obj);
        }
      },
      parts.Deque,
      parts.PriorityQueue,
      {
        create: () => {
          const slot = options.createSlot();
          fresh.add(slot);
          return Promise.resolve(slot);
        },
        destroy: (slot) => {
          options.onDropped(slot);
          return Promise.resolve();
        },
      },
      {
        max: UNBOUNDED,
        fifo: false,
        evictionRunIntervalMillis: options.sweepIntervalMs,
        numTestsPerEvictionRun: UNBOUNDED,
      },
    );
  }

  /**
   * Lends the slot that was given back last, or a new one if there is none. The caller must {@link give} it back or
   * {@link drop} it, once.
   */
  async take(): Promise<S> {
    while (this.#renewal !== undefined) await this.#renewal;
    for (;;) {
      const slot = await this.#pool.acquire();
      // More new slots than needed are made when one is given back meanwhile: they give way to used ones.
      const isSurplus = this.#fresh.has(slot) && this.#pool.available > 0;
      if (!isSurplus && (this.#fresh.has(slot) || this.#isUsable(slot))) {
        this.#fresh.delete(slot);
        return slot;
      }
      await this.#pool.destroy(slot);
    }
  }

  /** Lends a new slot even if used ones are idle; their order stays. */
  async takeNew(): Promise<S> {
    // Used ones are lent for a moment: nobody may look for them meanwhile.
    while (this.#renewal !== undefined) await this.#renewal;
    const renewal = this.#renew();
    this.#renewal = renewal;
    const slot = await renewal;
    this.#renewal = undefined;
    return slot;
  }

  async #renew(): Promise<S> {
    const used: S[] = [];
    for (;;) {
      const slot = await this.#pool.acquire();
      if (this.#fresh.delete(slot)) {
        for (const idle of used.reverse()) this.give(idle);
        return slot;
      }
      if (this.#isUsable(slot)) used.push(slot);
      else await this.#pool.destroy(slot);
    }
  }

  give(slot: S): void {
    this.#pool.release(slot).catch(this.#reportFault);
  }

  drop(slot: S): void {
    this.#pool.destroy(slot).catch(this.#reportFault);
  }

  /** Ends the sweeps, and drops what is idle once nothing is lent. Nothing may be taken after this. */
  dispose(): void {
    this.#pool
      .drain()
      .then(() => this.#pool.clear())
      .catch(this.#reportFault);
  }
}
