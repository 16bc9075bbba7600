/** Owns leases from their beginning to their end: a connection comes back only after it was proven clean. */

import type { CloseReason, Leaving } from '../upstream/connection.js';
import type { Census } from './census.js';
import { Lease } from './lease.js';
import type { Enabled } from './lease.js';
import type { PoolEvents, PoolUpstream } from './pool-options.js';
import type { RetirementPolicy } from './retirement.js';
import type { PooledConnection } from './identity-pool.js';

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

/** What a session is lent. */
export interface Lent {
  readonly pooled: PooledConnection;
  /** What was enabled for the session; undefined if it asked for nothing, or the server refused. */
  readonly enabled: Enabled | undefined;
}

export class LeaseBook {
  readonly #options: LeaseBookOptions;
  readonly #pooled = new Map<Lease, PooledConnection>();

  constructor(options: LeaseBookOptions) {
    this.#options = options;
  }

  /** Every lease that has not ended. */
  get leases(): Iterable<Lease> {
    return this.#pooled.keys();
  }

  /** The connection of a lease that has not ended. */
  pooledOf(lease: Lease): PooledConnection | undefined {
    return this.#pooled.get(lease);
  }

  begin({ pooled, enabled }: Lent): Lease {
    const { census, events, now } = this.#options;
    const { connection, place, leases } = pooled;
    const startedAt = now();
    pooled.leases += 1;
    census.begin('leased');
    const ended = (lease: Lease): void => {
      census.end('leased');
      this.#pooled.delete(lease);
      pooled.pool.leases.delete(lease);
      events.onLeaseEnded(now() - startedAt);
    };
    const lease = new Lease(
      { connection, isReuse: leases > 0, set: place.set.set, enabled },
      {
        released: (ending, leaving) => {
          ended(ending);
          void this.#release(pooled, ending, leaving);
        },
        discarded: (ending, reason) => {
          ended(ending);
          this.#giveUp(pooled, reason);
        },
      },
    );
    this.#pooled.set(lease, pooled);
    pooled.pool.leases.add(lease);
    return lease;
  }

  async #release(pooled: PooledConnection, lease: Lease, leaving: Leaving): Promise<void> {
    const { events, onReturned } = this.#options;
    if (!lease.isDirty) events.onReturned(pooled.pool.identity);
    const reason = lease.isDirty ? 'dirty' : this.#reason(pooled);
    if (reason !== undefined) this.#close(pooled, reason);
    else if (lease.isUntouched || (await this.#reset(pooled, leaving))) this.#keep(pooled);
    else this.#giveUp(pooled, 'reset');
    onReturned();
  }

  #reason(pooled: PooledConnection): CloseReason | undefined {
    return this.#options.isDraining() ? 'drain' : this.#options.retirement.reasonAtRelease(pooled);
  }

  #keep(pooled: PooledConnection): void {
    const { connection, place } = pooled;
    const reason = this.#reason(pooled);
    if (reason !== undefined || !connection.isUsable) {
      this.#close(pooled, reason ?? 'dirty');
      return;
    }
    connection.detach();
    pooled.idleSince = this.#options.now();
    this.#options.census.nowIdle(pooled);
    place.set.slots.give(place.slot);
  }

  async #reset(pooled: PooledConnection, leaving: Leaving): Promise<boolean> {
    const { connection, pool } = pooled;
    const { census, events, upstream, releaseTimeoutMs, now } = this.#options;
    const isBarrierOnly = connection.isQuiet && leaving.idle === undefined;
    if (releaseTimeoutMs === 0 && !isBarrierOnly) return false;
    census.begin('resetting');
    if (isBarrierOnly) pool.returning += 1;
    const timeoutMs = releaseTimeoutMs === 0 ? BARRIER_TIMEOUT_MS : releaseTimeoutMs;
    const outcome = await upstream.reset(connection, leaving, timeoutMs);
    if (isBarrierOnly) pool.returning -= 1;
    census.end('resetting');
    events.onReset(outcome);
    pooled.provenAt = now();
    return outcome === 'clean';
  }

  /** In good order where that is possible, else at once. */
  #close({ connection, place }: PooledConnection, reason: CloseReason): void {
    connection.close(reason);
    place.set.slots.drop(place.slot);
  }

  #giveUp({ connection, place }: PooledConnection, reason: CloseReason): void {
    // After its BYE the server closes by itself, and its side keeps the TIME_WAIT.
    if (connection.hasBye) connection.close(reason);
    else connection.destroy(reason);
    place.set.slots.drop(place.slot);
  }
}
