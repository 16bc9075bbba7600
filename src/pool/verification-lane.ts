/** Owns how many logins check unknown credentials at once: bounded, apart from the pool's own caps. */

/** In all; more are a flood of guesses rather than people. */
const MAX_IN_FLIGHT = 32;
/** For one identity, so that a guesser can't take every place. */
const MAX_IN_FLIGHT_PER_IDENTITY = 2;

interface Waiting {
  readonly key: string;
  readonly enter: () => void;
}

export class VerificationLane {
  readonly #inFlight = new Map<string, number>();
  readonly #waiting = new Set<Waiting>();
  #total = 0;

  /**
   * Runs a check when there is a place for it, first come first served among those that may.
   *
   * @param key - the identity
   */
  async run<T>(key: string, check: () => Promise<T>): Promise<T> {
    if (this.#mayEnter(key)) this.#enter(key);
    else
      await new Promise<void>((resolve) => {
        this.#waiting.add({ key, enter: resolve });
      });
    try {
      return await check();
    } finally {
      this.#leave(key);
    }
  }

  #mayEnter(key: string): boolean {
    return this.#total < MAX_IN_FLIGHT && (this.#inFlight.get(key) ?? 0) < MAX_IN_FLIGHT_PER_IDENTITY;
  }

  #enter(key: string): void {
    this.#total += 1;
    this.#inFlight.set(key, (this.#inFlight.get(key) ?? 0) + 1);
  }

  #leave(key: string): void {
    this.#total -= 1;
    const left = (this.#inFlight.get(key) ?? 0) - 1;
    if (left === 0) this.#inFlight.delete(key);
    else this.#inFlight.set(key, left);
    for (const waiting of this.#waiting) {
      if (!this.#mayEnter(waiting.key)) continue;
      this.#waiting.delete(waiting);
      this.#enter(waiting.key);
      waiting.enter();
      return;
    }
  }
}
