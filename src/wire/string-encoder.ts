/** Owns the writing of strings: what may be quoted, and how (RFC 9051 §4.3). */

/** Whether the bytes may stand in a quoted string: 7-bit, and no NUL, CR or LF. */
export function quotable(bytes: Buffer): boolean {
  return !/[\0\r\n\x80-\xff]/.test(bytes.toString('latin1'));
}

/** A quoted string of bytes that are {@link quotable}. */
export function quoted(bytes: Buffer): Buffer {
  return Buffer.from(`"${bytes.toString('latin1').replace(/["\\]/g, '\\$&')}"`, 'latin1');
}
