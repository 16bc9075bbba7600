import { describe, expect, test } from 'vitest';
import { KNOWN_VERBS, hasFixedForm, mentionsCondstore, verbRow } from '../../../src/wire/verbs.js';
import type { VerbEffect } from '../../../src/wire/verbs.js';
import { bytesOf } from '../../support/chunks.js';

interface Expected {
  readonly effect: VerbEffect;
  readonly hasLiterals: boolean;
  readonly mayEnableCondstore: boolean;
}

const row = (effect: VerbEffect, hasLiterals = false, mayEnableCondstore = false): Expected => ({
  effect,
  hasLiterals,
  mayEnableCondstore,
});
const plain = row('none');
const strings = row('none', true);
const condstore = row('none', true, true);

/** Written from the grammars of the RFCs, not from the table: a string is a literal wherever one is allowed. */
const EXPECTED: Readonly<Record<string, Expected>> = {
  // RFC 9051 §6.1, §6.2; RFC 2971; RFC 4978; RFC 8437
  CAPABILITY: row('answered'),
  NOOP: plain,
  LOGOUT: row('logout'),
  ID: row('answered', true),
  STARTTLS: row('refused'),
  AUTHENTICATE: row('refused', true),
  LOGIN: row('refused', true),
  COMPRESS: row('refused'),
  UNAUTHENTICATE: row('refused'),
  // RFC 9051 §6.3; RFC 3501 §6.3.9; RFC 5161
  ENABLE: row('sticky'),
  SELECT: row('select', true, true),
  EXAMINE: row('select', true, true),
  CREATE: strings,
  DELETE: strings,
  RENAME: strings,
  SUBSCRIBE: strings,
  UNSUBSCRIBE: strings,
  // RFC 5819: RETURN (STATUS (HIGHESTMODSEQ)) is a STATUS with HIGHESTMODSEQ
  LIST: condstore,
  LSUB: strings,
  NAMESPACE: row('remembered'),
  STATUS: condstore,
  APPEND: strings,
  IDLE: row('idle'),
  // RFC 8508
  REPLACE: strings,
  'UID REPLACE': strings,
  // RFC 9208
  GETQUOTA: strings,
  GETQUOTAROOT: strings,
  SETQUOTA: strings,
  // RFC 4314
  GETACL: strings,
  SETACL: strings,
  DELETEACL: strings,
  LISTRIGHTS: strings,
  MYRIGHTS: strings,
  // RFC 5464
  GETMETADATA: strings,
  SETMETADATA: strings,
  // RFC 4467
  GENURLAUTH: strings,
  RESETKEY: strings,
  URLFETCH: strings,
  // RFC 5465; RFC 5255
  NOTIFY: row('sticky', true),
  LANGUAGE: row('sticky', true),
  COMPARATOR: row('sticky', true),
  // RFC 9051 §6.4; RFC 3691; RFC 4315; RFC 5256; RFC 6851; RFC 7162; RFC 7377
  CLOSE: row('deselect'),
  UNSELECT: row('deselect'),
  CHECK: plain,
  EXPUNGE: plain,
  'UID EXPUNGE': plain,
  SEARCH: condstore,
  'UID SEARCH': condstore,
  SORT: condstore,
  'UID SORT': condstore,
  THREAD: condstore,
  'UID THREAD': condstore,
  // MODSEQ is a search key here, too
  ESEARCH: condstore,
  FETCH: condstore,
  'UID FETCH': condstore,
  STORE: condstore,
  'UID STORE': condstore,
  COPY: strings,
  'UID COPY': strings,
  MOVE: strings,
  'UID MOVE': strings,
};

/** A server may stop reading all others before a literal that it doesn't need, and still say OK. */
const PROOFS: Readonly<Record<string, string>> = {
  APPEND: 'accepted',
  SEARCH: 'succeeded',
  'UID SEARCH': 'succeeded',
  SORT: 'succeeded',
  'UID SORT': 'succeeded',
  THREAD: 'succeeded',
  'UID THREAD': 'succeeded',
};

/** Design: what the proxy may send again, unseen by the client. */
const REPEATABLE = new Set([
  'NOOP',
  'NAMESPACE',
  'LIST',
  'LSUB',
  'STATUS',
  'ENABLE',
  'EXAMINE',
  'SELECT',
  'GETQUOTA',
  'GETQUOTAROOT',
]);

