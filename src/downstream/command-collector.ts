/** Owns the collecting of whole commands before login, within limits that a stranger can't exceed (RFC 7888 §4). */

import type { WholeCommand } from '../wire/argument-reader.js';
import type { LineFramer } from '../wire/line-framer.js';
import { readCommandLiteral } from '../wire/literal.js';

/** The longest line; room for a large OAuth token in base64. */
export const MAX_LINE_BYTES = 16_384;
/** The longest literal; what LITERAL- allows, and more than any user name or password. */
export const MAX_LITERAL_BYTES = 4_096;
/** A command as a whole; ID with its 30 pairs (RFC 2971 §3.3) has room in it. */
export const MAX_COMMAND_BYTES = 65_536;

/**
 * - `more`: nothing complete yet.
 * - `continue`: the client waits for `+` before it sends a literal.
 * - `refused`: the command is over, and can't be understood; the client may go on.
 * - `fatal`: where the next command begins is unknown, or only after more bytes than anybody should send.
 */
export type Collected =
  | { readonly kind: 'more' | 'continue' }
  | { readonly kind: 'command'; readonly command: WholeCommand }
  | { readonly kind: 'refused'; readonly line: Buffer; readonly reason: string }
  | { readonly kind: 'fatal'; readonly reason: string };

const MORE: Collected = Object.freeze({ kind: 'more' });
const CONTINUE: Collected = Object.freeze({ kind: 'continue' });

export class CommandCollector {
  readonly #framer: LineFramer;
  #lines: Buffer[] = [];
  #literals: Buffer[] = [];
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  #commandBytes = 0;
  /** Size of the literal that is being collected. */
  #literalBytes: number | undefined;

  constructor(framer: LineFramer) {
    this.#framer = framer;
  }

  /** Whether a command was begun and is not complete. */
  get isInside(): boolean {
    return this.#lines.length > 0 || this.#pieceBytes > 0 || this.#framer.pendingBytes > 0;
  }

  /** Reads up to the end of the next command, and no further: what is behind it may not be for this reader. */
  next(): Collected {
    const framer = this.#framer;
    while (framer.next()) {
      this.#pieces.push(Buffer.from(framer.buffer.subarray(framer.start, framer.end)));
      this.#pieceBytes += framer.end - framer.start;
      if (framer.kind === 'literal') {
        if (this.#pieceBytes === this.#literalBytes) this.#endLiteral();
        continue;
      }
      if (this.#pieceBytes > MAX_LINE_BYTES)
        return fatal(`Line too long, the limit is ${String(MAX_LINE_BYTES)} bytes`);
      if (framer.kind === 'line') {
        const collected = this.#endLine();
        if (collected !== MORE) return collected;
      }
    }
    return MORE;
  }

  #endLine(): Collected {
    const line = this.#take();
    const marker = readCommandLiteral(line, 0, line.length);
    if (marker === 'malformed') return this.#refuse(line, 'Malformed literal');
    if (marker === undefined) {
      const command = {
        lines: [...this.#lines, line.subarray(0, endOfText(line))],
        literals: this.#literals,
      };
      this.#reset();
      return { kind: 'command', command };
    }
    this.#commandBytes += line.length + marker.size;
    if (marker.size > MAX_LITERAL_BYTES || this.#commandBytes > MAX_COMMAND_BYTES) {
      const reason = `Literal too large, the limits are ${String(MAX_LITERAL_BYTES)} bytes and ${String(MAX_COMMAND_BYTES)} for the command`;
      return marker.isSynchronizing ? this.#refuse(line, reason) : fatal(reason);
    }
    this.#lines.push(line.subarray(0, line.lastIndexOf('{')));
    this.#literalBytes = marker.size;
    this.#framer.openLiteral(marker.size);
    if (marker.size === 0) this.#endLiteral();
    return marker.isSynchronizing ? CONTINUE : MORE;
  }

  #endLiteral(): void {
    this.#literals.push(this.#take());
    this.#literalBytes = undefined;
  }

  #refuse(line: Buffer, reason: string): Collected {
    const first = this.#lines[0] ?? line;
    this.#reset();
    return { kind: 'refused', line: first, reason };
  }

  #take(): Buffer {
    const bytes = this.#pieces.length === 1 ? this.#pieces[0] : undefined;
    const taken = bytes ?? Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#pieceBytes = 0;
    return taken;
  }

  #reset(): void {
    this.#lines = [];
    this.#literals = [];
    this.#commandBytes = 0;
  }
}

function fatal(reason: string): Collected {
  return { kind: 'fatal', reason };
}

function endOfText(line: Buffer): number {
  const lf = line.length - 1;
  return lf > 0 && line[lf - 1] === 0x0d ? lf - 1 : lf;
}
