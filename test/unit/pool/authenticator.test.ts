import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { identityOf } from '../../../src/identity.js';
import { Authenticator } from '../../../src/pool/authenticator.js';
import { CredentialCache } from '../../../src/pool/credential-cache.js';
import { VerificationLane } from '../../../src/pool/verification-lane.js';
import type { UpstreamConnection } from '../../../src/upstream/connection.js';
import { PoolFixture, credentialsOf, settled } from '../../support/pool-fixture.js';

const UPSTREAM = 'mail.example:143';

let fixture: PoolFixture;
/** Ends the login that is under way. */
let succeed: () => UpstreamConnection;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  fixture = new PoolFixture();
});

afterEach(async () => {
  await fixture.drain();
  vi.useRealTimers();
  expect(fixture.faults).toEqual([]);
});

function authenticator(): Authenticator {
  return new Authenticator({
    upstreamName: UPSTREAM,
    connect: () =>
      new Promise((resolve) => {
        succeed = () => {
          const connection = fixture.open('alice');
          resolve(connection);
          return connection;
        };
      }),
    pools: fixture.pools,
    cache: new CredentialCache({ ttlMs: 60_000, failureTtlMs: 0, max: 10, onEvicted: () => undefined }),
    lane: new VerificationLane({
      maxWaiting: 10,
      timeoutMs: 1_000,
      now: () => performance.now(),
      mayStart: () => true,
    }),
    gate: fixture.gate,
    onLookup: () => undefined,
  });
}

test.each([
  ['before its login', false],
  ['while it logs in', true],
])('a connection that checked credentials is kept or not after a reconnect %s', async (_when, isDuring) => {
  if (!isDuring) fixture.pools.reconnect();
  const presenter = { address: '192.0.2.1', hasFailed: false, signal: new AbortController().signal };
  const authenticating = authenticator().authenticate(credentialsOf('alice'), presenter);
  await settled();
  if (isDuring) fixture.pools.reconnect();
  const connection = succeed();
  const { lease, identity } = await authenticating;
  expect(identity.key).toBe(identityOf(UPSTREAM, credentialsOf('alice')).key);
  expect(lease?.connection).toBe(connection);
  lease?.release({});
  await settled();
  expect(fixture.closed).toEqual(isDuring ? { 1: 'stale' } : {});
  expect(fixture.pools.snapshot.idle).toBe(isDuring ? 0 : 1);
});
