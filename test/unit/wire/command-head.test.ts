import { describe, expect, test } from 'vitest';
import { readCommandHead, readTag } from '../../../src/wire/command-head.js';
import { HEAD_BYTES } from '../../../src/wire/line-framer.js';
import { bytesOf } from '../../support/chunks.js';

const headOf = (line: string): { tag: string; verb: string } | undefined => {
  const head = readCommandHead(bytesOf(line), 0, line.length);
  return head === undefined ? undefined : { tag: head.tag, verb: head.row.verb };
};
const tagOf = (line: string): string | undefined => readTag(bytesOf(line), 0, line.length);

/** RFC 9051 §9: ASTRING-CHAR is ATOM-CHAR or "]"; a tag has all of them but "+". */
const TAG_CHARS = Array.from({ length: 0x7f - 0x21 }, (_none, at) => String.fromCharCode(0x21 + at)).filter(
  (char) => !'(){%*"\\+'.includes(char),
);

describe('the verb', () => {
  test.each([
    ['a NOOP\r\n', 'NOOP'],
    ['a noop\r\n', 'NOOP'],
    ['a NoOp\n', 'NOOP'],
    ['a SELECT INBOX\r\n', 'SELECT'],
    ['a SELECT {5}\r\n', 'SELECT'],
    ['a uid fetch 1 (FLAGS)\r\n', 'UID FETCH'],
    ['a UID EXPUNGE 1:*\r\n', 'UID EXPUNGE'],
    ['a UID BOGUS 1\r\n', 'other'],
    ['a UID\r\n', 'other'],
    ['a UID  FETCH 1\r\n', 'other'],
    ['a FETCHED 1\r\n', 'other'],
    ['a XYZZY\r\n', 'other'],
    ['a NOOP{5}\r\n', 'other'],
    ['a {5+}\r\n', 'other'],
  ])('of %j is %s', (line, verb) => {
    expect(headOf(line)).toEqual({ tag: 'a', verb });
  });

  test('is only what stands between the tag and the next space', () => {
    expect(headOf('LOGOUT NOOP LOGOUT\r\n')).toEqual({ tag: 'LOGOUT', verb: 'NOOP' });
  });

  test('is read from the start that is given', () => {
    const bytes = bytesOf('a NOOP\r\nb IDLE\r\n');
    expect(readCommandHead(bytes, 8, bytes.length)).toMatchObject({ tag: 'b', row: { verb: 'IDLE' } });
  });
});

describe('the tag', () => {
  test('may have every character of the grammar', () => {
    const tag = TAG_CHARS.join('');
    expect(TAG_CHARS).toHaveLength(86);
    expect(headOf(`${tag} NOOP\r\n`)).toEqual({ tag, verb: 'NOOP' });
    expect(tagOf(`${tag} NOOP\r\n`)).toBe(tag);
  });

  test.each(['+', '(', ')', '{', '%', '*', '"', '\\', '\0', '\x1f', '\x7f', '\x80', '\xff', '\t'])(
    'with %j in it is none',
    (char) => {
      expect(headOf(`a${char} NOOP\r\n`)).toBeUndefined();
      expect(tagOf(`a${char} NOOP\r\n`)).toBeUndefined();
    },
  );
});

describe('a line that is no command', () => {
  test.each([
    ['an empty line', '\r\n'],
    ['a bare LF', '\n'],
    ['a space', ' \r\n'],
    ['a tag alone', 'a\r\n'],
    ['a tag and a space', 'a \r\n'],
    ['two spaces behind the tag', 'a  NOOP\r\n'],
    ['a space in front', ' a NOOP\r\n'],
    ['a tab behind the tag', 'a\tNOOP\r\n'],
    ['a tab behind the verb', 'a NOOP\t\r\n'],
    ['a tab behind UID', 'a UID FETCH\t1\r\n'],
    ['a NUL behind the verb', 'a NOOP\0\r\n'],
    ['an 8-bit byte in the verb', 'a NOO\xd0\r\n'],
    ['an untagged response', '* OK\r\n'],
    ['a continuation', '+ ok\r\n'],
  ])('%s has no head', (_what, line) => {
    expect(headOf(line)).toBeUndefined();
  });

  test('still has a tag to be answered with, if that is of the grammar', () => {
    expect(tagOf('a\r\n')).toBe('a');
    expect(tagOf('a  NOOP\r\n')).toBe('a');
    expect(tagOf('a\n')).toBe('a');
    expect(tagOf('\r\n')).toBeUndefined();
    expect(tagOf('a')).toBeUndefined();
  });
});

describe('length', () => {
  test('a tag of 100 bytes is the longest, so that its reply shows the status in its head', () => {
    const tag = 't'.repeat(100);
    expect(headOf(`${tag} NOOP\r\n`)).toEqual({ tag, verb: 'NOOP' });
    expect(headOf(`${tag}t NOOP\r\n`)).toBeUndefined();
  });

  test('a head that ends with the last byte looked at is read', () => {
    const verb = 'V'.repeat(HEAD_BYTES - 'a '.length - '\r'.length);
    expect(headOf(`a ${verb}\r\n`)).toEqual({ tag: 'a', verb: 'other' });
    expect(headOf(`a ${verb}V\r\n`)).toBeUndefined();
  });

  test('a tag without end is none', () => {
    expect(headOf(`${'t'.repeat(5_000)} NOOP\r\n`)).toBeUndefined();
    expect(tagOf(`${'t'.repeat(5_000)} NOOP\r\n`)).toBeUndefined();
  });

  test('a verb without end is none', () => {
    expect(headOf(`a ${'V'.repeat(5_000)}\r\n`)).toBeUndefined();
  });

  test('a UID command whose second word is cut by what is looked at is none', () => {
    const tag = 't'.repeat(HEAD_BYTES - ' UID FETCH'.length);
    expect(headOf(`${tag} UID FETCH 1\r\n`)).toBeUndefined();
  });
});
