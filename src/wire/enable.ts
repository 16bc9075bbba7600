/** Owns the reading of what a command would enable on its connection for good (RFC 5161 §3.1, RFC 7162 §3.1). */

import type { VerbRow } from './verbs.js';

/** What is to be enabled on a connection. */
export interface EnableRequest {
  /** The arguments of ENABLE in upper case, as they were given. */
  readonly text: string;
  /** Equal requests in any order, and what they imply, are one set: sorted, with a space between. */
  readonly set: string;
}

/** How a server answered one ENABLE: to be said again to every client that asks the same. */
export interface EnableReply {
  /** `* ENABLED` lines. */
  readonly untagged: Buffer;
  /** The tagged OK behind its tag. */
  readonly tagged: Buffer;
}

/** Longer requests are forwarded like any other command, and their connection is retired. */
const MAX_NAMES = 16;
const REQUEST = /^[^ ]+ ENABLE((?: [A-Z0-9][A-Z0-9=._+/:-]{0,63})+)\r?\n$/i;

/** What CONDSTORE-enabling commands need, as a request of our own. */
export const CONDSTORE: EnableRequest = Object.freeze({ text: 'CONDSTORE', set: 'CONDSTORE' });

/** @returns undefined if the line is no ENABLE, or an odd one */
export function readEnableRequest(buffer: Buffer, start: number, end: number): EnableRequest | undefined {
  if (end - start > MAX_FORM_BYTES) return undefined;
  const text = REQUEST.exec(buffer.toString('latin1', start, end))?.[1]
    ?.slice(1)
    .toUpperCase();
  const names = new Set(text?.split(' '));
  if (text === undefined || names.size > MAX_NAMES) return undefined;
  // QRESYNC enables CONDSTORE, too (RFC 7162 §3.2.3).
  if (names.has('QRESYNC')) names.add('CONDSTORE');
  return { text, set: [...names].sort().join(' ') };
}

/** Whether CONDSTORE is enabled on the connections of a set. */
export function hasCondstore(set: string): boolean {
  return set.split(' ').includes('CONDSTORE');
}

/** Judging a line may take the square of its length. */
const MAX_FORM_BYTES = 2_048;

const MAILBOX = String.raw`(?:"(?:[^"\\\r\n]|\\["\\])*"|[^ "(){\r\n]+)`;
/** tag verb mailbox (words): parameters of SELECT, or items of STATUS. */
const WITH_WORDS = new RegExp(
  String.raw`^[^ ]+ (?:SELECT|EXAMINE|STATUS) ${MAILBOX} \(([^"()\r\n]*)\)\r?\n$`,
  'i',
);
/** CONDSTORE-enabling commands of the authenticated state; in the selected state a session isn't pristine. */
const CONDSTORE_WORD: Readonly<Record<string, string>> = {
  SELECT: 'CONDSTORE',
  EXAMINE: 'CONDSTORE',
  STATUS: 'HIGHESTMODSEQ',
};

/** Whether a whole command enables CONDSTORE beyond doubt: where it only may, nobody's connection is to have it. */
export function enablesCondstore(row: VerbRow, buffer: Buffer, start: number, end: number): boolean {
  const word = end - start > MAX_FORM_BYTES ? undefined : CONDSTORE_WORD[row.verb];
  if (word === undefined) return false;
  const words = WITH_WORDS.exec(buffer.toString('latin1', start, end))?.[1];
  return words?.toUpperCase().split(' ').includes(word) === true;
}
