// Sessions of the script for what lasts, what comes unasked, and what is written at once.

import { literal } from '../literal.js';
import { plainMail } from './mails.js';
import { elsewhere, idle, type Session, together } from './rows.js';

export const condstore: Session = {
  name: 'CONDSTORE',
  before: ['SELECT of-<user> (CONDSTORE)', 'SEARCH MODSEQ 1'],
  rows: [
    'SELECT INBOX (CONDSTORE)',
    'FETCH 1:* (UID MODSEQ)',
    'FETCH 1:* (UID) (CHANGEDSINCE 1)',
    'FETCH 1:* (UID) (CHANGEDSINCE 99999)',
    'STORE 1 (UNCHANGEDSINCE 99999) +FLAGS (\\Flagged)',
    'STORE 1:2 (UNCHANGEDSINCE 1) +FLAGS (\\Seen)',
    'UID STORE 2 (UNCHANGEDSINCE 0) FLAGS (\\Draft)',
    'SEARCH MODSEQ 2',
    'UID SEARCH RETURN (ALL) MODSEQ "/flags/\\\\Draft" all 1',
    'STATUS INBOX (HIGHESTMODSEQ)',
    'STORE 3 +FLAGS (\\Deleted)',
    'EXPUNGE',
    'ENABLE CONDSTORE',
    'FETCH 1:* FLAGS',
  ],
};

export const qresync: Session = {
  name: 'QRESYNC',
  before: ['ENABLE QRESYNC', 'SELECT of-<user>', 'UNSELECT'],
  rows: [
    'ENABLE QRESYNC',
    'ENABLE QRESYNC',
    'SELECT INBOX',
    'STORE 1 +FLAGS (\\Deleted)',
    'EXPUNGE',
    'UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)',
    'SELECT INBOX (QRESYNC (<uidvalidity> 1))',
    'SELECT INBOX (QRESYNC (<uidvalidity> 1 1:9))',
    'SELECT INBOX (QRESYNC (1 1))',
    'SELECT INBOX (QRESYNC ())',
    'UID EXPUNGE 2',
    elsewhere('SELECT INBOX'),
    elsewhere('STORE 1 +FLAGS (\\Deleted)'),
    elsewhere('EXPUNGE'),
    'NOOP',
    'UNSELECT',
  ],
};

export const enabled: Session = {
  name: 'ENABLE',
  before: ['ENABLE CONDSTORE', 'SELECT of-<user>'],
  rows: [
    'ENABLE CONDSTORE',
    'ENABLE',
    'ENABLE NONSENSE',
    'ENABLE UTF8=ACCEPT IMAP4rev2',
    'ENABLE QRESYNC CONDSTORE',
    'SELECT INBOX',
    'FETCH 1 FLAGS',
    'STORE 1 +FLAGS (\\Seen)',
    'ENABLE QRESYNC',
    'NOOP',
  ],
};

export const unasked: Session = {
  name: 'IDLE and NOTIFY',
  rows: [
    idle(),
    'SELECT INBOX',
    idle(),
    idle({ meanwhile: ['APPEND INBOX (\\Seen) ', literal(plainMail(1))], until: /RECENT$/ }),
    idle({ end: 'NONSENSE' }),
    idle({ command: 'IDLE with arguments' }),
    'FETCH 4 FLAGS',
    elsewhere('SELECT INBOX'),
    elsewhere('STORE 2 +FLAGS (\\Deleted)'),
    elsewhere('EXPUNGE'),
    'FETCH 1:* UID',
    'NOOP',
    'NOTIFY NONE',
    'NOTIFY NONSENSE',
    'NOTIFY SET (NONSENSE)',
    'CREATE Other',
    'NOTIFY SET STATUS (MAILBOXES Other (MessageNew MessageExpunge))',
    'NOTIFY SET (SELECTED (MessageNew MessageExpunge)) (MAILBOXES Other (MessageNew MessageExpunge))',
    idle({ meanwhile: ['APPEND Other ', literal(plainMail(2))], until: /STATUS Other/ }),
    'NOTIFY NONE',
    'NOOP',
  ],
};

export const urls: Session = {
  name: 'URLAUTH',
  rows: [
    'CREATE Box',
    ['APPEND Box ', literal(plainMail(1))],
    'GENURLAUTH "imap://<user>@example.org/Box/;uid=1;urlauth=user+<user>" INTERNAL',
    'URLFETCH "<url>"',
    ['URLFETCH ', literal('imap://nobody@example.org/Box/;uid=1;urlauth=user+nobody:internal:00')],
    'URLFETCH ("<url>" BINARY)',
    'URLFETCH ("<url>" BODYPARTSTRUCTURE BODY)',
    'GENURLAUTH "imap://<user>@example.org/Box/;uid=1;urlauth=authuser" INTERNAL',
    'URLFETCH "<url>"',
    'GENURLAUTH "nonsense" INTERNAL',
    'GENURLAUTH',
    'RESETKEY Box',
    'URLFETCH "<url>"',
    'RESETKEY',
    'RESETKEY Missing',
  ],
};

export const pipelined: Session = {
  name: 'pipelined commands',
  rows: [
    together(
      'SELECT INBOX',
      'FETCH 1:* (FLAGS BODY.PEEK[])',
      'UID SEARCH ALL',
      'NONSENSE',
      'UNSELECT',
      'FETCH 1 FLAGS',
    ),
    together('NOOP', 'CAPABILITY', 'NAMESPACE', 'ID NIL', 'NOOP', 'LIST "" "*"', 'CAPABILITY'),
    together(
      'CREATE A',
      ['APPEND A ', literal(plainMail(1), 'non-sync')],
      ['APPEND A ', literal(plainMail(2), 'non-sync')],
      'SELECT A',
      'STORE 1:* +FLAGS (\\Deleted)',
      'EXPUNGE',
      'CLOSE',
      'DELETE A',
    ),
    together('NOOP', 'AUTHENTICATED', 'NOOP', 'SELECT "unterminated', 'NOOP'),
    together(
      'EXAMINE INBOX',
      ['SEARCH SUBJECT ', literal('mail', 'non-sync')],
      'SEARCH RETURN (COUNT) ALL',
      'FETCH 1 UID',
      'CHECK',
      'UNSELECT',
    ),
    together(['STATUS ', literal('INBOX'), ' (MESSAGES)'], ['LIST "" ', literal('*')], 'NOOP'),
    together(
      'SELECT INBOX',
      'UID FETCH 1:* FLAGS',
      'UID STORE 1 +FLAGS (\\Seen)',
      'UID COPY 1 INBOX',
      'NOOP',
      'SELECT Missing',
      'FETCH 1 UID',
    ),
    'NOOP',
  ],
};

/** LOGOUT waits for every answer before it. */
export const pipelinedToTheEnd: Session = {
  name: 'pipelined up to LOGOUT',
  rows: [
    together(
      'SELECT INBOX',
      'FETCH 1:* (FLAGS BODY.PEEK[])',
      'NONSENSE',
      'STORE 1 +FLAGS (\\Flagged)',
      ['APPEND INBOX ', literal(plainMail(1), 'non-sync')],
      'UNSELECT',
      'FETCH 1 FLAGS',
      'EXAMINE INBOX',
      'CHECK',
      'LOGOUT',
    ),
  ],
  end: 'closed',
};
