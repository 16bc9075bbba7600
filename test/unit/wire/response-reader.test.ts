import { describe, expect, test } from 'vitest';
import { INDIFFERENT } from '../../../src/upstream/connection.js';
import { CommandLedger } from '../../../src/wire/command-ledger.js';
import { LineFramer } from '../../../src/wire/line-framer.js';
import { ResponseReader } from '../../../src/wire/response-reader.js';
import { byteByByte, bytesOf, everySplit } from '../../support/chunks.js';
import { recordResponses } from '../../support/response-recorder.js';
import type { SentCommand } from '../../support/response-recorder.js';

const sent = (...tags: string[]): SentCommand[] => tags.map((tag) => ({ tag }));

describe('forwarding', () => {
  test.each([
    ['untagged data', '* 3 EXISTS\r\n* FLAGS (\\Seen)\r\n'],
    ['a literal', '* 1 FETCH (BODY[] {5}\r\nab\r\nc FLAGS ())\r\n'],
    [
      'several literals in one response',
      '* 1 FETCH (BODY[1] {3}\r\nabc BODY[2] ~{4}\r\n\r\n\0\x80 BODY[3] {0}\r\n)\r\n',
    ],
    ['a literal that looks like responses', '* 1 FETCH (BODY[] {28}\r\na OK [CAPABILITY STARTTLS]\r\n)\r\n'],
    ['a literal that ends in a marker', '* 1 FETCH (BODY[] {4}\r\n{9}\r BODY[2] {2}\r\n\r\n)\r\n'],
    [
      'a status line that ends like a literal',
      '* OK [ALERT] {10}\r\n* NO {3}\r\n* BAD {4+}\r\n* 1 EXISTS\r\n',
    ],
    ['continuations', '+ \r\n+ idling {10}\r\n* 1 EXISTS\r\n'],
    ['a BYE that ends like a literal', '* BYE bye {10}\r\n* 1 EXISTS\r\n'],
    [
      'a literal whose marker is as long as what is looked at, behind a long line',
      `* 1 FETCH (BODY[${'x'.repeat(150)}] {${'0'.repeat(19)}3}\r\nabc)\r\n`,
    ],
    ['bare line feeds', '* 1 EXISTS\n* 1 FETCH (BODY[] {3}\nabc)\n'],
  ])('passes %s as it is, however it is cut', (_what, text) => {
    const bytes = bytesOf(text);
    const whole = recordResponses([bytes]);
    expect(whole.forwarded).toBe(text);
    expect(whole.isAtBoundary).toBe(true);
    for (const chunks of [...everySplit(bytes), byteByByte(bytes)]) {
      expect(recordResponses(chunks)).toEqual(whole);
    }
  });

  test('passes a line of megabytes as it comes, and keeps none of it', () => {
    const line = bytesOf(`* SEARCH ${'1234567 '.repeat(100_000)}`);
    const { forwarded, isAtBoundary } = recordResponses([line]);
    expect(line.length - forwarded.length).toBeLessThanOrEqual(24);
    expect(isAtBoundary).toBe(false);
  });

  test('passes the bytes of a literal as they come', () => {
    const { forwarded, isAtBoundary } = recordResponses(['* 1 FETCH (BODY[] {1000000}\r\n', 'abc']);
    expect(forwarded).toBe('* 1 FETCH (BODY[] {1000000}\r\nabc');
    expect(isAtBoundary).toBe(false);
  });
});

describe('tagged replies', () => {
  test('complete commands in any order', () => {
    const { facts, outstanding } = recordResponses(['c OK\r\na NO no\r\nb BAD bad\r\n'], sent('a', 'b', 'c'));
    expect(facts).toEqual(['completed c OK', 'completed a NO', 'completed b BAD']);
    expect(outstanding).toBe(0);
  });

  test('complete as many commands as there are with one tag, the oldest first', () => {
    const commands = [
      { tag: 'a', verb: 'NOOP' },
      { tag: 'a', verb: 'CHECK' },
      { tag: 'a', verb: 'EXPUNGE' },
    ];
    const { completed, facts, outstanding } = recordResponses(['a OK\r\na OK\r\na OK\r\n'], commands);
    expect(completed.map(({ row }) => row.verb)).toEqual(['NOOP', 'CHECK', 'EXPUNGE']);
    expect(facts).not.toContain('desynced');
    expect(outstanding).toBe(0);
  });

  test('that are one too many for a tag are desynced', () => {
    const { facts, forwarded } = recordResponses(['a OK 1\r\na OK 2\r\na OK 3\r\n'], sent('a', 'a'));
    expect(facts).toEqual(['completed a OK', 'completed a OK', 'desynced']);
    expect(forwarded).toBe('a OK 1\r\na OK 2\r\n');
  });

  test('compare tags with case', () => {
    expect(recordResponses(['A OK\r\n'], sent('a')).facts).toEqual(['desynced']);
  });

  test('hand the whole line over, however it is cut', () => {
    // Who logs in reads the response code in it: `[UNAVAILABLE]` must not be lost, else busy is taken for wrong.
    const line = `a NO [UNAVAILABLE] ${'Temporary authentication failure. '.repeat(6)}\r\n`;
    expect(recordResponses([line], sent('a')).lines).toEqual([line]);
    expect(recordResponses(byteByByte(bytesOf(line)), sent('a')).lines).toEqual([line]);
  });
});

