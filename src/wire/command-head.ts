/** Owns the reading of a command's tag and verb from the first bytes of its line (RFC 9051 §2.2.1, §9). */

import { HEAD_BYTES } from './line-framer.js';
import { verbRow } from './verbs.js';
import type { VerbRow } from './verbs.js';

export interface CommandHead {
  readonly tag: string;
  readonly row: VerbRow;
}

/**
 * tag SP verb, then a space or the line's end; a tag is 1*<any ASTRING-CHAR except "+">. Longer tags are refused, since
 * the reply must show tag and status within its head.
 */

const HEAD = /^([^\0-\x20(){%*"\\+\x7f-\xff]{1,100}) ([^\0-\x20\x7f-\xff]+)(?: ([^\0-\x20\x7f-\xff]+))?/;
const AFTER_WORD = /^[ \r\n]/;

/**
 * @returns undefined if the line has no tag and verb of the grammar within {@link HEAD_BYTES}: such a line is
 *   answered here and never forwarded, since servers differ in what they make of it
 */
export function readCommandHead(buffer: Buffer, start: number, end: number): CommandHead | undefined {
  const text = buffer.toString('latin1', start, Math.min(end, start + HEAD_BYTES));
  const match = HEAD.exec(text);
  if (match === null) return undefined;
  const [, tag = '', first = '', second = ''] = match;
  const verb = first.toUpperCase();
  const isPair = verb === 'UID' && second !== '';
  const wordEnd = tag.length + 1 + first.length + (isPair ? 1 + second.length : 0);
  if (!AFTER_WORD.test(text.slice(wordEnd, wordEnd + 1))) return undefined;
  return { tag, row: verbRow(isPair ? `UID ${second.toUpperCase()}` : verb) };
}

/** The tag for a tagged BAD, if the line has at least that: `undefined` means that only `* BAD` can be said. */
export function readTag(buffer: Buffer, start: number, end: number): string | undefined {
  return /^([^\0-\x20(){%*"\\+\x7f-\xff]{1,100})[ \r\n]/.exec(
    buffer.toString('latin1', start, Math.min(end, start + HEAD_BYTES)),
  )?.[1];
}
