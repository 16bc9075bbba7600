import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { SetPool } from '../../../src/pool/set-pool.js';

class Connection {
  readonly connection = { isUsable: true };
  proof: Promise<boolean> | undefined;
  isExpired = false;
}

const dropped: Connection[] = [];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  dropped.length = 0;
});

afterEach(() => {
  vi.useRealTimers();
});

function setPool(): SetPool<Connection> {
  return new SetPool<Connection>(
    { set: 'CONDSTORE', token: '' },
    {
      sweepIntervalMs: 1_000,
      isExpired: ({ isExpired }) => isExpired,
      onDropped: (pooled) => dropped.push(pooled),
      reportFault: (error) => {
        throw error;
      },
    },
  );
}

/** A pool with one idle connection. */
async function withOne(): Promise<{ pool: SetPool<Connection>; one: Connection }> {
  const pool = setPool();
  const one = new Connection();
  const slot = await pool.slots.takeNew();
  slot.pooled = one;
  pool.idle.add(one);
  pool.slots.give(slot);
  return { pool, one };
}

test('has an idle connection as long as not all are promised', async () => {
  const { pool } = await withOne();
  expect(pool.hasIdle).toBe(true);
  pool.promised = 1;
  expect(pool.hasIdle).toBe(false);
});

test('lends an idle connection, and drops the place of one that is closed', async () => {
  const { pool, one } = await withOne();
  const slot = await pool.slots.take();
  expect(slot.pooled).toBe(one);
  pool.slots.give(slot);
  one.connection.isUsable = false;
  expect((await pool.slots.take()).pooled).toBeUndefined();
  expect(dropped).toEqual([one]);
});

test('lends a connection that is just being proven: whoever takes it waits for the proof', async () => {
  const { pool, one } = await withOne();
  one.connection.isUsable = false;
  one.proof = Promise.resolve(true);
  await vi.advanceTimersByTimeAsync(1_000);
  expect((await pool.slots.take()).pooled).toBe(one);
  expect(dropped).toEqual([]);
});

test('never lends one whose time is over, proven or not', async () => {
  const { pool, one } = await withOne();
  one.isExpired = true;
  one.proof = Promise.resolve(true);
  expect((await pool.slots.take()).pooled).toBeUndefined();
  expect(dropped).toEqual([one]);
});

test.each([
  ['is closed', (one: Connection): void => void (one.connection.isUsable = false)],
  ['is of no use any more', (one: Connection): void => void (one.isExpired = true)],
])('sweeps a connection that %s', async (_what, change) => {
  const { pool, one } = await withOne();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(dropped).toEqual([]);
  change(one);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(dropped).toEqual([one]);
  pool.slots.dispose();
});
