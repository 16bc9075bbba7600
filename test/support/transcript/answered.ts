// Sessions of the script with what the proxy answers itself, by contract, and what a direct session is told there.

import { literal } from '../literal.js';
import type { Row, Session } from './rows.js';

export const beforeLogin: readonly Session[] = [
  {
    name: 'before login',
    isBeforeLogin: true,
    rows: [
      'NOOP',
      {
        send: 'ID NIL',
        direct: ['* ID ("name" "Dovecot")', 'r2 OK ID completed.'],
        proxied: ['* ID ("name" "ImapBouncer")', 'r2 OK ID completed.'],
      },
      {
        send: 'SELECT INBOX',
        direct: ['r3 BAD Error in IMAP command received by server.'],
        proxied: ['r3 BAD Not possible before login'],
      },
      {
        send: 'NONSENSE',
        direct: ['r4 BAD Error in IMAP command received by server.'],
        proxied: ['r4 BAD Not possible before login'],
      },
      'LOGIN <user> secret',
      'CAPABILITY',
      'STATUS INBOX (MESSAGES)',
    ],
  },
  {
    name: 'AUTHENTICATE',
    isBeforeLogin: true,
    rows: [
      { raw: 'a AUTHENTICATE PLAIN\r\n', lines: 1 },
      {
        raw: '*\r\n',
        lines: 1,
        direct: ['a BAD Authentication aborted by client.'],
        proxied: ['a BAD AUTHENTICATE cancelled'],
      },
      { raw: 'a AUTHENTICATE LOGIN\r\n', lines: 1 },
      {
        raw: '*\r\n',
        lines: 1,
        direct: ['a BAD Authentication aborted by client.'],
        proxied: ['a BAD AUTHENTICATE cancelled'],
      },
      'AUTHENTICATE PLAIN <plain>',
      'STATUS INBOX (MESSAGES)',
      'LIST "" "*"',
    ],
  },
  {
    name: 'refused logins',
    isBeforeLogin: true,
    rows: [
      'LOGIN <user> wrong',
      {
        send: 'AUTHENTICATE NONSENSE',
        direct: ['r2 NO [ALERT] Unsupported authentication mechanism.'],
        proxied: ['r2 NO [CANNOT] No such authentication mechanism here'],
      },
      {
        send: 'AUTHENTICATE PLAIN nonsense',
        direct: ['r3 NO [AUTHENTICATIONFAILED] Authentication failed.'],
        proxied: ['r3 BAD PLAIN needs two NULs: authzid NUL authcid NUL password'],
      },
      'AUTHENTICATE PLAIN <plain>',
      'STATUS INBOX (MESSAGES)',
    ],
  },
  {
    name: 'LOGIN without a password',
    isBeforeLogin: true,
    rows: [
      {
        send: 'LOGIN <user>',
        direct: ['r1 BAD Error in IMAP command received by server.'],
        proxied: ['r1 BAD LOGIN takes a user name and a password'],
      },
      {
        raw: '\r\n',
        lines: 1,
        direct: ['* BAD Error in IMAP command received by server.'],
        proxied: ['* BAD Command syntax: tag, space, command'],
      },
      'LOGIN "<user>" "secret"',
      'STATUS INBOX (MESSAGES)',
      'LOGOUT',
    ],
    end: 'closed',
  },
  {
    name: 'STARTTLS',
    isBeforeLogin: true,
    isWithoutLease: true,
    rows: [
      {
        send: 'CAPABILITY',
        direct: [
          '* CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ STARTTLS AUTH=PLAIN AUTH=LOGIN',
          'r1 OK Pre-login capabilities listed, post-login capabilities have more.',
        ],
        proxied: [
          '* CAPABILITY IMAP4rev1 ID SASL-IR LITERAL- AUTH=PLAIN AUTH=LOGIN AUTH=OAUTHBEARER AUTH=XOAUTH2',
          'r1 OK Capability completed.',
        ],
      },
      {
        send: 'STARTTLS',
        direct: ['r2 OK Begin TLS negotiation now.'],
        proxied: ['r2 BAD STARTTLS is not possible here'],
      },
    ],
    end: 'none',
  },
];

