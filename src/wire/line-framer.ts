/**
 * Owns the splitting of a byte stream into lines and literals (RFC 9051 §2.2, §4.3), without copying and without
 * looking at any byte twice. It doesn't decide whether a line opens a literal: who reads the lines does.
 */

/** Line heads are held back until so many bytes are there, so that a reader can judge a line before it passes. */
export const HEAD_BYTES = 128;
/** The end of an unfinished line is held back, so that a literal's marker is judged before any of it passes. */
export const TAIL_BYTES = 24;

const LF = 0x0a;
const EMPTY = Buffer.alloc(0);

/**
 * - `line`: the rest of a line, its LF included.
 * - `part`: some of a line that is longer than {@link HEAD_BYTES} and not complete yet.
 * - `literal`: some bytes of a literal.
 */
export type SegmentKind = 'line' | 'part' | 'literal';

/**
 * Push bytes, then call {@link next} until it says false; the public fields describe the segment it found.
 * Stopping early is allowed: what wasn't looked at stays, in front of what is pushed later.
 */
export class LineFramer {
  kind: SegmentKind = 'line';
  /** The segment is `buffer.subarray(start, end)`. */
  start = 0;
  end = 0;
  /** Whether the segment is the first of its line: its head (up to HEAD_BYTES) is then at `start`. */
  isLineStart = true;

  #buffer: Buffer = EMPTY;
  #offset = 0;
  #isInsideLine = false;
  #literalRemaining = 0;
  #hasFailed = false;

  /** The bytes that `start` and `end` count in. Valid until the next {@link push}. */
  get buffer(): Buffer {
    return this.#buffer;
  }

  /** Where the bytes begin that no segment covered yet. */
  get offset(): number {
    return this.#offset;
  }

  /** How many bytes were pushed and not yet covered by a segment. */
  get pendingBytes(): number {
    return this.#buffer.length - this.#offset;
  }

  /** How many bytes of the current literal are still to come. */
  get literalRemaining(): number {
    return this.#literalRemaining;
  }

  /** Whether a `part` of the current line was given out, and its end was not. */
  get isInsideLine(): boolean {
    return this.#isInsideLine;
  }

  /** Takes ownership of the chunk until all of it is covered by segments. */
  push(chunk: Buffer): void {
    if (this.#hasFailed) return;
    const pending = this.#buffer.length - this.#offset;
    this.#buffer = pending === 0 ? chunk : Buffer.concat([this.#buffer.subarray(this.#offset), chunk]);
    this.#offset = 0;
  }

  /**
   * The next `size` bytes are a literal. Allowed after a `line` segment only.
   *
   * @param size - 0 is allowed (RFC 9051 §4.3): the line then simply goes on
   */
  openLiteral(size: number): void {
    this.#literalRemaining = size;
  }

  /** The stream can't be trusted any more: nothing is found in it again. */
  fail(): void {
    this.#hasFailed = true;
    this.discard();
  }

  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** Throws away everything that no segment covered yet. */
  discard(): void {
    this.#buffer = EMPTY;
    this.#offset = 0;
  }

  /** Gives the segment found last back, to be found again: for a reader that can't go on with it yet. */
  unread(): void {
    this.#offset = this.start;
    if (this.kind === 'literal') this.#literalRemaining += this.end - this.start;
    else this.#isInsideLine = !this.isLineStart;
  }

  /** Finds the next segment; false means that more bytes are needed. */
  next(): boolean {
    const buffer = this.#buffer;
    const from = this.#offset;
    if (from === buffer.length) {
      this.#buffer = EMPTY;
      this.#offset = 0;
      return false;
    }
    if (this.#literalRemaining > 0) {
      const end = Math.min(buffer.length, from + this.#literalRemaining);
      this.#literalRemaining -= end - from;
      return this.#found('literal', from, end);
    }
    const lf = buffer.indexOf(LF, from);
    if (lf !== -1) {
      this.isLineStart = !this.#isInsideLine;
      this.#isInsideLine = false;
      return this.#found('line', from, lf + 1);
    }
    const held = this.#isInsideLine ? TAIL_BYTES : HEAD_BYTES;
    if (buffer.length - from <= held) {
      // A small copy, so that a few held bytes don't keep a whole read buffer alive.
      if (from > 0) this.#buffer = Buffer.from(buffer.subarray(from));
      this.#offset = 0;
      return false;
    }
    this.isLineStart = !this.#isInsideLine;
    this.#isInsideLine = true;
    return this.#found('part', from, buffer.length - TAIL_BYTES);
  }

  #found(kind: SegmentKind, start: number, end: number): true {
    this.kind = kind;
    this.start = start;
    this.end = end;
    this.#offset = end;
    return true;
  }
}
