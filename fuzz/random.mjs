// Owns chance: the same choices for the same seed.

export class Random {
  /** @param {number} seed */
  constructor(seed) {
    this.state = seed | 0;
  }

  /** A generator of its own for the n-th thing of a run, whatever was drawn for the others. */
  static of(/** @type {number} */ seed, /** @type {number} */ index) {
    const mixed = Math.imul(seed ^ (index + 1), 0x9e3779b1) ^ Math.imul(index ^ (seed >>> 7), 0x85ebca6b);
    return new Random(mixed);
  }

  /** From 0 to below 1 (mulberry32). */
  next() {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** A whole number from 0 to below the limit. */
  below(/** @type {number} */ limit) {
    return Math.floor(this.next() * limit);
  }

  /** A whole number, both ends included. */
  between(/** @type {number} */ low, /** @type {number} */ high) {
    return low + this.below(high - low + 1);
  }

  chance(/** @type {number} */ probability) {
    return this.next() < probability;
  }

  /**
   * @template T
   * @param {readonly T[]} things
   * @returns {T}
   */
  pick(things) {
    return things[this.below(things.length)];
  }

  /** A seed for something that draws for itself. */
  seed() {
    return this.below(0x7fff_ffff);
  }
}
