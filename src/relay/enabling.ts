/** Owns what becomes of a command that enables something for good: on a pristine session it finds a connection of its set. */

import type { Lease } from '../pool/lease.js';
import type { CommandHead } from '../wire/command-head.js';
import { CONDSTORE, enablesCondstore, readEnableRequest } from '../wire/enable.js';
import type { EnableReply, EnableRequest } from '../wire/enable.js';
import type { LineFramer } from '../wire/line-framer.js';

/**
 * - `pass`: the command is passed on like any other.
 * - `quiet`: everything before it has to be answered first.
 * - `ask`: the session needs a lease on which this is enabled.
 * - `answer`: it is enabled, and this is what the server said to it.
 */
export type EnablingStep =
  | { readonly kind: 'pass' | 'quiet' }
  | { readonly kind: 'ask'; readonly request: EnableRequest }
  | { readonly kind: 'answer'; readonly reply: EnableReply };

const PASS: EnablingStep = Object.freeze({ kind: 'pass' });
const QUIET: EnablingStep = Object.freeze({ kind: 'quiet' });

export class Enabling {
  /** What was asked for, until the command is looked at again. */
  #asked: string | undefined;

  /** What was asked for was refused: the next command begins anew. */
  forget(): void {
    this.#asked = undefined;
  }

  /**
   * What to do with a command that has come in one piece.
   *
   * @param framer - has just found its line
   * @param isQuiet - whether everything before it is answered
   */
  next({ row }: CommandHead, framer: LineFramer, lease: Lease | undefined, isQuiet: boolean): EnablingStep {
    const { buffer, start, end } = framer;
    const isEnable = row.verb === 'ENABLE';
    const request = isEnable
      ? readEnableRequest(buffer, start, end)
      : enablesCondstore(row, buffer, start, end)
        ? CONDSTORE
        : undefined;
    if (request === undefined) return PASS;
    if (lease !== undefined && this.#asked === request.text) {
      this.#asked = undefined;
      const { enabled } = lease;
      const isGranted = isEnable && enabled?.request.text === request.text;
      return isGranted ? { kind: 'answer', reply: enabled.reply } : PASS;
    }
    if (lease !== undefined && !lease.isPristine) return PASS;
    if (!isQuiet) return QUIET;
    this.#asked = request.text;
    return { kind: 'ask', request };
  }
}
