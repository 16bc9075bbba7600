// What CONDSTORE and QRESYNC change in the scripted server's answers (RFC 7162): enough to see a leak of them.

import type { ParsedCommand } from './command.js';
import type { UpstreamConnection } from './connection.js';
import type { StoredMessage } from './mail-store.js';

/** The same for every mailbox: nothing here asks how it changes. */
const HIGHEST = 77;
const ENABLING = /\bCONDSTORE\)|HIGHESTMODSEQ|\bMODSEQ\b|CHANGEDSINCE|\(QRESYNC /i;

/** A command that enables CONDSTORE by its text, as RFC 7162 §3.1 has it. */
export function noteEnabling({ args }: ParsedCommand, connection: UpstreamConnection): void {
  if (connection.script.capabilitiesAfterLogin.includes('CONDSTORE') && ENABLING.test(withoutStrings(args)))
    connection.enabled.add('CONDSTORE');
}

/** What SELECT says besides; only where CONDSTORE is enabled, so that its absence shows, too. */
export function sendModseqOfMailbox({ args }: ParsedCommand, connection: UpstreamConnection): void {
  if (!connection.enabled.has('CONDSTORE')) return;
  connection.send(`* OK [HIGHESTMODSEQ ${HIGHEST}] highest\r\n`);
  if (connection.enabled.has('QRESYNC') && /\(QRESYNC /i.test(args))
    connection.send('* VANISHED (EARLIER) 41:43\r\n');
}

/** What FETCH and STORE say besides of each message; with a space in front. */
export function modseqItem(connection: UpstreamConnection, { uid }: StoredMessage): string {
  return connection.enabled.has('CONDSTORE') ? ` MODSEQ (${uid})` : '';
}

/** What STATUS says besides, if it is asked. */
export function modseqOfStatus({ args }: ParsedCommand): string {
  return /HIGHESTMODSEQ/i.test(withoutStrings(args)) ? ` HIGHESTMODSEQ ${HIGHEST}` : '';
}

/** EXPUNGE, or VANISHED where QRESYNC is enabled. */
export function expunged(connection: UpstreamConnection, sequence: number, uid: number): string {
  return connection.enabled.has('QRESYNC') ? `* VANISHED ${uid}\r\n` : `* ${sequence} EXPUNGE\r\n`;
}

/** Names of mailboxes and text to search for enable nothing. */
function withoutStrings(args: string): string {
  return args.replace(/"(?:[^"\\]|\\.)*"/gs, '""').replace(/^[^ ()"]+/, '');
}
