import { describe, expect, test } from 'vitest';
import { enablesCondstore, hasCondstore, readEnableRequest } from '../../../src/wire/enable.js';
import type { EnableRequest } from '../../../src/wire/enable.js';
import { verbRow } from '../../../src/wire/verbs.js';

function read(line: string): EnableRequest | undefined {
  const padded = Buffer.from(`before ${line} behind`, 'latin1');
  return readEnableRequest(padded, 7, 7 + Buffer.byteLength(line, 'latin1'));
}

function enables(line: string): boolean {
  const buffer = Buffer.from(line, 'latin1');
  return enablesCondstore(verbRow((line.split(' ')[1] ?? '').toUpperCase()), buffer, 0, buffer.length);
}

describe('a request to enable', () => {
  test.each([
    ['a ENABLE CONDSTORE\r\n', 'CONDSTORE', 'CONDSTORE'],
    ['a enable condstore\r\n', 'CONDSTORE', 'CONDSTORE'],
    ['a ENABLE CONDSTORE\n', 'CONDSTORE', 'CONDSTORE'],
    ['a ENABLE UTF8=ACCEPT CONDSTORE\r\n', 'UTF8=ACCEPT CONDSTORE', 'CONDSTORE UTF8=ACCEPT'],
    ['a ENABLE CONDSTORE UTF8=ACCEPT\r\n', 'CONDSTORE UTF8=ACCEPT', 'CONDSTORE UTF8=ACCEPT'],
    ['a ENABLE X X x\r\n', 'X X X', 'X'],
    ['a ENABLE QRESYNC\r\n', 'QRESYNC', 'CONDSTORE QRESYNC'],
    ['a ENABLE IMAP4rev2 qresync\r\n', 'IMAP4REV2 QRESYNC', 'CONDSTORE IMAP4REV2 QRESYNC'],
    ['tag.1-x ENABLE X-GM:EXT/1+a_b\r\n', 'X-GM:EXT/1+A_B', 'X-GM:EXT/1+A_B'],
  ])('is read: %j', (line, text, set) => {
    expect(read(line)).toEqual({ text, set });
  });

  test.each([
    'a ENABLE\r\n',
    'a ENABLE \r\n',
    'a ENABLE CONDSTORE \r\n',
    'a ENABLE  CONDSTORE\r\n',
    'a ENABLE CONDSTORE  QRESYNC\r\n',
    'a  ENABLE CONDSTORE\r\n',
    'a ENABLE "CONDSTORE"\r\n',
    'a ENABLE (CONDSTORE)\r\n',
    'a ENABLE {9+}\r\n',
    'a ENABLE CONDSTORE {9}\r\n',
    'a ENABLE COND\rSTORE\r\n',
    'a ENABLE COND\0STORE\r\n',
    'a ENABLE CONDSTÖRE\r\n',
    'a ENABLE =X\r\n',
    'a ENABLE CONDSTORE\tX\r\n',
    'a ENABLE CONDSTORE',
    'a ENABLED CONDSTORE\r\n',
    'a NOOP\r\n',
    `a ENABLE ${'X'.repeat(65)}\r\n`,
    `a ENABLE ${Array.from({ length: 17 }, (_, n) => `X${n}`).join(' ')}\r\n`,
  ])('is not read where its line is odd: %j', (line) => {
    expect(read(line)).toBeUndefined();
  });

  test('has sixteen names of sixty-four characters at most', () => {
    const names = Array.from({ length: 16 }, (_, n) => `X${n}`.padEnd(64, 'Y'));
    expect(read(`a ENABLE ${names.join(' ')}\r\n`)?.set).toBe([...names].sort().join(' '));
  });

  test('of which no two sets are equal that are not the same', () => {
    expect(read('a ENABLE AB C\r\n')?.set).not.toBe(read('a ENABLE A BC\r\n')?.set);
    expect(read('a ENABLE CONDSTORE-X\r\n')?.set).not.toBe('CONDSTORE X');
  });
});

test.each([
  ['', false],
  ['CONDSTORE', true],
  ['CONDSTORE QRESYNC', true],
  ['CONDSTORE-X', false],
  ['UTF8=ACCEPT X-CONDSTORE', false],
])('CONDSTORE is part of the set %j: %s', (set, has) => {
  expect(hasCondstore(set)).toBe(has);
});

describe('a command that enables CONDSTORE', () => {
  test.each([
    'a SELECT INBOX (CONDSTORE)\r\n',
    'a select inbox (condstore)\r\n',
    'a SELECT "a b" (CONDSTORE)\r\n',
    'a SELECT "a \\"b\\\\" (CONDSTORE)\r\n',
    'a SELECT INBOX (X CONDSTORE Y)\r\n',
    'a EXAMINE INBOX (CONDSTORE)\n',
    'a STATUS INBOX (HIGHESTMODSEQ)\r\n',
    'a STATUS INBOX (MESSAGES HIGHESTMODSEQ UIDNEXT)\r\n',
  ])('beyond doubt is known: %j', (line) => {
    expect(enables(line)).toBe(true);
  });

  test.each([
    'a SELECT CONDSTORE\r\n',
    'a SELECT "CONDSTORE"\r\n',
    'a SELECT "x (CONDSTORE)"\r\n',
    'a SELECT "x\\" (CONDSTORE)"\r\n',
    'a SELECT (CONDSTORE)\r\n',
    'a SELECT INBOX(CONDSTORE)\r\n',
    'a SELECT INBOX  (CONDSTORE)\r\n',
    'a SELECT INBOX (CONDSTORE\r\n',
    'a SELECT INBOX (XCONDSTORE)\r\n',
    'a SELECT INBOX (CONDSTOREX)\r\n',
    'a SELECT INBOX (QRESYNC (1 2))\r\n',
    'a SELECT INBOX (QRESYNC (1 2) CONDSTORE)\r\n',
    'a SELECT INBOX ("CONDSTORE")\r\n',
    'a SELECT {5+}\r\n',
    'a SELECT INBOX (CONDSTORE) {5}\r\n',
    'a STATUS HIGHESTMODSEQ (MESSAGES)\r\n',
    'a STATUS "x (HIGHESTMODSEQ)" (MESSAGES)\r\n',
    'a STATUS INBOX (MESSAGES)\r\n',
    'a FETCH 1 (MODSEQ)\r\n',
    'a NOOP (CONDSTORE)\r\n',
    'a LIST "" "*" RETURN (STATUS (HIGHESTMODSEQ))\r\n',
  ])('is not seen in what only may be one: %j', (line) => {
    expect(enables(line)).toBe(false);
  });

  // One read brings 64 KB, and whoever sends it must not stop everybody else's session for it.
  test.each([
    `a SELECT INBOX (${'CONDSTORE '.repeat(6_500)}\r\n`,
    `a STATUS INBOX (${'HIGHESTMODSEQ '.repeat(4_600)}\r\n`,
    `a SELECT "${'\\"'.repeat(32_000)}\r\n`,
    `a SELECT INBOX (${' '.repeat(65_000)}\r\n`,
    `a ENABLE ${'X '.repeat(32_000)}\r\n`,
  ])('is judged at once, however long a hostile line is: %#', (line) => {
    const started = performance.now();
    expect(enables(line)).toBe(false);
    expect(read(line)).toBeUndefined();
    expect(performance.now() - started).toBeLessThan(50);
  });
});
