// A random generator whose whole sequence follows from its seed, so that a run can be repeated.

export class Random {
  #state: number;

  /** @param parts - equal parts give equal sequences */
  constructor(...parts: readonly number[]) {
    this.#state = parts.reduce(
      (state, part) => Math.imul(state ^ part, 0x9e3779b1) ^ (state >>> 15),
      0x51ed270b,
    );
  }

  /** From 0 to 1, without 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(from: readonly T[]): T {
    const item = from[this.between(0, from.length - 1)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }
}
