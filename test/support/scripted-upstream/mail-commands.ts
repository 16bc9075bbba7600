// The scripted server's answers after login: small, but right for what mail clients ask.

import { type ParsedCommand, readStrings } from './command.js';
import { expunged, modseqItem, modseqOfStatus, noteEnabling, sendModseqOfMailbox } from './condstore.js';
import type { UpstreamConnection } from './connection.js';
import type { Mailbox, MailStore, StoredMessage } from './mail-store.js';

type MailCommand = (command: ParsedCommand, connection: UpstreamConnection, store: MailStore) => void;

/** One row per verb; all of them need a logged-in connection. */
export const mailCommands: Readonly<Record<string, MailCommand>> = {
  SELECT: select,
  EXAMINE: select,
  UNSELECT: (command, connection) => {
    if (!connection.script.capabilitiesAfterLogin.includes('UNSELECT') || connection.selected === undefined) {
      connection.bad(command);
      return;
    }
    connection.selected = undefined;
    connection.ok(command);
  },
  CLOSE: (command, connection) => {
    if (connection.selected === undefined) {
      connection.bad(command, 'no mailbox selected');
      return;
    }
    if (!connection.isReadOnly) expunge(connection.selected, () => undefined);
    connection.selected = undefined;
    connection.ok(command);
  },
  LIST: list,
  LSUB: list,
  NAMESPACE: (command, connection) => {
    connection.send(`* NAMESPACE (("" "/")) NIL (("Shared by ${String(connection.user)}/" "/"))\r\n`);
    connection.ok(command);
  },
  STATUS: (command, connection, store) => {
    const [name] = readStrings(command.args);
    const mailbox = name === undefined ? undefined : store.mailbox(String(connection.user), name.toString());
    if (mailbox === undefined) {
      connection.no(command, '[NONEXISTENT] no such mailbox');
      return;
    }
    const exists = String(mailbox.messages.length);
    const unseen = String(mailbox.messages.filter((message) => !message.flags.has('\\Seen')).length);
    noteEnabling(command, connection);
    const numbers = `MESSAGES ${exists} UNSEEN ${unseen} UIDNEXT ${String(mailbox.nextUid)} UIDVALIDITY 1`;
    connection.send(`* STATUS ${quote(mailbox.name)} (${numbers}${modseqOfStatus(command)})\r\n`);
    connection.ok(command);
  },
  APPEND: (command, connection, store) => {
    const [name] = readStrings(command.args);
    const body = command.literals.at(-1);
    const flags = command.args.match(/\\\w+/g) ?? [];
    if (name === undefined || body === undefined) {
      connection.bad(command);
      return;
    }
    const message = store.add(String(connection.user), name.toString(), body, flags);
    if (message === undefined) connection.no(command, '[TRYCREATE] no such mailbox');
    else connection.ok(command, `[APPENDUID 1 ${String(message.uid)}] APPEND done`);
  },
  FETCH: fetch,
  'UID FETCH': fetch,
  STORE: storeFlags,
  'UID STORE': storeFlags,
  SEARCH: search,
  'UID SEARCH': search,
  EXPUNGE: (command, connection) => {
    withSelected(command, connection, (mailbox) => {
      expunge(mailbox, (sequence, uid) => {
        connection.send(expunged(connection, sequence, uid));
      });
    });
  },
  CHECK: (command, connection) => {
    withSelected(command, connection, () => undefined);
  },
  ENABLE: (command, connection) => {
    const offered = connection.script.capabilitiesAfterLogin;
    const enabled = command.args
      .toUpperCase()
      .split(' ')
      .filter((name) => offered.includes(name));
    for (const name of enabled) connection.enabled.add(name);
    if (enabled.includes('QRESYNC')) connection.enabled.add('CONDSTORE');
    connection.send(`* ENABLED${enabled.map((name) => ` ${name}`).join('')}\r\n`);
    connection.ok(command);
  },
  NOTIFY: (command, connection) => {
    connection.notify = command.args;
    connection.ok(command);
  },
};

function select(command: ParsedCommand, connection: UpstreamConnection, store: MailStore): void {
  connection.selected = undefined;
  const [name] = readStrings(command.args);
  const mailbox = name === undefined ? undefined : store.mailbox(String(connection.user), name.toString());
  if (mailbox === undefined) {
    connection.no(command, '[NONEXISTENT] no such mailbox');
    return;
  }
  connection.selected = mailbox;
  connection.isReadOnly = command.verb === 'EXAMINE';
  noteEnabling(command, connection);
  connection.send('* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n');
  connection.send(`* ${String(mailbox.messages.length)} EXISTS\r\n* 0 RECENT\r\n`);
  connection.send(`* OK [UIDVALIDITY 1] valid\r\n* OK [UIDNEXT ${String(mailbox.nextUid)}] next\r\n`);
  sendModseqOfMailbox(command, connection);
  connection.ok(command, `[READ-${connection.isReadOnly ? 'ONLY' : 'WRITE'}] ${mailbox.name} selected`);
}

