import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ProxyError } from '../../../src/errors.js';
import type { Lease } from '../../../src/pool/lease.js';
import type { PoolOptions } from '../../../src/pool/pool-options.js';
import { INDIFFERENT } from '../../../src/upstream/connection.js';
import { PoolFixture, identityFor, run, settled, stateOf } from '../../support/pool-fixture.js';

let fixture: PoolFixture;

function start(options: Partial<PoolOptions> = {}): PoolFixture {
  fixture = new PoolFixture(options);
  return fixture;
}

const lost = (): ProxyError => new ProxyError('refused');

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});

afterEach(async () => {
  await fixture.drain();
  vi.useRealTimers();
  expect(fixture.server.open).toHaveLength(0);
  expect(fixture.faults).toEqual([]);
  expect(fixture.server.faults).toEqual([]);
});

describe('reuse', () => {
  test('lends the connection that came back last', async () => {
    const { pools } = start();
    const [one, two, three] = (await fixture.acquireMany('alice', 3)) as [Lease, Lease, Lease];
    for (const lease of [two, three, one]) lease.release({});
    await settled();
    expect(pools.snapshot).toMatchObject({ idle: 3, leased: 0 });
    const again = (await fixture.acquireMany('alice', 3)) as [Lease, Lease, Lease];
    expect(again.map(({ connection }) => connection.id)).toEqual(
      [one, three, two].map(({ connection }) => connection.id),
    );
    expect(again.every(({ isReuse }) => isReuse)).toBe(true);
    expect(fixture.attempts).toBe(3);
  });

  test('never lends the connection of another identity', async () => {
    start();
    (await fixture.acquire('alice')).release({});
    await settled();
    const bob = await fixture.acquire('bob');
    expect(bob.isReuse).toBe(false);
    expect(fixture.attempts).toBe(2);
  });

  test('resets a connection that was used, and not one that was not', async () => {
    start();
    const lease = await fixture.acquire('alice');
    lease.release({});
    await settled();
    const again = await fixture.acquire('alice');
    run(again, 'SELECT');
    again.release({});
    await settled();
    expect(fixture.events.filter((event) => event.startsWith('reset'))).toEqual(['reset clean']);
    expect(fixture.server.sessions[0]!.lines.at(-1)).toMatch(/ UNSELECT$/);
    expect(fixture.pools.snapshot).toMatchObject({ idle: 1, resetting: 0 });
  });

  test('waits until a command that still runs is answered', async () => {
    start();
    const lease = await fixture.acquire('alice');
    const session = fixture.server.sessionOf(lease.connection);
    session.onCommand = (_tag, verb) => verb === 'FETCH';
    run(lease, 'FETCH');
    await settled();
    lease.release({});
    await settled();
    expect(fixture.pools.snapshot).toMatchObject({ idle: 0, resetting: 1 });
    session.send('* 1 FETCH (BODY[] {3}\r\nabc)\r\nc OK\r\n');
    await settled();
    expect(fixture.pools.snapshot).toMatchObject({ idle: 1, resetting: 0 });
  });

  test('gives up a connection whose last command is not answered in time', async () => {
    start({ releaseTimeoutMs: 5_000 });
    const lease = await fixture.acquire('alice');
    fixture.server.sessionOf(lease.connection).onCommand = () => true;
    run(lease, 'FETCH');
    lease.release({});
    await vi.advanceTimersByTimeAsync(5_001);
    await settled();
    expect(fixture.events).toContain('reset timeout');
    expect(fixture.pools.snapshot).toMatchObject({ idle: 0, resetting: 0, pools: 0 });
  });

  test('gives up a connection on which something runs at once, if nobody is to wait for it', async () => {
    start({ releaseTimeoutMs: 0 });
    const lease = await fixture.acquire('alice');
    fixture.server.sessionOf(lease.connection).onCommand = () => true;
    run(lease, 'FETCH');
    lease.release({});
    await settled();
    expect(fixture.server.open).toHaveLength(0);
  });

  test('gives up a connection that died under its lease at once, without a wait for answers', async () => {
    start({ releaseTimeoutMs: 5_000 });
    const lease = await fixture.acquire('alice');
    run(lease, 'NOOP');
    await settled();
    fixture.server.sessionOf(lease.connection).break();
    await settled();
    lease.release({});
    await settled();
    expect(fixture.pools.snapshot).toMatchObject({ pools: 0, resetting: 0, idle: 0 });
    expect(fixture.events.filter((event) => event.startsWith('reset'))).toEqual(['reset lost']);
  });

  test('hears nothing of a connection that was given back unused', async () => {
    start();
    const lease = await fixture.acquire('alice');
    const heard: string[] = [];
    lease.connection.attach({ ...INDIFFERENT, forward: (bytes) => heard.push(bytes.toString()) });
    lease.release({});
    await settled();
    fixture.server.sessions[0]!.send('* OK still here\r\n');
    await settled();
    expect(heard).toEqual([]);
  });

  test('never lends a connection again that said something of no grammar while idle', async () => {
    start();
    const lease = await fixture.acquire('alice');
    lease.connection.attach({ ...INDIFFERENT });
    lease.release({});
    await settled();
    fixture.server.sessions[0]!.send('zz OK what\r\n');
    await settled();
    const again = await fixture.acquire('alice');
    expect(again.isReuse).toBe(false);
  });
});

