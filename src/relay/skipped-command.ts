/** Owns a command that is taken out of the client's stream: where it ends, and what is said to it. */

import type { LineFramer } from '../wire/line-framer.js';
import { readCommandLiteral } from '../wire/literal.js';

/** A refused command's literals are thrown away up to this; above it the client is cut off (RFC 7888 §4). */
const MAX_SKIPPED_BYTES = 1_048_576;

export class SkippedCommand {
  /** Gives the answer; to be called when the command is over. */
  readonly answer: () => void;
  #bytes = 0;

  constructor(answer: () => void) {
    this.answer = answer;
  }

  /**
   * Takes the segment that the framer has just found.
   *
   * @returns `too_big` if the command is longer than anybody should throw away
   */
  take(framer: LineFramer): 'more' | 'over' | 'too_big' {
    const { kind, buffer, start, end } = framer;
    this.#bytes += end - start;
    if (this.#bytes > MAX_SKIPPED_BYTES) return 'too_big';
    if (kind !== 'line') return 'more';
    const marker = readCommandLiteral(buffer, start, end);
    // A synchronizing literal is never sent: the client gets the answer instead of `+`.
    if (typeof marker !== 'object' || marker.isSynchronizing) return 'over';
    framer.openLiteral(marker.size);
    return 'more';
  }
}
