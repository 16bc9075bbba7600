/** Owns which local address the next connection leaves from: the one with the fewest connections. */

/**
 * Each local address has an ephemeral range of its own. The price: an address that is chosen before the destination
 * is known binds its port for all destinations.
 */
export class SourceAddresses {
  readonly #connections: Map<string, number>;

  /** @param addresses - none: the system chooses, as it does by itself */
  constructor(addresses: readonly string[]) {
    this.#connections = new Map(addresses.map((address) => [address, 0]));
  }

  /** Takes the least used one; the caller must {@link give} it back when its connection is gone. */
  take(): string | undefined {
    let least: string | undefined;
    let fewest = Infinity;
    for (const [address, count] of this.#connections) {
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
}
