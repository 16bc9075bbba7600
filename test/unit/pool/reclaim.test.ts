import { expect, test } from 'vitest';
import { Lease } from '../../../src/pool/lease.js';
import type { LeaseHolder } from '../../../src/pool/lease.js';
import { excessOfQuiet, isQuiet } from '../../../src/pool/reclaim.js';
import { MemoryServer } from '../../support/memory-server.js';

const NOW_MS = 1_000_000;
const MINUTE_MS = 60_000;

function leaseOf(holder: Omit<LeaseHolder, 'reclaim'> | undefined): Lease {
  const lease = new Lease(
    { connection: new MemoryServer().connect(), isReuse: false, set: '', enabled: undefined },
    { released: () => undefined, discarded: () => undefined },
  );
  lease.holder = holder === undefined ? undefined : { ...holder, reclaim: () => undefined };
  return lease;
}

const inIdle = (sinceMs: number): Lease => leaseOf({ isInIdle: true, quietSince: NOW_MS - sinceMs });
const silent = (sinceMs: number): Lease => leaseOf({ isInIdle: false, quietSince: NOW_MS - sinceMs });
const busy = (): Lease => leaseOf({ isInIdle: false, quietSince: undefined });

test.each<[string, Lease, boolean]>([
  ['in IDLE is quiet at once', inIdle(0), true],
  [
    'in IDLE is quiet though traffic is of no account',
    leaseOf({ isInIdle: true, quietSince: undefined }),
    true,
  ],
  ['silent for a minute is not quiet yet', silent(MINUTE_MS), false],
  ['silent for more than a minute is quiet', silent(MINUTE_MS + 1), true],
  ['with a command that runs is not quiet', busy(), false],
  ['that has not begun yet is not quiet', leaseOf(undefined), false],
])('a session %s', (_what, lease, expected) => {
  expect(isQuiet(lease, NOW_MS)).toBe(expected);
});

test('takes what quiet sessions hold beyond what they may, the longest quiet first', () => {
  const [one, two, three, four] = [inIdle(5_000), silent(90_000), inIdle(70_000), inIdle(1)];
  const leases = [one, busy(), two, three, silent(10), four];
  expect(excessOfQuiet(leases, 0, NOW_MS)).toEqual([two, three, one, four]);
  expect(excessOfQuiet(leases, 3, NOW_MS)).toEqual([two]);
});

test.each([4, 5, 100])('takes nothing where %d are allowed and four are quiet', (allowed) => {
  const leases = [1, 2, 3, 4].map((sinceMs) => inIdle(sinceMs));
  expect(excessOfQuiet([...leases, busy(), busy()], allowed, NOW_MS)).toEqual([]);
});

test('takes a session in IDLE whose silence is not known last', () => {
  const [known, unknown] = [inIdle(1), leaseOf({ isInIdle: true, quietSince: undefined })];
  expect(excessOfQuiet([unknown, known], 1, NOW_MS)).toEqual([known]);
});
