import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HealthCheck } from '../../../src/upstream/health-check.js';

const INTERVAL_MS = 10_000;

/** Probes that are settled by hand, and one timer that fires by hand. */
class Bench {
  readonly changes: [isReady: boolean, reason: string][] = [];
  readonly delays: number[] = [];
  probes = 0;
  #settle: { resolve: () => void; reject: (error: unknown) => void } | undefined;
  #timer: (() => void) | undefined;

  readonly check = new HealthCheck({
    probe: () => {
      this.probes += 1;
      return new Promise<void>((resolve, reject) => (this.#settle = { resolve, reject }));
    },
    intervalMs: INTERVAL_MS,
    onChange: (isReady, reason) => this.changes.push([isReady, reason]),
    schedule: (callback, delayMs) => {
      expect(this.#timer).toBeUndefined();
      this.delays.push(delayMs);
      this.#timer = callback;
      return () => (this.#timer = undefined);
    },
  });

  get hasTimer(): boolean {
    return this.#timer !== undefined;
  }

  async succeed(): Promise<void> {
    this.#settle?.resolve();
    await settled();
  }

  async fail(reason: string): Promise<void> {
    this.#settle?.reject(new Error(reason));
    await settled();
  }

  fire(): void {
    const timer = this.#timer;
    this.#timer = undefined;
    timer?.();
  }
}

/** Every microtask that is due has run. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

let bench: Bench;

beforeEach(() => {
  bench = new Bench();
});

afterEach(() => {
  bench.check.stop();
  expect(bench.hasTimer).toBe(false);
});

describe('at the start', () => {
  test('is not ready, and checks at once', () => {
    expect(bench.check.readiness).toEqual({
      isReady: false,
      reason: 'the upstream has not been checked yet',
    });
    bench.check.start();
    expect(bench.probes).toBe(1);
    expect(bench.changes).toEqual([]);
  });

  test('is ready after a check that succeeds', async () => {
    bench.check.start();
    await bench.succeed();
    expect(bench.check.readiness).toEqual({ isReady: true, reason: 'ready' });
    expect(bench.changes).toEqual([[true, 'ready']]);
  });

  test('tells of a first check that fails', async () => {
    bench.check.start();
    await bench.fail('refused');
    expect(bench.check.readiness).toEqual({ isReady: false, reason: 'refused' });
    expect(bench.changes).toEqual([[false, 'refused']]);
  });

  test('needs no check after a login that came first', () => {
    bench.check.noteSuccess();
    bench.check.start();
    expect(bench.probes).toBe(0);
    expect(bench.check.readiness.isReady).toBe(true);
  });

  test('checks once when it is started twice', () => {
    bench.check.start();
    bench.check.start();
    expect(bench.probes).toBe(1);
  });
});

describe('while not ready', () => {
  beforeEach(async () => {
    bench.check.start();
    await bench.fail('refused');
  });

  test('checks again after the interval, until one succeeds', async () => {
    bench.fire();
    await bench.fail('timeout');
    expect(bench.check.readiness.reason).toBe('timeout');
    bench.fire();
    await bench.succeed();
    bench.fire();
    expect(bench.probes).toBe(3);
    expect(bench.delays).toEqual([INTERVAL_MS, INTERVAL_MS, INTERVAL_MS]);
    expect(bench.changes).toEqual([
      [false, 'refused'],
      [true, 'ready'],
    ]);
  });

  test('is ready as soon as a login succeeds, and checks no more', () => {
    bench.check.noteSuccess();
    expect(bench.check.readiness.isReady).toBe(true);
    bench.fire();
    expect(bench.probes).toBe(1);
  });

  test('takes the reason of the newest failure, and checks no sooner for it', () => {
    bench.check.noteFailure('dns');
    expect(bench.check.readiness).toEqual({ isReady: false, reason: 'dns' });
    expect(bench.probes).toBe(1);
    expect(bench.changes).toEqual([[false, 'refused']]);
  });
});

describe('while ready', () => {
  beforeEach(async () => {
    bench.check.start();
    await bench.succeed();
    bench.fire();
  });

  test('runs neither checks nor timers while logins succeed', () => {
    for (let i = 0; i < 100; i += 1) bench.check.noteSuccess();
    expect(bench.probes).toBe(1);
    expect(bench.hasTimer).toBe(false);
    expect(bench.changes).toEqual([[true, 'ready']]);
  });

  test('lets a check decide after a failed connection', async () => {
    bench.check.noteFailure('timeout');
    expect(bench.check.readiness.isReady).toBe(true);
    expect(bench.probes).toBe(2);
    await bench.fail('refused');
    expect(bench.check.readiness).toEqual({ isReady: false, reason: 'refused' });
    expect(bench.changes.at(-1)).toEqual([false, 'refused']);
  });

  test('stays ready if that check succeeds', async () => {
    bench.check.noteFailure('timeout');
    await bench.succeed();
    expect(bench.changes).toEqual([[true, 'ready']]);
  });

  test('checks once an interval while connections keep failing', async () => {
    for (let i = 0; i < 10; i += 1) bench.check.noteFailure('timeout');
    await bench.succeed();
    for (let i = 0; i < 10; i += 1) bench.check.noteFailure('timeout');
    expect(bench.probes).toBe(2);
    bench.fire();
    expect(bench.probes).toBe(3);
  });

  test('forgets a failure when a login succeeds after it', async () => {
    bench.check.noteFailure('timeout');
    await bench.succeed();
    bench.check.noteFailure('timeout');
    bench.check.noteSuccess();
    bench.fire();
    expect(bench.probes).toBe(2);
  });

  test('believes a login that succeeded during a check that then fails', async () => {
    bench.check.noteFailure('timeout');
    bench.check.noteSuccess();
    await bench.fail('timeout');
    expect(bench.check.readiness.isReady).toBe(true);
    expect(bench.changes).toEqual([[true, 'ready']]);
  });
});

describe('after stop', () => {
  test('nothing is checked, and no timer is left', async () => {
    bench.check.start();
    await bench.fail('refused');
    bench.check.stop();
    expect(bench.hasTimer).toBe(false);
    bench.check.noteFailure('refused');
    expect(bench.probes).toBe(1);
  });

  test.each(['succeed', 'fail'] as const)('a check under way that %ss changes nothing', async (how) => {
    bench.check.start();
    bench.check.stop();
    await bench[how]('refused');
    expect(bench.changes).toEqual([]);
    expect(bench.hasTimer).toBe(false);
  });
});

test('a check that throws at once, or throws no Error, is a check that fails', async () => {
  const check = new HealthCheck({
    probe: () => {
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- that is the case
      throw 'no Error';
    },
    intervalMs: INTERVAL_MS,
    onChange: () => undefined,
  });
  check.start();
  await settled();
  expect(check.readiness).toEqual({ isReady: false, reason: 'no Error' });
  check.stop();
});
