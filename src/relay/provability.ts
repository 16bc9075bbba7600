/**
 * Owns the doubts about a lease: what a client sent that servers may read in more than one way, or that leaves state which
 * no reset undoes. Any doubt retires the connection at release; it costs one login.
 */

import type { Lease } from '../pool/lease.js';
import type { OutstandingCommand } from '../wire/command-ledger.js';
import { TAIL_BYTES } from '../wire/line-framer.js';
import type { LineFramer } from '../wire/line-framer.js';
import { isPlainLine, isPlainPart } from '../wire/literal.js';
import type { MarkerResult } from '../wire/literal.js';
import type { TaggedStatus } from '../wire/response-head.js';
import { hasFixedForm, mentionsCondstore } from '../wire/verbs.js';

/** Servers count bad commands and cut the connection off: the next client must not pay for this one's. */
const MAX_BAD_REPLIES = 3;

export class Provability {
  /** Commands whose reply has to prove that their literals were read as literals. */
  readonly #unproven = new Set<OutstandingCommand>();
  #badReplies = 0;

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
    if (row.effect === 'sticky' || this.#isOdd(framer, marker) || this.#mayEnableCondstore(command, framer))
      lease.markDirty();
    else if (typeof marker === 'object' && !marker.isSynchronizing)
      this.#expectProof(lease, command, framer, isFirst);
  }

  answered(lease: Lease, command: OutstandingCommand, status: TaggedStatus): void {
    if (status === 'BAD') this.#badReplies += 1;
    const isUnproven = this.#unproven.delete(command) && !isProof(command, status);
    if (isUnproven || this.#badReplies >= MAX_BAD_REPLIES) lease.markDirty();
  }

  /** Bytes and braces of which servers differ in what they make. */
  #isOdd({ kind, buffer, start, end }: LineFramer, marker: MarkerResult): boolean {
    if (kind === 'literal') return false;
    if (kind === 'part') return !isPlainPart(buffer, start, end);
    return marker === 'malformed' || !isPlainLine(buffer, start, end);
  }

  #mayEnableCondstore({ row }: OutstandingCommand, framer: LineFramer): boolean {
    if (!row.mayEnableCondstore) return false;
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
   * A server that doesn't understand a line, or doesn't need the rest of it, may skip it and read the literal's bytes as
   * commands. These could even be balanced so that every tag is answered.
   */
  #expectProof(lease: Lease, command: OutstandingCommand, framer: LineFramer, isFirst: boolean): void {
    const { buffer, start, end } = framer;
    const isProvable =
      command.row.literalProof === 'succeeded' || (isFirst && hasFixedForm(command.row, buffer, start, end));
    if (isProvable) this.#unproven.add(command);
    else lease.markDirty();
  }
}

/** Which of two replies with one tag is whose can't be known, so it proves nothing. */
function isProof({ row, hasTwin }: OutstandingCommand, status: TaggedStatus): boolean {
  if (hasTwin) return false;
  return row.literalProof === 'accepted' ? status !== 'BAD' : status === 'OK';
}