describe('caps', () => {
  test('let the clients of an identity wait for its own connections', async () => {
    const { pools } = start({ maxConnectionsPerUser: 2 });
    const [one] = (await fixture.acquireMany('alice', 2)) as [Lease, Lease];
    const third = fixture.acquire('alice');
    expect(await stateOf(third)).toBe('pending');
    expect(pools.snapshot).toMatchObject({ waiting: 1, leased: 2 });
    one.release({});
    expect((await third).connection).toBe(one.connection);
    expect(fixture.attempts).toBe(2);
  });

  test('evict the longest idle connection of another identity, one for each waiter', async () => {
    const { server } = start({ maxConnections: 3 });
    for (const user of ['alice', 'bob', 'carol']) (await fixture.acquire(user)).release({});
    await settled();
    const dave = await fixture.acquire('dave');
    expect(dave.isReuse).toBe(false);
    await settled();
    expect(server.sessions.map(({ isClosed }) => isClosed)).toEqual([true, false, false, false]);
    expect(fixture.pools.snapshot).toMatchObject({ idle: 2, leased: 1, waiting: 0 });
  });

  test('evict one connection only while it takes its time to close', async () => {
    const { server } = start({ maxConnections: 3 });
    for (const user of ['alice', 'bob', 'carol']) (await fixture.acquire(user)).release({});
    await settled();
    server.logoutManner = 'ignore';
    const dave = fixture.acquire('dave');
    await settled();
    expect(fixture.pools.snapshot).toMatchObject({ idle: 2, closing: 1, waiting: 1 });
    const erin = fixture.acquire('erin');
    await settled();
    expect(fixture.pools.snapshot).toMatchObject({ idle: 1, closing: 2, waiting: 2 });
    server.sessions[0]!.end();
    server.sessions[1]!.end();
    await Promise.all([dave, erin]);
  });

  test('evict no more than one for each waiter when others wait for something else', async () => {
    const { server } = start({ maxConnections: 4, maxConnectionsPerUser: 1 });
    const alice = await fixture.acquire('alice');
    for (const user of ['bob', 'carol', 'dave']) (await fixture.acquire(user)).release({});
    await settled();
    // These wait for alice's own connection: no eviction helps them.
    const others = [1, 2, 3].map(() => fixture.acquire('alice'));
    server.logoutManner = 'ignore';
    const erin = fixture.acquire('erin');
    await settled();
    expect(fixture.pools.snapshot).toMatchObject({ idle: 2, closing: 1 });
    // The queue is served: erin still waits for the connection that was evicted for it.
    alice.release({});
    (await others[0]!).release({});
    (await others[1]!).release({});
    await others[2];
    await settled();
    expect(fixture.pools.snapshot).toMatchObject({ idle: 2, closing: 1 });
    server.sessions[1]!.end();
    await erin;
  });

  test('evict for a client that comes at any moment of another one’s grant', async () => {
    for (let microtasks = 0; microtasks < 16; microtasks += 1) {
      const one = new PoolFixture({ maxConnections: 2 });
      for (const user of ['alice', 'bob']) (await one.acquire(user)).release({});
      await settled();
      const alice = one.acquire('alice');
      for (let hop = 0; hop < microtasks; hop += 1) await Promise.resolve();
      const carol = one.acquire('carol');
      expect(await stateOf(carol), `${microtasks} microtasks later`).toBe('resolved');
      await alice;
      await one.drain();
    }
    start();
  });

  test('are not exceeded by connections that are still closing', async () => {
    const { server } = start({ maxConnections: 2, mailboxCacheTtlMs: 0 });
    server.logoutManner = 'ignore';
    for (const lease of await fixture.acquireMany('alice', 2)) lease.release({});
    const bob = fixture.acquire('bob');
    await settled();
    expect(server.open).toHaveLength(2);
    expect(fixture.pools.snapshot).toMatchObject({ closing: 2, waiting: 1 });
    server.sessions[0]!.end();
    await bob;
    expect(fixture.pools.snapshot).toMatchObject({ closing: 1, leased: 1 });
  });

  test('allow two openings at once for an identity, and one until a login has succeeded', async () => {
    start();
    fixture.holdsLogins = true;
    const leases = Array.from({ length: 5 }, () => fixture.acquire('alice'));
    const bob = fixture.acquire('bob');
    await settled();
    expect(fixture.held.map(({ user }) => user)).toEqual(['alice', 'bob']);
    const openings: number[] = [];
    for (let count = 0; count < 6; count += 1) {
      fixture.held[0]!.succeed();
      await settled();
      openings.push(fixture.held.filter(({ user }) => user === 'alice').length);
    }
    expect(openings).toEqual([2, 2, 2, 2, 1, 0]);
    await Promise.all([...leases, bob]);
    expect(fixture.attempts).toBe(6);
  });
});

