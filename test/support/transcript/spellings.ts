// Sessions of the script in which commands are spelled as few clients do, and lines end as they should not.

import { literal } from '../literal.js';
import type { Row, Session } from './rows.js';

const raw = (text: string, lines = 1): Row => ({ raw: text, lines });
const longTag = 'long'.repeat(25);

export const spellings: Session = {
  name: 'odd spellings',
  rows: [
    raw('a NOOP\n'),
    raw('a NOOP \r\n'),
    'NOOP',
    raw(`${longTag} NOOP\r\n`),
    raw(`${longTag} STATUS INBOX (MESSAGES)\r\n`, 2),
    raw('a NOOP\r\na NOOP\r\na NOOP\r\n', 3),
    raw('a.b-c_d:e NOOP\r\n'),
    'NOOP',
    'capability',
    'Uid FETCH 1 FLAGS',
    'LIST "" "no{5}"',
    'LIST "" "\\"{5}"',
    'LIST "" "\\\\"',
    'LIST "" "\\x"',
    'NOOP',
    ['LIST "" "', Buffer.from([0xe4, 0xf6]), '"'],
    ['LIST "" ', literal(Buffer.from([0xe4, 0xf6]), 'non-sync')],
    ['SELECT ', literal('', 'non-sync')],
    'NOOP',
    ['STATUS ', literal(''), ' (MESSAGES)'],
    raw('a STATUS {5+}\r\nINBOX (MESSAGES)\r\n', 2),
    raw('a STATUS {5}\r\nINBOX (MESSAGES)\r\n', 3),
    raw('a STATUS {5}\nINBOX (MESSAGES)\n', 3),
    raw('a IDLE\r\nDONE\r\n', 2),
    raw('a IDLE\r\nDONE\r\nb NOOP\r\n', 3),
    raw('a IDLE\r\ndone\r\n', 2),
    raw('a IDLE\nDONE\n', 2),
    'SELECT INBOX',
    raw('a IDLE\r\nDONE\r\nb IDLE\r\nDONE\r\nc FETCH 1 UID\r\n', 6),
    'uid fetch 1:* uid',
    'fEtCh 1 (uId)',
    `FETCH ${Array.from({ length: 2_000 }, (_, n) => String(1 + (n % 3))).join(',')} UID`,
    `UID SEARCH ${'NOT '.repeat(100)}ALL`,
    `SEARCH OR ${'(SUBJECT x) '.repeat(2)}`,
    `SEARCH SUBJECT "${'x'.repeat(20_000)}"`,
    ['SEARCH SUBJECT ', literal('x'.repeat(40_000), 'non-sync')],
    ['SEARCH HEADER ', literal('X-N'), ' ', literal(''), ' SUBJECT ', literal('mail', 'non-sync')],
    'SELECT {5',
    'NOOP',
    'SELECT {5 }',
    'SELECT {-5}',
    'NOOP',
    'CLOSE',
  ],
};

/** Over the server's limit for a line, which the proxy doesn't have: the server refuses it, and reads on. */
export const tooLongLine: Session = {
  name: 'a line that is too long',
  rows: ['NOOP', `SEARCH SUBJECT "${'x'.repeat(70_000)}"`, 'NOOP'],
};
