/** Owns the recognition of a literal's marker at the end of a line (RFC 9051 §4.3, RFC 7888, RFC 3516). */

import { TAIL_BYTES } from './line-framer.js';

export interface LiteralMarker {
  /** Number of bytes that follow the line. */
  readonly size: number;
  /** A synchronizing literal: its bytes come only after the server's `+`. */
  readonly isSynchronizing: boolean;
}

/**
 * - `undefined`: the line doesn't end like a literal. A `}` alone may end an atom: Dovecot 2.3 lists a mailbox `brace}`
 *   without quotes.
 * - `'malformed'`: it ends in something like a marker that is none of the grammar. Servers differ in what they make of it,
 *   so nothing that follows on this connection is provable.
 */
export type MarkerResult = LiteralMarker | 'malformed' | undefined;

const LF = 0x0a;
const CR = 0x0d;
const CLOSE = 0x7d;

interface MarkerGrammar {
  readonly marker: RegExp;
  /** What a reader might take for a marker: a brace that is opened, or a number whose beginning is out of sight. */
  readonly likeness: RegExp;
}

/** A literal stands where a string may stand: behind a space or an open parenthesis, never glued to an atom. */
const COMMAND: MarkerGrammar = { marker: /[ (]~?\{(0|[1-9]\d*)(\+?)\}$/, likeness: /\{[^{}]*\}$|^[\d+]+\}$/ };
/** Clients take any `{n}` at a line's end as a literal. */
const RESPONSE: MarkerGrammar = { marker: /\{(\d+)(\+?)\}$/, likeness: /\{[^{} ]*\}$|^[\d+]+\}$/ };

/**
 * Reads the marker of the command line that ends at `end` (its LF included).
 *
 * Leading zeros, a marker glued to an atom and a number beyond 2^53 are `'malformed'`.
 */
export function readCommandLiteral(buffer: Buffer, start: number, end: number): MarkerResult {
  return readMarker(COMMAND, buffer, start, end);
}

/** Reads the marker of the line of a data response that ends at `end`; status lines have none (RFC 9051 §7.1). */
export function readResponseLiteral(buffer: Buffer, start: number, end: number): MarkerResult {
  const marker = readMarker(RESPONSE, buffer, start, end);
  // Servers never send non-synchronizing literals (RFC 7888 §8).
  return typeof marker === 'object' && !marker.isSynchronizing ? 'malformed' : marker;
}

function readMarker(grammar: MarkerGrammar, buffer: Buffer, start: number, end: number): MarkerResult {
  let last = end - 1;
  if (last >= start && buffer[last] === LF) last -= 1;
  if (last >= start && buffer[last] === CR) last -= 1;
  if (last < start || buffer[last] !== CLOSE) return undefined;
  // What was held back of a long line ends in CR LF: with room for that, a tail is the same however the line was cut.
  const tail = buffer.toString('latin1', Math.max(start, last + 3 - TAIL_BYTES), last + 1);
  const match = grammar.marker.exec(tail);
  if (match === null) return grammar.likeness.test(tail) ? 'malformed' : undefined;
  const size = Number(match[1]);
  if (!Number.isSafeInteger(size)) return 'malformed';
  return { size, isSynchronizing: match[2] === '' };
}

/**
 * Whether every server reads the line that ends at `end` as exactly one: it ends in CR LF, and has no other CR and no NUL
 * (RFC 9051 §2.2, §9 CHAR).
 */
export function isPlainLine(buffer: Buffer, start: number, end: number): boolean {
  const line = buffer.subarray(start, end);
  return line.length >= 2 && line.indexOf(CR) === line.length - 2 && !line.includes(0);
}

/** As {@link isPlainLine}, of a segment that does not reach the line's end. */
export function isPlainPart(buffer: Buffer, start: number, end: number): boolean {
  const part = buffer.subarray(start, end);
  return !part.includes(CR) && !part.includes(0);
}
