/** Owns which local address the next connection leaves from: the one with the fewest connections that can be used. */

import { performance } from 'node:perf_hooks';

/** How long an address is left alone from which a connection failed: the next login after that tries it again. */
const SET_ASIDE_MS = 10_000;

/**
 * Each local address has an ephemeral range of its own. The price: an address that is chosen before the destination
 * is known binds its port for all destinations.
 */
export class SourceAddresses {
  readonly #connections: Map<string, number>;
  /** Until when each of those is left alone that failed. */
  readonly #asideUntil = new Map<string, number>();
  readonly #now: () => number;

  /**
   * @param addresses - none: the system chooses, as it does by itself
   * @param now - monotonic, in milliseconds
   */
  constructor(addresses: readonly string[], now: () => number = () => performance.now()) {
    this.#connections = new Map(addresses.map((address) => [address, 0]));
    this.#now = now;
  }

  /** Takes the least used one; the caller must {@link give} it back when its connection is gone. */
  take(): string | undefined {
    const usable = [...this.#connections].filter(([address]) => !this.#isAside(address));
    let least: string | undefined;
    let fewest = Infinity;
    // Where none can be used, whoever tries one says why.
    for (const [address, count] of usable.length > 0 ? usable : this.#connections) {
      if (count >= fewest) continue;
      fewest = count;
      least = address;
    }
    if (least !== undefined) this.#connections.set(least, fewest + 1);
    return least;
  }

  give(address: string | undefined): void {
    const count = address === undefined ? undefined : this.#connections.get(address);
    if (address !== undefined && count !== undefined) this.#connections.set(address, count - 1);
  }

  /**
   * No connection came to be from this address: it may never have any, and would be the next one's again and again.
   *
   * @returns whether there is another one to try
   */
  setAside(address: string): boolean {
    this.#asideUntil.set(address, this.#now() + SET_ASIDE_MS);
    return [...this.#connections.keys()].some((other) => !this.#isAside(other));
  }

  #isAside(address: string): boolean {
    return this.#now() < (this.#asideUntil.get(address) ?? -Infinity);
  }
}
