/** Owns the advice on how long idle connections should be kept, from when users come back. */

import { performance } from 'node:perf_hooks';

import { GapHistogram } from './gap-histogram.js';
import { IdleTimes } from './idle-times.js';
import { HIGH_MARK } from './port-pressure.js';
import { portsOf, recommendTtl } from './ttl-recommendation.js';
import type { TtlPoint } from './ttl-recommendation.js';
import { WaitingReleases } from './waiting-releases.js';

/** The timeouts that are compared, in milliseconds. */
export const TTLS_MS: readonly number[] = [
  0, 1_000, 5_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000,
];

const HALF_LIFE_MS = 3_600_000;
const MAX_USERS = 100_000;
/** The past fades in steps: a second's worth of precision isn't worth a loop per login. */
const FADE_EVERY_MS = 60_000;
/** With fewer logins than this in the last hours, there is nothing to advise. */
const MIN_LOGINS = 100;

export interface TtlAdviserOptions {
  /** After so long a login weighs half. @defaultValue 1 h */
  readonly halfLifeMs?: number;
  /** Users whose last release is remembered; some 150 bytes each. @defaultValue 100000 */
  readonly maxUsers?: number;
  /** @defaultValue the monotonic clock, in milliseconds */
  readonly now?: () => number;
}

export interface AdviceInput {
  /** Ports towards the server; undefined where nobody knows. */
  readonly limit: number | undefined;
  readonly timeWaitSeconds: number;
  /** From 0 to 1: of the upstream connections that end, how many we close first. */
  readonly locallyClosedShare: number;
  readonly currentTtlMs: number;
}

export interface TtlAdvice {
  readonly loginsPerSecond: number;
  /** One point for each of {@link TTLS_MS}. */
  readonly curve: readonly TtlPoint[];
  /** What the timeout in use comes to; interpolated if it is none of {@link TTLS_MS}. */
  readonly current: TtlPoint;
  /** With the timeout in use, on average: TIME_WAIT and idle connections. Those in use come on top. */
  readonly predictedPorts: number;
  /** Whether that is as much as counts as high pressure: a busy minute then has no port left. */
  readonly isExhausting: boolean;
  /** Undefined until there were enough logins. */
  readonly recommendedTtlMs: number | undefined;
}

/**
 * Learns from every login and release, in memory that doesn't grow with them. A user who was never seen, or was
 * forgotten, counts as one for whom no timeout is long enough; so right after the start all shares are too low.
 */
export class TtlAdviser {
  readonly #now: () => number;
  readonly #halfLifeMs: number;
  readonly #gaps = new GapHistogram(TTLS_MS);
  readonly #idle: IdleTimes;
  readonly #waiting: WaitingReleases;
  readonly #startedAt: number;
  #fadedAt: number;

  constructor(options: TtlAdviserOptions = {}) {
    this.#now = options.now ?? (() => performance.now());
    this.#halfLifeMs = options.halfLifeMs ?? HALF_LIFE_MS;
    this.#idle = new IdleTimes(options.maxUsers ?? MAX_USERS);
    this.#startedAt = this.#fadedAt = this.#now();
    this.#waiting = new WaitingReleases(this.#startedAt, this.#halfLifeMs);
  }

  /** A session takes a connection of this user's, warm or not. */
  login(userKey: string): void {
    const now = this.#now();
    if (now - this.#fadedAt >= FADE_EVERY_MS) this.#fade(now);
    const releasedAt = this.#idle.pop(userKey);
    this.#gaps.add(releasedAt === undefined ? Infinity : now - releasedAt);
    if (releasedAt !== undefined) this.#waiting.remove(releasedAt, now);
  }

  /** A session has given back a connection that another one of the same user could take; once for each `login`. */
  released(userKey: string): void {
    const now = this.#now();
    this.#idle.push(userKey, now);
    this.#waiting.add(now);
  }

  /** Some microseconds of work. */
  advise(input: AdviceInput): TtlAdvice {
    const now = this.#now();
    this.#fade(now);
    const curve = TTLS_MS.map((ttlMs) => this.#pointAt(ttlMs, now, input));
    const current = this.#pointAt(input.currentTtlMs, now, input);
    const predictedPorts = portsOf(current);
    return {
      loginsPerSecond: this.#gaps.total / this.#weightSeconds(now),
      curve,
      current,
      predictedPorts,
      isExhausting: input.limit !== undefined && predictedPorts >= input.limit * HIGH_MARK,
      recommendedTtlMs: this.#gaps.total < MIN_LOGINS ? undefined : recommendTtl(curve, input.limit)?.ttlMs,
    };
  }

  /** Each login that finds nothing warm opens a connection, which ends one day: so many close as are opened. */
  #pointAt(ttlMs: number, now: number, input: AdviceInput): TtlPoint {
    const weightSeconds = this.#weightSeconds(now);
    const { hits, idleMs } = this.#gaps.at(ttlMs);
    const heldMs = idleMs + this.#waiting.idleMs(ttlMs, now);
    const { total } = this.#gaps;
    // Sums that fade can differ in their last digit.
    const upstreamLoginsPerSecond = Math.max(0, total - hits) / weightSeconds;
    return {
      ttlMs,
      hitShare: total > 0 ? hits / total : 0,
      upstreamLoginsPerSecond,
      timeWaitPorts: upstreamLoginsPerSecond * input.locallyClosedShare * input.timeWaitSeconds,
      heldConnections: heldMs / 1_000 / weightSeconds,
    };
  }

  #fade(now: number): void {
    this.#gaps.fade(0.5 ** ((now - this.#fadedAt) / this.#halfLifeMs));
    this.#fadedAt = now;
  }

  /** How much the time since the start weighs, faded like the logins in it; at least a second. */
  #weightSeconds(now: number): number {
    const meanLifeMs = this.#halfLifeMs / Math.LN2;
    const weightMs = meanLifeMs * (1 - 0.5 ** ((now - this.#startedAt) / this.#halfLifeMs));
    return Math.max(weightMs, 1_000) / 1_000;
  }
}
