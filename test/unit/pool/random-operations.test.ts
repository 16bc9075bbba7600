import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ProxyError } from '../../../src/errors.js';
import type { Lease } from '../../../src/pool/lease.js';
import { INDIFFERENT } from '../../../src/upstream/connection.js';
import { PoolFixture, run, settled } from '../../support/pool-fixture.js';

const STEPS = 1_500;
const USERS = ['alice', 'bob', 'carol', 'dave', 'erin'];
const MAX_CONNECTIONS = 6;
const MAX_PER_USER = 3;

/** A small generator of numbers from 0 to below 1, the same ones for the same seed (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});

afterEach(() => {
  vi.useRealTimers();
});

test.each([1, 2, 3, 4])('random operations keep the caps and forget nobody (seed %i)', async (seed) => {
  const random = generator(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const fixture = new PoolFixture({
    maxConnections: MAX_CONNECTIONS,
    maxConnectionsPerUser: MAX_PER_USER,
    mailboxCacheTtlMs: 20_000,
    maxAgeMs: 200_000,
    maxLeasesPerConnection: 10,
    acquireTimeoutMs: 5_000,
    acquireMaxWaiting: 12,
    releaseTimeoutMs: 1_000,
  });
  const { pools, server } = fixture;
  fixture.holdsLogins = true;
  const leases = new Map<Lease, string>();
  const pending = new Set<AbortController>();
  let asked = 0;
  let answered = 0;

  const ask = (): void => {
    const user = USERS[below(USERS.length)]!;
    const abort = new AbortController();
    asked += 1;
    pending.add(abort);
    fixture.acquire(user, { signal: abort.signal }).then(
      (lease) => {
        pending.delete(abort);
        answered += 1;
        const { connection } = lease;
        expect(fixture.users.get(connection)).toBe(user);
        for (const other of leases.keys()) expect(other.connection).not.toBe(connection);
        leases.set(lease, user);
        // As a session does: a lease on a connection that has died ends at once.
        const lost = (): void => {
          if (leases.delete(lease)) lease.discard('error');
        };
        connection.attach({ ...INDIFFERENT, onClosed: lost });
        if (!connection.isUsable) lost();
      },
      (error: unknown) => {
        pending.delete(abort);
        answered += 1;
        expect(error).toBeInstanceOf(ProxyError);
      },
    );
  };
  const end = (how: (lease: Lease) => void): void => {
    const lease = [...leases.keys()][below(leases.size)];
    if (lease === undefined) return;
    leases.delete(lease);
    how(lease);
  };
  const operations: readonly (() => void | Promise<void>)[] = [
    ask,
    ask,
    ask,
    () => fixture.held[below(fixture.held.length)]?.succeed() && undefined,
    () => fixture.held[below(fixture.held.length)]?.succeed() && undefined,
    () => fixture.held[below(fixture.held.length)]?.fail(new ProxyError('refused')),
    () => end((lease) => lease.release({})),
    () =>
      end((lease) => {
        run(lease, ['NOOP', 'SELECT', 'CLOSE'][below(3)]!);
        lease.release({});
      }),
    () =>
      end((lease) => {
        lease.markDirty();
        lease.release({});
      }),
    () => end((lease) => lease.discard('dirty')),
    () => [...pending][below(pending.size)]?.abort(),
    () => server.open[below(server.open.length)]?.end(),
    () => server.open[below(server.open.length)]?.break(),
    () => server.open[below(server.open.length)]?.send('* OK still here\r\n'),
    () => {
      server.logoutManner = random() < 0.7 ? 'close' : 'ignore';
    },
    async () => {
      await vi.advanceTimersByTimeAsync(below(3_000));
    },
    () => settled(3),
    async () => {
      for (let hop = below(8); hop > 0; hop -= 1) await Promise.resolve();
    },
  ];
  const checkSnapshot = (step: number): void => {
    const { connecting, idle, leased, resetting, closing } = pools.snapshot;
    const counted = connecting + idle + leased + resetting + closing;
    expect(counted, `step ${step}`).toBe(server.open.length + fixture.held.length);
  };
  const checkCaps = (step: number): void => {
    const at = `step ${step}`;
    expect(server.open.length + fixture.held.length, at).toBeLessThanOrEqual(MAX_CONNECTIONS);
    for (const user of USERS) {
      const open = server.open.filter(({ connection }) => fixture.users.get(connection) === user);
      expect(open.length, at).toBeLessThanOrEqual(MAX_PER_USER);
      expect(fixture.held.filter((login) => login.user === user).length, at).toBeLessThanOrEqual(2);
    }
  };

  for (let step = 0; step < STEPS; step += 1) {
    await operations[below(operations.length)]!();
    checkCaps(step);
    if (step % 20 !== 0) continue;
    // Between two microtasks a connection may be between two counts; at rest it may not.
    await settled();
    checkSnapshot(step);
  }

  // Whoever holds something gives it back, and every login gets its answer: nobody may be left over.
  server.logoutManner = 'close';
  for (let round = 0; round < 40; round += 1) {
    await settled(5);
    for (const login of [...fixture.held]) login.succeed();
    await settled(5);
    end((lease) => lease.release({}));
  }
  expect(answered).toBe(asked);
  expect(pools.snapshot).toMatchObject({ connecting: 0, leased: 0, waiting: 0, resetting: 0 });
  await vi.advanceTimersByTimeAsync(2_000);
  await settled();
  expect(pools.snapshot).toMatchObject({ closing: 0, idle: server.open.length });
  // And what is idle goes with its TTL, until nothing is left.
  await vi.advanceTimersByTimeAsync(60_000);
  await settled();
  expect(server.open).toHaveLength(0);
  expect(pools.snapshot).toMatchObject({ pools: 0, idle: 0, closing: 0 });
  expect(fixture.faults).toEqual([]);
  expect(server.faults).toEqual([]);
});
