/** Owns the reading of what a response line is, from its first bytes (RFC 9051 §7). */

import { HEAD_BYTES } from './line-framer.js';

export type TaggedStatus = 'OK' | 'NO' | 'BAD';

/**
 * - `data`: an untagged response that may carry literals.
 * - `status`: an untagged OK, NO, BAD or PREAUTH; its text may end in `{10}` and is no literal.
 * - `namespace`: data, too, and worth remembering.
 * - `capability`: `* CAPABILITY`, or any status line whose response code is CAPABILITY; tagged ones come as `tagged`.
 * - `malformed`: not a response of the grammar: nothing that follows is provable.
 */
export type ResponseHead =
  | {
      readonly kind:
        'data' | 'namespace' | 'status' | 'capability' | 'bye' | 'enabled' | 'continuation' | 'malformed';
    }
  | {
      readonly kind: 'tagged';
      readonly tag: string;
      readonly status: TaggedStatus;
      readonly hasCapability: boolean;
    };

const DATA = Object.freeze({ kind: 'data' });
const NAMESPACE = Object.freeze({ kind: 'namespace' });
const STATUS = Object.freeze({ kind: 'status' });
const CAPABILITY = Object.freeze({ kind: 'capability' });
const BYE = Object.freeze({ kind: 'bye' });
const ENABLED = Object.freeze({ kind: 'enabled' });
const CONTINUATION = Object.freeze({ kind: 'continuation' });
const MALFORMED = Object.freeze({ kind: 'malformed' });

const STAR = 0x2a;
const PLUS = 0x2b;
const SPACE = 0x20;
const CR = 0x0d;
const LF = 0x0a;

const UNTAGGED = /^([A-Z][^ \r\n]*)(?=[ \r\n])( +\[CAPABILITY(?=[ \]]))?/i;
const TAGGED = /^([^ \r\n]+) (OK|NO|BAD)(?=[ \r\n])( +\[CAPABILITY(?=[ \]]))?/i;

export function readResponseHead(buffer: Buffer, start: number, end: number): ResponseHead {
  const first = buffer[start];
  const second = buffer[start + 1];
  if (first === STAR && second === SPACE) return untagged(buffer, start + 2, end);
  if (first === PLUS && (second === SPACE || second === CR || second === LF)) return CONTINUATION;
  const match = TAGGED.exec(headText(buffer, start, end));
  if (match === null) return MALFORMED;
  const [, tag = '', status = '', capability] = match;
  return {
    kind: 'tagged',
    tag,
    status: status.toUpperCase() as TaggedStatus,
    hasCapability: capability !== undefined,
  };
}

function untagged(buffer: Buffer, start: number, end: number): ResponseHead {
  const first = buffer[start] ?? 0;
  // Message data, by far the most frequent line, is known by its digit alone.
  if (first >= 0x30 && first <= 0x39) return DATA;
  const match = UNTAGGED.exec(headText(buffer, start, end));
  if (match === null) return MALFORMED;
  const [, word = '', capability] = match;
  switch (word.toUpperCase()) {
    case 'OK':
    case 'NO':
    case 'BAD':
    case 'PREAUTH':
      return capability === undefined ? STATUS : CAPABILITY;
    case 'BYE':
      return BYE;
    case 'NAMESPACE':
      return NAMESPACE;
    case 'CAPABILITY':
      return CAPABILITY;
    case 'ENABLED':
      return ENABLED;
    default:
      return DATA;
  }
}

function headText(buffer: Buffer, start: number, end: number): string {
  return buffer.toString('latin1', start, Math.min(end, start + HEAD_BYTES));
}
