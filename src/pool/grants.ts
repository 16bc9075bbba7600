/** Owns how a request gets its connection: an idle one, a new one, or none yet; and what is enabled on it. */

import { ProxyError, asProxyError } from '../errors.js';
import type { CloseReason, UpstreamConnection } from '../upstream/connection.js';
import type { EnableRequest } from '../wire/enable.js';
import type { Census } from './census.js';
import type { FairShare } from './fair-share.js';
import type { ConnectionSet, IdentityPool, PooledConnection } from './identity-pool.js';
import type { Lent } from './lease-book.js';
import { OpeningRules, isBusyForMore } from './opening-rules.js';
import { granted } from './pending.js';
import type { Pending, Verified } from './pending.js';
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
  /** Whether nothing is opened any more. */
  readonly isDraining: () => boolean;
  /** Waits until {@link Grants.tryGrant} said true to the request. Throws ProxyError. */
  readonly wait: (pending: Pending) => Promise<void>;
  /** Something has become free. */
  readonly onFreed: (pool: IdentityPool) => void;
}

export class Grants {
  readonly #options: GrantsOptions;
  readonly #rules: OpeningRules;

  constructor(options: GrantsOptions) {
    this.#options = options;
    this.#rules = new OpeningRules(options);
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
      pending.lending = this.#adopt(pending, source);
      return true;
    }
    const set = this.#idleSetFor(pending);
    if (set !== undefined) {
      if (ahead > 0 || this.#options.fairShare.mustGiveBack(pool)) return false;
      pending.lending = this.#lendIdle(pending, set);
      return true;
    }
    const hopeless = this.#rules.whyHopeless(pending);
    if (hopeless !== undefined) {
      pending.refusal = hopeless;
      return true;
    }
    if (source.open === undefined) return false;
    if (!this.#rules.mayOpen(pending, ahead)) {
      if (this.#rules.mayReplace(pending, ahead)) this.#makeRoom(pending, () => pool.longestIdle);
      return false;
    }
    if (this.#options.fairShare.mustLeaveRoom(pool) || !this.#reserve(pending)) return false;
    this.#options.gate.start();
    pending.lending = this.#open(pending, source.open);
    return true;
  }

  /** Whether others of its identity may be granted what a request is refused. */
  isPeculiar({ pool, source }: Pending): boolean {
    const canOpen = 'verified' in source || source.open !== undefined;
    return !canOpen || pool.longestIdle !== undefined;
  }

  /** Takes an idle connection of the set; undefined if none is there that lives. */
  async takeIdle(pool: IdentityPool, set: ConnectionSet): Promise<PooledConnection | undefined> {
    const { census, prover } = this.#options;
    set.promised += 1;
    const slot = await set.slots.take();
    set.promised -= 1;
    const { pooled } = slot;
    if (pooled !== undefined) {
      census.notIdle(pooled);
      if (!prover.isFresh(pooled)) {
        census.begin('probing');
        await prover.prove(pooled);
        census.end('probing');
      }
      // Meanwhile it may have been told to go, too.
      if (pooled.connection.isUsable && pooled.retireReason === undefined) return pooled;
    }
    // The idle connection died, and the slot is a new one or of no use.
    set.slots.drop(slot);
    pool.forgetIfEmpty(set);
    return undefined;
  }

  /** Has the connection say how it is with what the client wants enabled; it must be in the authenticated state. */
  async prepare(pooled: PooledConnection, enable: EnableRequest | undefined): Promise<Lent> {
    const { pool, place } = pooled;
    if (enable === undefined) return { pooled, enabled: undefined };
    const known = pool.replyTo(enable.text);
    if (place.set.set === enable.set)
      return { pooled, enabled: known === undefined ? undefined : { request: enable, reply: known } };
    const key = { set: enable.set, token: place.set.token };
    // What is enabled already stays: together with more it would be another set.
    const isPlain = place.set.set === '';
    const canEnable =
      pooled.connection.capabilities.has('ENABLE') &&
      pool.canRemember(enable.text) &&
      !pool.isRefused(enable.text);
    if (!isPlain || !canEnable || !pool.hasRoomFor(key)) return { pooled, enabled: undefined };
    const reply = await this.#options.upstream.enable(pooled.connection, enable.text, ENABLE_TIMEOUT_MS);
    // Silence and a connection that was lost are no answer.
    if (reply !== undefined || pooled.connection.isUsable) pool.remember(enable.text, reply);
    if (reply === undefined) {
      pooled.retireReason = 'dirty';
      return { pooled, enabled: undefined };
    }
    const set = pool.setOf(key);
    if (set === undefined) pooled.retireReason = 'dirty';
    else await this.#move(pooled, set);
    return { pooled, enabled: { request: enable, reply } };
  }

  /** An idle connection that has what is wanted, or on which it can be enabled. */
  #idleSetFor({ pool, enable, token }: Pending): ConnectionSet | undefined {
    const isKnown = enable !== undefined && pool.replyTo(enable.text) !== undefined;
    const enabled = isKnown ? pool.idleSetOf({ set: enable.set, token }) : undefined;
    return enabled ?? pool.idleSetOf({ set: '', token });
  }

  /** Whether one more connection of the identity may be opened, as far as that doesn't depend on others. */
  canOpen(pool: IdentityPool): boolean {
    return this.#rules.canOpen(pool);
  }

  /** Counts one more connection, or begins to make room for it and says false. */
  #reserve(pending: Pending): boolean {
    const { census, fairShare } = this.#options;
    if (census.reserve(pending.pool)) return true;
    this.#makeRoom(pending, () => census.longestIdle(pending.pool, fairShare));
    return false;
  }

