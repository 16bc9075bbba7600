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
import type { LeaseRequest, PoolEvents, PoolOptions, PoolSnapshot, PoolUpstream } from './pool-options.js';
import { Prover } from './prover.js';
import { isQuiet } from './reclaim.js';
import { RetirementPolicy } from './retirement.js';
import type { UpstreamGate } from './upstream-gate.js';
import { WaitingRoom } from './waiting-room.js';

/** How long a client waits for a connection that is just being reset, rather than open another. */
const PATIENCE_MS = 100;

export class ConnectionPools {
  readonly #events: PoolEvents;
  readonly #now: () => number;
  readonly #pools: PoolDirectory;
  readonly #waiting: WaitingRoom;
  readonly #census: Census;
  readonly #leases: LeaseBook;
  readonly #grants: Grants;
  readonly #prover: Prover;
  #generation = 0;
  #isDraining = false;
  #onEmpty: (() => void) | undefined;

  constructor(
    options: PoolOptions,
    upstream: PoolUpstream,
    gate: UpstreamGate,
    events: PoolEvents,
    now: () => number,
  ) {
    this.#events = events;
    this.#now = now;
    const census = new Census(options);
    const fairShare = new FairShare();
    const retirement = new RetirementPolicy(options, now);
    this.#census = census;
    this.#waiting = new WaitingRoom({
      limits: options,
      census,
      fairShare,
      gate,
      events,
      now,
      pools: () => this.#pools.pools,
      grants: () => this.#grants,
    });
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
      onForgotten: (reason) => {
        events.onPoolEvicted(reason);
      },
    });
    this.#prover = new Prover({ ...options, upstream, events, idle: () => census.idle, now });
    this.#leases = new LeaseBook({
      census,
      retirement,
      upstream,
      events,
      now,
      releaseTimeoutMs: options.releaseTimeoutMs,
      isDraining: () => this.#isDraining,
      onReturned: () => {
        this.#waiting.serve();
      },
    });
    this.#grants = new Grants({
      census,
      retirement,
      prover: this.#prover,
      fairShare,
      gate,
      upstream,
      now,
      generation: () => this.#generation,
      isDraining: () => this.#isDraining,
      wait: (pending) => this.#waiting.wait(pending),
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
      waiting: this.#waiting.size,
      longestWaitMs: this.#waiting.longestWaitMs,
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
      this.#waiting.compete();
      const isGranted = this.#grants.tryGrant(pending, this.#waiting.countWaiters(identity));
      if (!isGranted) await this.#waiting.wait(pending);
      const lease = this.#leases.begin(await granted(pending));
      if (isSwap === true) this.#events.onSwapped(identity);
      else this.#events.onLeased(identity, lease.isReuse, pending.waitedMs);
      return lease;
    } catch (error) {
      const failure = this.#asFailure(error);
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
      this.#waiting.compete();
      if (!this.#grants.tryGrant(pending, 0)) {
        if (pending.evicted === undefined) throw new ProxyError('queue_full');
        await this.#waiting.wait(pending);
      }
      const lease = this.#leases.begin(await granted(pending));
      this.#events.onLeased(request.identity, lease.isReuse, 0);
      return lease;
    } catch (error) {
      this.#asFailure(error);
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
    const { pool, place } = pooled;
    const key = { set: enable.set, token: place.set.token };
    const set = pool.replyTo(enable.text) === undefined ? undefined : pool.idleSetOf(key);
    const other = set === undefined ? undefined : await this.#grants.takeIdle(pool, set);
    if (other !== undefined) {
      this.#events.onSwapped(pool.identity);
      lease.release({});
      return this.#leases.begin(await this.#grants.prepare(other, enable));
    }
    lease.use();
    const { enabled } = await this.#grants.prepare(pooled, enable);
    if (enabled !== undefined) lease.enable(enabled);
    return lease;
  }

  /** Looks whether one of those who wait may be served now. */
  serve(): void {
    this.#waiting.serve();
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
    this.#waiting.close();
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
    { credential, token = '', enable, signal }: Omit<LeaseRequest, 'identity' | 'open' | 'isSwap'>,
  ): Pending {
    if (this.#isDraining) throw new ProxyError('draining');
    const startedAt = this.#now();
    const patientUntil = this.#waiting.hasRoom ? startedAt + PATIENCE_MS : startedAt;
    const pool = this.#pools.of(identity);
    pool.requests += 1;
    return { pool, source, credential, token, enable, signal, startedAt, patientUntil, waitedMs: 0 };
  }

  /** Whatever else is thrown is a defect of our own. */
  #asFailure(error: unknown): ProxyError {
    if (!(error instanceof ProxyError)) this.#events.onFault(error);
    return asProxyError(error);
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
    this.#waiting.serve();
  }

  #settled(pending: Pending | undefined): void {
    if (pending === undefined) return;
    pending.pool.requests -= 1;
    this.#pools.forgetIfEmpty(pending.pool);
  }
}
