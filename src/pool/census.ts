/** Owns the counts of upstream connections over all identities, and the caps on them. */

import type { FairShare } from './fair-share.js';
import type { IdentityPool, PooledConnection } from './identity-pool.js';
import type { PoolOptions } from './pool-options.js';

type Caps = Pick<PoolOptions, 'maxConnections' | 'maxConnectionsPerUser'>;

/** What a connection that is neither idle nor closing is busy with. */
type Activity = 'connecting' | 'leased' | 'resetting' | 'probing';

/** A connection counts from the start of its opening to the end of its socket. */
export class Census {
  readonly #caps: Caps;
  readonly #open = new Set<PooledConnection>();
  readonly #idle = new Set<PooledConnection>();
  readonly #active: Record<Activity, number> = {
    connecting: 0,
    leased: 0,
    resetting: 0,
    probing: 0,
  };
  #connections = 0;

  constructor(caps: Caps) {
    this.#caps = caps;
  }

  get connections(): number {
    return this.#connections;
  }

  /** Connections that are being closed and still count. */
  get closing(): number {
    const { connecting, leased, resetting, probing } = this.#active;
    return Math.max(0, this.#connections - this.#idle.size - connecting - leased - resetting - probing);
  }

  get idle(): ReadonlySet<PooledConnection> {
    return this.#idle;
  }

  /** Every connection that is logged in and whose socket is not gone. */
  get open(): ReadonlySet<PooledConnection> {
    return this.#open;
  }

  count(activity: Activity): number {
    return this.#active[activity];
  }

  begin(activity: Activity): void {
    this.#active[activity] += 1;
  }

  end(activity: Activity): void {
    this.#active[activity] -= 1;
  }

  /** Counts one more connection of the pool if both caps allow it. */
  reserve(pool: IdentityPool): boolean {
    if (this.isFullFor(pool) || this.room <= 0) return false;
    pool.connections += 1;
    this.#connections += 1;
    return true;
  }

  /** Takes one {@link reserve} back: nothing was opened, or it is gone. */
  free(pool: IdentityPool): void {
    pool.connections -= 1;
    this.#connections -= 1;
  }

  /** How many more connections the total allows. */
  get room(): number {
    return this.#caps.maxConnections - this.#connections;
  }

  /** Whether the pool itself is at its cap. */
  isFullFor(pool: IdentityPool): boolean {
    return pool.connections >= this.#caps.maxConnectionsPerUser;
  }

  opened(pooled: PooledConnection): void {
    this.#open.add(pooled);
  }

  /** Its socket is gone; {@link free} says so of the count. */
  gone(pooled: PooledConnection): void {
    this.#open.delete(pooled);
    this.notIdle(pooled);
  }

  nowIdle(pooled: PooledConnection): void {
    this.#idle.add(pooled);
    pooled.place.set.idle.add(pooled);
  }

  notIdle(pooled: PooledConnection): void {
    this.#idle.delete(pooled);
    pooled.place.set.idle.delete(pooled);
  }

  /** The connection that has to go first to make room for this pool: its own if it is full, else anybody's. */
  longestIdle(pool: IdentityPool, fairShare: FairShare): PooledConnection | undefined {
    if (this.isFullFor(pool)) return pool.longestIdle;
    let longest: PooledConnection | undefined;
    for (const pooled of this.#idle) {
      if (!pooled.place.set.hasIdle || !fairShare.mayTake(pooled.pool, pool)) continue;
      // Whoever has more than his share gives first.
      if (fairShare.isAbove(pooled.pool)) return pooled;
      longest ??= pooled;
    }
    return longest;
  }
}
