import { endianness } from 'node:os';
import { expect, test } from 'vitest';
import { tableAddress } from '../../../src/ports/table-address.js';

test.each([
  ['127.0.0.1', '0100007F'],
  ['192.0.2.200', 'C80200C0'],
  ['::ffff:127.0.0.1', '0100007F'],
  ['::ffff:7f00:1', '0100007F'],
  ['::1', '00000000000000000000000001000000'],
  ['::', '00000000000000000000000000000000'],
  ['fe80::1%eth0', '000080FE000000000000000001000000'],
  ['2001:db8:1:2:3:4:5:6', 'B80D0120020001000400030006000500'],
  ['2001:DB8::5:6', 'B80D0120000000000000000006000500'],
  ['2001:db8:1:2:3:4:5::', 'B80D0120020001000400030000000500'],
  ['64:ff9b::192.0.2.1', '9BFF64000000000000000000010200C0'],
])('%s is written %s', (address, digits) => {
  const expected = endianness() === 'LE' ? digits : swapped(digits);
  expect(tableAddress(address)).toBe(expected);
});

test.each(['', 'mail.example', '1.2.3', '1.2.3.256', ':::', '[::1]', '1::2::3'])(
  '%j is no address',
  (text) => {
    expect(tableAddress(text)).toBeUndefined();
  },
);

function swapped(digits: string): string {
  return digits.replace(/(..)(..)(..)(..)/g, '$4$3$2$1');
}