/** What would change the identity or the layer of a connection that others get after this session. */
export const refusedAfterLogin: Session = {
  name: 'refused after login',
  rows: [
    'NOOP',
    {
      send: 'LOGIN <user> secret',
      direct: ['r2 BAD Error in IMAP command LOGIN: Unknown command.'],
      proxied: ['r2 BAD LOGIN is not possible after login'],
    },
    {
      send: 'AUTHENTICATE PLAIN <plain>',
      direct: ['r3 BAD Error in IMAP command AUTHENTICATE: Unknown command.'],
      proxied: ['r3 BAD AUTHENTICATE is not possible after login'],
    },
    {
      send: 'STARTTLS',
      direct: ['r4 BAD Error in IMAP command STARTTLS: Unknown command.'],
      proxied: ['r4 BAD STARTTLS is not possible after login'],
    },
    {
      send: 'UNAUTHENTICATE',
      direct: ['r5 BAD Error in IMAP command UNAUTHENTICATE: Unknown command.'],
      proxied: ['r5 BAD UNAUTHENTICATE is not possible after login'],
    },
    {
      send: 'COMPRESS NONSENSE',
      direct: ['r6 NO Unknown compression mechanism.'],
      proxied: ['r6 BAD COMPRESS is not possible after login'],
    },
    'NOOP',
    'LOGOUT',
  ],
  end: 'closed',
};

/** A direct session is compressed after it: nothing more can be read of it. */
export const compressed: Session = {
  name: 'COMPRESS',
  rows: [
    'NOOP',
    {
      send: 'COMPRESS DEFLATE',
      direct: ['r2 OK Begin compression.'],
      proxied: ['r2 BAD COMPRESS is not possible after login'],
    },
  ],
  end: 'none',
};

/** A line that is answered here, since no answer of the server could be matched to it. */
function noCommand(line: string, tag: string, why: 'Invalid tag' | 'Invalid command name'): Row {
  const place = why === 'Invalid tag' ? 'tag' : 'command';
  return {
    raw: `${line}\r\n`,
    lines: 1,
    direct: [`${tag} BAD Error in IMAP ${place}: ${why}.`],
    proxied: [`${tag} BAD Command syntax: tag, space, command`],
  };
}

export const noCommands: Session = {
  name: 'what is no command',
  rows: [
    'NOOP',
    noCommand('', '*', 'Invalid tag'),
    noCommand('tag', 'tag', 'Invalid command name'),
    noCommand('+ NOOP', '*', 'Invalid tag'),
    noCommand('a{5} NOOP', '*', 'Invalid tag'),
    noCommand('"a" NOOP', '*', 'Invalid tag'),
    noCommand('a%b NOOP', '*', 'Invalid tag'),
    'NOOP',
    noCommand('a  NOOP', 'a', 'Invalid command name'),
    noCommand('a noop\t', 'a', 'Invalid command name'),
    noCommand('DONE', 'DONE', 'Invalid command name'),
    // The reply has to show tag and status within the first 128 bytes.
    {
      raw: `${'a'.repeat(101)} NOOP\r\n`,
      lines: 1,
      direct: [`${'a'.repeat(101)} OK NOOP completed.`],
      proxied: ['* BAD Command syntax: tag, space, command'],
    },
    'NOOP',
  ],
};

/** The server has read the literal's line as a command of its own: the proxy doesn't let it come so far. */
export const hiddenCommand: Session = {
  name: 'a literal where none can be',
  rows: [
    {
      send: ['NONSENSE ', literal('hidden NOOP', 'non-sync')],
      direct: ['r1 BAD Error in IMAP command NONSENSE: Unknown command.'],
      proxied: ['r1 BAD No such literal is possible here'],
    },
    {
      send: 'NOOP',
      direct: ['hidden OK NOOP completed.', 'r2 OK NOOP completed.'],
      proxied: ['r2 OK NOOP completed.'],
    },
  ],
};
