import { expect, test } from 'vitest';
import { ArgumentReader } from '../../../src/wire/argument-reader.js';
import { quotable, quoted } from '../../../src/wire/string-encoder.js';
import { bytesOf } from '../../support/chunks.js';

const BYTES = Array.from({ length: 256 }, (_none, code) => code);

test('exactly NUL, CR, LF and 8-bit bytes are not quotable', () => {
  const notQuotable = BYTES.filter((code) => !quotable(Buffer.from([0x61, code, 0x62])));
  expect(notQuotable).toEqual([0, 0x0a, 0x0d, ...BYTES.slice(0x80)]);
});

test.each([
  ['', '""'],
  ['secret', '"secret"'],
  ['a"b\\c', '"a\\"b\\\\c"'],
  ['\\"', '"\\\\\\""'],
  ['a} {5}', '"a} {5}"'],
])('%j is written as %s', (text, expected) => {
  expect(quoted(bytesOf(text)).toString('latin1')).toBe(expected);
});

test('whatever is quotable is read back as it was', () => {
  const all = Buffer.from(BYTES.filter((code) => quotable(Buffer.from([code]))));
  expect(new ArgumentReader({ lines: [quoted(all)], literals: [] }, 0).astring()).toEqual(all);
});
