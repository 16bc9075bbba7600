import { describe, expect, test } from 'vitest';
import { ArgumentReader } from '../../../src/wire/argument-reader.js';
import { bytesOf } from '../../support/chunks.js';

/** A reader of the arguments of a command with these lines and literals, from its beginning. */
function readerOf(lines: readonly string[], literals: readonly string[] = []): ArgumentReader {
  return new ArgumentReader({ lines: lines.map(bytesOf), literals: literals.map(bytesOf) }, 0);
}
const first = (line: string): string | undefined => readerOf([line]).astring()?.toString('latin1');

describe('atoms', () => {
  test.each([
    ['alice', 'alice'],
    ['alice secret', 'alice'],
    ['a]b', 'a]b'],
    ['a}b', 'a}b'],
    ['50%*', '50%*'],
    ["o'brien+x@example.org", "o'brien+x@example.org"],
    ['m\xfcller', 'm\xfcller'],
    ['NIL', 'NIL'],
    ['a"b', 'a'],
    ['a(b', 'a'],
  ])('%j gives %j', (line, atom) => {
    expect(first(line)).toBe(atom);
  });

  test.each(['', ' a', '(a)', '{5}', '\\x', '\x7f', '\0'])('%j gives none', (line) => {
    expect(first(line)).toBeUndefined();
  });
});

describe('quoted strings', () => {
  test.each([
    ['""', ''],
    ['"alice"', 'alice'],
    ['"a b"', 'a b'],
    ['"a\\"b\\\\c"', 'a"b\\c'],
    ['"{5}"', '{5}'],
    ['"m\xfcller"', 'm\xfcller'],
  ])('%j gives %j', (line, content) => {
    expect(first(line)).toBe(content);
  });

  test.each(['"', '"a', '"a\\"', '"a\\x"', '"a\\'])('%j gives none', (line) => {
    expect(first(line)).toBeUndefined();
  });

  test('that are equal to an atom give the same bytes', () => {
    expect(first('"alice"')).toBe(first('alice'));
  });
});

describe('a whole command', () => {
  test('of two atoms is read to its end', () => {
    const reader = readerOf([' alice secret']);
    expect(reader.space()).toBe(true);
    expect(reader.astring()?.toString()).toBe('alice');
    expect(reader.isAtEnd).toBe(false);
    expect(reader.space()).toBe(true);
    expect(reader.astring()?.toString()).toBe('secret');
    expect(reader.isAtEnd).toBe(true);
    expect(reader.space()).toBe(false);
    expect(reader.astring()).toBeUndefined();
  });

  test('with literals gives their bytes, line ends and NULs included', () => {
    const reader = readerOf([' ', ' ', ''], ['al\r\nice', '\0\xff']);
    expect(reader.space()).toBe(true);
    expect(reader.astring()?.toString('latin1')).toBe('al\r\nice');
    expect(reader.space()).toBe(true);
    expect(reader.isAtEnd).toBe(false);
    expect(reader.astring()?.toString('latin1')).toBe('\0\xff');
    expect(reader.isAtEnd).toBe(true);
  });

  test('with an empty literal gives an empty string', () => {
    const reader = readerOf([' ', ''], ['']);
    reader.space();
    expect(reader.astring()).toHaveLength(0);
    expect(reader.isAtEnd).toBe(true);
  });

  test('with something behind the last literal is not at its end there', () => {
    const reader = readerOf([' ', ' more'], ['x']);
    reader.space();
    reader.astring();
    expect(reader.isAtEnd).toBe(false);
  });

  test('that ends in front of a literal is not at its end', () => {
    const reader = readerOf(['alice ', ''], ['x']);
    reader.astring();
    reader.space();
    expect(reader.isAtEnd).toBe(false);
  });

  test('gives copies, which outlive the command', () => {
    const literal = bytesOf('secret');
    const reader = new ArgumentReader({ lines: [bytesOf(''), bytesOf('')], literals: [literal] }, 0);
    const copy = reader.astring();
    literal.fill(0);
    expect(copy?.toString()).toBe('secret');
  });

  test('skips one space only', () => {
    const reader = readerOf(['  a']);
    expect(reader.space()).toBe(true);
    expect(reader.astring()).toBeUndefined();
  });
});
