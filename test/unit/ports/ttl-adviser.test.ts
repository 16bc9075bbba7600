import { performance } from 'node:perf_hooks';
import { describe, expect, test } from 'vitest';
import { TTLS_MS, TtlAdviser } from '../../../src/ports/ttl-adviser.js';
import type { AdviceInput, TtlAdviserOptions } from '../../../src/ports/ttl-adviser.js';
import { momentsOf, randomFrom, sessionsOf, simulatedPool } from './arrivals.js';
import type { Moment } from './arrivals.js';

const HOUR_MS = 3_600_000;
const INPUT: AdviceInput = {
  limit: 28_232,
  timeWaitSeconds: 60,
  locallyClosedShare: 1,
  currentTtlMs: 300_000,
};

/** An adviser on a clock that the test moves. */
class Bench {
  now = 0;
  readonly adviser: TtlAdviser;

  constructor(options: TtlAdviserOptions = {}) {
    this.adviser = new TtlAdviser({ ...options, now: () => this.now });
  }

  play(moments: readonly Moment[], untilMs = Infinity): void {
    for (const { atMs, user, kind } of moments) {
      if (atMs > untilMs) break;
      this.now = atMs;
      if (kind === 'login') this.adviser.login(user);
      else this.adviser.released(user);
    }
  }
}

describe('the curve', () => {
  const durationMs = 6 * HOUR_MS;
  const moments = momentsOf(sessionsOf(80, durationMs, 42)).filter(({ atMs }) => atMs < durationMs);
  // The past doesn't fade here, as it doesn't in the simulation.
  const bench = new Bench({ halfLifeMs: 1e12 });
  bench.play(moments);
  bench.now = durationMs;
  const advice = bench.adviser.advise(INPUT);

  test.each(TTLS_MS)('says for %d ms what a real pool does', (ttlMs) => {
    const point = advice.curve.find((candidate) => candidate.ttlMs === ttlMs)!;
    const real = simulatedPool(moments, { ttlMs, durationMs, timeWaitMs: 60_000 });
    expect(point.hitShare).toBeCloseTo(real.hitShare, 7);
    expect(point.upstreamLoginsPerSecond).toBeCloseTo(real.upstreamLoginsPerSecond, 4);
    // Averages of the real thing need time to settle, and the end of the time cuts off some of them.
    expect(Math.abs(point.timeWaitPorts - real.timeWaitPorts)).toBeLessThan(0.05 * real.timeWaitPorts + 1);
    expect(Math.abs(point.heldConnections - real.heldConnections)).toBeLessThan(
      0.05 * real.heldConnections + 1,
    );
  });

  test('has all of it: many sessions, some beside each other, and gaps of every kind', () => {
    expect(moments.length).toBeGreaterThan(50_000);
    const shares = advice.curve.map(({ hitShare }) => hitShare);
    expect(shares[0]).toBe(0);
    expect(shares[1]).toBeGreaterThan(0.05);
    expect(shares.at(-1)).toBeGreaterThan(0.9);
    expect([...shares].sort((a, b) => a - b)).toEqual(shares);
  });

  test('counts the ports of connections alone that this side closes', () => {
    const half = bench.adviser.advise({ ...INPUT, locallyClosedShare: 0.5 });
    const none = bench.adviser.advise({ ...INPUT, locallyClosedShare: 0 });
    expect(half.curve[0]?.timeWaitPorts).toBeCloseTo((advice.curve[0]?.timeWaitPorts ?? NaN) / 2, 6);
    expect(none.curve.map(({ timeWaitPorts }) => timeWaitPorts)).toEqual(TTLS_MS.map(() => 0));
  });

  test('has the timeout in use, and one between two of its own in between', () => {
    expect(advice.current).toEqual(advice.curve.find(({ ttlMs }) => ttlMs === INPUT.currentTtlMs));
    const { current, curve } = bench.adviser.advise({ ...INPUT, currentTtlMs: 200_000 });
    expect(current.hitShare).toBeGreaterThan(curve[6]!.hitShare);
    expect(current.hitShare).toBeLessThan(curve[7]!.hitShare);
    const real = simulatedPool(moments, { ttlMs: 200_000, durationMs, timeWaitMs: 60_000 });
    expect(current.hitShare).toBeCloseTo(real.hitShare, 1);
  });

  test('has the timeouts of the table', () => {
    expect(advice.curve.map(({ ttlMs }) => ttlMs)).toEqual(TTLS_MS);
  });
});

/** Logins of ever new users, evenly: nothing that is kept is ever used. */
function strangers(bench: Bench, perSecond: number, durationMs: number): void {
  const from = bench.now;
  const count = (durationMs / 1_000) * perSecond;
  for (let made = 0; made < count; made += 1) {
    bench.now = from + (made * 1_000) / perSecond;
    bench.adviser.login(`stranger-${from + made}`);
    bench.adviser.released(`stranger-${from + made}`);
  }
  bench.now = from + durationMs;
}

/** Users who come back every `gapMs`, all the same. */
function regulars(bench: Bench, users: number, gapMs: number, rounds: number): void {
  const from = bench.now;
  for (let round = 0; round < rounds; round += 1)
    for (let user = 0; user < users; user += 1) {
      bench.now = from + (round + user / users) * gapMs;
      bench.adviser.login(`user-${user}`);
      bench.adviser.released(`user-${user}`);
    }
  bench.now = from + rounds * gapMs;
}

