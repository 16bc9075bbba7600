/** Owns the pooled connections of all identities: who is lent one, who waits, and for whom one is closed. */

import { ProxyError, asProxyError } from '../errors.js';
import type { Identity } from '../identity.js';
import type { CloseReason, UpstreamConnection } from '../upstream/connection.js';
import type { EnableRequest } from '../wire/enable.js';
import { Census } from './census.js';
import { FairShare } from './fair-share.js';
import { Grants } from './grants.js';
import type { IdentityPool, PooledConnection } from './identity-pool.js';
import { LeaseBook } from './lease-book.js';
import type { Lease } from './lease.js';
import { granted } from './pending.js';
import type { Pending, Source } from './pending.js';
import { PoolDirectory } from './pool-directory.js';
import type {
  LeaseRequest,
  PoolEvents,
  PoolEviction,
  PoolOptions,
  PoolSnapshot,
  PoolUpstream,
} from './pool-options.js';
import { Prover } from './prover.js';
import { excessOfQuiet, isQuiet } from './reclaim.js';
import { RetirementPolicy } from './retirement.js';
import type { UpstreamGate } from './upstream-gate.js';
import { WaitQueue } from './wait-queue.js';

/** How long a client waits for a connection that is just being reset, rather than open another. */
const PATIENCE_MS = 100;
/** How often waiting clients are looked at for what no event tells: time that has passed. */
const LOOK_MS = 50;

export class ConnectionPools {
  readonly #options: PoolOptions;
  readonly #events: PoolEvents;
  readonly #gate: UpstreamGate;
  readonly #now: () => number;
  readonly #pools: PoolDirectory;
  readonly #queue: WaitQueue<Pending>;
  readonly #census: Census;
  readonly #leases: LeaseBook;
  readonly #grants: Grants;
  readonly #prover: Prover;
  readonly #fairShare = new FairShare();
  #generation = 0;
  #isDraining = false;
  #look: NodeJS.Timeout | undefined;
  #onEmpty: (() => void) | undefined;

