/** Owns how the gaps between a release and the next login are spread: a fixed number of buckets for any number of gaps. */

const LOWEST_MS = 10;
const HIGHEST_MS = 24 * 3_600_000;
const BUCKETS_PER_DECADE = 8;

/** What a connection that is kept for a given time after its release would have come to. */
export interface KeptOutcome {
  /** Gaps that were not longer. */
  readonly hits: number;
  /** How long connections would have been idle in all before the logins that had a gap, in milliseconds. */
  readonly idleMs: number;
}

/** Numbers are weights, not counts, once they have been faded. */
export class GapHistogram {
  /** Upper bounds in milliseconds, ascending; a gap that is equal to one is below it. */
  readonly #bounds: readonly number[];
  readonly #counts: Float64Array;
  readonly #sumsMs: Float64Array;
  #finite = 0;
  #total = 0;

  /** @param exactMs - the durations for which {@link at} is exact; between them it interpolates */
  constructor(exactMs: readonly number[]) {
    const bounds = new Set(exactMs.filter((bound) => bound > 0));
    const decades = Math.log10(HIGHEST_MS / LOWEST_MS);
    for (let step = 0; step < decades * BUCKETS_PER_DECADE; step += 1)
      bounds.add(LOWEST_MS * 10 ** (step / BUCKETS_PER_DECADE));
    bounds.add(HIGHEST_MS);
    this.#bounds = [...bounds].sort((a, b) => a - b);
    this.#counts = new Float64Array(this.#bounds.length);
    this.#sumsMs = new Float64Array(this.#bounds.length);
  }

  /** Gaps of every length. */
  get total(): number {
    return this.#total;
  }

  /** @param gapMs - Infinity for a login before which nothing was released */
  add(gapMs: number): void {
    this.#total += 1;
    if (gapMs === Infinity) return;
    this.#finite += 1;
    const at = this.#bucketOf(gapMs);
    // Longer than any time that is asked for: neither a hit nor in a sum.
    if (at === this.#bounds.length) return;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#sumsMs[at] = (this.#sumsMs[at] ?? 0) + gapMs;
  }

  /** Makes all of the past weigh less. @param factor - from 0 to 1 */
  fade(factor: number): void {
    this.#total *= factor;
    this.#finite *= factor;
    for (let at = 0; at < this.#bounds.length; at += 1) {
      this.#counts[at] = (this.#counts[at] ?? 0) * factor;
      this.#sumsMs[at] = (this.#sumsMs[at] ?? 0) * factor;
    }
  }

  /** @param keptMs - 0 keeps nothing; more than a day is taken for a day */
  at(keptMs: number): KeptOutcome {
    const limitMs = Math.min(keptMs, HIGHEST_MS);
    if (limitMs <= 0) return { hits: 0, idleMs: 0 };
    let hits = 0;
    let idleMs = 0;
    let lowerMs = 0;
    for (const [at, upperMs] of this.#bounds.entries()) {
      if (lowerMs >= limitMs) break;
      const share = shareBelow(limitMs, lowerMs, upperMs);
      hits += share * (this.#counts[at] ?? 0);
      idleMs += share * (this.#sumsMs[at] ?? 0);
      lowerMs = upperMs;
    }
    // Whoever came later left a connection idle for all of the time.
    return { hits, idleMs: idleMs + Math.max(0, this.#finite - hits) * limitMs };
  }

  /** The first bound that is not below the gap. */
  #bucketOf(gapMs: number): number {
    let low = 0;
    let high = this.#bounds.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#bounds[middle] ?? Infinity) < gapMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** How much of a bucket is below a limit, if its gaps are spread evenly on the logarithmic scale. */
function shareBelow(limitMs: number, lowerMs: number, upperMs: number): number {
  if (limitMs >= upperMs) return 1;
  return lowerMs === 0 ? limitMs / upperMs : Math.log(limitMs / lowerMs) / Math.log(upperMs / lowerMs);
}
