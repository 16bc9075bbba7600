import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { PoolOptions } from '../../../src/pool/pool-options.js';
import { settled } from '../../support/pool-fixture.js';
import { RandomWorld } from './random-world.js';

const STEPS = 3_000;
const TTL_MS = 20_000;
const COMMON: Partial<PoolOptions> = {
  mailboxCacheTtlMs: TTL_MS,
  maxAgeMs: 200_000,
  maxLeasesPerConnection: 30,
  acquireTimeoutMs: 5_000,
  acquireMaxWaiting: 12,
  releaseTimeoutMs: 1_000,
};

interface Variant {
  readonly what: string;
  readonly options: Partial<PoolOptions>;
  readonly perMinute?: number;
}

const VARIANTS: readonly Variant[] = [
  { what: 'no proof, no reserve', options: {} },
  {
    what: 'probes, keepalive and a reserve',
    options: { probeAfterMs: 2_000, keepaliveIntervalMs: 4_000, reservedPerUser: 1 },
  },
  { what: 'a probe before each lease', options: { probeAfterMs: 0, reservedPerUser: 3 } },
  { what: 'a connection rate', options: { probeAfterMs: 2_000, reservedPerUser: 1 }, perMinute: 120 },
  { what: 'no patience', options: { acquireTimeoutMs: 0, keepaliveIntervalMs: 1_000 } },
];
const RUNS = VARIANTS.flatMap((variant, index) =>
  [1, 2].map((seed) => ({ ...variant, seed: 10 * index + seed })),
);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});

afterEach(() => {
  vi.useRealTimers();
});

test.each(RUNS)(
  'random operations with $what keep the caps, mix up nobody and forget nobody (seed $seed)',
  async ({ options, perMinute = 0, seed }) => {
    const world = new RandomWorld(seed, { ...COMMON, ...options }, perMinute);
    const { fixture } = world;
    const startedAt = performance.now();
    for (let step = 0; step < STEPS; step += 1) {
      const at = `seed ${String(seed)}, step ${String(step)}`;
      await world.step(at);
      if (step % 10 === 0) await world.rest(at);
      if (step % 50 === 0) await world.checkNobodyForgotten(at);
    }
    await world.end();
    if (perMinute > 0) {
      const elapsedMs = performance.now() - startedAt;
      expect(fixture.attempts).toBeLessThanOrEqual(
        (elapsedMs / 60_000) * perMinute + Math.ceil(perMinute / 60),
      );
    }
    // And what is idle goes with its TTL, until nothing is left.
    await vi.advanceTimersByTimeAsync(3 * TTL_MS);
    await settled();
    expect(fixture.server.open).toHaveLength(0);
    expect(fixture.pools.snapshot).toMatchObject({
      pools: 0,
      idle: 0,
      closing: 0,
      connecting: 0,
      probing: 0,
    });
    expect(Object.keys(fixture.closed)).toHaveLength(fixture.server.sessions.length);
    expect([...fixture.faults, ...fixture.server.faults]).toEqual([]);
    await fixture.drain();
    expect(vi.getTimerCount()).toBe(0);
  },
);
