import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { asProxyError } from '../../../src/errors.js';
import { ConnectionRate } from '../../../src/pool/connection-rate.js';
import { VerificationLane } from '../../../src/pool/verification-lane.js';
import type { Attempt, Claim, VerificationLaneOptions } from '../../../src/pool/verification-lane.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function attemptOf(identityKey: string, options: Partial<Attempt> = {}): Attempt {
  return { identityKey, source: 'unix', isSourceShared: true, isIdentityKnown: false, claim: 1, ...options };
}

interface Running {
  readonly attempt: Attempt;
  readonly end: () => void;
}

/** A lane whose checks last until the test ends them. */
class LaneFixture {
  readonly lane: VerificationLane;
  /** The checks that run, in the order of their start. */
  readonly running = new Set<Running>();
  /** The identity of each check that ever began. */
  readonly started: string[] = [];

  constructor(options: Partial<VerificationLaneOptions> = {}) {
    this.lane = new VerificationLane({
      maxWaiting: 1_000,
      timeoutMs: 15_000,
      now: () => performance.now(),
      mayStart: () => true,
      ...options,
    });
  }

  /** How the attempt ends: `resolved` or the code of its error. */
  run(attempt: Attempt, signal?: AbortSignal): Promise<string> {
    const check = (): Promise<void> =>
      new Promise((resolve) => {
        const running = {
          attempt,
          end: () => {
            this.running.delete(running);
            resolve();
          },
        };
        this.running.add(running);
        this.started.push(attempt.identityKey);
      });
    return this.lane.run(attempt, check, signal).then(
      () => 'resolved',
      (error: unknown) => asProxyError(error).code,
    );
  }

  runAll(attempts: readonly Attempt[]): Promise<string[]> {
    return Promise.all(attempts.map((attempt) => this.run(attempt)));
  }

  /** Ends the check that runs for longest, of the identity if one is named. */
  async endOne(identityKey?: string): Promise<void> {
    const matches = [...this.running].filter(
      ({ attempt }) => identityKey === undefined || attempt.identityKey === identityKey,
    );
    matches[0]!.end();
    await tick();
  }

  async endAll(): Promise<void> {
    while (this.running.size > 0) await this.endOne();
    expect(this.lane.inFlight).toBe(0);
    expect(this.lane.size).toBe(0);
  }
}

