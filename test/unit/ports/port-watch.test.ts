import { expect, test } from 'vitest';
import type { PortUse } from '../../../src/ports/socket-tally.js';
import type { TableReading } from '../../../src/ports/socket-table.js';
import { PortWatch } from '../../../src/ports/port-watch.js';
import type { PortWatchOptions } from '../../../src/ports/port-watch.js';

const whole = (open: number, timeWait: number, durationMs = 20): TableReading => ({
  isComplete: true,
  open,
  timeWait,
  durationMs,
  longestTurnMs: 0.1,
});
const broken = (durationMs: number): TableReading => ({ isComplete: false, why: 'a test', durationMs });

/** A watch whose readings and pauses end when the test says so. */
class Bench {
  now = 1_000;
  own: PortUse = { open: 0, timeWait: 0 };
  readonly pauses: number[] = [];
  readonly signals: AbortSignal[] = [];
  #endPause: (() => void) | undefined;
  #endReading: ((reading: TableReading) => void) | undefined;
  readonly watch: PortWatch;

  constructor(options: Partial<PortWatchOptions> = {}) {
    this.watch = new PortWatch({
      read: (signal) =>
        new Promise((resolve) => {
          this.signals.push(signal);
          this.#endReading = resolve;
        }),
      own: () => this.own,
      now: () => this.now,
      schedule: (callback, delayMs) => {
        this.pauses.push(delayMs);
        this.#endPause = callback;
        return () => {
          this.#endPause = undefined;
        };
      },
      ...options,
    });
  }

  get hasPause(): boolean {
    return this.#endPause !== undefined;
  }

  /** Ends the reading that is under way, and waits until the watch has taken it. */
  async reads(reading: TableReading): Promise<void> {
    this.now += reading.durationMs;
    this.#endReading?.(reading);
    await Promise.resolve();
    await Promise.resolve();
  }

  pauseEnds(): void {
    const end = this.#endPause;
    this.#endPause = undefined;
    this.now += this.pauses.at(-1) ?? 0;
    end?.();
  }
}

test('knows own ports alone before the first reading', () => {
  const bench = new Bench();
  bench.own = { open: 3, timeWait: 4 };
  bench.watch.start();
  expect(bench.watch.snapshot).toEqual({
    open: 3,
    timeWait: 4,
    source: 'own',
    ageMs: undefined,
    durationMs: undefined,
    failures: 0,
  });
});

test('knows own ports alone on a system without a table', () => {
  const bench = new Bench({ read: undefined });
  bench.own = { open: 3, timeWait: 4 };
  bench.watch.start();
  expect(bench.signals).toEqual([]);
  expect(bench.watch.snapshot).toMatchObject({ open: 3, timeWait: 4, source: 'own' });
});

test('believes the system, and what own connections did since', async () => {
  const bench = new Bench();
  bench.own = { open: 10, timeWait: 20 };
  bench.watch.start();
  await bench.reads(whole(110, 220));
  bench.own = { open: 15, timeWait: 18 };
  bench.now += 700;
  expect(bench.watch.snapshot).toEqual({
    open: 115,
    timeWait: 218,
    source: 'system',
    ageMs: 700,
    durationMs: 20,
    failures: 0,
  });
});

test('counts at least its own, where they were opened while the table was being read', async () => {
  const bench = new Bench();
  bench.watch.start();
  bench.own = { open: 8, timeWait: 0 };
  await bench.reads(whole(1, 0));
  expect(bench.watch.snapshot).toMatchObject({ open: 8, source: 'system' });
  bench.own = { open: 9, timeWait: 0 };
  expect(bench.watch.snapshot.open).toBe(9);
});

test('never says less than nothing', async () => {
  const bench = new Bench();
  bench.own = { open: 10, timeWait: 20 };
  bench.watch.start();
  await bench.reads(whole(5, 5));
  bench.own = { open: 0, timeWait: 0 };
  expect(bench.watch.snapshot).toMatchObject({ open: 0, timeWait: 0 });
});

test.each([
  [0.5, 5_000],
  [50, 5_000],
  [51, 5_100],
  [2_000, 60_000],
])('after a reading of %d ms pauses for %d ms', async (durationMs, pauseMs) => {
  const bench = new Bench();
  bench.watch.start();
  await bench.reads(whole(1, 1, durationMs));
  expect(bench.pauses).toEqual([pauseMs]);
});

test('counts readings that fail, and keeps the last good one', async () => {
  const bench = new Bench();
  bench.watch.start();
  await bench.reads(whole(7, 8));
  bench.pauseEnds();
  await bench.reads(broken(2_001));
  expect(bench.watch.snapshot).toMatchObject({ open: 7, timeWait: 8, failures: 1, durationMs: 2_001 });
  expect(bench.pauses.at(-1)).toBe(60_000);
});

test('stops believing a reading that is too old', async () => {
  const bench = new Bench({ maxAgeMs: 60_000 });
  bench.watch.start();
  await bench.reads(whole(7, 8));
  bench.now += 60_000;
  expect(bench.watch.snapshot.source).toBe('system');
  bench.now += 1;
  expect(bench.watch.snapshot).toMatchObject({ open: 0, timeWait: 0, source: 'own', ageMs: 60_001 });
});

test('reads one at a time, however often it is started', async () => {
  const bench = new Bench();
  bench.watch.start();
  bench.watch.start();
  expect(bench.signals).toHaveLength(1);
  await bench.reads(whole(1, 1));
  bench.watch.start();
  expect(bench.signals).toHaveLength(1);
  bench.pauseEnds();
  expect(bench.signals).toHaveLength(2);
});

test('tells of each reading', async () => {
  const readings: TableReading[] = [];
  const bench = new Bench({ onReading: (reading) => readings.push(reading) });
  bench.watch.start();
  await bench.reads(whole(1, 2));
  bench.pauseEnds();
  await bench.reads(broken(5));
  expect(readings).toEqual([whole(1, 2), broken(5)]);
});

test('stopped in a pause, reads no more', async () => {
  const bench = new Bench();
  bench.watch.start();
  await bench.reads(whole(1, 1));
  await bench.watch.stop();
  await bench.watch.stop();
  expect(bench.hasPause).toBe(false);
  bench.watch.start();
  expect(bench.signals).toHaveLength(1);
});

test('stopped in a reading, ends that one and counts nothing of it', async () => {
  const bench = new Bench();
  bench.watch.start();
  const stopped = bench.watch.stop();
  expect(bench.signals[0]?.aborted).toBe(true);
  await bench.reads(broken(3));
  await stopped;
  expect(bench.hasPause).toBe(false);
  expect(bench.watch.snapshot.failures).toBe(0);
});

test('stopped before it was started, never reads', async () => {
  const bench = new Bench();
  await bench.watch.stop();
  bench.watch.start();
  expect(bench.signals).toEqual([]);
});
