import { describe, expect, test } from 'vitest';
import { CapabilitySet, filterCapabilityLine, readCapabilities } from '../../../src/wire/capability.js';
import { bytesOf } from '../../support/chunks.js';

const filtered = (line: string): string => filterCapabilityLine(bytesOf(line)).toString('latin1');

const NEVER = [
  'STARTTLS',
  'AUTH=PLAIN',
  'AUTH=LOGIN',
  'AUTH=SCRAM-SHA-256-PLUS',
  'LOGINDISABLED',
  'COMPRESS=DEFLATE',
  'LOGIN-REFERRALS',
  'UNAUTHENTICATE',
  'XIMAPPROXY',
  'XPROXYREUSE',
];

const ALWAYS = [
  'IMAP4rev1',
  'IMAP4rev2',
  'LITERAL+',
  'LITERAL-',
  'SASL-IR',
  'ID',
  'ENABLE',
  'IDLE',
  'UNSELECT',
  'MAILBOX-REFERRALS',
  'XLIST',
  'XSTARTTLS',
  'STARTTLSX',
  'AUTH',
  'XAUTH=PLAIN',
  'COMPRESS',
  'UTF8=ACCEPT',
  'CONTEXT=SEARCH',
  'APPENDLIMIT=1000',
  'X-GM-EXT-1',
];

describe('the filter', () => {
  test.each(NEVER)('takes %s out, in any case', (name) => {
    expect(filtered(`* CAPABILITY IMAP4rev1 ${name} IDLE\r\n`)).toBe('* CAPABILITY IMAP4rev1 IDLE\r\n');
    expect(filtered(`a OK [CAPABILITY ${name.toLowerCase()} IDLE] x\r\n`)).toBe(
      'a OK [CAPABILITY IDLE] x\r\n',
    );
    expect(filtered(`* OK [CAPABILITY IDLE ${name}] x\r\n`)).toBe('* OK [CAPABILITY IDLE] x\r\n');
  });

  test.each(ALWAYS)('leaves %s', (name) => {
    const line = `* CAPABILITY IMAP4rev1 ${name} IDLE\r\n`;
    expect(filtered(line)).toBe(line);
  });

  test.each([
    ['what is written in lower case', '* capability imap4rev1 idle\r\n'],
    ['a code that is written in lower case', '* OK [capability imap4rev1 idle] hi\r\n'],
    ['more spaces than one', '* CAPABILITY  IMAP4rev1   IDLE\r\n'],
    ['a space at the end', '* CAPABILITY IMAP4rev1 \r\n'],
    ['an empty list', '* CAPABILITY\r\n'],
    ['a bare LF', '* CAPABILITY IMAP4rev1\n'],
    ['8-bit text behind the code', 'a OK [CAPABILITY IMAP4rev1] \xe4\xf6\xfc\r\n'],
    ['words of the list in the text', 'a OK [CAPABILITY IMAP4rev1] STARTTLS AUTH=PLAIN\r\n'],
  ])('leaves a line with %s byte-identical if nothing is to be taken out', (_what, line) => {
    expect(filtered(line)).toBe(line);
  });

  test('leaves everything but the names that it takes out', () => {
    expect(filtered('* ok [capability imap4rev1 starttls] \xe4 STARTTLS\r\n')).toBe(
      '* ok [capability imap4rev1] \xe4 STARTTLS\r\n',
    );
  });

  test('leaves an empty list if all is taken out', () => {
    expect(filtered('a OK [CAPABILITY STARTTLS AUTH=PLAIN] x\r\n')).toBe('a OK [CAPABILITY] x\r\n');
  });

  test('takes out the same for a proxy that answers CAPABILITY itself', () => {
    expect(new CapabilitySet([...NEVER, ...ALWAYS]).forClients).toEqual(ALWAYS);
  });
});

describe('a list', () => {
  test.each([
    ['* CAPABILITY IMAP4rev1 IDLE\r\n', ['IMAP4rev1', 'IDLE']],
    ['* OK [CAPABILITY IMAP4rev1 IDLE] hi\r\n', ['IMAP4rev1', 'IDLE']],
    ['a OK [capability imap4rev1] hi\r\n', ['imap4rev1']],
    ['* CAPABILITY\r\n', []],
  ])('is read from %j', (line, names) => {
    expect(readCapabilities(line)?.names).toEqual(names);
  });

  test.each(['* OK hi\r\n', 'a OK CAPABILITY IDLE\r\n', '* CAPABILITIES x\r\n', ''])(
    'is not found in %j',
    (line) => {
      expect(readCapabilities(line)).toBeUndefined();
    },
  );

  test('is asked without regard to case', () => {
    const set = new CapabilitySet(['Imap4Rev1', 'literal+']);
    expect(set.has('IMAP4REV1')).toBe(true);
    expect(set.has('LITERAL+')).toBe(true);
    expect(set.has('LITERAL-')).toBe(false);
    expect(set.isEmpty).toBe(false);
    expect(new CapabilitySet([]).isEmpty).toBe(true);
  });
});