describe('places', () => {
  test('are two for one identity; the others of it wait', async () => {
    const fixture = new LaneFixture();
    const all = fixture.runAll(['a', 'a', 'a', 'b'].map((key) => attemptOf(key)));
    expect(fixture.started).toEqual(['a', 'a', 'b']);
    expect(fixture.lane).toMatchObject({ size: 1, inFlight: 3 });
    await fixture.endOne('a');
    expect(fixture.started).toEqual(['a', 'a', 'b', 'a']);
    expect(fixture.lane).toMatchObject({ size: 0, inFlight: 3 });
    await fixture.endAll();
    expect(await all).toEqual(['resolved', 'resolved', 'resolved', 'resolved']);
  });

  test.each([
    [32, 2],
    [24, 1],
    [24, 0],
  ] as const)('are %i in all for claim %i, first come first served', async (places, claim) => {
    const keys = Array.from({ length: 40 }, (_, index) => `user${index}`);
    const fixture = new LaneFixture();
    const all = fixture.runAll(keys.map((key) => attemptOf(key, { claim })));
    for (let ended = 0; ended < 40; ended += 1) {
      expect(fixture.started).toHaveLength(Math.min(40, places + ended));
      await fixture.endOne();
    }
    await all;
    expect(fixture.started).toEqual(keys);
  });

  test('are kept for credentials that were accepted before: some in all, and one of their identity', async () => {
    const fixture = new LaneFixture();
    const flood = fixture.runAll(Array.from({ length: 200 }, (_, index) => attemptOf(`user${index}`)));
    expect(fixture.lane.inFlight).toBe(24);
    const guesses = fixture.runAll(
      Array.from({ length: 3 }, () => attemptOf('user0', { isIdentityKnown: true })),
    );
    const owner = fixture.run(attemptOf('user0', { claim: 2, isIdentityKnown: true }));
    expect(fixture.lane.inFlight).toBe(25);
    await fixture.endAll();
    expect(await owner).toBe('resolved');
    await Promise.all([flood, guesses]);
  });

  test('of an identity that is known are one for guesses', async () => {
    const fixture = new LaneFixture();
    const known = { isIdentityKnown: true } as const;
    const guesses = fixture.runAll(Array.from({ length: 3 }, () => attemptOf('alice', known)));
    expect(fixture.lane).toMatchObject({ inFlight: 1, size: 2 });
    const owner = fixture.run(attemptOf('alice', { ...known, claim: 2 }));
    expect(fixture.lane).toMatchObject({ inFlight: 2, size: 2 });
    await fixture.endAll();
    await Promise.all([guesses, owner]);
  });

  test('come back when a check fails', async () => {
    const { lane } = new LaneFixture();
    for (let count = 0; count < 40; count += 1)
      await expect(lane.run(attemptOf('a'), () => Promise.reject(new Error('wrong')))).rejects.toThrow(
        'wrong',
      );
    await expect(lane.run(attemptOf('a'), () => Promise.resolve('right'))).resolves.toBe('right');
  });

  test('go to the sources in turn, so that one with many attempts does not keep the others out', async () => {
    const fixture = new LaneFixture();
    const attempts = (source: string, count: number) =>
      Array.from({ length: count }, (_, index) => attemptOf(`${source}${index}`, { source }));
    const all = fixture.runAll([...attempts('flood', 500), ...attempts('b', 2), ...attempts('c', 2)]);
    for (let ended = 0; ended < 6; ended += 1) await fixture.endOne();
    expect(fixture.started.slice(24)).toEqual(['flood24', 'b0', 'c0', 'flood25', 'b1', 'c1']);
    await fixture.endAll();
    await all;
  });

  test('of others are not held up by the first in the line of one source', async () => {
    const fixture = new LaneFixture();
    const flood = fixture.runAll(Array.from({ length: 30 }, () => attemptOf('alice')));
    const other = fixture.run(attemptOf('bob'));
    expect(fixture.started).toEqual(['alice', 'alice', 'bob']);
    const crowd = fixture.runAll(Array.from({ length: 22 }, (_, index) => attemptOf(`user${index}`)));
    expect(fixture.lane).toMatchObject({ size: 29, inFlight: 24 });
    await fixture.endOne('bob');
    expect(fixture.started.at(-1)).toBe('user21');
    await fixture.endAll();
    await Promise.all([flood, other, crowd]);
  });
});

