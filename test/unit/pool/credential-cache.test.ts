import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ProxyError } from '../../../src/errors.js';
import { identityOf } from '../../../src/identity.js';
import type { Credentials } from '../../../src/identity.js';
import { CredentialCache } from '../../../src/pool/credential-cache.js';
import type {
  CredentialCacheOptions,
  CredentialEviction,
  KnownCredentials,
} from '../../../src/pool/credential-cache.js';
import { CapabilitySet } from '../../../src/wire/capability.js';

const UPSTREAM = 'mail.example:143';
const credentials = (user: string, secret: string, more: Partial<Credentials> = {}): Credentials => ({
  kind: 'password',
  authenticationId: Buffer.from(user, 'latin1'),
  authorizationId: Buffer.alloc(0),
  secret: Buffer.from(secret, 'latin1'),
  ...more,
});
const alice = credentials('alice', 'secret');
const entryOf = (who: Credentials): KnownCredentials => ({
  identity: identityOf(UPSTREAM, who),
  token: '',
  capabilities: new CapabilitySet(['IMAP4rev1']),
  memory: {},
});
const wrong = new ProxyError('credentials');

// The cache keeps the clock that it found when it was loaded, so that one is moved.
let elapsedMs = 0;

beforeEach(() => {
  elapsedMs = 1_000;
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  vi.spyOn(performance, 'now').mockImplementation(() => elapsedMs);
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

function pass(durationMs: number): void {
  elapsedMs += durationMs;
  vi.advanceTimersByTime(durationMs);
}

function cacheWith(options: Partial<CredentialCacheOptions> = {}): CredentialCache {
  return new CredentialCache({
    ttlMs: 60_000,
    failureTtlMs: 10_000,
    max: 100,
    onEvicted: () => undefined,
    ...options,
  });
}

describe('a fingerprint', () => {
  const cache = cacheWith();
  const one = (who: Credentials, upstream = UPSTREAM): string => cache.fingerprint(upstream, who);

  test('is the same for the same bytes', () => {
    expect(one(credentials('alice', 'secret'))).toBe(one(alice));
  });

  test.each([
    ['a boundary between name and secret that moved', credentials('al', 'icesecret')],
    ['another secret', credentials('alice', 'Secret')],
    ['another name', credentials('Alice', 'secret')],
    ['a space at the end', credentials('alice ', 'secret')],
    ['another kind', credentials('alice', 'secret', { kind: 'token' })],
    ['an authorization identity', credentials('alice', 'secret', { authorizationId: Buffer.from('bob') })],
    [
      'a name that became the authorization identity',
      credentials('', 'secret', { authorizationId: Buffer.from('alice') }),
    ],
    [
      'a name that is split over two fields',
      credentials('ice', 'secret', { authorizationId: Buffer.from('al') }),
    ],
  ])('is another one for %s', (_what, other) => {
    expect(one(other)).not.toBe(one(alice));
  });

  test('is another one at another upstream', () => {
    expect(one(alice, 'mail.example:993')).not.toBe(one(alice));
  });

  test('tells bytes apart that are no UTF-8', () => {
    expect(one(credentials('alice', '\xff'))).not.toBe(one(credentials('alice', '\xfe')));
  });

  test('is another one in another process, and shows nothing of the secret', () => {
    expect(cacheWith().fingerprint(UPSTREAM, alice)).not.toBe(one(alice));
    expect(Buffer.from(one(alice), 'base64')).toHaveLength(32);
  });
});

describe('accepted credentials', () => {
  test('are known, under their own identity only', () => {
    const cache = cacheWith();
    const fingerprint = cache.fingerprint(UPSTREAM, alice);
    const entry = entryOf(alice);
    cache.accept(fingerprint, entry);
    expect(cache.known(fingerprint, entry.identity)).toBe(entry);
    expect(cache.known(fingerprint, entryOf(credentials('al', 'icesecret')).identity)).toBeUndefined();
    expect(
      cache.known(cache.fingerprint(UPSTREAM, credentials('al', 'icesecret')), entry.identity),
    ).toBeUndefined();
  });

  test('expire, and use does not extend that', () => {
    const cache = cacheWith({ ttlMs: 60_000 });
    const fingerprint = cache.fingerprint(UPSTREAM, alice);
    const entry = entryOf(alice);
    cache.accept(fingerprint, entry);
    for (let second = 0; second < 59; second += 1) {
      pass(1_000);
      expect(cache.known(fingerprint, entry.identity)).toBe(entry);
    }
    pass(1_001);
    expect(cache.known(fingerprint, entry.identity)).toBeUndefined();
  });

  test('are bounded in number', () => {
    const cache = cacheWith({ max: 3 });
    for (const user of ['a', 'b', 'c', 'd', 'e']) {
      const who = credentials(user, 'x');
      cache.accept(cache.fingerprint(UPSTREAM, who), entryOf(who));
    }
    expect(cache.size).toBe(3);
  });

  test('are never known with a TTL of 0', () => {
    const cache = cacheWith({ ttlMs: 0 });
    const fingerprint = cache.fingerprint(UPSTREAM, alice);
    cache.accept(fingerprint, entryOf(alice));
    expect(cache.known(fingerprint, entryOf(alice).identity)).toBeUndefined();
    expect(cache.size).toBe(0);
  });

  test('are forgotten when they are refused, and only they', () => {
    const cache = cacheWith();
    const other = credentials('alice', 'other');
    for (const who of [alice, other]) cache.accept(cache.fingerprint(UPSTREAM, who), entryOf(who));
    cache.refuse(cache.fingerprint(UPSTREAM, alice), wrong);
    expect(cache.known(cache.fingerprint(UPSTREAM, alice), entryOf(alice).identity)).toBeUndefined();
    expect(cache.known(cache.fingerprint(UPSTREAM, other), entryOf(other).identity)).toBeDefined();
  });
});

describe('refused credentials', () => {
  test('are refused with the same error until their TTL, and a new refusal begins it anew', () => {
    const cache = cacheWith({ failureTtlMs: 10_000 });
    const fingerprint = cache.fingerprint(UPSTREAM, alice);
    cache.refuse(fingerprint, wrong);
    pass(9_000);
    expect(cache.refused(fingerprint)).toBe(wrong);
    pass(1_001);
    expect(cache.refused(fingerprint)).toBeUndefined();
  });

  test('are refused alone: another secret is asked for', () => {
    const cache = cacheWith();
    cache.refuse(cache.fingerprint(UPSTREAM, alice), wrong);
    expect(cache.refused(cache.fingerprint(UPSTREAM, credentials('alice', 'other')))).toBeUndefined();
  });

  test('are refused no more once they are accepted', () => {
    const cache = cacheWith();
    const fingerprint = cache.fingerprint(UPSTREAM, alice);
    cache.refuse(fingerprint, wrong);
    cache.accept(fingerprint, entryOf(alice));
    expect(cache.refused(fingerprint)).toBeUndefined();
  });

  test('are asked for each time with a TTL of 0', () => {
    const cache = cacheWith({ failureTtlMs: 0 });
    const fingerprint = cache.fingerprint(UPSTREAM, alice);
    cache.refuse(fingerprint, wrong);
    expect(cache.refused(fingerprint)).toBeUndefined();
  });
});

describe('credentials that were accepted before', () => {
  const accepted = (cache: CredentialCache, who: Credentials): boolean =>
    cache.wasAccepted(cache.fingerprint(UPSTREAM, who));

  test('are remembered beyond their TTL, and with a TTL of 0, but are known no more', () => {
    for (const ttlMs of [60_000, 0]) {
      const cache = cacheWith({ ttlMs });
      const fingerprint = cache.fingerprint(UPSTREAM, alice);
      expect(cache.wasAccepted(fingerprint)).toBe(false);
      cache.accept(fingerprint, entryOf(alice));
      pass(60_001);
      cache.purge();
      expect(cache.known(fingerprint, entryOf(alice).identity)).toBeUndefined();
      expect(cache.wasAccepted(fingerprint)).toBe(true);
    }
  });

  test('are remembered by their own secret, and not by their name', () => {
    const cache = cacheWith();
    cache.accept(cache.fingerprint(UPSTREAM, alice), entryOf(alice));
    expect(accepted(cache, credentials('alice', 'guess'))).toBe(false);
    expect(accepted(cache, credentials('bob', 'secret'))).toBe(false);
  });

  test('are forgotten when they are refused, until they are accepted again', () => {
    const cache = cacheWith();
    const fingerprint = cache.fingerprint(UPSTREAM, alice);
    cache.accept(fingerprint, entryOf(alice));
    cache.refuse(fingerprint, wrong);
    expect(cache.wasAccepted(fingerprint)).toBe(false);
    cache.accept(fingerprint, entryOf(alice));
    expect(cache.wasAccepted(fingerprint)).toBe(true);
  });

  test('are bounded in number', () => {
    const cache = cacheWith({ max: 2 });
    const people = ['a', 'b', 'c'].map((user) => credentials(user, 'x'));
    for (const who of people) cache.accept(cache.fingerprint(UPSTREAM, who), entryOf(who));
    expect(people.map((who) => accepted(cache, who))).toEqual([false, true, true]);
  });
});

describe('what is forgotten', () => {
  function watched(options: Partial<CredentialCacheOptions> = {}): {
    cache: CredentialCache;
    reasons: CredentialEviction[];
    accept: (user: string) => string;
  } {
    const reasons: CredentialEviction[] = [];
    const cache = cacheWith({ onEvicted: (reason) => reasons.push(reason), ...options });
    const accept = (user: string): string => {
      const who = credentials(user, 'secret');
      const fingerprint = cache.fingerprint(UPSTREAM, who);
      cache.accept(fingerprint, entryOf(who));
      return fingerprint;
    };
    return { cache, reasons, accept };
  }

  test('is told with `ttl` when it is met, or purged, after its time', () => {
    const { cache, reasons, accept } = watched({ ttlMs: 60_000 });
    const fingerprint = accept('alice');
    accept('bob');
    pass(60_001);
    expect(reasons).toEqual([]);
    expect(cache.known(fingerprint, entryOf(alice).identity)).toBeUndefined();
    expect(reasons).toEqual(['ttl']);
    expect(cache.size).toBe(1);
    cache.purge();
    expect(reasons).toEqual(['ttl', 'ttl']);
    expect(cache.size).toBe(0);
  });

  test('is told with `size` for the one that was used longest ago', () => {
    const { cache, reasons, accept } = watched({ max: 2 });
    const fingerprint = accept('alice');
    accept('bob');
    const { identity } = entryOf(alice);
    expect(cache.known(fingerprint, identity)).toBeDefined();
    accept('carol');
    expect(reasons).toEqual(['size']);
    expect(cache.known(fingerprint, identity)).toBeDefined();
  });

  test('is told with `refused` once, and nothing is told of credentials that nobody knew', () => {
    const { cache, reasons, accept } = watched();
    const fingerprint = accept('alice');
    cache.refuse(fingerprint, wrong);
    cache.refuse(fingerprint, wrong);
    cache.refuse(cache.fingerprint(UPSTREAM, credentials('bob', 'guess')), wrong);
    expect(reasons).toEqual(['refused']);
  });

  test('is nothing when credentials are accepted again', () => {
    const { cache, reasons, accept } = watched();
    accept('alice');
    accept('alice');
    expect(reasons).toEqual([]);
    expect(cache.size).toBe(1);
  });

  test('is not told of refusals, which purging lets go of, too', () => {
    const { cache, reasons } = watched({ failureTtlMs: 10_000 });
    const fingerprint = cache.fingerprint(UPSTREAM, alice);
    cache.refuse(fingerprint, wrong);
    cache.purge();
    expect(cache.refused(fingerprint)).toBe(wrong);
    pass(10_001);
    cache.purge();
    expect(cache.refused(fingerprint)).toBeUndefined();
    expect(reasons).toEqual([]);
  });
});
