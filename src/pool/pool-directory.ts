/** Owns which identities have a pool: made when asked for, forgotten when nothing is left in it. */

import type { Identity } from '../identity.js';
import { IdentityPool } from './identity-pool.js';
import type { IdentityPoolOptions } from './identity-pool.js';

export class PoolDirectory {
  readonly #pools = new Map<string, IdentityPool>();
  readonly #options: Omit<IdentityPoolOptions, 'identity'>;

  constructor(options: Omit<IdentityPoolOptions, 'identity'>) {
    this.#options = options;
  }

  get size(): number {
    return this.#pools.size;
  }

  of(identity: Identity): IdentityPool {
    const known = this.#pools.get(identity.key);
    if (known !== undefined) return known;
    const pool = new IdentityPool({ ...this.#options, identity });
    this.#pools.set(identity.key, pool);
    return pool;
  }

  /** Forgets the pool if it is empty; its sweeps end. */
  forgetIfEmpty(key: string): void {
    const pool = this.#pools.get(key);
    if (pool?.isEmpty !== true) return;
    this.#pools.delete(key);
    pool.slots.dispose();
  }
}