describe('waiting', () => {
  test('ends with the deadline', async () => {
    start({ maxConnectionsPerUser: 1, acquireTimeoutMs: 1_000 });
    await fixture.acquire('alice');
    const second = fixture.acquire('alice');
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await stateOf(second)).toBe('lease_timeout');
    expect(fixture.pools.snapshot.waiting).toBe(0);
  });

  test('does not count the own login', async () => {
    start({ acquireTimeoutMs: 1_000 });
    fixture.holdsLogins = true;
    const lease = fixture.acquire('alice');
    await vi.advanceTimersByTimeAsync(30_000);
    fixture.held[0]!.succeed();
    expect(await stateOf(lease)).toBe('resolved');
  });

  test('is refused to one client too many, and leaves no pool behind', async () => {
    start({ maxConnections: 1, acquireMaxWaiting: 1 });
    await fixture.acquire('alice');
    const bob = fixture.acquire('bob');
    expect(await stateOf(fixture.acquire('carol'))).toBe('queue_full');
    expect(fixture.pools.snapshot).toMatchObject({ pools: 2, waiting: 1 });
    void bob.catch(() => undefined);
  });

  test('is over when the client has gone, and takes nothing', async () => {
    start({ maxConnections: 1 });
    const alice = await fixture.acquire('alice');
    const abort = new AbortController();
    const bob = fixture.acquire('bob', { signal: abort.signal });
    const state = stateOf(bob);
    abort.abort();
    expect(await state).toBe('cancelled');
    expect(fixture.pools.snapshot).toMatchObject({ waiting: 0, pools: 1 });
    alice.release({});
    await settled();
    expect(fixture.pools.snapshot).toMatchObject({ idle: 1, leased: 0 });
  });

  test('a grant to a client that has vanished comes back clean', async () => {
    start();
    fixture.holdsLogins = true;
    const abort = new AbortController();
    const granted = fixture.acquire('alice', { signal: abort.signal });
    abort.abort();
    await settled();
    fixture.held[0]!.succeed();
    (await granted).release({});
    await settled();
    expect(fixture.pools.snapshot).toMatchObject({ idle: 1, leased: 0 });
  });

  test('is served in turn, one identity after the other', async () => {
    start({ maxConnections: 1 });
    const first = await fixture.acquire('alice');
    const order: string[] = [];
    const clients = ['bob', 'bob', 'bob', 'carol', 'dave'].map(async (user) => {
      const lease = await fixture.acquire(user);
      order.push(user);
      lease.discard('dirty');
    });
    await settled();
    first.discard('dirty');
    await Promise.all(clients);
    expect(order).toEqual(['bob', 'carol', 'dave', 'bob', 'bob']);
  });
});

