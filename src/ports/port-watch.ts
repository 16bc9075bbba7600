/** Owns how often the system's sockets are looked at, and what is believed between two looks. */

import { performance } from 'node:perf_hooks';

import type { PortUse } from './socket-tally.js';
import type { TableReading } from './socket-table.js';

/** Calls back once, later. Returns how to call it off. */
export type Scheduler = (callback: () => void, delayMs: number) => () => void;

export interface PortWatchOptions {
  /** Never rejects. Undefined where the system has no such table: own accounting serves alone then. */
  readonly read: ((signal: AbortSignal) => Promise<TableReading>) | undefined;
  /** Own accounting of this moment. */
  readonly own: () => PortUse;
  /** Older readings are not believed. @defaultValue 120000 */
  readonly maxAgeMs?: number;
  /** A reading ended, well or not. Must not throw. */
  readonly onReading?: (reading: TableReading) => void;
  /** @defaultValue the monotonic clock, in milliseconds */
  readonly now?: () => number;
  /** @defaultValue a timer that keeps no process alive */
  readonly schedule?: Scheduler;
}

export interface PortSnapshot extends PortUse {
  /** `system` counts what other processes take towards the server, too. */
  readonly source: 'system' | 'own';
  /** Of the last reading that was complete. */
  readonly ageMs: number | undefined;
  /** Of the last reading, complete or not. */
  readonly durationMs: number | undefined;
  /** Readings that were not complete. */
  readonly failures: number;
}

/** At least this from the end of one reading to the next. */
const MIN_PAUSE_MS = 5_000;
const MAX_AGE_MS = 120_000;
/** About 1 % of the time goes into readings, unless one takes so long that nothing would be known in between. */
const PAUSE_PER_DURATION = 100;

interface Seen {
  readonly at: number;
  readonly system: PortUse;
  /** Own accounting at that moment. */
  readonly own: PortUse;
}

/**
 * Reads one at a time. Between two readings the last one stands, corrected by what our own connections did since: a
 * burst of ours shows at once, somebody else's with the next reading.
 */
export class PortWatch {
  readonly #options: PortWatchOptions;
  readonly #now: () => number;
  readonly #schedule: Scheduler;
  readonly #stopping = new AbortController();
  #seen: Seen | undefined;
  #durationMs: number | undefined;
  #failures = 0;
  /** The one under way, or the last one. */
  #reading: Promise<void> | undefined;
  #cancelPause: (() => void) | undefined;

  constructor(options: PortWatchOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#schedule = options.schedule ?? scheduleUnref;
  }

  /** Reads at once, and again and again until `stop`. Safe to call twice. */
  start(): void {
    const { read } = this.#options;
    if (this.#reading !== undefined || this.#stopping.signal.aborted || read === undefined) return;
    this.#next(read);
  }

  /** No reading begins after this. Resolves when the one that is under way has ended. Safe to call twice. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#cancelPause?.();
    this.#cancelPause = undefined;
    await this.#reading;
  }

  get snapshot(): PortSnapshot {
    const { own, maxAgeMs = MAX_AGE_MS } = this.#options;
    const ageMs = this.#seen === undefined ? undefined : this.#now() - this.#seen.at;
    const reading = { ageMs, durationMs: this.#durationMs, failures: this.#failures };
    const ownNow = own();
    if (this.#seen === undefined || ageMs === undefined || ageMs > maxAgeMs)
      return { ...ownNow, ...reading, source: 'own' };
    const { system, own: ownThen } = this.#seen;
    return {
      // What was opened while the table was being read may not be in it: our own connections are there all the same.
      open: Math.max(ownNow.open, system.open + ownNow.open - ownThen.open),
      // Own accounting may have expected a TIME_WAIT that never was, and takes it off when it should end.
      timeWait: Math.max(0, system.timeWait + ownNow.timeWait - ownThen.timeWait),
      ...reading,
      source: 'system',
    };
  }

  #next(read: (signal: AbortSignal) => Promise<TableReading>): void {
    this.#reading = read(this.#stopping.signal).then((reading) => {
      if (this.#stopping.signal.aborted) return;
      this.#take(reading);
      this.#options.onReading?.(reading);
      const { maxAgeMs = MAX_AGE_MS } = this.#options;
      const pauseMs = Math.max(MIN_PAUSE_MS, Math.min(maxAgeMs / 2, PAUSE_PER_DURATION * reading.durationMs));
      this.#cancelPause = this.#schedule(() => this.#next(read), pauseMs);
    });
  }

  #take(reading: TableReading): void {
    this.#durationMs = reading.durationMs;
    if (!reading.isComplete) {
      this.#failures += 1;
      return;
    }
    const { open, timeWait } = reading;
    this.#seen = { at: this.#now(), system: { open, timeWait }, own: this.#options.own() };
  }
}

function scheduleUnref(callback: () => void, delayMs: number): () => void {
  const timer = setTimeout(callback, delayMs).unref();
  return () => {
    clearTimeout(timer);
  };
}
