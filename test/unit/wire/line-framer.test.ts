import { describe, expect, test } from 'vitest';
import { HEAD_BYTES, LineFramer, TAIL_BYTES } from '../../../src/wire/line-framer.js';
import { bytesOf } from '../../support/chunks.js';

/** The segments that are there now, as `kind:text`; `+` marks those that begin a line. */
function segments(framer: LineFramer, onLine: (text: string) => void = () => undefined): string[] {
  const found: string[] = [];
  while (framer.next()) {
    const text = framer.buffer.toString('latin1', framer.start, framer.end);
    const isStart = framer.kind !== 'literal' && framer.isLineStart;
    found.push(`${isStart ? '+' : ''}${framer.kind}:${text}`);
    if (framer.kind === 'line') onLine(text);
  }
  return found;
}

function framerWith(text: string): LineFramer {
  const framer = new LineFramer();
  framer.push(bytesOf(text));
  return framer;
}

describe('lines', () => {
  test('gives each line with its line end', () => {
    expect(segments(framerWith('a NOOP\r\nb NOOP\r\n'))).toEqual(['+line:a NOOP\r\n', '+line:b NOOP\r\n']);
  });

  test('takes a bare LF for a line end, and a bare CR for none', () => {
    expect(segments(framerWith('a\nb\rc\r\n\n'))).toEqual(['+line:a\n', '+line:b\rc\r\n', '+line:\n']);
  });

  test('holds an unfinished short line back, and gives it whole', () => {
    const framer = framerWith('a NOOP\r\nb NO');
    expect(segments(framer)).toEqual(['+line:a NOOP\r\n']);
    expect(framer.pendingBytes).toBe(4);
    framer.push(bytesOf('OP\r'));
    expect(segments(framer)).toEqual([]);
    framer.push(bytesOf('\n'));
    expect(segments(framer)).toEqual(['+line:b NOOP\r\n']);
    expect(framer.pendingBytes).toBe(0);
  });

  test('holds back a head of exactly HEAD_BYTES, and gives a part of a longer one, all but its tail', () => {
    const framer = framerWith('x'.repeat(HEAD_BYTES));
    expect(segments(framer)).toEqual([]);
    framer.push(bytesOf('y'));
    expect(segments(framer)).toEqual([`+part:${'x'.repeat(HEAD_BYTES + 1 - TAIL_BYTES)}`]);
    expect(framer.pendingBytes).toBe(TAIL_BYTES);
    expect(framer.isInsideLine).toBe(true);
    framer.push(bytesOf('\r\n'));
    expect(segments(framer)).toEqual([`line:${'x'.repeat(TAIL_BYTES - 1)}y\r\n`]);
    expect(framer.isInsideLine).toBe(false);
  });

  test('knows a new line by its start behind a line that came in parts', () => {
    const framer = framerWith('x'.repeat(500));
    segments(framer);
    framer.push(bytesOf('\r\nb NOOP\r\n'));
    expect(segments(framer).at(-1)).toBe('+line:b NOOP\r\n');
  });

  test('gives nothing for an empty push', () => {
    expect(segments(framerWith(''))).toEqual([]);
  });
});

describe('literals', () => {
  test('gives the bytes of a literal uninterpreted, line ends in it included', () => {
    const framer = framerWith('a {5}\r\nx\r\ny\n)\r\n');
    const found = segments(framer, (text) => {
      if (text.includes('{5}')) framer.openLiteral(5);
    });
    expect(found).toEqual(['+line:a {5}\r\n', 'literal:x\r\ny\n', '+line:)\r\n']);
  });

  test('gives a literal in the pieces in which it comes', () => {
    const framer = framerWith('a {6}\r\nab');
    expect(
      segments(framer, () => {
        framer.openLiteral(6);
      }),
    ).toEqual(['+line:a {6}\r\n', 'literal:ab']);
    expect(framer.literalRemaining).toBe(4);
    framer.push(bytesOf('cdef\r\n'));
    expect(segments(framer)).toEqual(['literal:cdef', '+line:\r\n']);
    expect(framer.literalRemaining).toBe(0);
  });

  test('goes on with the line behind a literal of size 0', () => {
    const framer = framerWith('a {0}\r\n b\r\n');
    expect(framer.next()).toBe(true);
    framer.openLiteral(0);
    expect(segments(framer)).toEqual(['+line: b\r\n']);
  });
});

describe('stopping early', () => {
  test('keeps what was not looked at in front of what is pushed later', () => {
    const framer = framerWith('a\r\nb\r\nc');
    expect(framer.next()).toBe(true);
    framer.push(bytesOf('d\r\n'));
    expect(segments(framer)).toEqual(['+line:b\r\n', '+line:cd\r\n']);
  });

  test.each([
    ['a line', 'a NOOP\r\nb', '+line:a NOOP\r\n'],
    ['a part', 'x'.repeat(200), `+part:${'x'.repeat(200 - TAIL_BYTES)}`],
  ])('finds %s again after it was given back', (_what, text, expected) => {
    const framer = framerWith(text);
    expect(framer.next()).toBe(true);
    framer.unread();
    expect(framer.pendingBytes).toBe(text.length);
    expect(segments(framer)[0]).toBe(expected);
  });

  test('finds a line again after it was given back and more was pushed', () => {
    const framer = framerWith('a NOOP\r\nb');
    framer.next();
    framer.unread();
    framer.push(bytesOf(' NOOP\r\n'));
    expect(segments(framer)).toEqual(['+line:a NOOP\r\n', '+line:b NOOP\r\n']);
  });

  test('finds the end of a line that came in parts again, as an end', () => {
    const framer = framerWith('x'.repeat(200));
    segments(framer);
    framer.push(bytesOf('\r\n'));
    framer.next();
    framer.unread();
    expect(framer.isInsideLine).toBe(true);
    expect(segments(framer)).toEqual([`line:${'x'.repeat(TAIL_BYTES)}\r\n`]);
  });

  test('finds a piece of a literal again after it was given back', () => {
    const framer = framerWith('{4}\r\nabcd\r\n');
    framer.next();
    framer.openLiteral(4);
    framer.next();
    framer.unread();
    expect(framer.literalRemaining).toBe(4);
    expect(segments(framer)).toEqual(['literal:abcd', '+line:\r\n']);
  });
});

describe('ends', () => {
  test('finds nothing any more once it has failed', () => {
    const framer = framerWith('a\r\nb\r\n');
    framer.next();
    framer.fail();
    expect(framer.hasFailed).toBe(true);
    expect(framer.pendingBytes).toBe(0);
    framer.push(bytesOf('c\r\n'));
    expect(segments(framer)).toEqual([]);
  });

  test('goes on behind what was discarded', () => {
    const framer = framerWith('a\r\nb\r\n');
    framer.next();
    framer.discard();
    framer.push(bytesOf('c\r\n'));
    expect(segments(framer)).toEqual(['+line:c\r\n']);
  });
});