describe('desync', () => {
  test.each([
    ['a tag that nobody waits for', 'zz OK surprise\r\n'],
    ['a line of no grammar', 'hello\r\n'],
    ['an empty line', '\r\n'],
    ['a literal marker of no grammar', '* 1 FETCH (BODY[] {5+}\r\n'],
    ['a literal too large to count', '* 1 FETCH (BODY[] {99999999999999999999}\r\n'],
  ])('by %s: its line and all behind it are not forwarded', (_what, line) => {
    const bytes = bytesOf(`* 1 EXISTS\r\n${line}a OK\r\n* 2 EXISTS\r\n`);
    const whole = recordResponses([bytes], sent('a'));
    expect(whole.facts).toEqual(['desynced']);
    expect(whole.forwarded).toBe('* 1 EXISTS\r\n');
    expect(whole.outstanding).toBe(1);
    for (const chunks of [...everySplit(bytes), byteByByte(bytes)]) {
      expect(recordResponses(chunks, sent('a'))).toEqual(whole);
    }
  });

  test.each([
    ['a reply with a tag that nobody waits for', `zz OK ${'x'.repeat(300)}\r\n`],
    ['a line of no grammar', `hello ${'x'.repeat(300)}\r\n`],
  ])('by %s that is long: no part of it is forwarded, however it is cut', (_what, line) => {
    for (const chunks of [[line], [line.slice(0, 200), line.slice(200)], byteByByte(bytesOf(line))]) {
      const { facts, forwarded } = recordResponses(chunks);
      expect(facts).toEqual(['desynced']);
      expect(forwarded).toBe('');
    }
  });

  test('leaves room for a word of our own if the bad line was not begun', () => {
    expect(recordResponses(['* 1 EXISTS\r\nzz OK\r\n']).isAtBoundary).toBe(true);
    expect(recordResponses(['* 1 EXISTS\r\n* 1 FETCH (BODY[] {5+}\r\n']).isAtBoundary).toBe(true);
  });

  test('leaves no room for a word of our own inside a response', () => {
    const text = '* 1 FETCH (BODY[] {2}\r\nab BODY[2] {5+}\r\n';
    expect(recordResponses([text]).isAtBoundary).toBe(false);
  });

  test('is reported once', () => {
    expect(recordResponses(['zz OK\r\n', 'yy OK\r\n', '* 1 EXISTS\r\n']).facts).toEqual(['desynced']);
  });
});

describe('other facts', () => {
  test('continuations are reported as a whole, however long and however they were cut', () => {
    const line = `+ ${'eyJzdGF0dXMi'.repeat(100)}\r\n`;
    for (const size of [1, 7, 100, 200, 5_000]) {
      const chunks: Buffer[] = [];
      for (let at = 0; at < line.length; at += size) chunks.push(bytesOf(line.slice(at, at + size)));
      const lines: string[] = [];
      const framer = new LineFramer();
      const reader = new ResponseReader(framer, new CommandLedger());
      for (const chunk of chunks) {
        framer.push(chunk);
        reader.read({ ...INDIFFERENT, onContinuation: (whole) => lines.push(whole.toString('latin1')) });
      }
      expect(lines, `${size} bytes at once`).toEqual([line]);
    }
  });

  test('BYE, ENABLED and continuations are reported and passed on', () => {
    const text = '* ENABLED CONDSTORE\r\n+ go\r\n* BYE [UNAVAILABLE] over\r\n';
    const { facts, forwarded, lines } = recordResponses([text]);
    expect(facts).toEqual(['enabled', 'continuation', 'bye']);
    expect(lines).toEqual(['* BYE [UNAVAILABLE] over\r\n']);
    expect(forwarded).toBe(text);
  });

  test('what stands in a literal is no fact', () => {
    const inner = '* BYE\r\n* ENABLED X\r\n+ go\r\na OK\r\n* CAPABILITY STARTTLS\r\n';
    const text = `* 1 FETCH (BODY[] {${inner.length}}\r\n${inner})\r\n`;
    const { facts, forwarded } = recordResponses([text], sent('a'));
    expect(facts).toEqual([]);
    expect(forwarded).toBe(text);
  });

  test('the selected state follows the replies', () => {
    const select = { tag: 'a', verb: 'SELECT' };
    expect(recordResponses(['a OK\r\n'], [select]).selected).toBe('yes');
    expect(recordResponses(['a NO\r\n'], [select]).selected).toBe('no');
  });
});

