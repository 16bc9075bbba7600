import { expect, test } from 'vitest';
import { FairShare } from '../../../src/pool/fair-share.js';
import { IdentityPool } from '../../../src/pool/identity-pool.js';
import { Lease } from '../../../src/pool/lease.js';
import { MemoryServer } from '../../support/memory-server.js';
import { identityFor } from '../../support/pool-fixture.js';

const WAITS = 'waits' as const;
/** Waits for something that no room helps to. */
const STUCK = 'stuck' as const;

function leaseOf(): Lease {
  return new Lease(
    { connection: new MemoryServer().connect(), isReuse: false, set: '', enabled: undefined },
    { released: () => undefined, discarded: () => undefined },
  );
}

interface Situation {
  readonly capacity: number;
  /** By default the total is full. */
  readonly room?: number;
  /** Connections of each user, and whether a client of his waits. */
  readonly pools: Readonly<Record<string, [connections: number, wait?: typeof WAITS | typeof STUCK]>>;
}

function compete({ capacity, room = 0, pools }: Situation): {
  share: FairShare;
  pool: (user: string) => IdentityPool;
} {
  const waits = new Map<IdentityPool, string | undefined>();
  const byUser = new Map<string, IdentityPool>();
  for (const [user, [connections, wait]] of Object.entries(pools)) {
    const pool = new IdentityPool({
      identity: identityFor(user),
      // Without a timer: nothing is swept here.
      sweepIntervalMs: 0,
      isExpired: () => false,
      onDropped: () => undefined,
      reportFault: () => undefined,
    });
    pool.connections = connections;
    // Whoever holds a lease is active, and whoever has a login under way.
    if (connections > 1) pool.leases.add(leaseOf());
    else pool.opening = connections;
    byUser.set(user, pool);
    waits.set(pool, wait);
  }
  const share = new FairShare();
  share.update({
    pools: waits.keys(),
    capacity,
    room,
    isWaiting: (pool) => waits.get(pool) !== undefined,
    isShortOfRoom: (pool) => waits.get(pool) === WAITS,
  });
  return { share, pool: (user) => byUser.get(user)! };
}

test('lets everybody have everything while nobody competes', () => {
  const { pool, share } = compete({ capacity: 4, pools: { alice: [4, WAITS], bob: [0, WAITS] } });
  share.clear();
  expect(share.isAbove(pool('alice'))).toBe(false);
  expect(share.mustGiveBack(pool('alice'))).toBe(false);
  expect(share.mustLeaveRoom(pool('alice'))).toBe(false);
  expect(share.mayTake(pool('alice'), pool('bob'))).toBe(true);
});

test('has whoever is above his share give back while another is below', () => {
  const { pool, share } = compete({ capacity: 4, pools: { alice: [3, WAITS], bob: [1, WAITS] } });
  expect(share.mustGiveBack(pool('alice'))).toBe(true);
  expect(share.mustLeaveRoom(pool('alice'))).toBe(true);
  expect(share.mustGiveBack(pool('bob'))).toBe(false);
  expect(share.mustLeaveRoom(pool('bob'))).toBe(false);
});

test('has nobody give back where nobody who waits is below his share', () => {
  const { pool, share } = compete({ capacity: 5, pools: { alice: [3, WAITS], bob: [2, WAITS] } });
  expect(share.isAbove(pool('alice'))).toBe(true);
  expect(share.mustGiveBack(pool('alice'))).toBe(false);
  expect(share.mustLeaveRoom(pool('alice'))).toBe(false);
});

test('has nobody give back for somebody whom room does not help', () => {
  const { pool, share } = compete({ capacity: 4, pools: { alice: [3, WAITS], bob: [1, STUCK] } });
  expect(share.mustGiveBack(pool('alice'))).toBe(false);
  expect(share.mustLeaveRoom(pool('alice'))).toBe(false);
});

test('lets idle ones be lent where there is room for those who are short, and the room be theirs', () => {
  const { pool, share } = compete({ capacity: 4, room: 1, pools: { alice: [3, WAITS], bob: [0, WAITS] } });
  expect(share.mustGiveBack(pool('alice'))).toBe(false);
  expect(share.mustLeaveRoom(pool('alice'))).toBe(true);
});

test('lets whoever is at his share keep what he has, but not take room from others', () => {
  const { pool, share } = compete({
    capacity: 4,
    room: 1,
    pools: { alice: [2, WAITS], bob: [1, WAITS] },
  });
  expect(share.isAbove(pool('alice'))).toBe(false);
  expect(share.mustLeaveRoom(pool('alice'))).toBe(true);
  expect(share.mustLeaveRoom(pool('bob'))).toBe(false);
});

test('counts only identities that use or want something', () => {
  const { pool, share } = compete({ capacity: 6, pools: { alice: [4, WAITS], bob: [1, WAITS], carol: [0] } });
  // Three each: carol wants nothing.
  expect(share.isAbove(pool('alice'))).toBe(true);
  expect(share.mustGiveBack(pool('alice'))).toBe(true);
  const alone = compete({ capacity: 4, pools: { alice: [4, WAITS], bob: [0] } });
  expect(alone.share.isAbove(alone.pool('alice'))).toBe(false);
});

test('gives everybody one at least, however many there are', () => {
  const { pool, share } = compete({
    capacity: 2,
    pools: { alice: [1, WAITS], bob: [1, WAITS], carol: [0, WAITS], dave: [0, WAITS] },
  });
  expect(share.isAbove(pool('alice'))).toBe(false);
  expect(share.mustGiveBack(pool('alice'))).toBe(false);
  expect(share.mayTake(pool('alice'), pool('carol'))).toBe(true);
});

test('lets nobody who has his share close what another would use himself', () => {
  const { pool, share } = compete({
    capacity: 6,
    pools: { alice: [2, WAITS], bob: [2, WAITS], carol: [2], dave: [0] },
  });
  expect(share.mayTake(pool('bob'), pool('alice'))).toBe(false);
  expect(share.mayTake(pool('alice'), pool('alice'))).toBe(true);
  expect(share.mayTake(pool('carol'), pool('alice'))).toBe(true);
  expect(share.mayTake(pool('alice'), pool('dave'))).toBe(true);
});

test('counts whoever holds a lease or has a login under way, though he waits for nothing', () => {
  const holder = compete({ capacity: 6, pools: { alice: [3, WAITS], bob: [2], carol: [1, WAITS] } });
  // Two each.
  expect(holder.share.mustGiveBack(holder.pool('alice'))).toBe(true);
  const opener = compete({ capacity: 6, pools: { alice: [3, WAITS], bob: [1], carol: [1, WAITS] } });
  expect(opener.share.mustGiveBack(opener.pool('alice'))).toBe(true);
});