describe('waiting', () => {
  test('is bounded for each identity: the worst and oldest has to go', async () => {
    const fixture = new LaneFixture();
    const first = fixture.runAll([attemptOf('a'), attemptOf('a')]);
    const bad = fixture.run(attemptOf('a', { claim: 0 }));
    const crowd = Array.from({ length: 32 }, () => fixture.run(attemptOf('a')));
    expect(await bad).toBe('queue_full');
    expect(fixture.lane.size).toBe(32);
    const late = fixture.run(attemptOf('a', { claim: 2 }));
    expect(await crowd[0]).toBe('queue_full');
    expect(fixture.lane.size).toBe(32);
    await fixture.endAll();
    expect(await late).toBe('resolved');
    expect(new Set(await Promise.all(crowd.slice(1)))).toEqual(new Set(['resolved']));
    await first;
  });

  test('is bounded', async () => {
    const fixture = new LaneFixture({ maxWaiting: 1 });
    const all = fixture.runAll(['a', 'a', 'a', 'a', 'b'].map((key) => attemptOf(key)));
    expect(fixture.started).toEqual(['a', 'a', 'b']);
    await fixture.endAll();
    expect(await all).toEqual(['resolved', 'resolved', 'resolved', 'queue_full', 'resolved']);
  });

  test('has a deadline', async () => {
    const fixture = new LaneFixture({ timeoutMs: 1_000 });
    const all = fixture.runAll(['a', 'a', 'a'].map((key) => attemptOf(key)));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(fixture.lane.size).toBe(0);
    await fixture.endAll();
    expect(await all).toEqual(['resolved', 'resolved', 'lease_timeout']);
  });

  test('is refused at once with a deadline of 0, which does not touch those that need not wait', async () => {
    const fixture = new LaneFixture({ timeoutMs: 0 });
    const all = fixture.runAll(['a', 'a', 'a'].map((key) => attemptOf(key)));
    await tick();
    await fixture.endAll();
    expect(await all).toEqual(['resolved', 'resolved', 'lease_timeout']);
  });

  test('ends when the client goes, and a running check does not', async () => {
    const fixture = new LaneFixture();
    const [leaving, staying] = [new AbortController(), new AbortController()];
    const first = fixture.run(attemptOf('a'), staying.signal);
    const second = fixture.run(attemptOf('a'));
    const third = fixture.run(attemptOf('a'), leaving.signal);
    leaving.abort();
    staying.abort();
    expect(await third).toBe('cancelled');
    expect(fixture.lane).toMatchObject({ size: 0, inFlight: 2 });
    expect(await fixture.run(attemptOf('b'), AbortSignal.abort())).toBe('cancelled');
    await fixture.endAll();
    expect(await Promise.all([first, second])).toEqual(['resolved', 'resolved']);
    expect(fixture.started).toEqual(['a', 'a']);
  });
});

describe('claims', () => {
  test('of sessions that have failed before get one place of an identity, and leave the other to its owner', async () => {
    const fixture = new LaneFixture();
    const guesses = Array.from({ length: 20 }, () => attemptOf('alice', { source: '192.0.2.1', claim: 0 }));
    const guessing = fixture.runAll(guesses);
    expect(fixture.lane).toMatchObject({ size: 19, inFlight: 1 });
    for (const claim of [1, 2] as const) {
      const owner = fixture.run(attemptOf('alice', { source: '198.51.100.7', claim }));
      expect(fixture.lane.inFlight).toBe(2);
      [...fixture.running].find(({ attempt }) => attempt.claim === claim)!.end();
      expect(await owner).toBe('resolved');
      expect(fixture.lane.inFlight).toBe(1);
    }
    await fixture.endAll();
    await guessing;
  });

  test('of one address get one place of an identity, and a better one from there gets the other', async () => {
    const fixture = new LaneFixture();
    const guesses = fixture.runAll(
      Array.from({ length: 20 }, () => attemptOf('alice', { source: '192.0.2.1', isSourceShared: false })),
    );
    expect(fixture.lane).toMatchObject({ size: 19, inFlight: 1 });
    const better = fixture.run(attemptOf('alice', { source: '192.0.2.1', isSourceShared: false, claim: 2 }));
    expect(fixture.lane).toMatchObject({ size: 19, inFlight: 2 });
    [...fixture.running].find(({ attempt }) => attempt.claim === 2)!.end();
    expect(await better).toBe('resolved');
    const owner = fixture.run(attemptOf('alice', { source: '198.51.100.7', isSourceShared: false }));
    expect(fixture.lane).toMatchObject({ size: 19, inFlight: 2 });
    [...fixture.running].find(({ attempt }) => attempt.source === '198.51.100.7')!.end();
    expect(await owner).toBe('resolved');
    await fixture.endAll();
    await guesses;
  });

  test('of sessions that have failed before get their place back while the owner’s check runs', async () => {
    const fixture = new LaneFixture();
    const owner = fixture.run(attemptOf('alice', { claim: 2 }));
    const guessing = fixture.runAll([attemptOf('alice', { claim: 0 }), attemptOf('alice', { claim: 0 })]);
    expect(fixture.lane).toMatchObject({ size: 1, inFlight: 2 });
    [...fixture.running].at(-1)!.end();
    await tick();
    expect(fixture.lane).toMatchObject({ size: 0, inFlight: 2 });
    await fixture.endAll();
    await Promise.all([owner, guessing]);
  });

  test('that are better go first among those of one source and identity, and the last of equal ones', async () => {
    const fixture = new LaneFixture();
    const running = fixture.runAll([attemptOf('alice'), attemptOf('alice')]);
    const order: string[] = [];
    const waiting = Promise.all(
      ([0, 1, 2, 2, 1] as const).map((claim, index) =>
        fixture.lane.run(attemptOf('alice', { claim }), async () => {
          order.push(`claim ${claim}, number ${index}`);
        }),
      ),
    );
    await fixture.endAll();
    await Promise.all([running, waiting]);
    expect(order).toEqual([
      'claim 2, number 3',
      'claim 2, number 2',
      'claim 1, number 4',
      'claim 1, number 1',
      'claim 0, number 0',
    ]);
  });

  test('count for nothing among different identities of one source', async () => {
    const fixture = new LaneFixture();
    const crowd = fixture.runAll(
      Array.from({ length: 32 }, (_, index) => attemptOf(`user${index}`, { claim: 2 })),
    );
    const late = fixture.runAll([attemptOf('alice', { claim: 2 }), attemptOf('bob', { claim: 2 })]);
    await fixture.endOne();
    expect(fixture.started.at(-1)).toBe('alice');
    await fixture.endAll();
    await Promise.all([crowd, late]);
  });
});

