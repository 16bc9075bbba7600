import { expect, test } from 'vitest';
import { Lease } from '../../../src/pool/lease.js';
import { MemoryServer } from '../../support/memory-server.js';

function leaseWithEnds(): { lease: Lease; ends: string[] } {
  const connection = new MemoryServer().connect();
  const ends: string[] = [];
  const lease = new Lease(
    { connection, isReuse: false, set: '', enabled: undefined },
    {
      released: () => ends.push('released'),
      discarded: (_lease, reason) => ends.push(`discarded ${reason}`),
    },
  );
  return { lease, ends };
}

test('ends once: a release, then nothing else', () => {
  const { lease, ends } = leaseWithEnds();
  lease.release({});
  lease.release({});
  lease.discard('dirty');
  expect(ends).toEqual(['released']);
});

test('ends once: a discard, then nothing else', () => {
  const { lease, ends } = leaseWithEnds();
  lease.discard('reset');
  lease.discard('dirty');
  lease.release({});
  expect(ends).toEqual(['discarded reset']);
});

test('is untouched until it is used, and clean until it is marked dirty', () => {
  const { lease } = leaseWithEnds();
  expect([lease.isUntouched, lease.isDirty]).toEqual([true, false]);
  lease.use();
  expect([lease.isUntouched, lease.isDirty]).toEqual([false, false]);
  lease.markDirty();
  expect([lease.isUntouched, lease.isDirty]).toEqual([false, true]);
});
