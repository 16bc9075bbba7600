import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { PooledConnection } from '../../../src/pool/identity-pool.js';
import { Prover } from '../../../src/pool/prover.js';
import type { ResetOutcome } from '../../../src/upstream/reset.js';
import { MemoryServer } from '../../support/memory-server.js';
import { settled } from '../../support/pool-fixture.js';

let asked: PooledConnection['connection'][] = [];
let outcomes: boolean[] = [];
let idle: PooledConnection[] = [];
let answer: () => Promise<ResetOutcome> = () => Promise.resolve('clean');
let timeouts: number[] = [];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  asked = [];
  outcomes = [];
  idle = [];
  timeouts = [];
  answer = () => Promise.resolve('clean');
});

afterEach(() => {
  vi.useRealTimers();
});

function proverWith({ probeAfterMs = 30_000, keepaliveIntervalMs = 0 } = {}): Prover {
  return new Prover({
    probeAfterMs,
    keepaliveIntervalMs,
    upstream: {
      reset: (connection, _leaving, timeoutMs) => {
        asked.push(connection);
        timeouts.push(timeoutMs);
        return answer();
      },
    },
    events: { onProbed: (isAlive) => outcomes.push(isAlive) },
    idle: () => idle,
    now: () => performance.now(),
  });
}

/** Only what a prover looks at. */
function pooledConnection(): PooledConnection {
  const connection = new MemoryServer().connect();
  return { connection, proof: undefined, provenAt: performance.now() } as unknown as PooledConnection;
}

describe('before a lease', () => {
  test('trusts a connection for as long as it is told, and not a moment longer', async () => {
    const prover = proverWith({ probeAfterMs: 30_000 });
    const pooled = pooledConnection();
    await vi.advanceTimersByTimeAsync(29_999);
    expect(prover.isFresh(pooled)).toBe(true);
    await vi.advanceTimersByTimeAsync(1);
    expect(prover.isFresh(pooled)).toBe(false);
    expect(await prover.prove(pooled)).toBe(true);
    expect(prover.isFresh(pooled)).toBe(true);
  });

  test('trusts none at 0', () => {
    expect(proverWith({ probeAfterMs: 0 }).isFresh(pooledConnection())).toBe(false);
  });

  test('trusts none that is just being asked', async () => {
    const prover = proverWith();
    const pooled = pooledConnection();
    const proof = prover.prove(pooled);
    expect(prover.isFresh(pooled)).toBe(false);
    await proof;
    expect(pooled.proof).toBeUndefined();
  });

  test('asks once for all who want to know at the same time', async () => {
    const prover = proverWith();
    const pooled = pooledConnection();
    expect(await Promise.all([prover.prove(pooled), prover.prove(pooled)])).toEqual([true, true]);
    expect(asked).toHaveLength(1);
    expect(outcomes).toEqual([true]);
    await prover.prove(pooled);
    expect(asked).toHaveLength(2);
  });

  test.each<ResetOutcome>(['timeout', 'refused', 'desynced', 'lost'])(
    'closes a connection whose answer is %s',
    async (outcome) => {
      answer = () => Promise.resolve(outcome);
      const pooled = pooledConnection();
      expect(await proverWith().prove(pooled)).toBe(false);
      expect(outcomes).toEqual([false]);
      await expect(pooled.connection.closed).resolves.toMatchObject({ reason: 'probe' });
      expect(timeouts).toEqual([2_000]);
    },
  );

  test('does not ask a connection that is closed', async () => {
    const pooled = pooledConnection();
    pooled.connection.destroy('stale');
    expect(await proverWith().prove(pooled)).toBe(false);
    expect(asked).toEqual([]);
  });
});

describe('keepalive', () => {
  test('asks each idle connection when its last answer is that old, and no other', async () => {
    const prover = proverWith({ keepaliveIntervalMs: 80_000 });
    const one = pooledConnection();
    await vi.advanceTimersByTimeAsync(40_000);
    const two = pooledConnection();
    idle = [one, two];
    await vi.advanceTimersByTimeAsync(39_999);
    expect(asked).toEqual([]);
    await vi.advanceTimersByTimeAsync(10_001);
    expect(asked).toEqual([one.connection]);
    await vi.advanceTimersByTimeAsync(40_000);
    expect(asked).toEqual([one.connection, two.connection]);
    prover.stop();
  });

  test('looks in time however short the interval is', async () => {
    const prover = proverWith({ keepaliveIntervalMs: 800 });
    idle = [pooledConnection()];
    await vi.advanceTimersByTimeAsync(900);
    expect(asked).toHaveLength(1);
    prover.stop();
  });

  test('does not ask a connection again that has not answered yet', async () => {
    const prover = proverWith({ keepaliveIntervalMs: 80_000 });
    idle = [pooledConnection()];
    let resolve: (outcome: ResetOutcome) => void = () => undefined;
    answer = () => new Promise((done) => (resolve = done));
    await vi.advanceTimersByTimeAsync(300_000);
    expect(asked).toHaveLength(1);
    resolve('clean');
    await settled();
    expect(outcomes).toEqual([true]);
    prover.stop();
  });

  test.each([0, 80_000])(
    'has no timer once it is stopped, with an interval of %d',
    async (keepaliveIntervalMs) => {
      const prover = proverWith({ keepaliveIntervalMs });
      idle = [pooledConnection()];
      expect(vi.getTimerCount()).toBe(keepaliveIntervalMs === 0 ? 0 : 1);
      prover.stop();
      await vi.advanceTimersByTimeAsync(1_000_000);
      expect(asked).toEqual([]);
      expect(vi.getTimerCount()).toBe(0);
    },
  );
});
