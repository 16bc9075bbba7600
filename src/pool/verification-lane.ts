/** Owns how many logins check unknown credentials at once: bounded, apart from the pool's own caps. */

import { ProxyError, asProxyError } from '../errors.js';
import { WaitQueue } from './wait-queue.js';
import type { WaitQueueOptions } from './wait-queue.js';

/** In all; more are a flood of guesses rather than people. */
const MAX_IN_FLIGHT = 32;
/** Of these, for credentials that were never accepted: a flood over many names is not to hold up the others. */
const MAX_UNPROVEN_IN_FLIGHT = 24;
/** For one identity, so that a guesser can't take every place. */
const MAX_IN_FLIGHT_PER_IDENTITY = 2;
/** For one identity whose credentials are known to some: one place is kept for these. */
const MAX_UNPROVEN_PER_KNOWN_IDENTITY = 1;
/** For one identity, so that a guesser can't fill the queue for everybody else. */
const MAX_WAITING_PER_IDENTITY = 32;

/**
 * What speaks for an attempt. 0: the session has failed before with this name; 1: nothing is known; 2: these very
 * credentials were accepted before.
 */
export type Claim = 0 | 1 | 2;

export interface Attempt {
  readonly identityKey: string;
  /** Where the client comes from: its address, or `unix`. */
  readonly source: string;
  /** Whether many people may come from there, as through a webmail on this host. */
  readonly isSourceShared: boolean;
  readonly claim: Claim;
  /** Whether other credentials of the identity were accepted before. */
  readonly isIdentityKnown: boolean;
}

export interface VerificationLaneOptions extends Pick<
  WaitQueueOptions<never>,
  'maxWaiting' | 'timeoutMs' | 'now'
> {
  /**
   * Asked last, when there is a place; true takes what it stands for. After false, its owner calls
   * {@link VerificationLane.serve} when it would be true again.
   */
  readonly mayStart: (attempt: Attempt) => boolean;
}

export class VerificationLane {
  readonly #queue: WaitQueue<Attempt>;
  readonly #mayStart: (attempt: Attempt) => boolean;
  /** Who waits for which identity, and how to send each away; in the order of arrival. */
  readonly #waiting = new Map<string, Map<Attempt, AbortController>>();
  /** How many checks of credentials run that were never accepted. */
  #unproven = 0;
  readonly #byIdentity = new Map<string, readonly Attempt[]>();
  #total = 0;
  /** Whether `mayStart` was the last to refuse, so that {@link serve} is going to be called for that. */
  #isHeldBack = false;

