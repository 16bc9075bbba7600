/** Owns the clients that wait for a connection: who is served next, and what is taken back for them. */

import { ProxyError, asProxyError } from '../errors.js';
import type { Identity } from '../identity.js';
import type { Census } from './census.js';
import type { FairShare } from './fair-share.js';
import type { Grants } from './grants.js';
import type { IdentityPool } from './identity-pool.js';
import type { Pending } from './pending.js';
import type { PoolEvents, PoolOptions } from './pool-options.js';
import { excessOfQuiet } from './reclaim.js';
import type { UpstreamGate } from './upstream-gate.js';
import { WaitQueue } from './wait-queue.js';

/** How often waiting clients are looked at for what no event tells: time that has passed. */
const LOOK_MS = 50;

export interface WaitingRoomOptions {
  readonly limits: PoolOptions;
  readonly census: Census;
  readonly fairShare: FairShare;
  readonly gate: UpstreamGate;
  readonly events: Pick<PoolEvents, 'onReclaimed'>;
  readonly now: () => number;
  readonly pools: () => Iterable<IdentityPool>;
  readonly grants: () => Grants;
}

export class WaitingRoom {
  readonly #options: WaitingRoomOptions;
  readonly #queue: WaitQueue<Pending>;
  #look: NodeJS.Timeout | undefined;

  constructor(options: WaitingRoomOptions) {
    const { limits, now } = options;
    this.#options = options;
    this.#queue = new WaitQueue({
      maxWaiting: limits.acquireMaxWaiting,
      timeoutMs: limits.acquireTimeoutMs,
      now,
    });
  }

  get size(): number {
    return this.#queue.size;
  }

  get longestWaitMs(): number {
    return this.#queue.longestWaitMs;
  }

  /** Whether one more may wait. */
  get hasRoom(): boolean {
    const { acquireMaxWaiting, acquireTimeoutMs } = this.#options.limits;
    return acquireTimeoutMs > 0 && this.#queue.size < acquireMaxWaiting;
  }

  countWaiters({ key }: Identity): number {
    return this.#queue.countWaiters(key);
  }

  /** Nobody is served any more. */
  close(): void {
    this.#queue.rejectAll(new ProxyError('draining'));
  }

  /**
   * Waits until the request is granted.
   *
   * @throws ProxyError `queue_full`, `lease_timeout`, `cancelled`, `draining`; the server's own words where these say
   *   better why nothing became free
   */
  async wait(pending: Pending): Promise<void> {
    const { pool, signal, startedAt } = pending;
    const began = this.#options.now();
    this.#look ??= this.#lookLater();
    try {
      // Where room is being made for it already, it was closed for nothing if nobody may wait.
      const isBounded = !this.#options.grants().isMakingRoom(pending);
      await this.#queue.wait(pool.identity.key, pending, { since: startedAt, signal, isBounded });
    } catch (error) {
      const failure = asProxyError(error);
      // The server's own words say better why nothing became free.
      const refusal = failure.code === 'lease_timeout' && this.#options.gate.refusal(pool.identity.key, true);
      if (refusal) refusal.cause = failure;
      throw refusal || failure;
    } finally {
      pending.waitedMs += this.#options.now() - began;
    }
  }

  /** Looks whether one of those who wait may be served now. */
  serve(): void {
    if (this.#queue.size === 0) return;
    this.compete();
    this.#queue.serve((pending) => {
      if (this.#options.grants().tryGrant(pending, 0)) return true;
      // What is of no use to it, or what it may not have, may be right for another of its identity.
      return this.#options.grants().isPeculiar(pending) ? 'pass' : false;
    });
  }

  #lookLater(): NodeJS.Timeout {
    return setTimeout(() => {
      this.#look = this.#queue.size === 0 ? undefined : this.#lookLater();
      for (const pool of this.#options.pools()) {
        const waiting = this.#queue.countWaiters(pool.identity.key);
        if (waiting > 0) this.#reclaim(pool, waiting - pool.inTransit);
      }
      this.serve();
    }, LOOK_MS);
  }

  /** Takes back what quiet sessions of a full pool hold beyond their part, as far as it is needed. */
  #reclaim(pool: IdentityPool, needed: number): void {
    const isLimited = this.#options.gate.isBackingOff(pool.identity.key);
    if (!isLimited && !this.#options.census.isFullFor(pool)) return;
    const most = isLimited ? pool.connections : this.#options.limits.maxConnectionsPerUser;
    const allowed = Math.max(0, most - this.#options.limits.reservedPerUser);
    if (needed <= 0 || pool.leases.size <= allowed) return;
    const excess = excessOfQuiet(pool.leases, allowed, this.#options.now()).slice(0, needed);
    if (excess.length === 0) return;
    this.#options.events.onReclaimed(pool.identity, excess.length);
    for (const { holder } of excess) holder?.reclaim();
  }

  /** Looks who competes for a full pool; to be called before a grant. */
  compete(): void {
    const census = this.#options.census;
    const queue = this.#queue;
    // With room for all that wait nobody takes anything from anybody.
    if (queue.size <= census.room) {
      this.#options.fairShare.clear();
      return;
    }
    this.#options.fairShare.update({
      pools: this.#options.pools(),
      capacity: this.#options.limits.maxConnections,
      room: census.room,
      isWaiting: ({ identity }) => queue.countWaiters(identity.key) > 0,
      isShortOfRoom: (pool) =>
        this.#options.grants().canOpen(pool) &&
        queue.hasWaiter(pool.identity.key, ({ source }) => 'verified' in source || source.open !== undefined),
    });
  }
}