function list(command: ParsedCommand, connection: UpstreamConnection, store: MailStore): void {
  const pattern = readStrings(command.args).at(1)?.toString() ?? '';
  for (const name of store.mailboxes(String(connection.user)).keys()) {
    if (pattern === '*' || pattern === '%' || pattern === name) {
      connection.send(`* ${command.verb} () "/" ${quote(name)}\r\n`);
    }
  }
  connection.ok(command);
}

function fetch(command: ParsedCommand, connection: UpstreamConnection): void {
  withSelected(command, connection, (mailbox) => {
    const byUid = command.verb === 'UID FETCH';
    const items = command.args.toUpperCase();
    noteEnabling(command, connection);
    for (const [sequence, message] of pick(mailbox, command.args, byUid)) {
      const parts = [`FLAGS (${[...message.flags].join(' ')})`];
      if (byUid || /\bUID\b/.test(items)) parts.unshift(`UID ${String(message.uid)}`);
      if (items.includes('RFC822.SIZE')) parts.push(`RFC822.SIZE ${String(message.body.length)}`);
      const head = Buffer.from(
        `* ${String(sequence)} FETCH (${parts.join(' ')}${modseqItem(connection, message)}`,
      );
      const body = /BODY(?:\.PEEK)?\[\]|RFC822\b(?!\.)/.test(items)
        ? [Buffer.from(` BODY[] {${String(message.body.length)}}\r\n`), message.body]
        : [];
      connection.send(Buffer.concat([head, ...body, Buffer.from(')\r\n')]));
    }
  });
}

function storeFlags(command: ParsedCommand, connection: UpstreamConnection): void {
  withSelected(command, connection, (mailbox) => {
    const flags = command.args.match(/\\\w+/g) ?? [];
    noteEnabling(command, connection);
    for (const [sequence, message] of pick(mailbox, command.args, command.verb === 'UID STORE')) {
      for (const flag of flags) {
        if (command.args.includes('-FLAGS')) message.flags.delete(flag);
        else message.flags.add(flag);
      }
      const flagsNow = [...message.flags].join(' ');
      connection.send(
        `* ${String(sequence)} FETCH (FLAGS (${flagsNow})${modseqItem(connection, message)})\r\n`,
      );
    }
  });
}

function search(command: ParsedCommand, connection: UpstreamConnection): void {
  withSelected(command, connection, (mailbox) => {
    const numbers = mailbox.messages.map((message, at) => (command.verb === 'SEARCH' ? at + 1 : message.uid));
    connection.send(`* SEARCH${numbers.map((number) => ` ${String(number)}`).join('')}\r\n`);
  });
}

function withSelected(
  command: ParsedCommand,
  connection: UpstreamConnection,
  action: (mailbox: Mailbox) => void,
): void {
  if (connection.selected === undefined) {
    connection.bad(command, 'no mailbox selected');
    return;
  }
  action(connection.selected);
  connection.ok(command);
}

function expunge(mailbox: Mailbox, tell: (sequence: number, uid: number) => void): void {
  for (let at = 0; at < mailbox.messages.length;) {
    const message = mailbox.messages[at];
    if (message?.flags.has('\\Deleted') !== true) {
      at += 1;
      continue;
    }
    mailbox.messages.splice(at, 1);
    tell(at + 1, message.uid);
  }
}

/** The messages of a sequence set, with their sequence numbers. */
function pick(mailbox: Mailbox, args: string, byUid: boolean): [number, StoredMessage][] {
  const ranges = (args.split(' ')[0] ?? '').split(',').map((range) => {
    const [low = '', high = low] = range.split(':');
    const value = (text: string): number => (text === '*' ? Number.MAX_SAFE_INTEGER : Number(text));
    return { low: Math.min(value(low), value(high)), high: Math.max(value(low), value(high)) };
  });
  return mailbox.messages
    .map((message, at): [number, StoredMessage] => [at + 1, message])
    .filter(([sequence, message]) => {
      const number = byUid ? message.uid : sequence;
      return ranges.some(({ low, high }) => number >= low && number <= high);
    });
}

function quote(name: string): string {
  return /^[\w@.+-]+$/.test(name) ? name : `"${name.replace(/["\\]/g, '\\$&')}"`;
}
