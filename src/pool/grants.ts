/** Owns how a request gets its connection: an idle one, a new one, or none yet; and what is enabled on it. */

import { ProxyError, asProxyError } from '../errors.js';
import type { CloseReason, UpstreamConnection } from '../upstream/connection.js';
import type { EnableRequest } from '../wire/enable.js';
import type { Census } from './census.js';
import type { FairShare } from './fair-share.js';
import type { ConnectionSet, IdentityPool, PooledConnection } from './identity-pool.js';
import type { Lent } from './lease-book.js';
import { granted } from './pending.js';
import type { Pending } from './pending.js';
import type { PoolUpstream } from './pool-options.js';
import type { Prover } from './prover.js';
import type { RetirementPolicy } from './retirement.js';
import type { UpstreamGate } from './upstream-gate.js';

/** How long a server may take for ENABLE. */
const ENABLE_TIMEOUT_MS = 5_000;

type Opener = () => Promise<UpstreamConnection>;

export interface GrantsOptions {
  readonly census: Census;
  readonly retirement: RetirementPolicy;
  readonly prover: Prover;
  readonly fairShare: FairShare;
  readonly gate: UpstreamGate;
  readonly upstream: Pick<PoolUpstream, 'enable'>;
  readonly now: () => number;
  /** Raised when the connections that are being opened now are not to be kept. */
  readonly generation: () => number;
  /** Waits until {@link Grants.tryGrant} said true to the request. Throws ProxyError. */
  readonly wait: (pending: Pending) => Promise<void>;
  /** Something has become free. */
  readonly onFreed: (pool: IdentityPool) => void;
}

export class Grants {
  readonly #options: GrantsOptions;

  constructor(options: GrantsOptions) {
    this.#options = options;
  }

  /**
   * Takes what the request needs, at once, or says false and takes nothing.
   *
   * @param ahead - how many of the same identity come first
   */
  tryGrant(pending: Pending, ahead: number): boolean {
    const { pool, source } = pending;
    if ('verified' in source) {
      if (!this.#reserve(pending)) return false;
      pending.lending = this.#adopt(pending, source.verified);
      return true;
    }
    const set = this.#idleSetFor(pending);
    if (set !== undefined) {
      if (ahead > 0 || this.#options.fairShare.mustGiveBack(pool)) return false;
      pending.lending = this.#lendIdle(pending, set);
      return true;
    }
    const hopeless = this.#whyHopeless(pool, source.open);
    if (hopeless !== undefined) {
      pending.lending = Promise.reject(hopeless);
      // Whoever waits for the grant hears of it a moment later.
      pending.lending.catch(() => undefined);
      return true;
    }
    if (source.open === undefined || !this.#mayOpen(pending, ahead) || !this.#reserve(pending)) return false;
    if (!this.#options.gate.tryStart()) {
      this.#options.census.free(pool);
      return false;
    }
    pending.lending = this.#open(pending, source.open);
    return true;
  }

  /** Takes an idle connection of the set; undefined if none is there that lives. */
  async takeIdle(set: ConnectionSet): Promise<PooledConnection | undefined> {
    const { census, prover } = this.#options;
    set.promised += 1;
    const slot = await set.slots.take();
    set.promised -= 1;
    const { pooled } = slot;
    if (pooled !== undefined) {
      census.notIdle(pooled);
      if (prover.isFresh(pooled)) return pooled;
      census.begin('probing');
      const isAlive = await prover.prove(pooled);
      census.end('probing');
      if (isAlive && pooled.connection.isUsable) return pooled;
    }
    // The idle connection died, and the slot is a new one or of no use.
    set.slots.drop(slot);
    return undefined;
  }

  /** Has the connection say how it is with what the client wants enabled; it must be in the authenticated state. */
  async prepare(pooled: PooledConnection, enable: EnableRequest | undefined): Promise<Lent> {
    const { pool, place } = pooled;
    if (enable === undefined) return { pooled, enableReply: undefined };
    if (place.set.set === enable.set) return { pooled, enableReply: pool.replyTo(enable.text) };
    const set = pool.setOf(enable.set);
    const canEnable = pooled.connection.capabilities.has('ENABLE') && !pool.isRefused(enable.text);
    if (set === undefined || !canEnable) return { pooled, enableReply: undefined };
    const enableReply = await this.#options.upstream.enable(
      pooled.connection,
      enable.text,
      ENABLE_TIMEOUT_MS,
    );
    pool.remember(enable.text, enableReply);
    if (enableReply === undefined) pooled.retireReason = 'dirty';
    else await this.#move(pooled, set);
    return { pooled, enableReply };
  }

  /** An idle connection that has what is wanted, or on which it can be enabled. */
  #idleSetFor({ pool, enable }: Pending): ConnectionSet | undefined {
    const { plain } = pool;
    if (enable !== undefined && pool.replyTo(enable.text) !== undefined) {
      const set = pool.setOf(enable.set);
      if (set?.hasIdle === true) return set;
    }
    return plain.hasIdle ? plain : undefined;
  }

  /** Why it is no use to wait: nothing will come back, and nothing may be opened. */
  #whyHopeless(pool: IdentityPool, open: Opener | undefined): ProxyError | undefined {
    if (pool.connections > 0) return undefined;
    return open === undefined
      ? new ProxyError('upstream_lost')
      : this.#options.gate.refusal(pool.identity.key);
  }