describe('a login that fails', () => {
  test('rejects its own waiter, frees its room, and is never tried again', async () => {
    start({ maxConnections: 1 });
    fixture.holdsLogins = true;
    const alice = fixture.acquire('alice');
    const bob = fixture.acquire('bob');
    await settled();
    fixture.held[0]!.fail(lost());
    expect(await stateOf(alice)).toBe('refused');
    expect(fixture.held.map(({ user }) => user)).toEqual(['bob']);
    fixture.held[0]!.succeed();
    await bob;
    expect(fixture.attempts).toBe(2);
    expect(fixture.pools.snapshot).toMatchObject({ pools: 1, connecting: 0, leased: 1, waiting: 0 });
  });

  test('at once costs one attempt for each client', async () => {
    start();
    fixture.loginError = lost();
    const states = await Promise.all([1, 2, 3, 4, 5].map(() => stateOf(fixture.acquire('alice'))));
    expect(states).toEqual(Array(5).fill('refused'));
    expect(fixture.attempts).toBe(5);
    expect(fixture.pools.snapshot).toMatchObject({ pools: 0, connecting: 0, waiting: 0 });
  });

  test('leaves idle connections alone', async () => {
    start();
    const [one, two] = (await fixture.acquireMany('alice', 2)) as [Lease, Lease];
    one.release({});
    fixture.loginError = lost();
    await settled();
    await fixture.acquire('alice');
    expect(await stateOf(fixture.acquire('alice'))).toBe('refused');
    two.release({});
    expect(await stateOf(fixture.acquire('alice'))).toBe('resolved');
  });
});

