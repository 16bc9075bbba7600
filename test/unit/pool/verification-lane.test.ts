import { expect, test } from 'vitest';
import { VerificationLane } from '../../../src/pool/verification-lane.js';

interface Held {
  readonly key: string;
  readonly end: () => void;
}

/** Runs one check for each key; each lasts until the test ends it. */
function startChecks(
  lane: VerificationLane,
  keys: readonly string[],
): { held: Held[]; all: Promise<unknown[]> } {
  const held: Held[] = [];
  const check = (key: string): Promise<void> =>
    new Promise((resolve) => {
      held.push({ key, end: resolve });
    });
  return { held, all: Promise.all(keys.map((key) => lane.run(key, () => check(key)))) };
}

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('lets two checks of one identity run at once, and the others of it wait', async () => {
  const { held, all } = startChecks(new VerificationLane(), ['a', 'a', 'a', 'b']);
  expect(held.map(({ key }) => key)).toEqual(['a', 'a', 'b']);
  held[0]?.end();
  await tick();
  expect(held.map(({ key }) => key)).toEqual(['a', 'a', 'b', 'a']);
  for (const { end } of held) end();
  await all;
});

test('lets 32 checks run in all, first come first served', async () => {
  const keys = Array.from({ length: 40 }, (_, index) => `user${String(index)}`);
  const { held, all } = startChecks(new VerificationLane(), keys);
  expect(held).toHaveLength(32);
  for (let ended = 0; ended < 40; ended += 1) {
    held[ended]?.end();
    await tick();
    expect(held.length).toBe(Math.min(40, 33 + ended));
  }
  await all;
  expect(held.map(({ key }) => key)).toEqual(keys);
});

test('gives the place back when a check fails', async () => {
  const lane = new VerificationLane();
  for (let count = 0; count < 40; count += 1)
    await expect(lane.run('a', () => Promise.reject(new Error('wrong')))).rejects.toThrow('wrong');
  await expect(lane.run('a', () => Promise.resolve('right'))).resolves.toBe('right');
});
