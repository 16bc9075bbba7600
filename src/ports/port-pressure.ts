/** Owns how short ports are, as one of three levels that don't flicker. */

import { performance } from 'node:perf_hooks';

export const PORT_PRESSURE_LEVELS = ['none', 'medium', 'high'] as const;
export type PortPressureLevel = (typeof PORT_PRESSURE_LEVELS)[number];

/** Shares of the ports towards one server. */
const MEDIUM_MARK = 0.6;
export const HIGH_MARK = 0.8;
/** A level is left this much below the mark at which it was entered. */
const HYSTERESIS = 0.1;

/** How long a refused port counts, whatever is measured. */
const EXHAUSTED_MS = 10_000;

/** Shares are sums and quotients: 0.6 − 0.1 and 14115 of 28230 must be the same. */
const ROUNDING = 1e-9;

export interface PortPressureOptions {
  /** @defaultValue the monotonic clock, in milliseconds */
  readonly now?: () => number;
}

export class PortPressure {
  readonly #now: () => number;
  /** What the shares alone say. */
  #measured: PortPressureLevel = 'none';
  #exhaustedUntil = -Infinity;

  constructor(options: PortPressureOptions = {}) {
    this.#now = options.now ?? (() => performance.now());
  }

  get level(): PortPressureLevel {
    return this.#now() < this.#exhaustedUntil ? 'high' : this.#measured;
  }

  /** @param share - of the ports, from 0 to 1; undefined where the limit isn't known, which is no pressure */
  measured(share: number | undefined): PortPressureLevel {
    this.#measured = levelAt(share ?? 0, this.#measured);
    return this.level;
  }

  /**
   * The system had no port for a connection (EADDRNOTAVAIL): a proof that outdoes any count, which may be a moment
   * old or blind to another process.
   */
  exhausted(): void {
    this.#exhaustedUntil = this.#now() + EXHAUSTED_MS;
  }
}

/** @param before - a level that was entered is easier to keep than to enter */
function levelAt(share: number, before: PortPressureLevel): PortPressureLevel {
  const isAt = (mark: number, wasEntered: boolean): boolean =>
    wasEntered ? share >= mark - HYSTERESIS - ROUNDING : share >= mark - ROUNDING;
  if (isAt(HIGH_MARK, before === 'high')) return 'high';
  return isAt(MEDIUM_MARK, before !== 'none') ? 'medium' : 'none';
}
