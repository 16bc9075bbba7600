// Which local address the next connection leaves from.

import { beforeEach, describe, expect, it } from 'vitest';
import { SourceAddresses } from '../../../src/upstream/source-addresses.js';

let clock = 0;
const sources = (...addresses: string[]): SourceAddresses => new SourceAddresses(addresses, () => clock);

beforeEach(() => {
  clock = 0;
});

describe('an address that failed', () => {
  it('is not taken for ten seconds, however few connections it has', () => {
    const both = sources('192.0.2.1', '192.0.2.2');
    expect(both.take()).toBe('192.0.2.1');
    both.give('192.0.2.1');
    expect(both.setAside('192.0.2.1')).toBe(true);
    clock = 9_999;
    expect([both.take(), both.take()]).toEqual(['192.0.2.2', '192.0.2.2']);
    clock = 10_000;
    expect([both.take(), both.take()]).toEqual(['192.0.2.1', '192.0.2.1']);
  });

  it('is taken where there is no other one', () => {
    const both = sources('192.0.2.1', '192.0.2.2');
    expect(both.setAside('192.0.2.2')).toBe(true);
    expect(both.setAside('192.0.2.1')).toBe(false);
    expect([both.take(), both.take()].sort()).toEqual(['192.0.2.1', '192.0.2.2']);
  });
});

it('is the choice of the system where there is none', () => {
  expect(sources().take()).toBeUndefined();
});