  constructor(
    options: PoolOptions,
    upstream: PoolUpstream,
    gate: UpstreamGate,
    events: PoolEvents,
    now: () => number,
  ) {
    const { acquireMaxWaiting, acquireTimeoutMs, releaseTimeoutMs } = options;
    this.#options = options;
    this.#events = events;
    this.#gate = gate;
    this.#now = now;
    const census = new Census(options);
    const retirement = new RetirementPolicy(options, now);
    this.#census = census;
    this.#queue = new WaitQueue({ maxWaiting: acquireMaxWaiting, timeoutMs: acquireTimeoutMs, now });
    this.#pools = new PoolDirectory({
      sweepIntervalMs: retirement.sweepIntervalMs,
      isExpired: (pooled) => retirement.reasonWhileIdle(pooled) !== undefined,
      onDropped: (pooled) => {
        this.#retire(pooled, retirement.reasonWhileIdle(pooled) ?? 'evicted');
      },
      reportFault: (error) => {
        events.onFault(error);
      },
      onCreated: () => {
        events.onPoolCreated();
      },
      onForgotten: ({ lastCloseReason }) => {
        events.onPoolEvicted(evictionReason(lastCloseReason));
      },
    });
    this.#prover = new Prover({ ...options, upstream, events, idle: () => census.idle, now });
    this.#leases = new LeaseBook({
      census,
      retirement,
      upstream,
      events,
      now,
      releaseTimeoutMs,
      isDraining: () => this.#isDraining,
      onReturned: () => {
        this.serve();
      },
    });
    this.#grants = new Grants({
      census,
      retirement,
      prover: this.#prover,
      fairShare: this.#fairShare,
      gate,
      upstream,
      now,
      generation: () => this.#generation,
      isDraining: () => this.#isDraining,
      wait: (pending) => this.#wait(pending),
      onFreed: (pool) => {
        this.#freed(pool);
      },
    });
  }

  get snapshot(): PoolSnapshot {
    const census = this.#census;
    const now = this.#now();
    let quiet = 0;
    for (const lease of this.#leases.leases) if (isQuiet(lease, now)) quiet += 1;
    return {
      pools: this.#pools.size,
      connecting: census.count('connecting'),
      idle: census.idle.size,
      leased: census.count('leased'),
      resetting: census.count('resetting'),
      probing: census.count('probing'),
      closing: census.closing,
      quiet,
      waiting: this.#queue.size,
      longestWaitMs: this.#queue.longestWaitMs,
    };
  }

  /**
   * Leases a connection of the identity: an idle one, else a new one, else the first that becomes free. The caller
   * must release or discard the lease.
   *
   * @throws ProxyError `lease_timeout`, `queue_full`, `draining`, `cancelled`, `backoff`, or why no connection could be
   *   opened
   */
  async acquire(request: LeaseRequest): Promise<Lease> {
    const { identity, open, isSwap } = request;
    let pending: Pending | undefined;
    try {
      pending = this.#begin(identity, { open }, request);
      this.#compete();
      const isImmediate = this.#grants.tryGrant(pending, this.#queue.countWaiters(identity.key));
      if (!isImmediate) await this.#wait(pending);
      const lease = this.#leases.begin(await granted(pending));
      if (isSwap === true) this.#events.onSwapped();
      else this.#events.onLeased(identity, lease.isReuse, isImmediate ? 0 : this.#now() - pending.startedAt);
      return lease;
    } catch (error) {
      const failure = asProxyError(error);
      this.#events.onRejected(failure);
      throw failure;
    } finally {
      this.#settled(pending);
    }
  }

  /** Counts the calls of {@link reconnect}. */
  get generation(): number {
    return this.#generation;
  }

  /**
   * Takes a connection over that has just logged in, and leases it. Waits only where closing an idle connection makes
   * room for it.
   *
   * @param startedIn - the {@link generation} in which its login began
   * @returns undefined if there is no room: the connection is closed then
   */
  async adopt(
    request: Omit<LeaseRequest, 'open' | 'enable'>,
    verified: UpstreamConnection,
    startedIn = this.#generation,
  ): Promise<Lease | undefined> {
    let pending: Pending | undefined;
    try {
      pending = this.#begin(request.identity, { verified, startedIn }, request);
      this.#compete();
      if (!this.#grants.tryGrant(pending, 0)) {
        if (pending.evicted === undefined) throw new ProxyError('queue_full');
        await this.#wait(pending);
      }
      const lease = this.#leases.begin(await granted(pending));
      this.#events.onLeased(request.identity, lease.isReuse, 0);
      return lease;
    } catch {
      // Nobody was refused anything: the session asks again at its first command.
      verified.close('evicted');
      return undefined;
    } finally {
      this.#settled(pending);
    }
  }

  /**
   * Has something enabled for the session that holds the lease, which must be in the authenticated state with nothing
   * outstanding: on another connection where it is enabled already, else on its own. Nobody is attached to the
   * connection then. Never rejects.
   *
   * @returns the lease to go on with; the one given has ended if it is another. It has nothing `enabled` if the server
   *   didn't say OK
   */
  async exchange(lease: Lease, enable: EnableRequest): Promise<Lease> {
    const pooled = this.#leases.pooledOf(lease);
    if (pooled === undefined) return lease;
    const { pool } = pooled;
    const set = pool.replyTo(enable.text) === undefined ? undefined : pool.setOf(enable.set);
    const other = set?.hasIdle === true ? await this.#grants.takeIdle(set) : undefined;
    if (other !== undefined) {
      lease.release({});
      this.#events.onSwapped();
      return this.#leases.begin(await this.#grants.prepare(other, enable));
    }
    lease.use();
    const { enabled } = await this.#grants.prepare(pooled, enable);
    if (enabled !== undefined) lease.enable(enabled);
    return lease;
  }

  /** Whether the identity has a connection now, whatever that does. */
  has({ key }: Identity): boolean {
    return this.#pools.has(key);
  }

  /** The upstream doesn't accept these credentials any more: what they opened is not lent again. */
  revoke(identity: Identity, credential: object): void {
    for (const pooled of this.#census.open) {
      if (pooled.pool.identity.key !== identity.key || pooled.credential !== credential) continue;
      this.#outdate(pooled, 'credentials');
    }
  }

  /** Raises the generation: every connection that is there or being opened now is closed as soon as it is idle. */
  reconnect(): void {
    this.#generation += 1;
    for (const pooled of this.#census.open) this.#outdate(pooled, 'stale');
  }

  /**
   * Closes idle connections now and the others when they come back. Resolves when the last socket is gone.
   *
   * @param timeoutMs - after this the rest is destroyed
   */
  async drain(timeoutMs: number): Promise<void> {
    this.#isDraining = true;
    this.#prover.stop();
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

  #begin(
    identity: Identity,
    source: Source,
    { credential, enable, signal }: Pick<LeaseRequest, 'credential' | 'enable' | 'signal'>,
  ): Pending {
    if (this.#isDraining) throw new ProxyError('draining');
    const startedAt = this.#now();
    const { acquireMaxWaiting, acquireTimeoutMs } = this.#options;
    const canWait = acquireTimeoutMs > 0 && this.#queue.size < acquireMaxWaiting;
    const patientUntil = canWait ? startedAt + PATIENCE_MS : startedAt;
    const pool = this.#pools.of(identity);
    pool.requests += 1;
    return { pool, source, credential, enable, signal, startedAt, patientUntil };
  }

  async #wait(pending: Pending): Promise<void> {
    const { pool, signal, startedAt } = pending;
    this.#look ??= this.#lookLater();
    try {
      await this.#queue.wait(pool.identity.key, pending, { since: startedAt, signal });
    } catch (error) {
      const failure = asProxyError(error);
      // The server's own words say better why nothing became free.
      throw failure.code === 'lease_timeout'
        ? (this.#gate.refusal(pool.identity.key, true) ?? failure)
        : failure;
    }
  }

  #lookLater(): NodeJS.Timeout {
    return setTimeout(() => {
      this.#look = this.#queue.size === 0 ? undefined : this.#lookLater();
      for (const pool of this.#pools.pools) {
        const waiting = this.#queue.countWaiters(pool.identity.key);
        if (waiting > 0) this.#reclaim(pool, waiting - pool.inTransit);
      }
      this.serve();
    }, LOOK_MS);
  }

  /** Takes back what quiet sessions of a full pool hold beyond their part, as far as it is needed. */
  #reclaim(pool: IdentityPool, needed: number): void {
    const isLimited = this.#gate.isBackingOff(pool.identity.key);
    if (!isLimited && !this.#census.isFullFor(pool)) return;
    const most = isLimited ? pool.connections : this.#options.maxConnectionsPerUser;
    const allowed = Math.max(0, most - this.#options.reservedPerUser);
    if (needed <= 0 || pool.leases.size <= allowed) return;
    const excess = excessOfQuiet(pool.leases, allowed, this.#now()).slice(0, needed);
    if (excess.length === 0) return;
    this.#events.onReclaimed(pool.identity, excess.length);
    for (const { holder } of excess) holder?.reclaim();
  }

  /** Looks whether one of those who wait may be served now. */
  serve(): void {
    if (this.#queue.size === 0) return;
    this.#compete();
    this.#queue.serve((pending) => {
      if (this.#grants.tryGrant(pending, 0)) return true;
      // What is of no use to it, or what it may not have, may be right for another of its identity.
      return this.#grants.isPeculiar(pending) ? 'pass' : false;
    });
  }

  #compete(): void {
    const census = this.#census;
    const queue = this.#queue;
    // With room for all that wait nobody takes anything from anybody.
    if (queue.size <= census.room) {
      this.#fairShare.clear();
      return;
    }
    this.#fairShare.update({
      pools: this.#pools.pools,
      capacity: this.#options.maxConnections,
      room: census.room,
      isWaiting: ({ identity }) => queue.countWaiters(identity.key) > 0,
      isShortOfRoom: (pool) =>
        !census.isFullFor(pool) &&
        this.#grants.canOpen(pool) &&
        queue.hasWaiter(pool.identity.key, ({ source }) => 'verified' in source || source.open !== undefined),
    });
  }

  #outdate(pooled: PooledConnection, reason: CloseReason): void {
    pooled.retireReason = reason;
    if (this.#census.idle.has(pooled)) this.#retire(pooled, reason);
  }

  #retire(pooled: PooledConnection, reason: CloseReason): void {
    this.#census.notIdle(pooled);
    pooled.connection.close(reason);
  }

  #freed(pool: IdentityPool): void {
    this.#pools.forgetIfEmpty(pool);
    if (this.#census.connections === 0) this.#onEmpty?.();
    this.serve();
  }

  #settled(pending: Pending | undefined): void {
    if (pending === undefined) return;
    pending.pool.requests -= 1;
    this.#pools.forgetIfEmpty(pending.pool);
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
