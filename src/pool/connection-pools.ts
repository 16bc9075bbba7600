/** Owns the pooled connections of all identities: who may lease, who waits, and when a connection is retired. */

import { ProxyError, asProxyError } from '../errors.js';
import type { Credentials, Identity } from '../identity.js';
import type { CloseReason, Leaving, UpstreamConnection } from '../upstream/connection.js';
import { Census } from './census.js';
import { IdentityPool } from './identity-pool.js';
import type { PooledConnection, Slot } from './identity-pool.js';
import { Lease } from './lease.js';
import type { LeaseRequest, PoolEvents, PoolOptions, PoolSnapshot, PoolUpstream } from './pool-options.js';
import { WaitQueue } from './wait-queue.js';

/** More logins at once for one identity only make a server suspicious. */
const MAX_OPENING_PER_IDENTITY = 2;
const AGE_JITTER = 0.1;
const MIN_SWEEP_MS = 50;
const MAX_SWEEP_MS = 5_000;

interface Pending {
  readonly request: LeaseRequest;
  readonly pool: IdentityPool;
  /** Set when the request is granted. */
  lending?: Promise<PooledConnection>;
}

export class ConnectionPools {
  readonly #options: PoolOptions;
  readonly #upstream: PoolUpstream;
  readonly #events: PoolEvents;
  readonly #now: () => number;
  readonly #pools = new Map<string, IdentityPool>();
  readonly #queue: WaitQueue<Pending>;
  readonly #census: Census;
  #isDraining = false;
  #onEmpty: (() => void) | undefined;