describe('the advice', () => {
  test('is none before there were some logins, and no error', () => {
    const bench = new Bench();
    const empty = bench.adviser.advise(INPUT);
    expect(empty).toMatchObject({ loginsPerSecond: 0, predictedPorts: 0, isExhausting: false });
    expect(empty.recommendedTtlMs).toBeUndefined();
    strangers(bench, 1, 90_000);
    expect(bench.adviser.advise(INPUT).recommendedTtlMs).toBeUndefined();
    strangers(bench, 1, 90_000);
    expect(bench.adviser.advise(INPUT).recommendedTtlMs).toBe(0);
  });

  test.each([
    [700, 1_000],
    [4_000, 5_000],
    [45_000, 60_000],
    [240_000, 300_000],
    [1_000_000, 1_800_000],
  ])('for users who come back after %d ms is %d ms', (gapMs, ttlMs) => {
    const bench = new Bench({ halfLifeMs: 1e12 });
    regulars(bench, 50, gapMs, 400);
    expect(bench.adviser.advise(INPUT).recommendedTtlMs).toBe(ttlMs);
  });

  test('says that the ports run out, and at which timeout they do not', () => {
    const bench = new Bench({ halfLifeMs: 1e12 });
    regulars(bench, 3_000, 10_000, 100);
    const short = bench.adviser.advise({ ...INPUT, limit: 16_384, currentTtlMs: 5_000 });
    expect(short.loginsPerSecond).toBeCloseTo(300, 0);
    // 300 a second for 60 s, and 3,000 users' connections idle for half of the time.
    expect(short.current.timeWaitPorts).toBeCloseTo(18_000, -2);
    expect(short.predictedPorts).toBeCloseTo(19_500, -2);
    expect(short.isExhausting).toBe(true);
    expect(short.recommendedTtlMs).toBe(15_000);
    const long = bench.adviser.advise({ ...INPUT, limit: 16_384, currentTtlMs: 15_000 });
    expect(long.predictedPorts).toBeLessThan(4_000);
    expect(long.isExhausting).toBe(false);
  });

  test('never says that ports run out of which nobody knows how many there are', () => {
    const bench = new Bench();
    strangers(bench, 200, 60_000);
    expect(bench.adviser.advise({ ...INPUT, limit: undefined }).isExhausting).toBe(false);
    expect(bench.adviser.advise({ ...INPUT, limit: 1_000 }).isExhausting).toBe(true);
  });

  test('follows the load: what was hours ago weighs little', () => {
    const bench = new Bench({ halfLifeMs: HOUR_MS });
    regulars(bench, 50, 4_000, 900);
    expect(bench.adviser.advise(INPUT).recommendedTtlMs).toBe(5_000);
    for (let hour = 0; hour < 6; hour += 1) regulars(bench, 50, 45_000, 80);
    const { recommendedTtlMs, loginsPerSecond } = bench.adviser.advise(INPUT);
    expect(recommendedTtlMs).toBe(60_000);
    // 12.5 logins a second at first have become 1.1.
    expect(loginsPerSecond).toBeGreaterThan(1.1);
    expect(loginsPerSecond).toBeLessThan(1.6);
  });

  test.each([
    ['10 s', 10_000],
    ['an hour', HOUR_MS],
    ['ten hours', 10 * HOUR_MS],
  ])('has the rate right after %s, and what users who never come back leave behind', (_name, ms) => {
    const bench = new Bench();
    strangers(bench, 4, ms);
    const { loginsPerSecond, curve } = bench.adviser.advise({ ...INPUT, currentTtlMs: 1_000 });
    expect(loginsPerSecond / 4).toBeCloseTo(1, 1);
    const heldConnections = curve[3]!.heldConnections;
    expect(heldConnections).toBeLessThan(4 * 15 * 1.1);
    expect(heldConnections).toBeGreaterThan(ms === 10_000 ? 15 : 4 * 15 * 0.9);
  });

  test('asked for often, stays the same', () => {
    const often = new Bench();
    const once = new Bench();
    for (const bench of [often, once]) {
      for (let minute = 0; minute < 120; minute += 1) {
        strangers(bench, 2, 30_000);
        regulars(bench, 10, 3_000, 10);
        if (bench === often) bench.adviser.advise(INPUT);
      }
    }
    const [one, other] = [often.adviser.advise(INPUT), once.adviser.advise(INPUT)];
    expect(one.current.hitShare).toBeCloseTo(other.current.hitShare, 2);
    expect(one.loginsPerSecond / other.loginsPerSecond).toBeCloseTo(1, 1);
  });

  test('costs next to nothing, for a login as for itself', () => {
    const adviser = new TtlAdviser({ maxUsers: 10_000 });
    const random = randomFrom(1);
    const users = Array.from({ length: 20_000 }, (_, at) => `user-${at}`);
    const startedAt = performance.now();
    const rounds = 50_000;
    for (let round = 0; round < rounds; round += 1) {
      const user = users[Math.floor(random() * users.length)]!;
      adviser.login(user);
      adviser.released(user);
    }
    const perLoginMs = (performance.now() - startedAt) / rounds;
    expect(perLoginMs).toBeLessThan(0.1);
    const askedAt = performance.now();
    for (let round = 0; round < 100; round += 1) adviser.advise(INPUT);
    expect((performance.now() - askedAt) / 100).toBeLessThan(2);
  });
});
