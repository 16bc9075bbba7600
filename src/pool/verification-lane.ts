/** Owns how many logins check unknown credentials at once: bounded, apart from the pool's own caps. */

import { ProxyError, asProxyError } from '../errors.js';
import { WaitQueue } from './wait-queue.js';
import type { WaitQueueOptions } from './wait-queue.js';

/** In all; more are a flood of guesses rather than people. */
const MAX_IN_FLIGHT = 32;
/** For one identity, so that a guesser can't take every place. */
const MAX_IN_FLIGHT_PER_IDENTITY = 2;

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
      if (!this.#hasPlace || this.#isHeldBack) return false;
      // The others of its source are not to wait for its identity.
      if (!this.#hasPlaceFor(attempt)) return 'pass';
      return this.#tryStart(attempt);
    });
  }

  get #hasPlace(): boolean {
    return this.#total < MAX_IN_FLIGHT;
  }

  /**
   * A guesser never holds both places of a name: neither by sessions that have failed, nor from one address of his
   * own, where only a better claim gets the second one.
   */
  #hasPlaceFor({ identityKey, source, isSourceShared, claim }: Attempt): boolean {
    const running = this.#byIdentity.get(identityKey) ?? [];
    return (
      running.length < MAX_IN_FLIGHT_PER_IDENTITY &&
      running.every(
        (other) =>
          (isSourceShared || other.source !== source || claim > other.claim) && claim + other.claim > 0,
      )
    );
  }

  /** Enters without a wait. Where others wait for `mayStart`, a newcomer doesn't snatch it from them. */
  #tryEnterFirst(attempt: Attempt): boolean {
    if (this.#isHeldBack && this.size > 0) return false;
    return this.#hasPlace && this.#hasPlaceFor(attempt) && this.#tryStart(attempt);
  }

  /** Enters if `mayStart` allows it; there must be a place. */
  #tryStart(attempt: Attempt): boolean {
    this.#isHeldBack = !this.#mayStart(attempt);
    if (this.#isHeldBack) return false;
    const { identityKey } = attempt;
    this.#total += 1;
    this.#byIdentity.set(identityKey, [...(this.#byIdentity.get(identityKey) ?? []), attempt]);
    return true;
  }

  async #wait(attempt: Attempt, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#queue.wait(attempt.source, attempt, { signal });
    } catch (error) {
      const failure = asProxyError(error);
      const isThrottled = this.#isHeldBack && this.#hasPlace && this.#hasPlaceFor(attempt);
      throw failure.code === 'lease_timeout' && isThrottled
        ? new ProxyError('throttled', { cause: failure })
        : failure;
    }
  }

  #leave(attempt: Attempt): void {
    const { identityKey } = attempt;
    this.#total -= 1;
    const others = this.#byIdentity.get(identityKey)?.filter((other) => other !== attempt) ?? [];
    if (others.length === 0) this.#byIdentity.delete(identityKey);
    else this.#byIdentity.set(identityKey, others);
    this.serve();
  }
}
