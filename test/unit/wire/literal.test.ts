import { describe, expect, test } from 'vitest';
import {
  isPlainLine,
  isPlainPart,
  readCommandLiteral,
  readResponseLiteral,
} from '../../../src/wire/literal.js';
import { bytesOf } from '../../support/chunks.js';

const command = (line: string): unknown => readCommandLiteral(bytesOf(line), 0, line.length);
const response = (line: string): unknown => readResponseLiteral(bytesOf(line), 0, line.length);

describe('in a command', () => {
  test.each([
    ['a synchronizing literal', 'a LOGIN {5}\r\n', 5, true],
    ['a non-synchronizing literal', 'a LOGIN {5+}\r\n', 5, false],
    ['a synchronizing literal8', 'a APPEND x ~{5}\r\n', 5, true],
    ['a non-synchronizing literal8', 'a APPEND x ~{5+}\r\n', 5, false],
    ['an empty literal', 'a LOGIN {0}\r\n', 0, true],
    ['an empty non-synchronizing literal', 'a LOGIN {0+}\r\n', 0, false],
    ['a literal behind a parenthesis', 'a FETCH 1 BODY[HEADER.FIELDS ({4}\r\n', 4, true],
    ['a literal in front of a bare LF', 'a LOGIN {5}\n', 5, true],
    ['the largest number that is exact', 'a APPEND x {9007199254740991+}\r\n', 9007199254740991, false],
  ])('finds %s', (_what, line, size, isSynchronizing) => {
    expect(command(line)).toEqual({ size, isSynchronizing });
  });

  test.each([
    ['no brace', 'a NOOP\r\n'],
    ['a marker that is not at the end', 'a LOGIN {5} \r\n'],
    ['a marker in quotes', 'a LOGIN "{5}"\r\n'],
    ['a lone line end', '\r\n'],
    ['a lone LF', '\n'],
    // atom-specials have the opening brace only (RFC 9051 §9), so this is an astring.
    ['an atom that ends in a closing brace', 'a LOGIN alice secret}\r\n'],
  ])('finds none in a line with %s', (_what, line) => {
    expect(command(line)).toBeUndefined();
  });

  test.each([
    ['leading zeros', 'a LOGIN {05}\r\n'],
    ['two zeros', 'a LOGIN {00}\r\n'],
    ['a number beyond 2^53', 'a LOGIN {9007199254740993}\r\n'],
    ['a number that is longer than what is looked at', `a LOGIN {${'1'.repeat(60)}}\r\n`],
    ['an atom glued to it', 'a LOGIN alice{5}\r\n'],
    ['a quote glued to it', 'a LOGIN "x"{5}\r\n'],
    ['nothing in front of it', '{5}\r\n'],
    ['a sign', 'a LOGIN {-5}\r\n'],
    ['a minus', 'a LOGIN {5-}\r\n'],
    ['two pluses', 'a LOGIN {5++}\r\n'],
    ['no number', 'a LOGIN {}\r\n'],
    ['a plus only', 'a LOGIN {+}\r\n'],
    ['spaces in it', 'a LOGIN { 5 }\r\n'],
    ['hexadecimal digits', 'a LOGIN {0x5}\r\n'],
    ['two tildes', 'a APPEND x ~~{5}\r\n'],
  ])('calls a marker with %s malformed', (_what, line) => {
    expect(command(line)).toBe('malformed');
  });

  test('looks at nothing in front of the start', () => {
    const bytes = bytesOf('a {3}\r\n{5}\r\n');
    expect(readCommandLiteral(bytes, 7, bytes.length)).toBe('malformed');
    expect(readCommandLiteral(bytes, 0, 7)).toEqual({ size: 3, isSynchronizing: true });
  });
});

describe('in a response', () => {
  test.each([
    ['behind a space', '* 1 FETCH (BODY[] {5}\r\n', 5],
    ['glued to an atom', '* 1 FETCH (BODY[]{5}\r\n', 5],
    ['of kind literal8', '* 1 FETCH (BINARY[1] ~{5}\r\n', 5],
    ['that is empty', '* 1 FETCH (BODY[] {0}\r\n', 0],
    ['with leading zeros', '* 1 FETCH (BODY[] {005}\r\n', 5],
  ])('finds a literal %s', (_what, line, size) => {
    expect(response(line)).toEqual({ size, isSynchronizing: true });
  });

  test('calls a non-synchronizing literal malformed, since servers never send one', () => {
    expect(response('* 1 FETCH (BODY[] {5+}\r\n')).toBe('malformed');
  });

  test.each([
    ['* 1 FETCH (FLAGS ())\r\n'],
    // A mailbox name that is an atom: it may end in a closing brace, and Dovecot sends it unquoted.
    ['* LIST (\\HasNoChildren) "/" old}\r\n'],
    ['* 1 FETCH (FLAGS ($x} \\Seen))\r\n'],
  ])('finds none in %j', (line) => {
    expect(response(line)).toBeUndefined();
  });

  test('calls a number beyond 2^53 malformed', () => {
    expect(response('* 1 FETCH (BODY[] {99999999999999999999}\r\n')).toBe('malformed');
  });
});

describe('a plain line', () => {
  test.each([
    ['a NOOP\r\n', true],
    ['\r\n', true],
    ['a NOOP\n', false],
    ['\n', false],
    ['a NOOP\r\r\n', false],
    ['a NO\rOP\r\n', false],
    ['a NO\0OP\r\n', false],
  ])('is told of %j: %s', (line, expected) => {
    expect(isPlainLine(bytesOf(line), 0, line.length)).toBe(expected);
  });

  test('is told without a look in front of the start or behind the end', () => {
    expect(isPlainLine(bytesOf('\r\n'), 1, 2)).toBe(false);
    expect(isPlainLine(bytesOf('\0\ra\r\n\0\r'), 2, 5)).toBe(true);
  });

  test.each([
    ['a NOOP', true],
    ['a NO\rOP', false],
    ['a NO\0OP', false],
  ])('is told of its part %j: %s', (part, expected) => {
    expect(isPlainPart(bytesOf(part), 0, part.length)).toBe(expected);
  });
});
