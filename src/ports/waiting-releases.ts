/** Owns how many released connections nobody has come back for yet, by their age: one number per minute. */

const SLOT_MS = 60_000;
/** An hour and the present minute; what is older is idle for as long as any timeout. */
const SLOTS = 62;

/** The numbers fade with the time since the release, as those of logins do. */
export class WaitingReleases {
  readonly #halfLifeMs: number;
  readonly #startedAt: number;
  /** A ring by the minute of the release. */
  readonly #counts = new Float64Array(SLOTS);
  /** Of the times of release, from the start on. */
  readonly #sumsMs = new Float64Array(SLOTS);
  #minute = 0;
  /** Older than the ring, faded up to `#fadedAt`. */
  #olderWeight = 0;
  #fadedAt: number;

  /** @param startedAt - monotonic milliseconds, like all times here */
  constructor(startedAt: number, halfLifeMs: number) {
    this.#startedAt = this.#fadedAt = startedAt;
    this.#halfLifeMs = halfLifeMs;
  }

  /** @param now - of the release */
  add(now: number): void {
    this.#advance(now);
    this.#change(this.#minute, 1, now);
  }

  /** Somebody came back for the connection that was released then. */
  remove(releasedAt: number, now: number): void {
    this.#advance(now);
    const minute = this.#minuteOf(releasedAt);
    if (minute > this.#minute - SLOTS) this.#change(minute, -1, releasedAt);
    else this.#olderWeight = Math.max(0, this.#olderWeight - this.#weight(now - releasedAt));
  }

  /** How long all of them have been idle up to now, if none is kept for longer than this; in milliseconds. */
  idleMs(keptMs: number, now: number): number {
    this.#advance(now);
    let idleMs = this.#olderWeight * Math.min(keptMs, now - this.#startedAt);
    for (let slot = 0; slot < SLOTS; slot += 1) {
      const count = this.#counts[slot] ?? 0;
      if (count <= 0) continue;
      const meanAgeMs = this.#meanAgeMs(slot, count, now);
      idleMs += count * this.#weight(meanAgeMs) * Math.min(keptMs, meanAgeMs);
    }
    return idleMs;
  }

  #change(minute: number, by: number, releasedAt: number): void {
    const slot = minute % SLOTS;
    this.#counts[slot] = (this.#counts[slot] ?? 0) + by;
    this.#sumsMs[slot] = (this.#sumsMs[slot] ?? 0) + by * (releasedAt - this.#startedAt);
  }

  /** Moves what is older than the ring out of it. */
  #advance(now: number): void {
    const minute = this.#minuteOf(now);
    if (minute === this.#minute) return;
    this.#olderWeight *= this.#weight(now - this.#fadedAt);
    this.#fadedAt = now;
    for (let passed = Math.max(this.#minute, minute - SLOTS) + 1; passed <= minute; passed += 1) {
      const slot = passed % SLOTS;
      const count = this.#counts[slot] ?? 0;
      if (count > 0) this.#olderWeight += count * this.#weight(this.#meanAgeMs(slot, count, now));
      this.#counts[slot] = this.#sumsMs[slot] = 0;
    }
    this.#minute = minute;
  }

  #meanAgeMs(slot: number, count: number, now: number): number {
    // Sums of what came and went can differ in their last digit.
    return Math.max(0, now - this.#startedAt - (this.#sumsMs[slot] ?? 0) / count);
  }

  #minuteOf(at: number): number {
    return Math.floor((at - this.#startedAt) / SLOT_MS);
  }

  #weight(ageMs: number): number {
    return 0.5 ** (ageMs / this.#halfLifeMs);
  }
}
