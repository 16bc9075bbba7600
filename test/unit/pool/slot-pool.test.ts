import { afterEach, beforeEach, expect, test, vi } from 'vitest';
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
