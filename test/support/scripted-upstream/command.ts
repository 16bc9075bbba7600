// What the scripted server understands of one command (RFC 9051 §2.2.1, §4.3).

/** One command as it was received. Text is latin1, so that no byte is lost. */
export interface ParsedCommand {
  readonly tag: string;
  /** Upper case; two words for `UID FETCH` and its kind. */
  readonly verb: string;
  /** Everything behind the verb, literals in place, without the final line end. */
  readonly args: string;
  readonly literals: readonly Buffer[];
  /** All bytes of the command, the final line end included. */
  readonly raw: Buffer;
}

/** The tag and the verb at the head of a line. */
export function readHead(line: Buffer): { tag: string; verb: string; length: number } {
  const text = line.subarray(0, 256).toString('latin1');
  const match = /^(\S*) ?((?:UID )?[^ \r\n]*) ?/i.exec(text);
  return { tag: match?.[1] ?? '', verb: (match?.[2] ?? '').toUpperCase(), length: match?.[0].length ?? 0 };
}

/** Splits arguments into strings: atoms, quoted strings and literals, decoded to bytes; parentheses are skipped. */
export function readStrings(args: string): Buffer[] {
  const strings: Buffer[] = [];
  let at = 0;
  while (at < args.length) {
    const rest = args.slice(at);
    const mark = /^~?\{(\d+)\+?\}\r?\n/.exec(rest);
    const quoted = /^"((?:[^"\\]|\\.)*)"/s.exec(rest);
    const atom = /^[^\s()]+/.exec(rest);
    if (mark?.[1] !== undefined) {
      const start = at + mark[0].length;
      at = start + Number(mark[1]);
      strings.push(Buffer.from(args.slice(start, at), 'latin1'));
    } else if (quoted?.[1] !== undefined) {
      at += quoted[0].length;
      strings.push(Buffer.from(quoted[1].replace(/\\(.)/gs, '$1'), 'latin1'));
    } else if (atom !== null) {
      at += atom[0].length;
      strings.push(Buffer.from(atom[0], 'latin1'));
    } else {
      at += 1;
    }
  }
  return strings;
}
