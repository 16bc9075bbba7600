/** Owns leases from their beginning to their end: a connection comes back only after it was proven clean. */

import type { CloseReason, Leaving } from '../upstream/connection.js';
import type { Census } from './census.js';
import type { PooledConnection } from './identity-pool.js';
import { Lease } from './lease.js';
import type { PoolEvents, PoolUpstream } from './pool-options.js';
import type { RetirementPolicy } from './retirement.js';

/** For the barrier alone, where RELEASE_TIMEOUT=0 lets nothing run on; milliseconds. */
const BARRIER_TIMEOUT_MS = 5_000;

export interface LeaseBookOptions {
  readonly census: Census;
  readonly retirement: RetirementPolicy;
  readonly upstream: Pick<PoolUpstream, 'reset'>;
  readonly events: PoolEvents;
  readonly now: () => number;
  readonly releaseTimeoutMs: number;
  /** Whether nothing is kept any more. */
  readonly isDraining: () => boolean;
  /** A connection has become idle, or one that was to come back did not: somebody may be served. */
  readonly onReturned: () => void;
}

export class LeaseBook {
  readonly #options: LeaseBookOptions;

  constructor(options: LeaseBookOptions) {
    this.#options = options;
  }

  /** @param waitedMs - how long the client waited for it */
  begin(pooled: PooledConnection, waitedMs: number): Lease {
    const { census, events, now } = this.#options;
    const isReuse = pooled.leases > 0;
    const startedAt = now();
    pooled.leases += 1;
    census.begin('leased');
    events.onLeased(isReuse, waitedMs);
    const ended = (): void => {
      census.end('leased');
      events.onLeaseEnded(now() - startedAt);
    };
    return new Lease(pooled.connection, isReuse, {
      released: (lease, leaving) => {
        ended();
        void this.#release(pooled, lease, leaving);
      },
      discarded: (_lease, reason) => {
        ended();
        this.#giveUp(pooled, reason);
      },
    });
  }

  async #release(pooled: PooledConnection, lease: Lease, leaving: Leaving): Promise<void> {
    const reason = lease.isDirty ? 'dirty' : this.#reason(pooled);
    if (reason !== undefined) this.#close(pooled, reason);
    else if (lease.isPristine || (await this.#reset(pooled, leaving))) this.#keep(pooled);
    else this.#giveUp(pooled, 'reset');
    this.#options.onReturned();
  }

  #reason(pooled: PooledConnection): CloseReason | undefined {
    return this.#options.isDraining() ? 'drain' : this.#options.retirement.reasonAtRelease(pooled);
  }

  #keep(pooled: PooledConnection): void {
    const { connection, pool, slot } = pooled;
    const reason = this.#reason(pooled);
    if (reason !== undefined || !connection.isUsable) {
      this.#close(pooled, reason ?? 'dirty');
      return;
    }
    connection.detach();
    pooled.idleSince = this.#options.now();
    this.#options.census.nowIdle(pooled);
    pool.slots.give(slot);
  }

  async #reset({ connection, pool }: PooledConnection, leaving: Leaving): Promise<boolean> {
    const { census, events, upstream, releaseTimeoutMs } = this.#options;
    const isBarrierOnly = connection.isQuiet && leaving.idle === undefined;
    if (releaseTimeoutMs === 0 && !isBarrierOnly) return false;
    census.begin('resetting');
    if (isBarrierOnly) pool.returning += 1;
    const timeoutMs = releaseTimeoutMs === 0 ? BARRIER_TIMEOUT_MS : releaseTimeoutMs;
    const outcome = await upstream.reset(connection, leaving, timeoutMs);
    if (isBarrierOnly) pool.returning -= 1;
    census.end('resetting');
    events.onReset(outcome);
    return outcome === 'clean';
  }

  /** In good order where that is possible, else at once. */
  #close({ connection, pool, slot }: PooledConnection, reason: CloseReason): void {
    connection.close(reason);
    pool.slots.drop(slot);
  }

  #giveUp({ connection, pool, slot }: PooledConnection, reason: CloseReason): void {
    connection.destroy(reason);
    pool.slots.drop(slot);
  }
}
