/** Owns which identities the upstream was too busy for, and when each of them may be asked for again. */

import { ProxyError } from '../errors.js';

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 5 * 60_000;
/** Identities that were refused together don't all come back together. */
const JITTER = 0.2;
/** How long the length of the last delay is remembered after its end, for a failure that may follow. */
const MEMORY_MS = 10 * 60_000;
const MAX_IDENTITIES = 10_000;

export interface BackOffOptions {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** A number from 0 to below 1. */
  readonly random?: () => number;
}

interface Entry {
  /** What the upstream answered last. */
  readonly error: Pick<ProxyError, 'message' | 'upstreamRefusal'>;
  /** Without jitter. */
  readonly delayMs: number;
  /** Monotonic milliseconds, like all times here. */
  readonly retryAt: number;
  /** Whether the one attempt that may follow the delay is running. */
  isTrying: boolean;
  forgetAt: number;
}

/**
 * A server that is busy is not helped by being asked again at once, and neither is the user: many servers count
 * refused logins. After a busy answer the identity is left alone for half a second, and for twice as long after each
 * further one, up to five minutes; then one attempt finds out for all.
 *
 * Who attempts says {@link begin}, and then exactly one of {@link succeeded}, {@link failed} and {@link abandoned}.
 */
export class BackOff {
  readonly #now: () => number;
  readonly #random: () => number;
  /** In the order of the last failure. */
  readonly #entries = new Map<string, Entry>();

  constructor({ now, random = Math.random }: BackOffOptions) {
    this.#now = now;
    this.#random = random;
  }

  /** How many identities are remembered. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * Why the identity can't be asked for now: its delay is running, or the attempt that follows it is.
   *
   * @returns an error `backoff` with the upstream's own words; undefined if the identity may be asked for
   */
  refusal(key: string): ProxyError | undefined {
    const entry = this.#recall(key);
    if (entry === undefined || !(entry.isTrying || this.#now() < entry.retryAt)) return undefined;
    const { message, upstreamRefusal } = entry.error;
    return new ProxyError('backoff', {
      detail: `not asked again yet after: ${message}`,
      ...(upstreamRefusal === undefined ? {} : { upstreamRefusal }),
    });
  }

  /** When the delay ends or ended, in monotonic milliseconds; undefined if nothing is held against the identity. */
  retryAt(key: string): number | undefined {
    return this.#recall(key)?.retryAt;
  }

  /**
   * Says that an attempt begins. The first one after a delay is the only one until it has ended.
   *
   * @throws ProxyError `backoff`, as {@link refusal}; no attempt has begun then
   */
  begin(key: string): void {
    const refusal = this.refusal(key);
    if (refusal !== undefined) throw refusal;
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    entry.isTrying = true;
    // Also the way out for an attempt that never says how it ended.
    entry.forgetAt = this.#now() + MEMORY_MS;
  }

  /** The upstream let the identity in. */
  succeeded(key: string): void {
    this.#entries.delete(key);
  }

  /** The attempt ended without an answer to whether the upstream is busy; the next may begin at once. */
  abandoned(key: string): void {
    const entry = this.#recall(key);
    if (entry === undefined) return;
    entry.isTrying = false;
    entry.forgetAt = Math.max(this.#now(), entry.retryAt) + MEMORY_MS;
  }

  /** @param error - the busy answer; what it says is told to whoever asks in the meantime */
  failed(key: string, { message, upstreamRefusal }: ProxyError): void {
    const before = this.#recall(key);
    const { delayMs, retryAt } = this.#nextDelay(before);
    // Deleted first: whoever failed last is the last to be forgotten.
    this.#entries.delete(key);
    this.#makeRoom();
    this.#entries.set(key, {
      error: { message, upstreamRefusal },
      delayMs,
      retryAt,
      isTrying: false,
      forgetAt: retryAt + MEMORY_MS,
    });
  }

  #nextDelay(before: Entry | undefined): Pick<Entry, 'delayMs' | 'retryAt'> {
    const now = this.#now();
    // Eight logins that began together and are refused together are one busy answer, not eight.
    if (before !== undefined && now < before.retryAt) return before;
    const delayMs = before === undefined ? FIRST_DELAY_MS : Math.min(LONGEST_DELAY_MS, before.delayMs * 2);
    return { delayMs, retryAt: now + delayMs * (1 + JITTER * (2 * this.#random() - 1)) };
  }

  #recall(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || this.#now() < entry.forgetAt) return entry;
    this.#entries.delete(key);
    return undefined;
  }

  /** Forgets what is out of date, as far as it is in front, and the oldest failure if that is not enough. */
  #makeRoom(): void {
    for (const [key, { forgetAt }] of this.#entries) {
      if (this.#now() < forgetAt && this.#entries.size < MAX_IDENTITIES) return;
      this.#entries.delete(key);
    }
  }
}