describe('capabilities', () => {
  test.each([
    ['untagged', '* CAPABILITY IMAP4rev1 STARTTLS IDLE\r\n', '* CAPABILITY IMAP4rev1 IDLE\r\n'],
    [
      'in the code of an untagged OK',
      '* OK [CAPABILITY IMAP4rev1 STARTTLS IDLE] x STARTTLS\r\n',
      '* OK [CAPABILITY IMAP4rev1 IDLE] x STARTTLS\r\n',
    ],
    [
      'in the code of a tagged OK',
      'a OK [CAPABILITY IMAP4rev1 STARTTLS IDLE] x STARTTLS\r\n',
      'a OK [CAPABILITY IMAP4rev1 IDLE] x STARTTLS\r\n',
    ],
  ])('%s are filtered, however they are cut', (_where, text, expected) => {
    const bytes = bytesOf(`* 1 EXISTS\r\n${text}* 2 EXISTS\r\n`);
    const whole = recordResponses([bytes], sent('a'));
    expect(whole.forwarded).toBe(`* 1 EXISTS\r\n${expected}* 2 EXISTS\r\n`);
    expect(whole.facts).toContain('capabilities IMAP4rev1 STARTTLS IDLE');
    for (const chunks of [...everySplit(bytes), byteByByte(bytes)]) {
      expect(recordResponses(chunks, sent('a'))).toEqual(whole);
    }
  });

  test('of a list that is longer than a head are filtered, however they are cut', () => {
    const names = Array.from({ length: 60 }, (_none, at) => `X-CAPABILITY-${at}`);
    const text = `* OK [CAPABILITY ${['AUTH=PLAIN', ...names, 'STARTTLS'].join(' ')}] ready\r\n`;
    const expected = `* OK [CAPABILITY ${names.join(' ')}] ready\r\n`;
    const bytes = bytesOf(text);
    for (const chunks of [[bytes], ...everySplit(bytes), byteByByte(bytes)]) {
      expect(recordResponses(chunks).forwarded).toBe(expected);
    }
  });

  test('are not looked for in the text of a status', () => {
    const text = 'a OK done [CAPABILITY STARTTLS]\r\n* OK hi [CAPABILITY STARTTLS]\r\n';
    const { facts, forwarded } = recordResponses([text], sent('a'));
    expect(forwarded).toBe(text);
    expect(facts).toEqual(['completed a OK']);
  });

  test('are read from the list, not from a tag that looks like one', () => {
    const tag = '[CAPABILITY';
    const { facts, forwarded } = recordResponses(
      [`${tag} OK [CAPABILITY IMAP4rev1 STARTTLS] x\r\n`],
      sent(tag),
    );
    expect(facts).toContain('capabilities IMAP4rev1 STARTTLS');
    expect(forwarded).toBe(`${tag} OK [CAPABILITY IMAP4rev1] x\r\n`);
  });

  test('in a line of 64 KiB are still filtered', () => {
    const start = '* CAPABILITY STARTTLS ';
    const names = `${'X'.repeat(65_536 - start.length - 2)}\r\n`;
    const { facts, forwarded } = recordResponses([start + names]);
    expect(facts).not.toContain('desynced');
    expect(forwarded).toBe(`* CAPABILITY ${names}`);
  });

  test.each([
    ['untagged', '* CAPABILITY '],
    ['tagged', 'a OK [CAPABILITY '],
  ])('in a line of more than 64 KiB are desynced: nothing of it is forwarded (%s)', (_where, start) => {
    const line = bytesOf(`${start}${'X'.repeat(65_536)}\r\n* 1 EXISTS\r\n`);
    for (const chunks of [[line], [line.subarray(0, 60_000), line.subarray(60_000)]]) {
      const { facts, forwarded } = recordResponses(chunks, sent('a'));
      expect(forwarded).toHaveLength(0);
      expect(facts).toEqual(['desynced']);
    }
  });
});
