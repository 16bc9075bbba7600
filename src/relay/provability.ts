/**
 * Owns the doubts about a lease: what a client sent that servers may read in more than one way, or that leaves state which
 * no reset undoes. Any doubt retires the connection at release; it costs one login.
 */

import type { Lease } from '../pool/lease.js';
import type { OutstandingCommand } from '../wire/command-ledger.js';
import { hasCondstore } from '../wire/enable.js';
import { TAIL_BYTES } from '../wire/line-framer.js';
import type { LineFramer } from '../wire/line-framer.js';
import { isPlainLine, isPlainPart } from '../wire/literal.js';
import type { MarkerResult } from '../wire/literal.js';
import type { TaggedStatus } from '../wire/response-head.js';
import { hasFixedForm, mentionsCondstore } from '../wire/verbs.js';

const CRLF_BYTES = 2;
const DONE = /^DONE\r\n$/i;

/** Whether the segment that the framer has just found is the line that ends IDLE (RFC 2177 §3). */
export function isDone({ kind, buffer, start, end }: LineFramer): boolean {
  return kind === 'line' && DONE.test(buffer.toString('latin1', start, end));
}

export class Provability {
  /** Commands of which only OK proves that the server has read all of them, and as we did. */
  readonly #needsOk = new Set<OutstandingCommand>();

  /**
   * Looks at a segment of a command just before it is passed on.
   *
   * @param framer - has just found the segment
   * @param marker - how the segment ends, if it is the end of a line
   * @param isFirst - whether it is the command's first segment
   */
  sending(
    lease: Lease,
    command: OutstandingCommand,
    framer: LineFramer,
    marker: MarkerResult,
    isFirst: boolean,
  ): void {
    if (lease.isDirty) return;
    const { row } = command;
    if (
      row.effect === 'sticky' ||
      this.#isOdd(framer, marker) ||
      this.#mayEnableCondstore(lease, command, framer)
    )
      lease.markDirty();
    else if (row.literalProof !== 'accepted') this.#expectProof(lease, command, marker);
    else if (!this.#hasFixedForm(command, framer, isFirst)) this.#expectMore(lease, command, marker);
  }

  answered(lease: Lease, command: OutstandingCommand, status: TaggedStatus): void {
    // BAD: the server has not understood the line, and what it made of the rest of it is not known. It may count, too.
    // Which of two replies with one tag is whose can't be known either.
    const isDoubtful = this.#needsOk.delete(command) && (command.hasTwin || status !== 'OK');
    if (status === 'BAD' || isDoubtful) lease.markDirty();
  }

  /** Bytes and braces of which servers differ in what they make. */
  #isOdd({ kind, buffer, start, end }: LineFramer, marker: MarkerResult): boolean {
    if (kind === 'literal') return false;
    if (kind === 'part') return !isPlainPart(buffer, start, end);
    return marker === 'malformed' || !isPlainLine(buffer, start, end);
  }

  #mayEnableCondstore({ set }: Lease, { row }: OutstandingCommand, framer: LineFramer): boolean {
    if (!row.mayEnableCondstore || hasCondstore(set)) return false;
    const { kind, buffer, start, end, literalRemaining } = framer;
    // A word could be cut in two in a literal that comes in pieces, and strings of these commands are short anyway.
    if (kind === 'literal' && literalRemaining > 0) return true;
    // A part is cut anywhere: what is held back behind it is looked at, too.
    return mentionsCondstore(
      buffer,
      start,
      Math.min(buffer.length, end + (kind === 'part' ? TAIL_BYTES : 0)),
    );
  }

  /**
   * A server that doesn't need the rest of a line may skip it and read a literal's bytes as commands. These could even
   * be balanced so that every tag is answered.
   */
  #expectProof(lease: Lease, command: OutstandingCommand, marker: MarkerResult): void {
    if (typeof marker !== 'object' || marker.isSynchronizing) return;
    if (command.row.literalProof === 'succeeded') this.#needsOk.add(command);
    else lease.markDirty();
  }

  /** Its first line with the marker, the literal, and the line's end. */
  #hasFixedForm({ row }: OutstandingCommand, framer: LineFramer, isFirst: boolean): boolean {
    const { kind, buffer, start, end } = framer;
    if (isFirst) return hasFixedForm(row, buffer, start, end);
    return kind === 'literal' || (kind === 'line' && end - start === CRLF_BYTES);
  }

  /**
   * A command that has a fixed form, and not here. Dovecot 2.3 answers NO to an APPEND to a mailbox that doesn't exist
   * before it has read the line: it then runs the rest of it, or swallows what follows.
   */
  #expectMore(lease: Lease, command: OutstandingCommand, marker: MarkerResult): void {
    if (typeof marker === 'object' && !marker.isSynchronizing) lease.markDirty();
    else this.#needsOk.add(command);
  }
}
