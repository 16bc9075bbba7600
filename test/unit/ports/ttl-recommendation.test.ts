import { describe, expect, test } from 'vitest';
import { recommendTtl } from '../../../src/ports/ttl-recommendation.js';
import type { TtlPoint } from '../../../src/ports/ttl-recommendation.js';

/** A curve of [seconds, hit share, ports in TIME_WAIT, idle connections]. */
function curveOf(...rows: readonly (readonly [number, number, number, number])[]): TtlPoint[] {
  return rows.map(([seconds, hitShare, timeWaitPorts, heldConnections]) => ({
    ttlMs: seconds * 1_000,
    hitShare,
    upstreamLoginsPerSecond: timeWaitPorts / 60,
    timeWaitPorts,
    heldConnections,
  }));
}

const LIMIT = 1_000;

describe('the recommended timeout', () => {
  test.each([
    [
      'is the shortest one within two points of the best',
      curveOf([0, 0, 400, 0], [1, 0.87, 52, 10], [60, 0.88, 48, 50], [3_600, 0.9, 40, 90]),
      LIMIT,
      60,
    ],
    [
      'is longer where TIME_WAIT would take more than half of the ports',
      curveOf([0, 0, 900, 0], [1, 0.3, 630, 10], [60, 0.45, 495, 20], [3_600, 0.46, 480, 90]),
      LIMIT,
      60,
    ],
    [
      'is 0 where nobody comes back',
      curveOf([0, 0, 100, 0], [60, 0.001, 100, 5], [3_600, 0.015, 99, 200]),
      LIMIT,
      0,
    ],
    [
      'holds no more connections than there are ports for',
      curveOf([0, 0, 450, 0], [60, 0.5, 225, 300], [600, 0.6, 180, 619], [3_600, 0.9, 45, 5_000]),
      LIMIT,
      600,
    ],
    [
      'leaves out a timeout at which pressure would be high',
      curveOf([0, 0, 450, 0], [60, 0.5, 225, 300], [600, 0.6, 180, 620], [3_600, 0.9, 45, 5_000]),
      LIMIT,
      60,
    ],
    [
      'takes the fewest ports where none fits',
      curveOf([0, 0, 9_000, 0], [60, 0.5, 4_500, 300], [600, 0.6, 3_600, 1_000], [3_600, 0.7, 2_700, 9_000]),
      LIMIT,
      600,
    ],
    [
      'is the shortest of several that take as few',
      curveOf([0, 0, 9_000, 0], [60, 0.5, 4_500, 0], [600, 0.5, 4_500, 0]),
      LIMIT,
      60,
    ],
    [
      'looks at hits alone where the ports are not known',
      curveOf([0, 0, 9_000, 0], [60, 0.5, 4_500, 10_000], [600, 0.6, 3_600, 50_000]),
      undefined,
      600,
    ],
    ['is 0 without any load', curveOf([0, 0, 0, 0], [60, 0, 0, 0]), LIMIT, 0],
  ])('%s', (_name, curve, limit, seconds) => {
    expect(recommendTtl(curve, limit)?.ttlMs).toBe(seconds * 1_000);
  });

  test('is the same for a limit that leaves room as for none', () => {
    const curve = curveOf([0, 0, 400, 0], [1, 0.5, 200, 10], [60, 0.9, 40, 50], [3_600, 0.91, 36, 90]);
    expect(recommendTtl(curve, 1_000_000)).toEqual(recommendTtl(curve, undefined));
  });
});
