/** Owns the pooled connections of all identities: who is lent one, who waits, and for whom one is closed. */

import { ProxyError, asProxyError } from '../errors.js';
import type { Identity } from '../identity.js';
import type { CloseReason, UpstreamConnection } from '../upstream/connection.js';
import { Census } from './census.js';
import type { IdentityPool, PooledConnection, Slot } from './identity-pool.js';
import { LeaseBook } from './lease-book.js';
import type { Lease } from './lease.js';
import { PoolDirectory } from './pool-directory.js';
import { granted } from './pending.js';
import type { Pending } from './pending.js';
import type { LeaseRequest, PoolEvents, PoolOptions, PoolSnapshot, PoolUpstream } from './pool-options.js';
import { RetirementPolicy } from './retirement.js';
import { WaitQueue } from './wait-queue.js';

/** How long a client waits for a connection that is just being reset, rather than open another. */
const PATIENCE_MS = 100;

export class ConnectionPools {
  readonly #events: PoolEvents;
  readonly #now: () => number;
  readonly #pools: PoolDirectory;
  readonly #queue: WaitQueue<Pending>;
  readonly #census: Census;
  readonly #retirement: RetirementPolicy;
  readonly #leases: LeaseBook;
  #isDraining = false;
  #onEmpty: (() => void) | undefined;

