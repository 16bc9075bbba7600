import { expect, test } from 'vitest';
import { portBudget, timeWaitMsOf, usedShare } from '../../../src/ports/port-budget.js';
import { known, unknown } from '../../../src/ports/port-facts.js';

const range = (lowest: number, highest: number, reservedCount = 0) =>
  known({ lowest, highest, reservedCount }, 'a test');
const seconds = (value: number) => known(value * 1_000, 'a test');

test.each([
  ['Linux', range(32_768, 60_999), seconds(60), 1, 28_232, 470.53],
  ['Linux with reserved ports', range(32_768, 60_999, 232), seconds(60), 1, 28_000, 466.67],
  ['Linux with three addresses', range(32_768, 60_999), seconds(60), 3, 84_696, 1411.6],
  ['no address counted', range(32_768, 60_999), seconds(60), 0, 28_232, 470.53],
  ['Windows', range(49_152, 65_535), seconds(120), 1, 16_384, 136.53],
  ['macOS', range(49_152, 65_535), seconds(30), 1, 16_384, 546.13],
  ['one port', range(50_000, 50_000), seconds(60), 1, 1, 0.02],
  ['TIME_WAIT unknown', range(49_152, 65_535), unknown('a test'), 1, 16_384, 136.53],
])('%s', (_name, ports, timeWaitMs, sourceAddresses, limit, perSecond) => {
  const budget = portBudget({ range: ports, timeWaitMs }, sourceAddresses);
  expect(budget?.limit).toBe(limit);
  expect(budget?.sustainablePerSecond).toBeCloseTo(perSecond, 2);
});

test('is unknown where the range is', () => {
  expect(portBudget({ range: unknown('a test'), timeWaitMs: seconds(60) })).toBeUndefined();
});

test('an unknown TIME_WAIT is a long one', () => {
  expect(timeWaitMsOf({ timeWaitMs: unknown('a test') })).toBe(120_000);
  expect(timeWaitMsOf({ timeWaitMs: seconds(30) })).toBe(30_000);
});

test.each([
  [0, 100, 0],
  [60, 100, 0.6],
  [120, 100, 1.2],
  [0, 0, 1],
])('%d of %d ports are a share of %d', (used, limit, share) => {
  expect(usedShare(used, limit)).toBe(share);
});
