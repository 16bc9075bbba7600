import { expect, test } from 'vitest';
import { ProxyError } from '../../../src/errors.js';
import { BackOff } from '../../../src/pool/back-off.js';

const BUSY = new ProxyError('limit', {
  upstreamRefusal: { responseCode: 'LIMIT', text: 'Too many connections' },
});

/** A back-off without jitter, unless `random` says otherwise, and a clock that the test sets. */
function backOffWith(random = () => 0.5): { backOff: BackOff; clock: { nowMs: number } } {
  const clock = { nowMs: 1_000_000 };
  return { backOff: new BackOff({ now: () => clock.nowMs, random }), clock };
}

/** Lets the delay pass, fails once more, and says how long the next delay is. */
function failAgain(backOff: BackOff, clock: { nowMs: number }, key = 'alice'): number {
  clock.nowMs = Math.max(clock.nowMs, backOff.retryAt(key) ?? 0);
  backOff.begin(key);
  backOff.failed(key, BUSY);
  return (backOff.retryAt(key) ?? NaN) - clock.nowMs;
}

test('asks for an identity of which nothing is known', () => {
  const { backOff } = backOffWith();
  expect(backOff.refusal('alice')).toBeUndefined();
  expect(backOff.retryAt('alice')).toBeUndefined();
  backOff.begin('alice');
  backOff.begin('alice');
  expect(backOff.size).toBe(0);
});

test('refuses in the words of the upstream until the delay has passed, and no other identity', () => {
  const { backOff, clock } = backOffWith();
  backOff.failed('alice', BUSY);
  expect(backOff.retryAt('alice')).toBe(clock.nowMs + 500);
  const refusal = backOff.refusal('alice');
  expect(refusal).toBeInstanceOf(ProxyError);
  expect(refusal).toMatchObject({ code: 'backoff', blame: 'upstream', isRetryable: true });
  expect(refusal?.refusal).toEqual({ status: 'NO', responseCode: 'LIMIT', text: 'Too many connections' });
  expect(() => backOff.begin('alice')).toThrow(ProxyError);
  expect(backOff.refusal('bob')).toBeUndefined();

  clock.nowMs += 499;
  expect(backOff.refusal('alice')).toBeDefined();
  clock.nowMs += 1;
  expect(backOff.refusal('alice')).toBeUndefined();
});

test('has words of its own for an upstream that only was too slow', () => {
  const { backOff } = backOffWith();
  backOff.failed('alice', new ProxyError('timeout'));
  expect(backOff.refusal('alice')?.refusal).toEqual({
    status: 'NO',
    responseCode: 'UNAVAILABLE',
    text: 'The mail server is busy; try again later',
  });
});

test('doubles the delay with each further failure, up to five minutes', () => {
  const { backOff, clock } = backOffWith();
  const delays = Array.from({ length: 12 }, () => failAgain(backOff, clock));
  expect(delays).toEqual([
    500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000,
  ]);
});

test.each([
  [0, 400, 240_000],
  [1, 600, 360_000],
])('varies each delay by a fifth (random %d)', (random, firstMs, longestMs) => {
  const { backOff, clock } = backOffWith(() => random);
  const delays = Array.from({ length: 12 }, () => failAgain(backOff, clock));
  expect(delays[0]).toBeCloseTo(firstMs);
  expect(delays.at(-1)).toBeCloseTo(longestMs);
});

test('takes the failures of attempts that ran at once for one, and tells the last one’s words', () => {
  const { backOff, clock } = backOffWith();
  backOff.failed('alice', BUSY);
  const retryAt = backOff.retryAt('alice');
  clock.nowMs += 100;
  backOff.failed('alice', new ProxyError('limit', { upstreamRefusal: { responseCode: 'X', text: 'Later' } }));
  expect(backOff.retryAt('alice')).toBe(retryAt);
  expect(backOff.refusal('alice')?.upstreamRefusal?.text).toBe('Later');
  expect(failAgain(backOff, clock)).toBe(1_000);
});

