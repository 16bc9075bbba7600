import { describe, expect, test } from 'vitest';
import {
  CommandCollector,
  MAX_COMMAND_BYTES,
  MAX_LINE_BYTES,
  MAX_LITERAL_BYTES,
} from '../../../src/downstream/command-collector.js';
import { LineFramer } from '../../../src/wire/line-framer.js';
import { byteByByte, bytesOf, everySplit } from '../../support/chunks.js';
import { recordCommands } from '../../support/command-recorder.js';

describe('whole commands', () => {
  test.each([
    ['a line', 'a NOOP\r\n', ['command a NOOP']],
    ['a bare LF', 'a NOOP\n', ['command a NOOP']],
    ['an empty line', '\r\n', ['command ']],
    ['a pipeline', 'a NOOP\r\nb NOOP\r\n', ['command a NOOP', 'command b NOOP']],
    [
      'synchronizing literals',
      'a LOGIN {5}\r\nalice {6}\r\nsecret\r\n',
      ['continue', 'continue', 'command a LOGIN <alice> <secret>'],
    ],
    [
      'non-synchronizing literals',
      'a LOGIN {5+}\r\nalice {6+}\r\nsecret\r\nb NOOP\r\n',
      ['command a LOGIN <alice> <secret>', 'command b NOOP'],
    ],
    ['empty literals', 'a LOGIN {0+}\r\n {0}\r\n\r\n', ['continue', 'command a LOGIN <> <>']],
    ['a literal with line ends in it', 'a LOGIN {4+}\r\n\r\n\r\n x\r\n', ['command a LOGIN <\r\n\r\n> x']],
    [
      'a literal that looks like a marker',
      'a LOGIN {6+}\r\n {9}\r\n x\r\n',
      ['command a LOGIN < {9}\r\n> x'],
    ],
    ['a password that ends in a brace', 'a LOGIN alice secret}\r\n', ['command a LOGIN alice secret}']],
  ])('are collected of %s, however it is cut', (_what, text, expected) => {
    const bytes = bytesOf(text);
    for (const chunks of [[bytes], ...everySplit(bytes), byteByByte(bytes)]) {
      expect(recordCommands(chunks)).toEqual(expected);
    }
  });

  test.each([
    ['glued to an atom', 'a LOGIN x{5}\r\n'],
    ['with leading zeros', 'a LOGIN {05}\r\n'],
    ['beyond 2^53', 'a LOGIN {99999999999999999999}\r\n'],
  ])('with a literal %s are refused, and the next one is read', (_what, line) => {
    expect(recordCommands([`${line}b NOOP\r\n`])).toEqual([`refused ${line}`, 'command b NOOP']);
  });

  test('leave what is behind them to the next reader', () => {
    const framer = new LineFramer();
    framer.push(bytesOf('a LOGIN x y\r\nb SELECT INBOX\r\n'));
    const collector = new CommandCollector(framer);
    expect(collector.next().kind).toBe('command');
    expect(framer.pendingBytes).toBe('b SELECT INBOX\r\n'.length);
  });

  test('outlive the buffer in which they came', () => {
    const chunk = bytesOf('a LOGIN {5+}\r\nalice secret\r\n');
    const framer = new LineFramer();
    framer.push(chunk);
    const collected = new CommandCollector(framer).next();
    chunk.fill(0);
    expect(collected).toMatchObject({
      command: { lines: [bytesOf('a LOGIN '), bytesOf(' secret')], literals: [bytesOf('alice')] },
    });
  });
});

describe('limits', () => {
  const longest = `a ${'x'.repeat(MAX_LINE_BYTES - 4)}\r\n`;

  test('a line of the greatest length is taken, however it is cut', () => {
    for (const chunks of [[longest], [longest.slice(0, 9_000), longest.slice(9_000)]]) {
      expect(recordCommands(chunks)).toEqual([`command ${longest.trimEnd()}`]);
    }
  });

  test('a line of one byte more is fatal, however it is cut', () => {
    const line = `x${longest}`;
    for (const chunks of [[line], [line.slice(0, 9_000), line.slice(9_000)], [line.slice(0, -1), '\n']]) {
      expect(recordCommands(chunks)).toEqual(['fatal']);
    }
  });

  test('a line without end is fatal before it ends', () => {
    expect(recordCommands(['x'.repeat(MAX_LINE_BYTES + 100)])).toEqual(['fatal']);
  });

  test('a line behind a literal has the same limit', () => {
    expect(recordCommands([`a LOGIN {1+}\r\nx${'y'.repeat(MAX_LINE_BYTES)}\r\n`])).toEqual(['fatal']);
  });

  test.each(['', '+'])('a literal {n%s} of the greatest size is taken', (plus) => {
    const events = recordCommands([
      `a LOGIN {${MAX_LITERAL_BYTES}${plus}}\r\n${'x'.repeat(MAX_LITERAL_BYTES)} y\r\n`,
    ]);
    expect(events.at(-1)).toBe(`command a LOGIN <${'x'.repeat(MAX_LITERAL_BYTES)}> y`);
  });

  test('a larger synchronizing literal is refused, and never asked for', () => {
    expect(recordCommands([`a LOGIN {${MAX_LITERAL_BYTES + 1}}\r\nb NOOP\r\n`])).toEqual([
      `refused a LOGIN {${MAX_LITERAL_BYTES + 1}}\r\n`,
      'command b NOOP',
    ]);
  });

  test('a larger second literal is refused with the line that has the tag', () => {
    const events = recordCommands([`a LOGIN {1+}\r\nx {${MAX_LITERAL_BYTES + 1}}\r\nb NOOP\r\n`]);
    expect(events).toEqual(['refused a LOGIN ', 'command b NOOP']);
  });

  test('a larger non-synchronizing literal is fatal, since its bytes come in any case', () => {
    expect(recordCommands([`a LOGIN {${MAX_LITERAL_BYTES + 1}+}\r\n`])).toEqual(['fatal']);
  });

  test('a command of many literals is taken up to its limit as a whole, and no further', () => {
    const part = ` {${String(MAX_LITERAL_BYTES)}+}\r\n${'x'.repeat(MAX_LITERAL_BYTES)}`;
    const begin = `a ID (${part.repeat(Math.floor(MAX_COMMAND_BYTES / part.length) - 1)}`;
    expect(recordCommands([`${begin})\r\n`]).at(-1)).toMatch(/^command a ID/);
    expect(recordCommands([`${begin}${part}${part} {4}\r\n`]).at(-1)).toBe('fatal');
    expect(recordCommands([`${begin}${part} {4096}\r\n`])).toEqual(['refused a ID ( ']);
  });

  test('a command as a whole keeps less than a stranger may fill memory with', () => {
    // Each line and each literal is within its limit; all of them together are a megabyte.
    const part = `${'x'.repeat(MAX_LINE_BYTES - 20)} {1+}\r\n`;
    const events = recordCommands(['a ID ', ...Array.from({ length: 60 }, () => part)]);
    expect(events).toEqual(['fatal']);
  });
});

test('says whether a command was begun', () => {
  const framer = new LineFramer();
  const collector = new CommandCollector(framer);
  expect(collector.isInside).toBe(false);
  framer.push(bytesOf('a LOGIN {5+}\r\nal'));
  collector.next();
  expect(collector.isInside).toBe(true);
  framer.push(bytesOf('ice x\r\n'));
  collector.next();
  expect(collector.isInside).toBe(false);
});