  constructor(options: PoolOptions, upstream: PoolUpstream, events: PoolEvents, now: () => number) {
    const { acquireMaxWaiting, acquireTimeoutMs, releaseTimeoutMs } = options;
    this.#events = events;
    this.#now = now;
    this.#census = new Census(options);
    this.#queue = new WaitQueue({ maxWaiting: acquireMaxWaiting, timeoutMs: acquireTimeoutMs, now });
    this.#retirement = new RetirementPolicy(options, now);
    this.#pools = new PoolDirectory({
      sweepIntervalMs: this.#retirement.sweepIntervalMs,
      isExpired: (pooled) => this.#retirement.reasonWhileIdle(pooled) !== undefined,
      onDropped: (pooled) => {
        this.#retire(pooled, this.#retirement.reasonWhileIdle(pooled) ?? 'evicted');
      },
      reportFault: (error) => {
        events.onFault(error);
      },
    });
    this.#leases = new LeaseBook({
      census: this.#census,
      retirement: this.#retirement,
      upstream,
      events,
      now,
      releaseTimeoutMs,
      isDraining: () => this.#isDraining,
      onReturned: () => {
        this.#serve();
      },
    });
  }

  get snapshot(): PoolSnapshot {
    const census = this.#census;
    return {
      pools: this.#pools.size,
      connecting: census.count('connecting'),
      idle: census.idle.size,
      leased: census.count('leased'),
      resetting: census.count('resetting'),
      closing: census.closing,
      waiting: this.#queue.size,
      longestWaitMs: this.#queue.longestWaitMs,
    };
  }

  /**
   * Leases a connection of the identity: an idle one, else a new one, else the first that becomes free. The caller
   * must release or discard the lease.
   *
   * @throws ProxyError `lease_timeout`, `queue_full`, `draining`, `cancelled`, or why no connection could be opened
   */
  async acquire({ identity, open, signal }: LeaseRequest): Promise<Lease> {
    let patience: NodeJS.Timeout | undefined;
    try {
      const pending = this.#begin(identity, { open }, signal);
      const isImmediate = this.#tryGrant(pending, this.#queue.countWaiters(identity.key));
      if (!isImmediate) {
        patience = setTimeout(() => {
          pending.isPatient = false;
          this.#serve();
        }, PATIENCE_MS);
        await this.#wait(pending);
      }
      const pooled = await granted(pending);
      return this.#leases.begin(pooled, isImmediate ? 0 : this.#now() - pending.startedAt);
    } catch (error) {
      this.#forgetIfEmpty(identity.key);
      const failure = asProxyError(error);
      this.#events.onRejected(failure);
      throw failure;
    } finally {
      clearTimeout(patience);
    }
  }

  /**
   * Takes a connection over that has just logged in, and leases it. Waits only where closing an idle connection makes
   * room for it.
   *
   * @param signal - aborted when the client has gone
   * @returns undefined if there is no room: the connection is closed then
   */
  async adopt(
    identity: Identity,
    verified: UpstreamConnection,
    signal?: AbortSignal,
  ): Promise<Lease | undefined> {
    try {
      const pending = this.#begin(identity, { verified }, signal);
      if (!this.#tryGrant(pending, 0)) {
        if (pending.evicted === undefined) throw new ProxyError('queue_full');
        await this.#wait(pending);
      }
      return this.#leases.begin(await granted(pending), 0);
    } catch {
      // Nobody was refused anything: the session asks again at its first command.
      verified.close('evicted');
      this.#forgetIfEmpty(identity.key);
      return undefined;
    }
  }

  /**
   * Closes idle connections now and the others when they come back. Resolves when the last socket is gone.
   *
   * @param timeoutMs - after this the rest is destroyed
   */
  async drain(timeoutMs: number): Promise<void> {
    this.#isDraining = true;
    this.#queue.rejectAll(new ProxyError('draining'));
    for (const pooled of [...this.#census.idle]) this.#retire(pooled, 'drain');
    if (this.#census.connections === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        for (const { connection } of this.#census.open) connection.destroy('drain');
        resolve();
      }, timeoutMs);
      this.#onEmpty = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #begin(identity: Identity, source: Pending['source'], signal: AbortSignal | undefined): Pending {
    if (this.#isDraining) throw new ProxyError('draining');
    const pool = this.#pools.of(identity);
    return { pool, source, signal, startedAt: this.#now(), isPatient: true };
  }

  #wait(pending: Pending): Promise<void> {
    const { pool, signal, startedAt } = pending;
    return this.#queue.wait(pool.identity.key, pending, { since: startedAt, signal });
  }

  /**
   * Takes what the request needs, at once, or says false and takes nothing.
   *
   * @param ahead - how many of the same identity come first
   */
  #tryGrant(pending: Pending, ahead: number): boolean {
    const { pool, source } = pending;
    if ('verified' in source) {
      if (!this.#reserve(pending)) return false;
      pending.lending = this.#adopt(pending, source.verified);
      return true;
    }
    if (pool.hasIdle) {
      if (ahead > 0) return false;
      pool.promised += 1;
      pending.lending = this.#takeIdle(pending, source.open);
      return true;
    }
    const isWorthWaiting = pending.isPatient && pool.returning > ahead;
    if (isWorthWaiting || !pool.mayOpen || !this.#reserve(pending)) return false;
    pending.lending = this.#open(pool, source.open);
    return true;
  }

  /** Counts one more connection, or begins to make room for it and says false. */
  #reserve(pending: Pending): boolean {
    if (this.#census.reserve(pending.pool)) return true;
    const isMakingRoom = pending.evicted !== undefined && this.#census.open.has(pending.evicted);
    const longestIdle = isMakingRoom ? undefined : this.#census.longestIdle(pending.pool);
    if (longestIdle !== undefined) {
      pending.evicted = longestIdle;
      this.#retire(longestIdle, 'evicted');
    }
    return false;
  }

  async #takeIdle(pending: Pending, open: LeaseRequest['open']): Promise<PooledConnection> {
    const { pool } = pending;
    const slot = await pool.slots.take();
    pool.promised -= 1;
    if (slot.pooled !== undefined) return this.#taken(slot.pooled);
    // The idle connection died meanwhile, and the slot is a new one.
    if (pool.mayOpen && this.#reserve(pending)) return this.#open(pool, open, slot);
    pool.slots.drop(slot);
    await this.#wait(pending);
    return granted(pending);
  }

  async #open(pool: IdentityPool, open: LeaseRequest['open'], emptySlot?: Slot): Promise<PooledConnection> {
    pool.opening += 1;
    this.#census.begin('connecting');
    try {
      const slot = emptySlot ?? (await pool.slots.take());
      if (slot.pooled !== undefined) {
        // One came back meanwhile: that is better than a login.
        this.#free(pool);
        return this.#taken(slot.pooled);
      }
      return this.#install(slot, pool, await this.#connect(pool, open, slot));
    } finally {
      pool.opening -= 1;
      this.#census.end('connecting');
      this.#serve();
    }
  }

  async #connect(pool: IdentityPool, open: LeaseRequest['open'], slot: Slot): Promise<UpstreamConnection> {
    try {
      return await open();
    } catch (error) {
      pool.slots.drop(slot);
      this.#free(pool);
      throw error;
    }
  }

  /** The verified connection takes the place of the longest idle one, so that a warm user's pool doesn't grow. */
  async #adopt({ pool, evicted }: Pending, verified: UpstreamConnection): Promise<PooledConnection> {
    const slot = await pool.slots.takeNew();
    // If one went already to make room, that was the one.
    const [longestIdle] = evicted?.pool === pool ? [] : pool.idle;
    if (longestIdle !== undefined && pool.hasIdle) this.#retire(longestIdle, 'credentials');
    return this.#install(slot, pool, verified);
  }

  #install(slot: Slot, pool: IdentityPool, connection: UpstreamConnection): PooledConnection {
    const retireAt = this.#retirement.retireAt();
    const pooled: PooledConnection = { connection, pool, slot, retireAt, idleSince: this.#now(), leases: 0 };
    slot.pooled = pooled;
    this.#census.opened(pooled);
    void connection.closed.then(() => {
      this.#census.gone(pooled);
      this.#free(pool);
      this.#serve();
    });
    return pooled;
  }

  #taken(pooled: PooledConnection): PooledConnection {
    this.#census.notIdle(pooled);
    return pooled;
  }

  #retire(pooled: PooledConnection, reason: CloseReason): void {
    this.#census.notIdle(pooled);
    pooled.connection.close(reason);
  }

  /** One connection less. */
  #free(pool: IdentityPool): void {
    this.#census.free(pool);
    this.#forgetIfEmpty(pool.identity.key);
    if (this.#census.connections === 0) this.#onEmpty?.();
  }

  #serve(): void {
    this.#queue.serve((pending) => this.#tryGrant(pending, 0));
  }

  #forgetIfEmpty(key: string): void {
    if (this.#queue.countWaiters(key) === 0) this.#pools.forgetIfEmpty(key);
  }
}
