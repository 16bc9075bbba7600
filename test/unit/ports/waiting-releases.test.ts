import { describe, expect, test } from 'vitest';
import { WaitingReleases } from '../../../src/ports/waiting-releases.js';
import { randomFrom } from './arrivals.js';

const HOUR_MS = 3_600_000;
const NEVER_FADES = 1e15;

describe('waiting releases', () => {
  test('are idle for their age, or for as long as they would be kept', () => {
    const waiting = new WaitingReleases(7_000, NEVER_FADES);
    waiting.add(7_000);
    expect(waiting.idleMs(30_000, 17_000)).toBeCloseTo(10_000, 3);
    expect(waiting.idleMs(30_000, 100_000)).toBeCloseTo(30_000, 3);
    expect(waiting.idleMs(30_000, 7_000 + 10 * HOUR_MS)).toBeCloseTo(30_000, 1);
  });

  test.each([10_000, 90_000, HOUR_MS, 3 * HOUR_MS])('are gone when somebody comes after %d ms', (gapMs) => {
    const waiting = new WaitingReleases(0, NEVER_FADES);
    waiting.add(500);
    waiting.remove(500, 500 + gapMs);
    expect(waiting.idleMs(1_000_000, 600 + gapMs)).toBeCloseTo(0, 1);
  });

  test('weigh less with the time', () => {
    const waiting = new WaitingReleases(0, HOUR_MS);
    waiting.add(0);
    expect(waiting.idleMs(1_000, HOUR_MS)).toBeCloseTo(500, 6);
    expect(waiting.idleMs(1_000, 4 * HOUR_MS)).toBeCloseTo(1_000 / 16, 0);
    waiting.remove(0, 5 * HOUR_MS);
    expect(waiting.idleMs(1_000, 5 * HOUR_MS)).toBeLessThan(2);
  });

  test('are as many as a list of them says', () => {
    const random = randomFrom(3);
    const waiting = new WaitingReleases(0, NEVER_FADES);
    const list: number[] = [];
    let now = 0;
    for (let step = 0; step < 5_000; step += 1) {
      now += random() * 4_000;
      if (random() < 0.6) {
        waiting.add(now);
        list.push(now);
      } else {
        const [releasedAt] = list.splice(Math.floor(random() * list.length), 1);
        if (releasedAt !== undefined) waiting.remove(releasedAt, now);
      }
    }
    for (const keptMs of [60_000, 600_000, HOUR_MS]) {
      const exact = list.reduce((sum, releasedAt) => sum + Math.min(now - releasedAt, keptMs), 0);
      expect(waiting.idleMs(keptMs, now) / exact).toBeCloseTo(1, 2);
    }
  });
});
