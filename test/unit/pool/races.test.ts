import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Lease } from '../../../src/pool/lease.js';
import type { PoolOptions } from '../../../src/pool/pool-options.js';
import { PoolFixture, enableRequest, identityFor, settled } from '../../support/pool-fixture.js';

/** More than any grant takes. */
const MOMENTS = 24;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});

afterEach(() => {
  vi.useRealTimers();
});

/** Runs the same story again and again: what is done in the middle of it comes a microtask later each time. */
async function atEveryMoment(
  options: Partial<PoolOptions>,
  story: (fixture: PoolFixture, moment: () => Promise<void>, at: string) => Promise<void>,
): Promise<void> {
  for (let microtasks = 0; microtasks < MOMENTS; microtasks += 1) {
    const fixture = new PoolFixture(options);
    const moment = async (): Promise<void> => {
      for (let hop = 0; hop < microtasks; hop += 1) await Promise.resolve();
    };
    await story(fixture, moment, `${String(microtasks)} microtasks later`);
    await fixture.drain();
    expect([...fixture.faults, ...fixture.server.faults]).toEqual([]);
    expect(fixture.server.open).toEqual([]);
  }
}

/** A user with connections that came back in this order. */
async function withIdle(fixture: PoolFixture, count: number, enable?: string): Promise<void> {
  const leases: Lease[] = [];
  for (let number = 0; number < count; number += 1)
    leases.push(
      await fixture.acquire('alice', { enable: enable === undefined ? undefined : enableRequest(enable) }),
    );
  for (const lease of leases) lease.release({});
  await settled();
  expect(fixture.pools.snapshot.idle).toBe(count);
}

test('a connection that comes back while another is being installed stays to be lent', async () => {
  await atEveryMoment({}, async (fixture, moment, at) => {
    const first = await fixture.acquire('alice');
    fixture.holdsLogins = true;
    const second = fixture.acquire('alice');
    await settled();
    fixture.held[0]!.succeed();
    await moment();
    first.release({});
    const other = await second;
    await settled();
    const again = await fixture.acquire('alice');
    expect(again.connection, at).toBe(first.connection);
    expect(other.connection, at).not.toBe(first.connection);
    expect(fixture.attempts, at).toBe(2);
  });
});

test('a connection that comes back while another changes its set stays to be lent', async () => {
  await atEveryMoment({}, async (fixture, moment, at) => {
    const first = await fixture.acquire('alice', { enable: enableRequest('CONDSTORE') });
    const second = await fixture.acquire('alice');
    const session = fixture.server.sessionOf(second.connection);
    let tag = '';
    session.onCommand = (given, verb) => {
      tag = given;
      return verb === 'ENABLE';
    };
    const exchanging = fixture.pools.exchange(second, enableRequest('CONDSTORE'));
    await settled();
    session.send(`* ENABLED CONDSTORE\r\n${tag} OK\r\n`);
    await new Promise((resolve) => setImmediate(resolve));
    await moment();
    first.release({});
    const exchanged = await exchanging;
    await settled();
    expect(exchanged.connection, at).toBe(second.connection);
    const again = await fixture.acquire('alice', { enable: enableRequest('CONDSTORE') });
    expect(again.connection, at).toBe(first.connection);
  });
});

test('a reconnect at any moment of a grant leaves no session with a connection that is closed', async () => {
  await atEveryMoment({}, async (fixture, moment, at) => {
    await withIdle(fixture, 2);
    const asking = fixture.acquire('alice');
    await moment();
    fixture.pools.reconnect();
    const lease = await asking;
    expect(lease.connection.isUsable, at).toBe(true);
    await settled();
    expect(fixture.server.sessionOf(lease.connection).isLeaving, at).toBe(false);
    const isOld = lease.isReuse;
    lease.release({});
    await settled();
    expect(fixture.server.sessionOf(lease.connection).isClosed, at).toBe(isOld);
  });
});

test('a revocation at any moment of a grant leaves no session with a connection that is closed', async () => {
  await atEveryMoment({ probeAfterMs: 0 }, async (fixture, moment, at) => {
    await withIdle(fixture, 1);
    const revoked = fixture.credential;
    const asking = fixture.acquire('alice', { credential: {} });
    await moment();
    fixture.pools.revoke(identityFor('alice'), revoked);
    const lease = await asking;
    expect(lease.connection.isUsable, at).toBe(true);
  });
});

test('an eviction at any moment of a grant closes no connection that is lent', async () => {
  await atEveryMoment({ maxConnections: 2 }, async (fixture, moment, at) => {
    await withIdle(fixture, 2, 'CONDSTORE');
    const asking = fixture.acquire('alice', { enable: enableRequest('CONDSTORE') });
    await moment();
    const bob = fixture.acquire('bob');
    const lease = await asking;
    await settled();
    expect(lease.connection.isUsable, at).toBe(true);
    expect((await bob).connection.isUsable, at).toBe(true);
    expect(fixture.attempts, at).toBe(3);
  });
});

test('two exchanges and a request at once get three connections', async () => {
  await atEveryMoment({}, async (fixture, moment, at) => {
    const [one, two] = (await fixture.acquireMany('alice', 2)) as [Lease, Lease];
    await withIdle(fixture, 1, 'CONDSTORE');
    const enable = enableRequest('CONDSTORE');
    const first = fixture.pools.exchange(one, enable);
    await moment();
    const second = fixture.pools.exchange(two, enable);
    const third = fixture.acquire('alice', { enable });
    const leases = await Promise.all([first, second, third]);
    expect(new Set(leases.map(({ connection }) => connection)).size, at).toBe(3);
    for (const { connection, set } of leases) {
      expect(set, at).toBe('CONDSTORE');
      expect(fixture.server.sessionOf(connection).enabled, at).toEqual(['CONDSTORE']);
    }
  });
});

test('what is enabled already is never added to', async () => {
  const fixture = new PoolFixture();
  const lease = await fixture.acquire('alice', { enable: enableRequest('CONDSTORE') });
  lease.connection.detach();
  expect(await fixture.pools.exchange(lease, enableRequest('UTF8=ACCEPT'))).toBe(lease);
  expect(fixture.server.sessionOf(lease.connection).enabled).toEqual(['CONDSTORE']);
  lease.release({});
  await settled();
  const other = await fixture.acquire('alice', { enable: enableRequest('UTF8=ACCEPT') });
  expect(other.connection).not.toBe(lease.connection);
  await fixture.drain();
});

test('a connection that died unnoticed under an unused lease is never idle', async () => {
  const fixture = new PoolFixture();
  const [lease] = (await fixture.acquireMany('alice', 2)) as [Lease, Lease];
  fixture.server.sessionOf(lease.connection).break();
  await settled();
  lease.release({});
  await settled();
  expect(fixture.pools.snapshot).toMatchObject({ idle: 0, leased: 1, closing: 0, pools: 1 });
  await fixture.drain();
});