describe('the fixed form of APPEND', () => {
  const isFixed = (line: string): boolean => hasFixedForm(verbRow('APPEND'), bytesOf(line), 0, line.length);

  test.each([
    'a APPEND INBOX {5+}\r\n',
    'a APPEND INBOX {5}\r\n',
    'a append "Sent Mail" {5+}\r\n',
    'a APPEND "a\\"b\\\\" (\\Seen $Forwarded) {5+}\r\n',
    'a APPEND Sent () {5+}\r\n',
    'a APPEND Sent (\\Seen) " 1-Jan-2026 00:00:00 +0000" {5+}\r\n',
    'a APPEND Sent "21-Nov-2026 21:09:47 +0100" ~{5+}\r\n',
  ])('is %j', (line) => {
    expect(isFixed(line)).toBe(true);
  });

  test.each([
    'a APPEND {5+}\r\n',
    'a APPEND INBOX (\\Seen {5+}\r\n',
    'a APPEND INBOX " {5+}\r\n',
    'a APPEND INBOX foo {5+}\r\n',
    'a APPEND INBOX (\\Seen) CATENATE (TEXT {5+}\r\n',
    'a APPEND IN%BOX {5+}\r\n',
    'a APPEND  INBOX {5+}\r\n',
    'a APPEND INBOX {5+}\n',
    'a APPEND INBOX\r\n',
  ])('is not %j', (line) => {
    expect(isFixed(line)).toBe(false);
  });

  test('is nothing that another command has', () => {
    const line = bytesOf('a SEARCH TEXT {5+}\r\n');
    expect(hasFixedForm(verbRow('SEARCH'), line, 0, line.length)).toBe(false);
  });
});

describe('the table', () => {
  test.each(Object.entries(EXPECTED))('has %s as its grammar and its effect are', (verb, expected) => {
    const { literalProof, isRepeatable, ...others } = verbRow(verb);
    expect(others).toEqual({ verb, ...expected });
    expect(literalProof).toBe(PROOFS[verb] ?? 'never');
    expect(isRepeatable).toBe(REPEATABLE.has(verb));
  });

  test('knows no other verb but those of old drafts, which leave nothing behind', () => {
    const others = KNOWN_VERBS.filter((verb) => !(verb in EXPECTED));
    expect(others.sort()).toEqual(['GETANNOTATION', 'SETANNOTATION', 'XLIST']);
    for (const verb of others) expect(verbRow(verb).effect).toBe('none');
  });

  test.each(['XYZZY', 'X', '', 'UID', 'UID NOOP', 'CONVERT', 'CANCELUPDATE', 'constructor', '__proto__'])(
    'takes %j for unknown, which may leave anything',
    (verb) => {
      expect(verbRow(verb)).toEqual({
        verb: 'other',
        literalProof: 'never',
        isRepeatable: false,
        ...row('sticky'),
      });
    },
  );

  test('never forwards what changes the identity or the layer', () => {
    const refused = KNOWN_VERBS.filter((verb) => verbRow(verb).effect === 'refused');
    expect(refused.sort()).toEqual(['AUTHENTICATE', 'COMPRESS', 'LOGIN', 'STARTTLS', 'UNAUTHENTICATE']);
  });

  test('is frozen', () => {
    for (const verb of KNOWN_VERBS) expect(Object.isFrozen(verbRow(verb))).toBe(true);
    expect(Object.isFrozen(verbRow('XYZZY'))).toBe(true);
  });
});

describe('words that enable CONDSTORE (RFC 7162 §3.1)', () => {
  test.each([
    'a SELECT x (CONDSTORE)',
    'a SELECT x (QRESYNC (1 2))',
    'a select x (condstore)',
    'a FETCH 1 (MODSEQ)',
    'a FETCH 1 (FLAGS) (CHANGEDSINCE 1)',
    'a STORE 1 (UNCHANGEDSINCE 1) +FLAGS ()',
    'a STATUS x (HIGHESTMODSEQ)',
    'a SEARCH MODSEQ 1',
  ])('are found in %j', (text) => {
    expect(mentionsCondstore(bytesOf(text), 0, text.length)).toBe(true);
  });

  test.each(['a SELECT INBOX', 'a FETCH 1 (FLAGS UID)', ''])('are not found in %j', (text) => {
    expect(mentionsCondstore(bytesOf(text), 0, text.length)).toBe(false);
  });

  test('are looked for between start and end only', () => {
    const text = 'MODSEQ FLAGS QRESYNC';
    expect(mentionsCondstore(bytesOf(text), 7, 12)).toBe(false);
  });
});