describe('the connection rate', () => {
  test('is asked only when there is a place', async () => {
    const mayStart = vi.fn(() => true);
    const fixture = new LaneFixture({ mayStart });
    const all = fixture.runAll(['a', 'a', 'a'].map((key) => attemptOf(key)));
    expect(mayStart).toHaveBeenCalledTimes(2);
    await fixture.endAll();
    await all;
    expect(mayStart).toHaveBeenCalledTimes(3);
  });

  test('is not asked again for the others when it has refused', async () => {
    let tokens = 0;
    const mayStart = vi.fn(() => tokens-- > 0);
    const fixture = new LaneFixture({ mayStart });
    const all = fixture.runAll(['a', 'b', 'c', 'd'].map((key) => attemptOf(key, { source: key })));
    expect(mayStart).toHaveBeenCalledTimes(1);
    tokens = 1;
    fixture.lane.serve();
    expect(mayStart).toHaveBeenCalledTimes(3);
    tokens = 3;
    fixture.lane.serve();
    await tick();
    await fixture.endAll();
    await all;
  });

  test('lets those that wait in as its tokens come, in turn over their sources', async () => {
    const rate = new ConnectionRate({
      perMinute: 60,
      now: () => performance.now(),
      onAvailable: () => fixture.lane.serve(),
    });
    const fixture: LaneFixture = new LaneFixture({ mayStart: () => rate.tryTake() });
    const all = fixture.runAll(['a1', 'a2', 'a3', 'b1'].map((key) => attemptOf(key, { source: key[0]! })));
    expect(fixture.started).toEqual(['a1']);
    for (const started of ['a2', 'b1', 'a3']) {
      await vi.advanceTimersByTimeAsync(999);
      expect(fixture.started.at(-1)).not.toBe(started);
      await vi.advanceTimersByTimeAsync(1);
      expect(fixture.started.at(-1)).toBe(started);
    }
    await fixture.endAll();
    await all;
    rate.dispose();
  });

  test('keeps the token that comes for those that wait: a newcomer goes behind them', async () => {
    let tokens = 0;
    const fixture = new LaneFixture({ mayStart: () => tokens-- > 0 });
    const first = fixture.run(attemptOf('a'));
    tokens = 1;
    const second = fixture.run(attemptOf('b'));
    expect(fixture.started).toEqual([]);
    fixture.lane.serve();
    await tick();
    expect(fixture.started).toEqual(['a']);
    tokens = 1;
    fixture.lane.serve();
    await tick();
    await fixture.endAll();
    expect(await Promise.all([first, second])).toEqual(['resolved', 'resolved']);
  });

  test('holds nobody back who comes when only those wait whose identity is full', async () => {
    let tokens = 2;
    const fixture = new LaneFixture({ mayStart: () => tokens-- > 0 });
    const alice = fixture.runAll(['alice', 'alice', 'alice'].map((key) => attemptOf(key)));
    const leaving = new AbortController();
    const bob = fixture.run(attemptOf('bob'), leaving.signal);
    leaving.abort();
    expect(await bob).toBe('cancelled');
    tokens = 1;
    fixture.lane.serve();
    const carol = fixture.run(attemptOf('carol'));
    expect(fixture.started.at(-1)).toBe('carol');
    tokens = 1;
    await fixture.endAll();
    await Promise.all([alice, carol]);
  });

  test('is named as the reason where it alone was in the way until the deadline', async () => {
    let tokens = 2;
    const fixture = new LaneFixture({ mayStart: () => tokens-- > 0, timeoutMs: 1_000 });
    const all = fixture.runAll(['a', 'a', 'a', 'b'].map((key) => attemptOf(key)));
    await vi.advanceTimersByTimeAsync(1_000);
    await fixture.endAll();
    expect(await all).toEqual(['resolved', 'resolved', 'lease_timeout', 'throttled']);
    const impatient = new LaneFixture({ mayStart: () => false, timeoutMs: 0 });
    expect(await impatient.run(attemptOf('a'))).toBe('throttled');
  });
});