describe('the end of a connection', () => {
  test.each([
    ['a FIN', (): void => fixture.server.sessions[0]!.end()],
    ['a break', (): void => fixture.server.sessions[0]!.break()],
    ['a BYE', (): void => fixture.server.sessions[0]!.send('* BYE autologout\r\n')],
    ['a continuation', (): void => fixture.server.sessions[0]!.send('+ go\r\n')],
    ['an ENABLED', (): void => fixture.server.sessions[0]!.send('* ENABLED X\r\n')],
    ['a reply to nothing', (): void => fixture.server.sessions[0]!.send('zz OK\r\n')],
  ])('by %s while idle makes room, and the next client gets a new one', async (_how, kill) => {
    start();
    const first = await fixture.acquire('alice');
    run(first, 'NOOP');
    first.release({});
    await settled();
    kill();
    await settled();
    await vi.advanceTimersByTimeAsync(1_100);
    await settled();
    expect(fixture.server.open).toHaveLength(0);
    expect(fixture.pools.snapshot).toMatchObject({ pools: 0, idle: 0 });
    const again = await fixture.acquire('alice');
    expect(again.isReuse).toBe(false);
    expect(again.connection.isUsable).toBe(true);
  });

  test('that goes while it is promised is replaced', async () => {
    start();
    (await fixture.acquire('alice')).release({});
    await settled();
    const next = fixture.acquire('alice');
    fixture.server.sessions[0]!.connection.destroy('error');
    const lease = await next;
    expect(lease.connection.isUsable).toBe(true);
  });

  test('comes when it sat idle for the TTL', async () => {
    start({ mailboxCacheTtlMs: 10_000 });
    const [one, two] = (await fixture.acquireMany('alice', 2)) as [Lease, Lease];
    one.release({});
    await vi.advanceTimersByTimeAsync(6_000);
    two.release({});
    await vi.advanceTimersByTimeAsync(3_000);
    await settled();
    expect(fixture.pools.snapshot.idle).toBe(2);
    await vi.advanceTimersByTimeAsync(4_000);
    await settled();
    expect(fixture.pools.snapshot.idle).toBe(1);
    expect(fixture.server.sessionOf(one.connection).isClosed).toBe(true);
    await vi.advanceTimersByTimeAsync(8_000);
    await settled();
    expect(fixture.pools.snapshot).toMatchObject({ idle: 0, pools: 0 });
    await expect(one.connection.closed).resolves.toEqual({ reason: 'idle', initiator: 'remote' });
  });

  test('does not come while it is leased, however long', async () => {
    start({ mailboxCacheTtlMs: 10_000 });
    await fixture.acquire('alice');
    await vi.advanceTimersByTimeAsync(100_000);
    expect(fixture.pools.snapshot).toMatchObject({ leased: 1, closing: 0 });
  });

  test.each<[string, Partial<PoolOptions>, string]>([
    ['a TTL of 0', { mailboxCacheTtlMs: 0 }, 'idle'],
    ['its last lease', { maxLeasesPerConnection: 1 }, 'leases'],
  ])('comes at release with %s', async (_what, options, reason) => {
    start(options);
    const lease = await fixture.acquire('alice');
    run(lease, 'NOOP');
    await settled();
    lease.release({});
    await settled();
    await expect(lease.connection.closed).resolves.toEqual({ reason, initiator: 'remote' });
    expect(fixture.pools.snapshot).toMatchObject({ pools: 0, idle: 0, closing: 0 });
  });

  test('comes after the number of leases, and not before', async () => {
    start({ maxLeasesPerConnection: 3 });
    for (let count = 0; count < 3; count += 1) {
      (await fixture.acquire('alice')).release({});
      await settled();
    }
    expect(fixture.server.open).toHaveLength(0);
    expect(fixture.attempts).toBe(1);
  });

  test('comes with its age, within 10 %, at release and while idle', async () => {
    start({ maxAgeMs: 100_000, mailboxCacheTtlMs: 1_000_000 });
    const [one, two] = (await fixture.acquireMany('alice', 2)) as [Lease, Lease];
    one.release({});
    await vi.advanceTimersByTimeAsync(89_000);
    expect(fixture.server.open).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(21_000 + 5_000);
    await settled();
    expect(fixture.server.sessionOf(one.connection).isClosed).toBe(true);
    two.release({});
    await expect(two.connection.closed).resolves.toMatchObject({ reason: 'age' });
  });

  test('comes at release if it is dirty', async () => {
    start();
    const lease = await fixture.acquire('alice');
    lease.markDirty();
    lease.release({});
    await expect(lease.connection.closed).resolves.toEqual({ reason: 'dirty', initiator: 'remote' });
    expect(fixture.events.filter((event) => event.startsWith('reset'))).toEqual([]);
  });

  test('comes at once with a discard', async () => {
    start();
    const lease = await fixture.acquire('alice');
    lease.discard('dirty');
    lease.release({});
    await expect(lease.connection.closed).resolves.toEqual({ reason: 'dirty', initiator: 'local' });
    await settled();
    expect(fixture.pools.snapshot).toMatchObject({ pools: 0, leased: 0 });
    expect(fixture.events.filter((event) => event === 'ended')).toHaveLength(1);
  });
});

