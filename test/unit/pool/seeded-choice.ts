// Choices at random, the same ones for the same seed.

/** A small generator of numbers from 0 to below 1, the same ones for the same seed (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export class SeededChoice {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = generator(seed);
  }

  /** True with this probability. */
  isTrue(probability: number): boolean {
    return this.#random() < probability;
  }

  /** A whole number from 0 to below the limit. */
  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  /** One of them; undefined if there is none. */
  of<T>(things: readonly [T, ...T[]]): T;
  of<T>(things: readonly T[]): T | undefined;
  of<T>(things: readonly T[]): T | undefined {
    return things[this.below(things.length)];
  }
}
