import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ConnectionRate } from '../../../src/pool/connection-rate.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

function rateOf(
  perMinute: number,
  now = () => performance.now(),
): { rate: ConnectionRate; onAvailable: ReturnType<typeof vi.fn> } {
  const onAvailable = vi.fn();
  return { rate: new ConnectionRate({ perMinute, now, onAvailable }), onAvailable };
}

/** How many tokens can be taken now. */
function takeAll(rate: ConnectionRate): number {
  let taken = 0;
  while (rate.tryTake()) taken += 1;
  return taken;
}

test('has no limit and no timer at 0', () => {
  const { rate } = rateOf(0);
  for (let count = 0; count < 10_000; count += 1) expect(rate.tryTake()).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});

test.each([
  [1, 1],
  [60, 1],
  [61, 2],
  [600, 10],
])('allows %d a minute, of which %d at once', (perMinute, burst) => {
  const { rate } = rateOf(perMinute);
  expect(takeAll(rate)).toBe(burst);
  vi.advanceTimersByTime(3_600_000);
  expect(takeAll(rate)).toBe(burst);
  rate.dispose();
});

test('gets its tokens one by one, not a minute’s at once', () => {
  const { rate } = rateOf(120);
  expect(takeAll(rate)).toBe(2);
  vi.advanceTimersByTime(499);
  expect(rate.tryTake()).toBe(false);
  vi.advanceTimersByTime(1);
  expect(takeAll(rate)).toBe(1);
  rate.dispose();
});

test('tells once, as soon as there is a token again, and only whoever was refused', () => {
  const { rate, onAvailable } = rateOf(60);
  expect(rate.tryTake()).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
  vi.advanceTimersByTime(400);
  expect(rate.tryTake()).toBe(false);
  expect(rate.tryTake()).toBe(false);
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(599);
  expect(onAvailable).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(onAvailable).toHaveBeenCalledTimes(1);
  expect(rate.tryTake()).toBe(true);
  vi.advanceTimersByTime(60_000);
  expect(onAvailable).toHaveBeenCalledTimes(1);
});

test('may be asked again from the call that tells', () => {
  let waiting = 5;
  const rate = new ConnectionRate({
    perMinute: 60,
    now: () => performance.now(),
    onAvailable: () => {
      while (waiting > 0 && rate.tryTake()) waiting -= 1;
    },
  });
  takeAll(rate);
  for (let left = 4; left >= 0; left -= 1) {
    vi.advanceTimersByTime(1_000);
    expect(waiting).toBe(left);
  }
});

test('does not believe a timer that fires early', () => {
  let behindMs = 0;
  const { rate, onAvailable } = rateOf(60, () => performance.now() - behindMs);
  takeAll(rate);
  behindMs = 0.4;
  vi.advanceTimersByTime(1_000);
  expect(onAvailable).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(onAvailable).toHaveBeenCalledTimes(1);
  expect(rate.tryTake()).toBe(true);
});

test('tells nobody any more after its end', () => {
  const { rate, onAvailable } = rateOf(60);
  takeAll(rate);
  rate.dispose();
  expect(rate.tryTake()).toBe(false);
  vi.advanceTimersByTime(60_000);
  expect(onAvailable).not.toHaveBeenCalled();
});

test('never gives more than the rate and one burst in any window, and no less than the rate to whoever waits', () => {
  const steps = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3_000 })), {
    minLength: 1,
    maxLength: 120,
  });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5_000 }), steps, fc.boolean(), (perMinute, delays, isEager) => {
      const takenAt: number[] = [];
      const take = (): void => {
        while (rate.tryTake()) takenAt.push(performance.now());
      };
      const rate = new ConnectionRate({
        perMinute,
        now: () => performance.now(),
        onAvailable: isEager ? take : () => undefined,
      });
      const startedAt = performance.now();
      for (const delayMs of delays) {
        take();
        vi.advanceTimersByTime(delayMs);
      }
      rate.dispose();
      const burst = Math.ceil(perMinute / 60);
      const slack = 1e-6;
      const perMs = perMinute / 60_000;
      // For attempts i <= j: j - i + 1 <= perMs * (t[j] - t[i]) + burst, rearranged to look at all windows in one go.
      let least = Infinity;
      let mostAhead = 0;
      for (const [index, atMs] of takenAt.entries()) {
        const ahead = index - perMs * atMs;
        least = Math.min(least, ahead);
        mostAhead = Math.max(mostAhead, ahead - least);
      }
      expect(mostAhead).toBeLessThanOrEqual(burst - 1 + slack);
      if (isEager) {
        // Timers have whole milliseconds: each token may come one late.
        const elapsedMs = performance.now() - startedAt;
        expect(takenAt.length).toBeGreaterThanOrEqual(Math.floor(elapsedMs / (1 / perMs + 1)));
      }
    }),
    { seed: 20_260, numRuns: 200 },
  );
});
