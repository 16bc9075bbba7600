import { describe, expect, test } from 'vitest';
import { PortPressure } from '../../../src/ports/port-pressure.js';
import type { PortPressureLevel } from '../../../src/ports/port-pressure.js';

type Step = readonly [share: number | undefined, level: PortPressureLevel];

const WALKS: readonly (readonly [name: string, steps: readonly Step[]])[] = [
  [
    'is none below the first mark',
    [
      [0, 'none'],
      [0.599, 'none'],
      [0, 'none'],
    ],
  ],
  [
    'is medium from 60 % and until below 50 %',
    [
      [0.6, 'medium'],
      [0.5, 'medium'],
      [0.499, 'none'],
      [0.59, 'none'],
    ],
  ],
  [
    'is high from 80 % and until below 70 %',
    [
      [0.8, 'high'],
      [0.7, 'high'],
      [0.699, 'medium'],
      [0.79, 'medium'],
    ],
  ],
  [
    'jumps up',
    [
      [0.1, 'none'],
      [0.95, 'high'],
    ],
  ],
  [
    'jumps down',
    [
      [0.95, 'high'],
      [0.55, 'medium'],
      [0.95, 'high'],
      [0.3, 'none'],
    ],
  ],
  ['is high above 100 %', [[1.2, 'high']]],
  [
    'comes down step by step',
    [
      [0.9, 'high'],
      [0.65, 'medium'],
      [0.55, 'medium'],
      [0.45, 'none'],
    ],
  ],
  [
    'is none where nothing is known',
    [
      [undefined, 'none'],
      [0.9, 'high'],
      [undefined, 'none'],
    ],
  ],
];

describe('pressure', () => {
  test.each(WALKS)('%s', (_name, steps) => {
    const pressure = new PortPressure({ now: () => 0 });
    for (const [share, level] of steps) expect([share, pressure.measured(share)]).toEqual([share, level]);
  });

  test('does not flicker around a mark', () => {
    const pressure = new PortPressure({ now: () => 0 });
    const levels = [0.58, 0.61, 0.59, 0.62, 0.55].map((share) => pressure.measured(share));
    expect(levels).toEqual(['none', 'medium', 'medium', 'medium', 'medium']);
  });

  test.each([
    [28_232, 16_940, 16_939],
    [16_384, 9_831, 9_830],
    [100, 60, 59],
    [7, 5, 4],
  ])('of %d ports is medium from %d', (limit, atMark, below) => {
    const pressure = new PortPressure({ now: () => 0 });
    expect(pressure.measured(below / limit)).toBe('none');
    expect(pressure.measured(atMark / limit)).toBe('medium');
  });

  test('is high for ten seconds after a port was refused, whatever is measured', () => {
    let now = 1_000;
    const pressure = new PortPressure({ now: () => now });
    pressure.measured(0.1);
    pressure.exhausted();
    expect(pressure.level).toBe('high');
    now += 9_999;
    expect(pressure.measured(0.1)).toBe('high');
    now += 1;
    expect(pressure.level).toBe('none');
  });

  test('follows after a refusal the share that was measured meanwhile', () => {
    let now = 0;
    const pressure = new PortPressure({ now: () => now });
    pressure.exhausted();
    pressure.measured(0.65);
    pressure.measured(0.55);
    now = 10_000;
    expect(pressure.level).toBe('medium');
    expect(pressure.measured(0.49)).toBe('none');
  });

  test('counts ten seconds from the last refusal', () => {
    let now = 0;
    const pressure = new PortPressure({ now: () => now });
    pressure.exhausted();
    now = 8_000;
    pressure.exhausted();
    now = 17_999;
    expect(pressure.level).toBe('high');
    now = 18_000;
    expect(pressure.level).toBe('none');
  });
});
