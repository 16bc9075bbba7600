/** Owns the question who has more than his share while others wait: the capacity is shared over active identities. */

import type { IdentityPool } from './identity-pool.js';

export class FairShare {
  #share = Infinity;
  #isSomebodyShort = false;

  /** Nobody competes: everybody may have what there is. */
  clear(): void {
    this.#share = Infinity;
    this.#isSomebodyShort = false;
  }

  /**
   * Looks at who competes for a full pool. To be called before each round of grants.
   *
   * @param capacity - connections in all
   * @param countWaiters - how many clients of the identity wait
   */
  update(pools: Iterable<IdentityPool>, capacity: number, countWaiters: (key: string) => number): void {
    let active = 0;
    let fewest = Infinity;
    for (const pool of pools) {
      const isWaiting = countWaiters(pool.identity.key) > 0;
      if (isWaiting || pool.opening > 0 || pool.leases.size > 0) active += 1;
      if (isWaiting) fewest = Math.min(fewest, pool.connections);
    }
    this.#share = Math.max(1, Math.floor(capacity / Math.max(1, active)));
    this.#isSomebodyShort = fewest < this.#share;
  }

  isAbove(pool: IdentityPool): boolean {
    return pool.connections > this.#share;
  }

  /** Whether the pool's next free connection is to go to somebody who has less than his share. */
  mustGiveBack(pool: IdentityPool): boolean {
    return this.#isSomebodyShort && this.isAbove(pool);
  }
}
