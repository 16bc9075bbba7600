import { describe, expect, test } from 'vitest';
import { GapHistogram } from '../../../src/ports/gap-histogram.js';

const EXACT_MS = [0, 1_000, 60_000, 3_600_000];

function histogramOf(gapsMs: readonly number[]): GapHistogram {
  const histogram = new GapHistogram(EXACT_MS);
  for (const gapMs of gapsMs) histogram.add(gapMs);
  return histogram;
}

describe('gaps', () => {
  const gapsMs = [0, 3, 10, 999, 1_000, 1_001, 40_000, 60_000, 60_001, 3_599_999, 3_600_000, 86_400_000];

  test.each(EXACT_MS.slice(1))('are counted and added up exactly for %d ms', (keptMs) => {
    const { hits, idleMs } = histogramOf(gapsMs).at(keptMs);
    expect(hits).toBe(gapsMs.filter((gapMs) => gapMs <= keptMs).length);
    expect(idleMs).toBe(gapsMs.reduce((sum, gapMs) => sum + Math.min(gapMs, keptMs), 0));
  });

  test('are no hits if nothing is kept, not even those of 0 ms', () => {
    expect(histogramOf(gapsMs).at(0)).toEqual({ hits: 0, idleMs: 0 });
  });

  test('longer than a day leave a connection idle for all of the time, those without a begin none', () => {
    const histogram = histogramOf([86_400_001, Infinity]);
    expect(histogram.total).toBe(2);
    expect(histogram.at(60_000)).toEqual({ hits: 0, idleMs: 60_000 });
    expect(histogram.at(1e12)).toEqual({ hits: 0, idleMs: 86_400_000 });
  });

  test('weigh less after fading', () => {
    const histogram = histogramOf([500, 2_000, Infinity]);
    histogram.fade(0.25);
    histogram.add(500);
    expect(histogram.total).toBe(1.75);
    expect(histogram.at(1_000)).toEqual({ hits: 1.25, idleMs: 1.25 * 500 + 0.25 * 1_000 });
  });

  test('are estimated between the exact durations, always in order', () => {
    // Evenly spread on the logarithmic scale, from 10 ms to 100 s.
    const spread = Array.from({ length: 4_000 }, (_, at) => 10 * 10 ** (at / 1_000));
    const histogram = histogramOf(spread);
    let before = 0;
    for (let keptMs = 12; keptMs < 90_000; keptMs *= 1.07) {
      const { hits, idleMs } = histogram.at(keptMs);
      const exact = spread.filter((gapMs) => gapMs <= keptMs).length;
      expect(Math.abs(hits - exact)).toBeLessThan(20);
      const exactIdleMs = spread.reduce((sum, gapMs) => sum + Math.min(gapMs, keptMs), 0);
      expect(idleMs / exactIdleMs).toBeGreaterThan(0.95);
      expect(idleMs / exactIdleMs).toBeLessThan(1.05);
      expect(hits).toBeGreaterThanOrEqual(before);
      before = hits;
    }
  });
});
