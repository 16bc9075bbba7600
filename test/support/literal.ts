// Reads and writes the literal marks of RFC 9051 §4.3, RFC 7888 and RFC 3516 for the test peers (independent of src/).

export type LiteralKind = 'sync' | 'non-sync' | 'literal8';

/** A literal as part of a command that a raw client sends. */
export interface Literal {
  readonly bytes: Buffer;
  readonly kind: LiteralKind;
}

/** The announcement `{n}`, `{n+}` or `~{n}` at the end of a line. */
export interface LiteralMark {
  readonly size: number;
  readonly isSync: boolean;
}

/** Makes a literal part for `RawClient.command`. */
export function literal(content: string | Buffer, kind: LiteralKind = 'sync'): Literal {
  return { bytes: typeof content === 'string' ? Buffer.from(content) : content, kind };
}

/** The announcement line's tail for this literal, with its CRLF. */
export function renderMark(part: Literal): string {
  const size = String(part.bytes.length);
  if (part.kind === 'literal8') return `~{${size}}\r\n`;
  return part.kind === 'sync' ? `{${size}}\r\n` : `{${size}+}\r\n`;
}

/** The mark at the end of a line (with or without its line end), or undefined. */
export function readMark(line: Buffer): LiteralMark | undefined {
  const tail = line.subarray(Math.max(0, line.length - 24)).toString('latin1');
  const match = /\{(\d{1,15})(\+?)\}\r?\n?$/.exec(tail);
  if (match?.[1] === undefined) return undefined;
  return { size: Number(match[1]), isSync: match[2] !== '+' };
}