  /** Closes an idle connection for the request: one at a time. */
  #makeRoom(pending: Pending, find: () => PooledConnection | undefined): void {
    const spared = this.isMakingRoom(pending) ? undefined : find();
    if (spared === undefined) return;
    pending.evicted = spared;
    pending.connectionsBefore = pending.pool.connections;
    this.#close(spared, 'evicted');
  }

  /** Whether a connection is just being closed for the request. */
  isMakingRoom({ evicted }: Pending): boolean {
    return evicted !== undefined && this.#options.census.open.has(evicted);
  }

  async #lendIdle(pending: Pending, set: ConnectionSet): Promise<Lent> {
    const pooled = await this.takeIdle(pending.pool, set);
    if (pooled === undefined) return this.#again(pending);
    const lent = await this.#prepareFor(pending, pooled);
    if (pooled.connection.isUsable) return lent;
    // It was dead, and what was to be enabled on it has only shown that; twice is no accident.
    const { set: current, slot } = pooled.place;
    pooled.connection.destroy('error');
    current.slots.drop(slot);
    if (pending.hasFailedToEnable === true)
      throw new ProxyError('timeout', { detail: 'the upstream does not answer ENABLE' });
    pending.hasFailedToEnable = true;
    return this.#again(pending);
  }

  async #prepareFor({ enable }: Pending, pooled: PooledConnection): Promise<Lent> {
    const { census } = this.#options;
    census.begin('connecting');
    const lent = await this.prepare(pooled, enable);
    census.end('connecting');
    return lent;
  }

  /** As if it came now. */
  async #again(pending: Pending): Promise<Lent> {
    if (this.#options.isDraining()) throw new ProxyError('draining');
    if (!this.tryGrant(pending, 0)) await this.#options.wait(pending);
    return granted(pending);
  }

  async #open(pending: Pending, open: Opener): Promise<Lent> {
    const { pool } = pending;
    const { census, onFreed, generation } = this.#options;
    pool.opening += 1;
    census.begin('connecting');
    const startedIn = generation();
    const opened = await this.#connect(pool, open);
    const pooled = opened instanceof ProxyError ? undefined : await this.#install(pending, opened, startedIn);
    pool.opening -= 1;
    census.end('connecting');
    onFreed(pool);
    if (pooled !== undefined) return this.#prepareFor(pending, pooled);
    // A server that lets this user have no more connections says so: then one of those that there are has to do.
    const failure = asProxyError(opened);
    if (isBusyForMore(failure) && pool.hasLive) {
      // One that is idle, and not what is wanted, makes room at the server.
      const spared = pool.longestIdle;
      if (spared !== undefined) this.#close(spared, 'evicted');
      return this.#again(pending);
    }
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
  async #adopt(pending: Pending, { verified, startedIn }: Verified): Promise<Lent> {
    const { pool, evicted } = pending;
    // If one went already to make room, that was the one.
    const spared = evicted?.pool === pool ? undefined : pool.longestIdle;
    if (spared !== undefined) this.#close(spared, 'credentials');
    return { pooled: await this.#install(pending, verified, startedIn), enabled: undefined };
  }

  /** @param startedIn - the generation in which its login began */
  async #install(
    { pool, credential, token }: Pending,
    connection: UpstreamConnection,
    startedIn: number,
  ): Promise<PooledConnection> {
    const { census, retirement, now, onFreed, generation } = this.#options;
    const set = pool.plainOf(token);
    const slot = await set.slots.takeNew();
    const pooled: PooledConnection = {
      connection,
      pool,
      place: { set, slot },
      credential,
      retireAt: retirement.retireAt(),
      retireReason: generation() === startedIn ? undefined : 'stale',
      idleSince: now(),
      provenAt: now(),
      proof: undefined,
      leases: 0,
    };
    slot.pooled = pooled;
    set.connections.add(pooled);
    census.opened(pooled);
    void connection.closed.then(({ reason }) => {
      pool.lastCloseReason = reason;
      census.gone(pooled);
      pool.gone(pooled);
      census.free(pool);
      onFreed(pool);
    });
    return pooled;
  }

  async #move(pooled: PooledConnection, set: ConnectionSet): Promise<void> {
    const { connection, place, pool } = pooled;
    if (!connection.isOver) set.connections.add(pooled);
    const slot = await set.slots.takeNew();
    place.slot.pooled = undefined;
    place.set.slots.drop(place.slot);
    slot.pooled = pooled;
    pooled.place = { set, slot };
    place.set.connections.delete(pooled);
    pool.forgetIfEmpty(place.set);
    pool.forgetIfEmpty(set);
  }

  #close(pooled: PooledConnection, reason: CloseReason): void {
    this.#options.census.notIdle(pooled);
    pooled.connection.close(reason);
  }
}
