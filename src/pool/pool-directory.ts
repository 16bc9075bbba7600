/** Owns which identities have a pool: made when asked for, forgotten when nothing is left in it. */

import type { Identity } from '../identity.js';
import type { CloseReason } from '../upstream/connection.js';
import { IdentityPool } from './identity-pool.js';
import type { IdentityPoolOptions } from './identity-pool.js';
import type { PoolEviction } from './pool-options.js';

export interface PoolDirectoryOptions extends Omit<IdentityPoolOptions, 'identity'> {
  readonly onCreated: () => void;
  readonly onForgotten: (reason: PoolEviction) => void;
}

export class PoolDirectory {
  readonly #pools = new Map<string, IdentityPool>();
  readonly #options: PoolDirectoryOptions;

  constructor(options: PoolDirectoryOptions) {
    this.#options = options;
  }

  get pools(): Iterable<IdentityPool> {
    return this.#pools.values();
  }

  get size(): number {
    return this.#pools.size;
  }

  /** Whether the identity has a connection. */
  has(key: string): boolean {
    return (this.#pools.get(key)?.connections ?? 0) > 0;
  }

  of(identity: Identity): IdentityPool {
    const known = this.#pools.get(identity.key);
    if (known !== undefined) return known;
    const pool = new IdentityPool({ ...this.#options, identity });
    this.#pools.set(identity.key, pool);
    this.#options.onCreated();
    return pool;
  }

  /** Forgets the pool if it is empty; its sweeps end. */
  forgetIfEmpty(pool: IdentityPool): void {
    if (!pool.isEmpty || !this.#pools.delete(pool.identity.key)) return;
    pool.dispose();
    this.#options.onForgotten(evictionReason(pool.lastCloseReason));
  }
}

/** What made the last connection of a pool go. */
function evictionReason(reason: CloseReason | undefined): PoolEviction {
  switch (reason) {
    case 'evicted':
      return 'room';
    // A pool that never had a connection was made for credentials that were wrong by then.
    case 'credentials':
    case undefined:
      return 'credentials';
    case 'stale':
    case 'drain':
      return 'admin';
    default:
      return 'idle';
  }
}
