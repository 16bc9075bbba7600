import { expect, test } from 'vitest';
import { NetworkList } from '../../../src/net/networks.js';

const list = new NetworkList(['127.0.0.0/8', '10.1.2.3', '::1', '2001:db8::/32', 'fe80::/10']);

test.each([
  ['127.0.0.1', true],
  ['127.255.255.255', true],
  ['128.0.0.1', false],
  ['10.1.2.3', true],
  ['10.1.2.4', false],
  ['::1', true],
  ['::2', false],
  ['::ffff:127.0.0.1', true],
  ['::FFFF:10.1.2.3', true],
  ['::ffff:10.1.2.4', false],
  ['2001:db8:1::1', true],
  ['2001:db9::1', false],
  // How Node writes the address of a client on the same link.
  ['fe80::1%eth0', true],
  ['', false],
  ['not an address', false],
  ['127.0.0.1:143', false],
])('%s: %s', (address, expected) => {
  expect(list.has(address)).toBe(expected);
});

test('an empty list has nobody', () => {
  expect(new NetworkList([]).has('127.0.0.1')).toBe(false);
});

test('an address alone is not its network', () => {
  expect(new NetworkList(['10.0.0.0']).has('10.0.0.1')).toBe(false);
});

test('0.0.0.0/0 has every IPv4 address, and no IPv6 one', () => {
  const all = new NetworkList(['0.0.0.0/0']);
  expect(all.has('8.8.8.8')).toBe(true);
  expect(all.has('2001:db8::1')).toBe(false);
});
