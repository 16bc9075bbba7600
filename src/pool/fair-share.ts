/** Owns the question who has more than his share while others wait: the capacity is shared over active identities. */

import type { IdentityPool } from './identity-pool.js';

/** Who competes, and for what. */
export interface Competition {
  readonly pools: Iterable<IdentityPool>;
  /** Connections in all. */
  readonly capacity: number;
  /** How many more may be opened now. */
  readonly room: number;
  /** Whether a client of the identity waits, for whatever. */
  readonly isWaiting: (pool: IdentityPool) => boolean;
  /** Whether one of them would open a connection at once if there were room for it. */
  readonly isShortOfRoom: (pool: IdentityPool) => boolean;
}

export class FairShare {
  #share = Infinity;
  /** How many identities have less than their share, and open a connection as soon as they can. */
  #short = 0;
  #room = Infinity;
  #waiting: ReadonlySet<IdentityPool> = new Set();

  /** Nobody competes: everybody may have what there is. */
  clear(): void {
    this.#share = Infinity;
    this.#short = 0;
    this.#room = Infinity;
    this.#waiting = new Set();
  }

  /** Looks at who competes for a full pool. To be called before each round of grants. */
  update({ pools, capacity, room, isWaiting, isShortOfRoom }: Competition): void {
    let active = 0;
    const waiting = new Set<IdentityPool>();
    for (const pool of pools) {
      if (isWaiting(pool)) waiting.add(pool);
      if (waiting.has(pool) || pool.opening > 0 || pool.leases.size > 0) active += 1;
    }
    const share = Math.max(1, Math.floor(capacity / Math.max(1, active)));
    this.#share = share;
    this.#short = [...waiting].filter((pool) => pool.connections < share && isShortOfRoom(pool)).length;
    this.#room = room;
    this.#waiting = waiting;
  }

  isAbove(pool: IdentityPool): boolean {
    return pool.connections > this.#share;
  }

  /** Whether the pool's next idle connection is to go, for somebody who has less than his share. */
  mustGiveBack(pool: IdentityPool): boolean {
    return this.#short > this.#room && this.isAbove(pool);
  }

  /** Whether the room that there is is for others, who have less than their share: one may have been closed for them. */
  mustLeaveRoom(pool: IdentityPool): boolean {
    return this.#short > 0 && this.#short >= this.#room && pool.connections >= this.#share;
  }

  /** Whether an idle connection may be closed to make room for somebody. */
  mayTake(owner: IdentityPool, taker: IdentityPool): boolean {
    // Else two who both have their share and wait would close each other's connections in turn: one login per lease.
    return owner === taker || taker.connections < this.#share || !this.#waiting.has(owner);
  }
}