  constructor({ mayStart, ...options }: VerificationLaneOptions) {
    this.#mayStart = mayStart;
    this.#queue = new WaitQueue({
      ...options,
      // One source may be a webmail with all its users: only attempts for the same name are compared. Of equal ones
      // the last goes first, so that who guesses on many connections doesn't make the owner of the name wait for all.
      goesBefore: (later, earlier) =>
        later.identityKey === earlier.identityKey && later.claim >= earlier.claim,
    });
  }

  /** How many wait. */
  get size(): number {
    return this.#queue.size;
  }

  /** How many checks run. */
  get inFlight(): number {
    return this.#total;
  }

  /**
   * Runs a check when there is a place for it. Those that wait are served in turn over their sources, each source in
   * the order of arrival as far as the identities have room; of one source and identity the better claim goes first, and the last of equal ones.
   *
   * @param signal - aborted when the client has gone; ends the wait, not the check
   * @throws ProxyError `queue_full`, `lease_timeout`, `cancelled`, `throttled` if only `mayStart` was in the way until
   *   the deadline, or what the check throws
   */
  async run<T>(attempt: Attempt, check: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (signal?.aborted === true) throw new ProxyError('cancelled');
    if (!this.#tryEnterFirst(attempt)) await this.#wait(attempt, signal);
    try {
      return await check();
    } finally {
      this.#leave(attempt);
    }
  }

  /** Lets in whoever may enter now; to be called when `mayStart` may have become true. */
  serve(): void {
    this.#isHeldBack = false;
    this.#queue.serve((attempt) => {
      if (this.#total >= MAX_IN_FLIGHT || this.#isHeldBack) return false;
      // The others of its source are not to wait for its identity.
      if (!this.#hasPlaceFor(attempt)) return 'pass';
      return this.#tryStart(attempt);
    });
  }

  /**
   * A guesser never holds both places of a name: not by sessions that have failed, nor from one address of his own, where
   * only a better claim gets the second one, nor where the owner has been here before.
   */
  #hasPlaceFor({ identityKey, source, isSourceShared, claim, isIdentityKnown }: Attempt): boolean {
    if (this.#total >= MAX_IN_FLIGHT) return false;
    if (claim < 2 && this.#unproven >= MAX_UNPROVEN_IN_FLIGHT) return false;
    const running = this.#byIdentity.get(identityKey) ?? [];
    if (running.length >= MAX_IN_FLIGHT_PER_IDENTITY) return false;
    const unproven = running.filter((other) => other.claim < 2).length;
    if (claim < 2 && isIdentityKnown && unproven >= MAX_UNPROVEN_PER_KNOWN_IDENTITY) return false;
    return running.every(
      (other) =>
        (isSourceShared || other.source !== source || claim > other.claim) && claim + other.claim > 0,
    );
  }

  /** Enters without a wait. Where others wait for `mayStart`, a newcomer doesn't snatch it from them. */
  #tryEnterFirst(attempt: Attempt): boolean {
    if (this.#isHeldBack && this.size > 0) return false;
    return this.#hasPlaceFor(attempt) && this.#tryStart(attempt);
  }

  /** Enters if `mayStart` allows it; there must be a place. */
  #tryStart(attempt: Attempt): boolean {
    this.#isHeldBack = !this.#mayStart(attempt);
    if (this.#isHeldBack) return false;
    const { identityKey, claim } = attempt;
    this.#total += 1;
    if (claim < 2) this.#unproven += 1;
    this.#byIdentity.set(identityKey, [...(this.#byIdentity.get(identityKey) ?? []), attempt]);
    return true;
  }

  async #wait(attempt: Attempt, signal: AbortSignal | undefined): Promise<void> {
    const { identityKey, source } = attempt;
    const oust = new AbortController();
    const leave = (): void => {
      oust.abort();
    };
    const waiting = this.#waiting.get(identityKey) ?? new Map<Attempt, AbortController>();
    this.#waiting.set(identityKey, waiting.set(attempt, oust));
    if (waiting.size > MAX_WAITING_PER_IDENTITY) oustFrom(waiting);
    signal?.addEventListener('abort', leave);
    try {
      await this.#queue.wait(source, attempt, { signal: oust.signal });
    } catch (error) {
      const failure = asProxyError(error);
      if (failure.code === 'cancelled' && signal?.aborted !== true) throw new ProxyError('queue_full');
      const isThrottled = this.#isHeldBack && this.#hasPlaceFor(attempt);
      throw failure.code === 'lease_timeout' && isThrottled
        ? new ProxyError('throttled', { cause: failure })
        : failure;
    } finally {
      signal?.removeEventListener('abort', leave);
      waiting.delete(attempt);
      if (waiting.size === 0 && this.#waiting.get(identityKey) === waiting) this.#waiting.delete(identityKey);
    }
  }

  #leave(attempt: Attempt): void {
    const { identityKey, claim } = attempt;
    this.#total -= 1;
    if (claim < 2) this.#unproven -= 1;
    const others = this.#byIdentity.get(identityKey)?.filter((other) => other !== attempt) ?? [];
    if (others.length === 0) this.#byIdentity.delete(identityKey);
    else this.#byIdentity.set(identityKey, others);
    this.serve();
  }
}

/** Sends the one away that has the worst claim, and of those the one that came first: he would be the last to be served. */
function oustFrom(waiting: Map<Attempt, AbortController>): void {
  let [worst] = waiting;
  for (const entry of waiting) if (worst !== undefined && entry[0].claim < worst[0].claim) worst = entry;
  if (worst === undefined) return;
  waiting.delete(worst[0]);
  worst[1].abort();
}
