import { describe, expect, test } from 'vitest';
import { IdleTimes } from '../../../src/ports/idle-times.js';

describe('idle times', () => {
  test('give back the last release first, of this user alone', () => {
    const idle = new IdleTimes(10);
    idle.push('a', 1);
    idle.push('b', 2);
    idle.push('a', 3);
    expect([idle.pop('a'), idle.pop('a'), idle.pop('a'), idle.pop('b')]).toEqual([3, 1, undefined, 2]);
    expect(idle.users).toBe(0);
  });

  test('forget users who were gone long', () => {
    const idle = new IdleTimes(4);
    for (const [at, user] of ['a', 'b', 'c', 'd', 'a', 'e'].entries()) idle.push(user, at);
    expect(idle.users).toBeLessThanOrEqual(4);
    expect([idle.pop('a'), idle.pop('b'), idle.pop('d'), idle.pop('e')]).toEqual([4, undefined, 3, 5]);
  });

  test('keep at least half as many users as they may', () => {
    const idle = new IdleTimes(100);
    for (let at = 0; at < 1_000; at += 1) {
      idle.push(`user-${at}`, at);
      if (at >= 50) expect(idle.users).toBeGreaterThanOrEqual(50);
    }
    for (let at = 950; at < 1_000; at += 1) expect(idle.pop(`user-${at}`)).toBe(at);
  });

  test('stay few, whatever one user or all of them do', () => {
    const idle = new IdleTimes(100);
    for (let at = 0; at < 10_000; at += 1) {
      idle.push('busy', at);
      idle.push(`user-${at}`, at);
    }
    expect(idle.users).toBeLessThanOrEqual(100);
    let releases = 0;
    while (idle.pop('busy') !== undefined) releases += 1;
    expect(releases).toBe(16);
  });
});