  constructor(options: PoolOptions, upstream: PoolUpstream, events: PoolEvents, now: () => number) {
    this.#options = options;
    this.#upstream = upstream;
    this.#events = events;
    this.#now = now;
    this.#census = new Census(options);
    this.#queue = new WaitQueue({
      maxWaiting: options.acquireMaxWaiting,
      timeoutMs: options.acquireTimeoutMs,
      now,
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
  async acquire(request: LeaseRequest): Promise<Lease> {
    const startedAt = this.#now();
    const { identity, verified } = request;
    try {
      if (this.#isDraining) throw new ProxyError('draining');
      const pending: Pending = { request, pool: this.#poolOf(identity) };
      const isImmediate =
        !this.#queue.hasWaiters(identity.key) && this.#tryGrant(pending, this.#queue.size + 1);
      if (!isImmediate) await this.#queue.wait(identity.key, pending, request.signal);
      const waitedMs = isImmediate ? 0 : this.#now() - startedAt;
      return this.#lease(await granted(pending), waitedMs);
    } catch (error) {
      // A verified connection that finds no room is given up; that its credentials are right is known all the same.
      verified?.close('evicted');
      this.#forgetIfEmpty(identity.key);
      const failure = asProxyError(error);
      this.#events.onRejected(failure);
      throw failure;
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

  /**
   * Takes what the request needs, at once, or says false and takes nothing.
   *
   * @param waiting - how many clients wait, this one included
   */
  #tryGrant(pending: Pending, waiting: number): boolean {
    const { pool, request } = pending;
    if (request.verified !== undefined) {
      if (!this.#reserve(pool, waiting)) return false;
      pending.lending = this.#adopt(pool, request.verified);
    } else if (pool.hasIdle) {
      pool.promised += 1;
      pending.lending = this.#takeIdle(pending);
    } else {
      if (pool.opening >= MAX_OPENING_PER_IDENTITY || !this.#reserve(pool, waiting)) return false;
      pending.lending = this.#open(pool, request.credentials);
    }
    return true;
  }

  /** Counts one more connection, or begins to make room for it and says false. */
  #reserve(pool: IdentityPool, waiting: number): boolean {
    if (this.#census.reserve(pool)) return true;
    // One closing connection for each client that waits is enough.
    const longestIdle = this.#census.longestIdle(pool);
    if (longestIdle !== undefined && this.#census.closing < waiting) this.#retire(longestIdle, 'evicted');
    return false;
  }

  async #takeIdle(pending: Pending): Promise<PooledConnection> {
    const { pool, request } = pending;
    const slot = await pool.slots.take();
    pool.promised -= 1;
    if (slot.pooled !== undefined) return this.#taken(slot.pooled);
    // The idle connection died meanwhile, and the slot is a new one.
    if (pool.opening < MAX_OPENING_PER_IDENTITY && this.#reserve(pool, this.#queue.size + 1))
      return this.#open(pool, request.credentials, slot);
    pool.slots.drop(slot);
    await this.#queue.wait(pool.identity.key, pending, request.signal);
    return granted(pending);
  }

  async #open(pool: IdentityPool, credentials: Credentials, emptySlot?: Slot): Promise<PooledConnection> {
    pool.opening += 1;
    this.#census.begin('connecting');
    try {
      const slot = emptySlot ?? (await pool.slots.take());
      if (slot.pooled !== undefined) {
        // One came back meanwhile: that is better than a login.
        this.#census.free(pool);
        return this.#taken(slot.pooled);
      }
      return this.#install(slot, pool, await this.#connect(pool, credentials, slot));
    } finally {
      pool.opening -= 1;
      this.#census.end('connecting');
      this.#serve();
    }
  }

  async #connect(pool: IdentityPool, credentials: Credentials, slot: Slot): Promise<UpstreamConnection> {
    try {
      return await this.#upstream.connect(credentials);
    } catch (error) {
      pool.slots.drop(slot);
      this.#census.free(pool);
      throw error;
    }
  }

  /** The verified connection takes the place of the longest idle one, so that a warm user's pool doesn't grow. */
  async #adopt(pool: IdentityPool, verified: UpstreamConnection): Promise<PooledConnection> {
    const slot = await pool.slots.take();
    const lastUsed = slot.pooled;
    if (lastUsed !== undefined) {
      const [longestIdle = lastUsed] = pool.idle;
      longestIdle.slot.pooled = lastUsed;
      lastUsed.slot = longestIdle.slot;
      this.#retire(longestIdle, 'credentials');
    }
    return this.#install(slot, pool, verified);
  }

  #install(slot: Slot, pool: IdentityPool, connection: UpstreamConnection): PooledConnection {
    const now = this.#now();
    const jitter = 1 + AGE_JITTER * (2 * Math.random() - 1);
    const retireAt = this.#options.maxAgeMs === 0 ? Infinity : now + this.#options.maxAgeMs * jitter;
    const pooled: PooledConnection = { connection, pool, slot, retireAt, idleSince: now, leases: 0 };
    slot.pooled = pooled;
    this.#census.opened(pooled);
    void connection.closed.then(() => {
      this.#census.gone(pooled);
      this.#forgetIfEmpty(pool.identity.key);
      this.#serve();
      if (this.#census.connections === 0) this.#onEmpty?.();
    });
    return pooled;
  }

  #taken(pooled: PooledConnection): PooledConnection {
    this.#census.notIdle(pooled);
    return pooled;
  }

  #lease(pooled: PooledConnection, waitedMs: number): Lease {
    const isReuse = pooled.leases > 0;
    const startedAt = this.#now();
    pooled.leases += 1;
    this.#census.begin('leased');
    this.#events.onLeased(isReuse, waitedMs);
    const ended = (): void => {
      this.#census.end('leased');
      this.#events.onLeaseEnded(this.#now() - startedAt);
    };
    return new Lease(pooled.connection, isReuse, {
      released: (lease, leaving) => {
        ended();
        void this.#release(pooled, lease, leaving);
      },
      discarded: (_lease, reason) => {
        ended();
        pooled.connection.destroy(reason);
        pooled.pool.slots.drop(pooled.slot);
      },
    });
  }

  /** Gives the connection to the next client only after it was proven clean. */
  async #release(pooled: PooledConnection, lease: Lease, leaving: Leaving): Promise<void> {
    const { connection, pool, slot } = pooled;
    const reason = lease.isDirty ? 'dirty' : this.#retireReason(pooled);
    const isClean = reason === undefined && (lease.isPristine || (await this.#reset(connection, leaving)));
    if (isClean && connection.isUsable && !this.#isDraining) {
      pooled.idleSince = this.#now();
      this.#census.nowIdle(pooled);
      pool.slots.give(slot);
      this.#serve();
    } else {
      if (isClean || reason !== undefined) connection.close(reason ?? 'drain');
      else connection.destroy('reset');
      pool.slots.drop(slot);
    }
  }

  async #reset(connection: UpstreamConnection, leaving: Leaving): Promise<boolean> {
    const { releaseTimeoutMs } = this.#options;
    this.#census.begin('resetting');
    const outcome =
      releaseTimeoutMs === 0 && !connection.isQuiet
        ? 'timeout'
        : await this.#upstream.reset(connection, leaving, releaseTimeoutMs);
    this.#census.end('resetting');
    this.#events.onReset(outcome);
    return outcome === 'clean';
  }

  /** Why a connection that is not in use must not be lent again. */
  #retireReason(pooled: PooledConnection): CloseReason | undefined {
    const { mailboxCacheTtlMs, maxLeasesPerConnection } = this.#options;
    if (this.#isDraining) return 'drain';
    if (mailboxCacheTtlMs === 0) return 'idle';
    if (maxLeasesPerConnection > 0 && pooled.leases >= maxLeasesPerConnection) return 'leases';
    if (this.#now() >= pooled.retireAt) return 'age';
    return undefined;
  }

  #retire(pooled: PooledConnection, reason: CloseReason): void {
    this.#census.notIdle(pooled);
    pooled.connection.close(reason);
  }

  #serve(): void {
    this.#queue.serve((pending) => this.#tryGrant(pending, this.#queue.size));
  }

  #poolOf(identity: Identity): IdentityPool {
    const known = this.#pools.get(identity.key);
    if (known !== undefined) return known;
    const ttlMs = this.#options.mailboxCacheTtlMs;
    const isIdleTooLong = (pooled: PooledConnection): boolean => this.#now() - pooled.idleSince >= ttlMs;
    const pool = new IdentityPool({
      identity,
      maxConnections: this.#options.maxConnectionsPerUser,
      sweepIntervalMs: Math.min(MAX_SWEEP_MS, Math.max(MIN_SWEEP_MS, ttlMs / 4)),
      isExpired: (pooled) => isIdleTooLong(pooled) || this.#retireReason(pooled) !== undefined,
      onDropped: (pooled) => {
        this.#retire(pooled, isIdleTooLong(pooled) ? 'idle' : (this.#retireReason(pooled) ?? 'evicted'));
      },
      reportFault: (error) => {
        this.#events.onFault(error);
      },
    });
    this.#pools.set(identity.key, pool);
    return pool;
  }

  #forgetIfEmpty(key: string): void {
    const pool = this.#pools.get(key);
    if (pool?.isEmpty !== true || this.#queue.hasWaiters(key)) return;
    this.#pools.delete(key);
    pool.slots.dispose();
  }
}

/** The connection of a request that was granted. */
async function granted(pending: Pending): Promise<PooledConnection> {
  if (pending.lending === undefined) throw new Error('a request left the queue without a grant');
  return pending.lending;
}
