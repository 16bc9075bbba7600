/** Owns when each user's connections were released, as if none had ever been closed; who was gone long is forgotten. */

/** Of one user; more are forgotten, the oldest first. */
const MAX_PER_USER = 16;

/**
 * One stack per user says what every idle timeout would have done: the last one released is the first one lent
 * again, so the connections that a timeout leaves are always those on top.
 *
 * Users are in two generations, and the older one is forgotten as a whole when the younger one is full. Taking the
 * first key of a Map again and again to delete it would walk over all those that were deleted before.
 */
export class IdleTimes {
  readonly #maxYoung: number;
  #young = new Map<string, number[]>();
  #old = new Map<string, number[]>();

  /** @param maxUsers - so many at most, and the last half of that surely */
  constructor(maxUsers: number) {
    this.#maxYoung = Math.max(1, Math.floor(maxUsers / 2));
  }

  get users(): number {
    return this.#young.size + this.#old.size;
  }

  /** @param atMs - monotonic, never before an earlier one */
  push(user: string, atMs: number): void {
    const releases = this.#young.get(user) ?? this.#rejuvenated(user);
    if (releases.length >= MAX_PER_USER) releases.shift();
    releases.push(atMs);
  }

  /** When the connection was released that this user would be lent now. */
  pop(user: string): number | undefined {
    const generation = this.#young.has(user) ? this.#young : this.#old;
    const releases = generation.get(user);
    const last = releases?.pop();
    if (releases?.length === 0) generation.delete(user);
    return last;
  }

  #rejuvenated(user: string): number[] {
    const releases = this.#old.get(user) ?? [];
    this.#old.delete(user);
    if (this.#young.size >= this.#maxYoung) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(user, releases);
    return releases;
  }
}
