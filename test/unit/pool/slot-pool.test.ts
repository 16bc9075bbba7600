import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { SlotPool } from '../../../src/pool/slot-pool.js';

interface Slot {
  readonly id: number;
  isUsable: boolean;
  isExpired: boolean;
}

let made = 0;
let dropped: number[] = [];
let faults: unknown[] = [];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  made = 0;
  dropped = [];
  faults = [];
});

afterEach(() => {
  vi.useRealTimers();
});

function slotPool(): SlotPool<Slot> {
  return new SlotPool<Slot>({
    createSlot: () => ({ id: ++made, isUsable: true, isExpired: false }),
    isUsable: ({ isUsable }) => isUsable,
    isExpired: ({ isExpired }) => isExpired,
    onDropped: ({ id }) => dropped.push(id),
    sweepIntervalMs: 1_000,
    reportFault: (error) => faults.push(error),
  });
}

const take = (pool: SlotPool<Slot>, count: number): Promise<Slot[]> =>
  Promise.all(Array.from({ length: count }, () => pool.take()));

test('lends the slot that was given back last', async () => {
  const pool = slotPool();
  const [one, two, three] = (await take(pool, 3)) as [Slot, Slot, Slot];
  for (const slot of [two, three, one]) pool.give(slot);
  expect(await take(pool, 3)).toEqual([one, three, two]);
  expect(made).toBe(3);
});

test('lends no slot twice', async () => {
  const pool = slotPool();
  const slots = await take(pool, 8);
  expect(new Set(slots).size).toBe(8);
});

test('prefers a slot that came back to one that was being made', async () => {
  const pool = slotPool();
  const [used] = (await take(pool, 1)) as [Slot];
  const taking = take(pool, 2);
  pool.give(used);
  const slots = await taking;
  expect(slots).toContain(used);
  expect(new Set(slots).size).toBe(2);
});

test('drops unusable slots when it meets them', async () => {
  const pool = slotPool();
  const [one, two] = (await take(pool, 2)) as [Slot, Slot];
  pool.give(one);
  pool.give(two);
  two.isUsable = false;
  expect(await pool.take()).toBe(one);
  expect(dropped).toEqual([two.id]);
});

test('makes a new slot when all are unusable', async () => {
  const pool = slotPool();
  const slots = await take(pool, 3);
  for (const slot of slots) {
    pool.give(slot);
    slot.isUsable = false;
  }
  const next = await pool.take();
  expect(slots).not.toContain(next);
  expect(dropped.sort()).toEqual([1, 2, 3]);
});

test('sweeps all expired slots at each interval, and only idle ones', async () => {
  const pool = slotPool();
  const [lent, old, young, older] = (await take(pool, 4)) as [Slot, Slot, Slot, Slot];
  for (const slot of [old, young, older]) pool.give(slot);
  for (const slot of [lent, old, older]) slot.isExpired = true;
  await vi.advanceTimersByTimeAsync(1_000);
  expect(new Set(dropped)).toEqual(new Set([old.id, older.id]));
  young.isExpired = true;
  await vi.advanceTimersByTimeAsync(1_000);
  expect(new Set(dropped)).toEqual(new Set([old.id, young.id, older.id]));
  expect(dropped).toHaveLength(3);
});

test('reports a slot that is given back twice, and does not lend it twice', async () => {
  const pool = slotPool();
  const slot = await pool.take();
  pool.give(slot);
  pool.give(slot);
  await Promise.resolve();
  expect(faults).toHaveLength(1);
  const [one, two] = (await take(pool, 2)) as [Slot, Slot];
  expect(one).not.toBe(two);
});

test('drops a slot that is not given back', async () => {
  const pool = slotPool();
  const slot = await pool.take();
  pool.drop(slot);
  expect(dropped).toEqual([slot.id]);
  expect(await pool.take()).not.toBe(slot);
});

test('drops what is idle, and sweeps no more, once it is disposed of', async () => {
  const pool = slotPool();
  const slot = await pool.take();
  pool.give(slot);
  pool.dispose();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(dropped).toEqual([slot.id]);
  expect(vi.getTimerCount()).toBe(0);
  expect(faults).toEqual([]);
});

describe('a new slot', () => {
  test('is made even if used ones are idle, whose order stays', async () => {
    const pool = slotPool();
    const [one, two, three] = (await take(pool, 3)) as [Slot, Slot, Slot];
    for (const slot of [one, two, three]) pool.give(slot);
    const fresh = await pool.takeNew();
    expect([one, two, three]).not.toContain(fresh);
    expect(await take(pool, 3)).toEqual([three, two, one]);
    expect(dropped).toEqual([]);
  });

  test('drops unusable slots that it meets', async () => {
    const pool = slotPool();
    const [one, two] = (await take(pool, 2)) as [Slot, Slot];
    for (const slot of [one, two]) pool.give(slot);
    two.isUsable = false;
    await pool.takeNew();
    expect(dropped).toEqual([two.id]);
    expect(await pool.take()).toBe(one);
  });

  test('hides no idle slot from whoever looks for one meanwhile, at whichever moment', async () => {
    for (let microtasks = 0; microtasks < 12; microtasks += 1) {
      const pool = slotPool();
      const [one, two] = (await take(pool, 2)) as [Slot, Slot];
      for (const slot of [one, two]) pool.give(slot);
      const renewing = pool.takeNew();
      for (let hop = 0; hop < microtasks; hop += 1) await Promise.resolve();
      expect(await pool.take(), `${String(microtasks)} microtasks later`).toBe(two);
      expect([one, two]).not.toContain(await renewing);
      expect(await pool.take()).toBe(one);
    }
  });

  test('is never one that comes back meanwhile, at whichever moment', async () => {
    for (let microtasks = 0; microtasks < 12; microtasks += 1) {
      const pool = slotPool();
      const used = await pool.take();
      const renewing = pool.takeNew();
      for (let hop = 0; hop < microtasks; hop += 1) await Promise.resolve();
      pool.give(used);
      expect(await renewing, `${String(microtasks)} microtasks later`).not.toBe(used);
      expect(await pool.take()).toBe(used);
    }
  });

  test('is another one for each of those who ask at once', async () => {
    const pool = slotPool();
    const used = await pool.take();
    pool.give(used);
    const slots = await Promise.all([pool.takeNew(), pool.take(), pool.takeNew(), pool.takeNew()]);
    expect(new Set(slots).size).toBe(4);
    expect(slots[1]).toBe(used);
  });

  test('is not swept while it is on its way', async () => {
    const pool = slotPool();
    const used = await pool.take();
    pool.give(used);
    used.isExpired = true;
    const renewing = pool.takeNew();
    await vi.advanceTimersByTimeAsync(1_000);
    const fresh = await renewing;
    expect(dropped).toEqual([used.id]);
    pool.give(fresh);
    expect(await pool.take()).toBe(fresh);
  });
});
