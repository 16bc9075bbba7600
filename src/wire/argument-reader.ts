/** Owns the reading of a whole command's arguments: atoms, quoted strings and literals (RFC 9051 §4, §9 astring). */

/** A command that is complete: its lines without line ends and literal markers, and the literals between them. */
export interface WholeCommand {
  readonly lines: readonly Buffer[];
  /** One less than lines: `literals[i]` stands between `lines[i]` and `lines[i + 1]`. */
  readonly literals: readonly Buffer[];
}

const SPACE = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** What ends an atom here; `%`, `*` and 8-bit bytes are let through, as servers do in LOGIN. */
const ATOM = /^[^\0-\x20(){"\\\x7f]+/;

export class ArgumentReader {
  readonly #command: WholeCommand;
  #line = 0;
  #offset: number;

  /** @param offset - where in the first line the arguments begin */
  constructor(command: WholeCommand, offset: number) {
    this.#command = command;
    this.#offset = offset;
  }

  get isAtEnd(): boolean {
    return this.#line === this.#command.lines.length - 1 && this.#offset >= this.#current.length;
  }

  /** Skips exactly one space; false if there is none. */
  space(): boolean {
    if (this.#current[this.#offset] !== SPACE) return false;
    this.#offset += 1;
    return true;
  }

  /** An astring's bytes, decoded and copied; undefined if there is none here. */
  astring(): Buffer | undefined {
    const literal = this.#command.literals[this.#line];
    if (this.#offset === this.#current.length && literal !== undefined) {
      this.#line += 1;
      this.#offset = 0;
      return Buffer.from(literal);
    }
    return this.#current[this.#offset] === QUOTE ? this.#quoted() : this.#atom();
  }

  get #current(): Buffer {
    return this.#command.lines[this.#line] ?? Buffer.alloc(0);
  }

  #atom(): Buffer | undefined {
    const text = ATOM.exec(this.#current.toString('latin1', this.#offset))?.[0];
    if (text === undefined) return undefined;
    this.#offset += text.length;
    return Buffer.from(text, 'latin1');
  }

  #quoted(): Buffer | undefined {
    const line = this.#current;
    const bytes: number[] = [];
    for (let at = this.#offset + 1; at < line.length; at += 1) {
      const byte = line[at] ?? 0;
      if (byte === QUOTE) {
        this.#offset = at + 1;
        return Buffer.from(bytes);
      }
      if (byte === BACKSLASH) {
        at += 1;
        const escaped = line[at];
        if (escaped !== QUOTE && escaped !== BACKSLASH) return undefined;
        bytes.push(escaped);
      } else {
        bytes.push(byte);
      }
    }
    return undefined;
  }
}