test('lets one attempt through after the delay and refuses the others while it runs', () => {
  const { backOff, clock } = backOffWith();
  backOff.failed('alice', BUSY);
  clock.nowMs += 500;
  backOff.begin('alice');
  expect(backOff.refusal('alice')).toMatchObject({ code: 'backoff' });
  expect(() => backOff.begin('alice')).toThrow(ProxyError);
  backOff.failed('alice', BUSY);
  clock.nowMs += 999;
  expect(backOff.refusal('alice')).toBeDefined();
  clock.nowMs += 1;
  expect(backOff.refusal('alice')).toBeUndefined();
});

test('forgets an identity that was let in', () => {
  const { backOff, clock } = backOffWith();
  failAgain(backOff, clock);
  failAgain(backOff, clock);
  backOff.succeeded('alice');
  expect(backOff.refusal('alice')).toBeUndefined();
  expect(backOff.size).toBe(0);
  expect(failAgain(backOff, clock)).toBe(500);
});

test('lets the next one try at once when an attempt ended without an answer', () => {
  const { backOff, clock } = backOffWith();
  backOff.failed('alice', BUSY);
  clock.nowMs += 500;
  backOff.begin('alice');
  backOff.abandoned('alice');
  expect(backOff.refusal('alice')).toBeUndefined();
  expect(failAgain(backOff, clock)).toBe(1_000);
  backOff.abandoned('alice');
  expect(backOff.refusal('alice')).toBeDefined();
  backOff.abandoned('bob');
  expect(backOff.size).toBe(1);
});

test('forgets what nobody touched for ten minutes after the end of its delay', () => {
  const { backOff, clock } = backOffWith();
  failAgain(backOff, clock);
  expect(failAgain(backOff, clock)).toBe(1_000);
  clock.nowMs += 1_000 + 600_000 - 1;
  expect(backOff.retryAt('alice')).toBeDefined();
  clock.nowMs += 1;
  expect(backOff.retryAt('alice')).toBeUndefined();
  expect(failAgain(backOff, clock)).toBe(500);
});

test('counts the end of an attempt without an answer as a touch', () => {
  const { backOff, clock } = backOffWith();
  backOff.failed('alice', BUSY);
  clock.nowMs += 500 + 300_000;
  backOff.begin('alice');
  backOff.abandoned('alice');
  clock.nowMs += 599_999;
  expect(failAgain(backOff, clock)).toBe(1_000);
});

test('counts an attempt as a touch, and forgets one that never says how it ended', () => {
  const { backOff, clock } = backOffWith();
  backOff.failed('alice', BUSY);
  clock.nowMs += 500 + 599_999;
  backOff.begin('alice');
  clock.nowMs += 599_999;
  expect(backOff.refusal('alice')).toBeDefined();
  clock.nowMs += 1;
  expect(backOff.refusal('alice')).toBeUndefined();
  expect(backOff.size).toBe(0);
});

test('remembers 10,000 identities, and forgets the oldest failure first', () => {
  const { backOff } = backOffWith();
  for (let user = 0; user < 10_000; user += 1) backOff.failed(`user${user}`, BUSY);
  backOff.failed('user1', BUSY);
  expect(backOff.refusal('user0')).toBeDefined();
  backOff.failed('alice', BUSY);
  backOff.failed('bob', BUSY);
  expect(backOff.size).toBe(10_000);
  for (const key of ['user0', 'user2']) expect(backOff.refusal(key), key).toBeUndefined();
  for (const key of ['user1', 'user3', 'alice', 'bob']) expect(backOff.refusal(key), key).toBeDefined();
});

test('makes room of what is out of date at the next failure of anybody', () => {
  const { backOff, clock } = backOffWith();
  for (let user = 0; user < 100; user += 1) backOff.failed(`user${user}`, BUSY);
  clock.nowMs += 600_500;
  backOff.failed('alice', BUSY);
  expect(backOff.size).toBe(1);
});
