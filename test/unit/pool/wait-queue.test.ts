import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ProxyError } from '../../../src/errors.js';
import { WaitQueue } from '../../../src/pool/wait-queue.js';
import type { WaitQueueOptions } from '../../../src/pool/wait-queue.js';
import { stateOf } from '../../support/pool-fixture.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});

afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

function queueWith(options: Partial<WaitQueueOptions<string>> = {}): WaitQueue<string> {
  return new WaitQueue<string>({
    maxWaiting: 10,
    timeoutMs: 1_000,
    now: () => performance.now(),
    ...options,
  });
}

/** Takes the requests that are granted, at most so many. */
function grant(queue: WaitQueue<string>, limit: number): string[] {
  const granted: string[] = [];
  queue.serve((request) => {
    if (granted.length >= limit) return false;
    granted.push(request);
    return true;
  });
  return granted;
}

test('serves identities in turn, each in its own order, and goes on where it stopped', async () => {
  const queue = queueWith();
  const waits = ['a1', 'a2', 'a3', 'b1', 'b2', 'c1'].map((request) => queue.wait(request.charAt(0), request));
  expect(grant(queue, 2)).toEqual(['a1', 'b1']);
  expect(grant(queue, 2)).toEqual(['c1', 'a2']);
  expect(grant(queue, 9)).toEqual(['b2', 'a3']);
  await Promise.all(waits);
  expect(queue.size).toBe(0);
  expect(queue.countWaiters('a')).toBe(0);
});

test('does not let an identity that can not be served hold the others up', async () => {
  const queue = queueWith();
  const blocked = stateOf(queue.wait('a', 'a1'));
  const served = queue.wait('b', 'b1');
  queue.serve((request) => request !== 'a1');
  await served;
  expect(queue.size).toBe(1);
  queue.rejectAll(new ProxyError('draining'));
  expect(await blocked).toBe('draining');
});

test('goes on in a line behind whoever is passed over, and keeps the turns of the lines', async () => {
  const queue = queueWith();
  const names = ['a1', 'a2', 'a3', 'b1', 'b2'];
  const waits = names.map((request) => queue.wait(request.charAt(0), request));
  const granted: string[] = [];
  queue.serve((request) => {
    if (request === 'a1' || request === 'b1') return 'pass';
    granted.push(request);
    return true;
  });
  expect(granted).toEqual(['a2', 'b2', 'a3']);
  expect(queue.size).toBe(2);
  expect(grant(queue, 9)).toEqual(['b1', 'a1']);
  await Promise.all(waits);
});

test('asks each waiter that is passed over once, however many are granted', async () => {
  const queue = queueWith({ maxWaiting: 1_000 });
  const waits = Array.from({ length: 1_000 }, (_, index) =>
    queue.wait('a', index % 2 === 0 ? 'odd' : 'even'),
  );
  let asked = 0;
  queue.serve((request) => {
    asked += 1;
    return request === 'even' ? true : 'pass';
  });
  expect(asked).toBe(1_000);
  expect(queue.size).toBe(500);
  expect(grant(queue, 500)).toHaveLength(500);
  await Promise.all(waits);
});

test('does not grant anything to whoever has left while others were asked', async () => {
  const queue = queueWith();
  const abort = new AbortController();
  const gone = stateOf(queue.wait('a', 'a1', { signal: abort.signal }));
  const stays = ['a2', 'b1'].map((request) => queue.wait(request.charAt(0), request));
  const asked: string[] = [];
  queue.serve((request) => {
    asked.push(request);
    if (request === 'a1') return false;
    abort.abort();
    return true;
  });
  expect(asked).toEqual(['a1', 'b1', 'a2']);
  expect(await gone).toBe('cancelled');
  await Promise.all(stays);
});

test('lets a newcomer go before those of its line that it goes before, and no further', async () => {
  const queue = queueWith({
    goesBefore: (newcomer, waiting) => newcomer.startsWith('A') && waiting.startsWith('a'),
  });
  const names = ['x1', 'a1', 'x2', 'a2', 'A1', 'A2', 'x3'];
  const waits = names.map((request) => queue.wait('line', request));
  const other = queue.wait('other', 'A3');
  expect(grant(queue, 9)).toEqual(['x1', 'A3', 'A1', 'A2', 'a1', 'x2', 'a2', 'x3']);
  await Promise.all([...waits, other]);
});

test('refuses one waiter too many, and has room again when one has left', async () => {
  const queue = queueWith({ maxWaiting: 1 });
  const first = queue.wait('a', 'a1');
  expect(await stateOf(queue.wait('b', 'b1'))).toBe('queue_full');
  grant(queue, 1);
  await first;
  const next = queue.wait('b', 'b1');
  grant(queue, 1);
  await next;
});

test('refuses at once when nobody may wait', async () => {
  expect(await stateOf(queueWith({ timeoutMs: 0 }).wait('a', 'a1'))).toBe('lease_timeout');
  expect(await stateOf(queueWith({ maxWaiting: 0 }).wait('a', 'a1'))).toBe('queue_full');
});

test('ends a wait at its own deadline', async () => {
  const queue = queueWith();
  const first = stateOf(queue.wait('a', 'a1'));
  await vi.advanceTimersByTimeAsync(600);
  const second = queue.wait('a', 'a2');
  expect(queue.longestWaitMs).toBe(600);
  await vi.advanceTimersByTimeAsync(400);
  expect(await first).toBe('lease_timeout');
  expect(queue.longestWaitMs).toBe(400);
  expect(grant(queue, 9)).toEqual(['a2']);
  await second;
  expect(queue.longestWaitMs).toBe(0);
});

test('ends the wait of a client that has gone, and of no other', async () => {
  const queue = queueWith();
  const abort = new AbortController();
  const gone = stateOf(queue.wait('a', 'a1', { signal: abort.signal }));
  const stays = queue.wait('a', 'a2');
  abort.abort();
  expect(await gone).toBe('cancelled');
  expect(grant(queue, 9)).toEqual(['a2']);
  await stays;
});

test('does not begin to wait for a client that has gone already', async () => {
  const queue = queueWith();
  expect(await stateOf(queue.wait('a', 'a1', { signal: AbortSignal.abort() }))).toBe('cancelled');
  expect(queue.size).toBe(0);
});

test('takes no notice of a client that goes after its grant', async () => {
  const queue = queueWith();
  const abort = new AbortController();
  const wait = queue.wait('a', 'a1', { signal: abort.signal });
  grant(queue, 1);
  abort.abort();
  expect(await stateOf(wait)).toBe('resolved');
});

test('rejects everybody, whatever the identity', async () => {
  const queue = queueWith();
  const states = ['a', 'a', 'b'].map((key) => stateOf(queue.wait(key, key)));
  queue.rejectAll(new ProxyError('draining'));
  expect(await Promise.all(states)).toEqual(['draining', 'draining', 'draining']);
  expect(queue.size).toBe(0);
});

test('tells the longest wait, also of one that waits for the second time', async () => {
  const queue = queueWith({ timeoutMs: 5_000 });
  const startedAt = performance.now();
  await vi.advanceTimersByTimeAsync(300);
  const waits = [queue.wait('a', 'a1'), queue.wait('b', 'b1', { since: startedAt })];
  await vi.advanceTimersByTimeAsync(100);
  expect(queue.longestWaitMs).toBe(400);
  expect(grant(queue, 9)).toEqual(['a1', 'b1']);
  expect(queue.longestWaitMs).toBe(0);
  await Promise.all(waits);
});