describe('a verified connection', () => {
  test('is leased, and counts', async () => {
    start();
    const verified = fixture.server.connect();
    const lease = await fixture.adopt('alice', verified);
    expect(lease.connection).toBe(verified);
    expect(lease.isReuse).toBe(false);
    expect(fixture.attempts).toBe(0);
    lease.release({});
    await settled();
    expect(fixture.pools.snapshot.idle).toBe(1);
  });

  test('takes the place of the longest idle one, so that the pool does not grow', async () => {
    start();
    const leases = await fixture.acquireMany('alice', 3);
    for (const lease of leases) {
      lease.release({});
      await settled();
    }
    const lease = await fixture.adopt('alice', fixture.server.connect());
    await settled();
    expect(fixture.server.open).toHaveLength(3);
    expect(fixture.server.sessionOf(leases[0]!.connection).isClosed).toBe(true);
    await expect(leases[0]!.connection.closed).resolves.toMatchObject({ reason: 'credentials' });
    lease.release({});
    await settled();
    expect(fixture.pools.snapshot.idle).toBe(3);
    // All three are still lent, and none twice.
    const again = await fixture.acquireMany('alice', 3);
    expect(new Set(again.map(({ connection }) => connection)).size).toBe(3);
    expect(again.every(({ connection }) => connection.isUsable)).toBe(true);
  });

  test('takes the place of one idle connection, not of two, when the pool is full', async () => {
    start({ maxConnectionsPerUser: 3 });
    for (const lease of await fixture.acquireMany('alice', 3)) lease.release({});
    await settled();
    const lease = await fixture.adopt('alice', fixture.server.connect());
    lease.release({});
    await settled();
    expect(fixture.pools.snapshot.idle).toBe(3);
  });

  test.each([1, 8])('is leased however many came before it, with a cap of %i', async (cap) => {
    start({ maxConnectionsPerUser: cap });
    for (let count = 0; count < 40; count += 1) {
      const lease = await fixture.adopt('alice', fixture.server.connect());
      lease.release({});
      await settled();
      expect(fixture.pools.snapshot).toMatchObject({ idle: 1, waiting: 0 });
    }
    (await fixture.acquire('alice')).release({});
  });

  test('is closed at once if it finds no room', async () => {
    start({ maxConnectionsPerUser: 1, acquireTimeoutMs: 1_000 });
    await fixture.acquire('alice');
    const verified = fixture.server.connect();
    expect(await fixture.pools.adopt({ identity: identityFor('alice'), credential: {} }, verified)).toBe(
      undefined,
    );
    await expect(verified.closed).resolves.toMatchObject({ reason: 'evicted' });
    expect(fixture.pools.snapshot.waiting).toBe(0);
  });
});

describe('drain', () => {
  test('closes idle connections at once and leased ones when they come back', async () => {
    const { pools } = start();
    const [one, two] = (await fixture.acquireMany('alice', 2)) as [Lease, Lease];
    one.release({});
    await settled();
    const drained = pools.drain(60_000);
    await settled();
    expect(fixture.server.open).toHaveLength(1);
    expect(await stateOf(drained)).toBe('pending');
    run(two, 'NOOP');
    two.release({});
    expect(await stateOf(drained)).toBe('resolved');
    expect(fixture.server.open).toHaveLength(0);
  });

  test('refuses who waits and who comes', async () => {
    const { pools } = start({ maxConnectionsPerUser: 1 });
    const lease = await fixture.acquire('alice');
    const waiting = stateOf(fixture.acquire('alice'));
    const drained = pools.drain(60_000);
    expect(await waiting).toBe('draining');
    expect(await stateOf(fixture.acquire('bob'))).toBe('draining');
    lease.release({});
    await drained;
  });

  test('destroys what is left at its deadline', async () => {
    const { pools } = start();
    const lease = await fixture.acquire('alice');
    const drained = pools.drain(1_000);
    await vi.advanceTimersByTimeAsync(1_000);
    await drained;
    await expect(lease.connection.closed).resolves.toMatchObject({ reason: 'drain' });
  });

  test('ends at once when there is nothing to close', async () => {
    const { pools } = start();
    expect(await stateOf(pools.drain(60_000))).toBe('resolved');
  });

  test('ends when the last login that was under way has failed', async () => {
    const { pools } = start();
    fixture.holdsLogins = true;
    const lease = stateOf(fixture.acquire('alice'));
    await settled(5);
    const drained = pools.drain(60_000);
    fixture.held[0]!.fail(lost());
    expect(await stateOf(drained)).toBe('resolved');
    expect(await lease).not.toBe('resolved');
  });

  test('closes a connection that was promised in the same moment', async () => {
    const { pools } = start();
    (await fixture.acquire('alice')).release({});
    await settled();
    const next = fixture.acquire('alice');
    const drained = pools.drain(60_000);
    const lease = await next.catch(() => undefined);
    lease?.release({});
    expect(await stateOf(drained)).toBe('resolved');
    expect(fixture.server.open).toHaveLength(0);
  });
});
