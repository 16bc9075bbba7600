import { describe, expect, test } from 'vitest';
import { HEAD_BYTES } from '../../../src/wire/line-framer.js';
import { readResponseHead } from '../../../src/wire/response-head.js';
import { bytesOf } from '../../support/chunks.js';

const headOf = (line: string): unknown => readResponseHead(bytesOf(line), 0, line.length);
const kindOf = (line: string): string => readResponseHead(bytesOf(line), 0, line.length).kind;

describe('untagged', () => {
  test.each([
    ['* 3 EXISTS\r\n', 'data'],
    ['* 1 FETCH (BODY[] {10}\r\n', 'data'],
    ['* LIST () "/" x\r\n', 'data'],
    ['* SEARCH\r\n', 'data'],
    ['* flags ()\r\n', 'data'],
    ['* X-ODD {10}\r\n', 'data'],
    ['* OK [UNSEEN 1] x\r\n', 'status'],
    ['* OK\r\n', 'status'],
    ['* ok fine {10}\r\n', 'status'],
    ['* NO [ALERT] {10}\r\n', 'status'],
    ['* BAD what {10}\r\n', 'status'],
    ['* PREAUTH hello\r\n', 'status'],
    ['* BYE\r\n', 'bye'],
    ['* bye [UNAVAILABLE] {10}\r\n', 'bye'],
    ['* ENABLED CONDSTORE\r\n', 'enabled'],
    ['* enabled\r\n', 'enabled'],
    ['* CAPABILITY IMAP4rev1\r\n', 'capability'],
    ['* capability IMAP4rev1\r\n', 'capability'],
    ['* CAPABILITYX IMAP4rev1\r\n', 'data'],
    ['* OKAY\r\n', 'data'],
    ['* BYEBYE\r\n', 'data'],
    ['* OK\n', 'status'],
  ])('%j is %s', (line, kind) => {
    expect(kindOf(line)).toBe(kind);
  });

  test.each([
    ['* OK [CAPABILITY IMAP4rev1] hi\r\n', 'capability'],
    ['* ok [capability IMAP4rev1] hi\r\n', 'capability'],
    ['* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n', 'capability'],
    ['* OK [CAPABILITY] hi\r\n', 'capability'],
    ['* OK [CAPABILITYX] hi\r\n', 'status'],
    ['* OK hi [CAPABILITY IMAP4rev1]\r\n', 'status'],
    ['* OK [ALERT] [CAPABILITY IMAP4rev1]\r\n', 'status'],
    // LIST is no status, so what looks like a code behind it is data.
    ['* LIST [CAPABILITY STARTTLS]\r\n', 'data'],
  ])('%j is %s: capabilities stand right behind the status only', (line, kind) => {
    expect(kindOf(line)).toBe(kind);
  });
});

describe('tagged', () => {
  test.each([
    ['a OK done\r\n', 'a', 'OK', false],
    ['a ok done\r\n', 'a', 'OK', false],
    ['a NO [TRYCREATE] {10}\r\n', 'a', 'NO', false],
    ['A1 BAD\r\n', 'A1', 'BAD', false],
    ['a OK\n', 'a', 'OK', false],
    ['OK OK OK\r\n', 'OK', 'OK', false],
    ['a OK [CAPABILITY IMAP4rev1] in\r\n', 'a', 'OK', true],
    ['a OK [CAPABILITY] in\r\n', 'a', 'OK', true],
    ['a OK [CAPABILITIES] in\r\n', 'a', 'OK', false],
    ['a OK in [CAPABILITY IMAP4rev1]\r\n', 'a', 'OK', false],
    ['*a OK x\r\n', '*a', 'OK', false],
  ])('%j is read', (line, tag, status, hasCapability) => {
    expect(headOf(line)).toEqual({ kind: 'tagged', tag, status, hasCapability });
  });
});

describe('continuation', () => {
  test.each(['+ ready\r\n', '+ \r\n', '+\r\n', '+\n', '+ {10}\r\n'])('%j is one', (line) => {
    expect(kindOf(line)).toBe('continuation');
  });
});

describe('what is no response', () => {
  test.each([
    '\r\n',
    '\n',
    ' \r\n',
    '* \r\n',
    '*\r\n',
    '*OK x\r\n',
    '*  OK x\r\n',
    '* {5}\r\n',
    '* (x)\r\n',
    'a\r\n',
    'a \r\n',
    'a OKAY\r\n',
    'a OK\0\r\n',
    'a BYE x\r\n',
    'a  OK x\r\n',
    '\x80\xff\r\n',
    'a FETCH 1\r\n',
  ])('%j is malformed', (line) => {
    expect(kindOf(line)).toBe('malformed');
  });

  test('a status that lies beyond what is looked at is malformed', () => {
    expect(kindOf(`${'t'.repeat(HEAD_BYTES)} OK x\r\n`)).toBe('malformed');
  });
});
