/** Owns the response code and the text of a status line (RFC 9051 §7.1). */

export interface StatusText {
  /** What stands in brackets, without them; empty if there is none. */
  readonly code: string;
  readonly text: string;
}

const STATUS = /^[^ ]+ [A-Z]+(?: \[([^\]\r\n]*)\])?(?: ?([^\r\n]*))/i;

/** @param line - a tagged or untagged status line, with or without its line end */
export function readResponseCode(line: string): StatusText {
  const match = STATUS.exec(line);
  return { code: match?.[1] ?? '', text: match?.[2] ?? '' };
}