test('random attempts keep the limits and leave nobody behind who could enter', async () => {
  const step = fc.record({
    what: fc.constantFrom('run', 'run', 'run', 'end', 'abort', 'token'),
    user: fc.oneof(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 25 })),
    source: fc.constantFrom('unix', '192.0.2.1', '192.0.2.2'),
    claim: fc.constantFrom<Claim>(0, 1, 2),
    pick: fc.nat(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 200, size: 'max' }), async (steps) => {
      let tokens = 40;
      const mayStart = (): boolean => tokens > 0 && tokens-- > 0;
      const fixture = new LaneFixture({ mayStart });
      const waiting = new Map<Attempt, AbortController>();
      const ends: Promise<string>[] = [];
      const countRunning = (identityKey: string, claims: readonly Claim[]): number =>
        [...fixture.running].filter(
          ({ attempt }) => attempt.identityKey === identityKey && claims.includes(attempt.claim),
        ).length;
      for (const { what, user, source, claim, pick } of steps) {
        if (what === 'run') {
          const attempt = attemptOf(`user${user}`, { source, claim });
          const abort = new AbortController();
          waiting.set(attempt, abort);
          ends.push(fixture.run(attempt, abort.signal));
        } else if (what === 'end') [...fixture.running][pick % fixture.running.size]?.end();
        else if (what === 'token') {
          tokens += 1;
          fixture.lane.serve();
        } else {
          const [attempt, abort] = [...waiting][pick % waiting.size] ?? [];
          abort?.abort();
          if (attempt !== undefined) waiting.delete(attempt);
        }
        await tick();
        for (const { attempt } of fixture.running) waiting.delete(attempt);
        expect(fixture.lane.inFlight).toBe(fixture.running.size);
        expect(fixture.lane.size).toBe(waiting.size);
        expect(fixture.running.size).toBeLessThanOrEqual(32);
        const crowded = [...fixture.running].filter(
          ({ attempt: { identityKey } }) =>
            countRunning(identityKey, [0, 1, 2]) > 2 || countRunning(identityKey, [0]) > 1,
        );
        expect(crowded).toEqual([]);
        if (fixture.running.size === 32 || tokens === 0) continue;
        const forgotten = [...waiting.keys()].filter(({ identityKey, claim: waits }) => {
          const isFull = countRunning(identityKey, [0, 1, 2]) === 2;
          return !isFull && !(waits === 0 && countRunning(identityKey, [0]) === 1);
        });
        expect(forgotten).toEqual([]);
      }
      tokens = Infinity;
      fixture.lane.serve();
      await tick();
      await fixture.endAll();
      expect(new Set([...(await Promise.all(ends)), 'resolved', 'cancelled']).size).toBe(2);
    }),
    { seed: 4_711, numRuns: 40 },
  );
});
