/** Owns how fast connections to the upstream may be attempted: so many a minute, spread evenly. */

export interface ConnectionRateOptions {
  /** Attempts a minute; 0: no limit. */
  readonly perMinute: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Called once after one or more refusals, as soon as an attempt may be made. */
  readonly onAvailable: () => void;
}

/**
 * A token bucket that holds what one second brings, and at least one token. It keeps no count of tokens but the time
 * at which it will be full again, so that no rounding adds up.
 */
export class ConnectionRate {
  readonly #options: ConnectionRateOptions;
  /** How long one token takes to come. */
  readonly #intervalMs: number;
  /** How long an empty bucket takes to get its last token but one: this far ahead `#fullAt` may be for a token. */
  readonly #toleranceMs: number;
  #fullAt = -Infinity;
  #timer: NodeJS.Timeout | undefined;
  #isDisposed = false;

  constructor(options: ConnectionRateOptions) {
    this.#options = options;
    this.#intervalMs = 60_000 / options.perMinute;
    this.#toleranceMs = (Math.ceil(options.perMinute / 60) - 1) * this.#intervalMs;
  }

  /** Whether there is a token; if not, `onAvailable` tells of the next. */
  hasToken(): boolean {
    if (this.#options.perMinute === 0 || this.#delayMs() <= 0) return true;
    this.#awaitToken();
    return false;
  }

  /** Takes a token for one attempt; false if there is none, and `onAvailable` tells of the next. */
  tryTake(): boolean {
    if (this.#options.perMinute === 0) return true;
    if (!this.hasToken()) return false;
    this.#fullAt = Math.max(this.#fullAt, this.#options.now()) + this.#intervalMs;
    return true;
  }

  /** Ends the timer; `onAvailable` is not called any more. */
  dispose(): void {
    this.#isDisposed = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** How long until there is a token; not above 0 if there is one. */
  #delayMs(): number {
    return this.#fullAt - this.#toleranceMs - this.#options.now();
  }

  /** The timer keeps the process alive: it runs only when somebody waits for its token. */
  #awaitToken(): void {
    if (this.#isDisposed) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      // Timers of Node may fire a fraction of a millisecond early.
      if (this.#delayMs() > 0) this.#awaitToken();
      else this.#options.onAvailable();
    }, Math.ceil(this.#delayMs()));
  }
}