  #mayOpen({ pool, patientUntil }: Pending, ahead: number): boolean {
    const { gate, now } = this.#options;
    const isWorthWaiting = pool.returning > ahead && now() < patientUntil;
    return !isWorthWaiting && pool.mayOpen && gate.refusal(pool.identity.key) === undefined;
  }

  /** Counts one more connection, or begins to make room for it and says false. */
  #reserve(pending: Pending): boolean {
    const { census, fairShare } = this.#options;
    if (census.reserve(pending.pool)) return true;
    const isMakingRoom = pending.evicted !== undefined && census.open.has(pending.evicted);
    const spared = isMakingRoom ? undefined : census.longestIdle(pending.pool, fairShare);
    if (spared !== undefined) {
      pending.evicted = spared;
      this.#close(spared, 'evicted');
    }
    return false;
  }

  async #lendIdle(pending: Pending, set: ConnectionSet): Promise<Lent> {
    const pooled = await this.takeIdle(set);
    return pooled === undefined ? this.#again(pending) : this.prepare(pooled, pending.enable);
  }

  /** As if it came now. */
  async #again(pending: Pending): Promise<Lent> {
    if (!this.tryGrant(pending, 0)) await this.#options.wait(pending);
    return granted(pending);
  }

  async #open(pending: Pending, open: Opener): Promise<Lent> {
    const { pool, enable } = pending;
    const { census, onFreed, generation } = this.#options;
    const startedIn = generation();
    pool.opening += 1;
    census.begin('connecting');
    const opened = await this.#connect(pool, open);
    const pooled = opened instanceof ProxyError ? undefined : await this.#install(pending, opened);
    if (pooled !== undefined && generation() !== startedIn) pooled.retireReason = 'stale';
    pool.opening -= 1;
    census.end('connecting');
    onFreed(pool);
    if (pooled !== undefined) return this.prepare(pooled, enable);
    // A server that lets this user have no more connections says so: then one of those that there are has to do.
    const failure = asProxyError(opened);
    if (isBusyForMore(failure) && pool.hasLive) return this.#again(pending);
    throw failure;
  }

  async #connect(pool: IdentityPool, open: Opener): Promise<UpstreamConnection | ProxyError> {
    try {
      return await open();
    } catch (error) {
      this.#options.census.free(pool);
      return asProxyError(error);
    }
  }

  /** The verified connection takes the place of the longest idle one, so that a warm user's pool doesn't grow. */
  async #adopt(pending: Pending, verified: UpstreamConnection): Promise<Lent> {
    const { pool, evicted } = pending;
    // If one went already to make room, that was the one.
    const spared = evicted?.pool === pool ? undefined : pool.longestIdle;
    if (spared !== undefined) this.#close(spared, 'credentials');
    return { pooled: await this.#install(pending, verified), enableReply: undefined };
  }

  async #install({ pool, credential }: Pending, connection: UpstreamConnection): Promise<PooledConnection> {
    const { census, retirement, now, onFreed } = this.#options;
    const slot = await pool.plain.slots.takeNew();
    const pooled: PooledConnection = {
      connection,
      pool,
      place: { set: pool.plain, slot },
      credential,
      retireAt: retirement.retireAt(),
      retireReason: undefined,
      idleSince: now(),
      provenAt: now(),
      proof: undefined,
      leases: 0,
    };
    slot.pooled = pooled;
    census.opened(pooled);
    void connection.closed.then(({ reason }) => {
      pool.lastCloseReason = reason;
      census.gone(pooled);
      census.free(pool);
      onFreed(pool);
    });
    return pooled;
  }

  async #move(pooled: PooledConnection, set: ConnectionSet): Promise<void> {
    const slot = await set.slots.takeNew();
    const { place } = pooled;
    place.slot.pooled = undefined;
    place.set.slots.drop(place.slot);
    slot.pooled = pooled;
    pooled.place = { set, slot };
  }

  #close(pooled: PooledConnection, reason: CloseReason): void {
    this.#options.census.notIdle(pooled);
    pooled.connection.close(reason);
  }
}

function isBusyForMore({ code }: ProxyError): boolean {
  return code === 'limit' || code === 'backoff';
}
