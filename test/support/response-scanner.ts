// Finds where one server response ends, literals included (RFC 9051 §7), for the raw client.

import { readMark } from './literal.js';

/** One response: a line, or several lines joined by the literals between them. */
export interface ScannedResponse {
  /** With the final CRLF. */
  readonly bytes: Buffer;
  readonly literals: readonly Buffer[];
}

/** The response that starts at `start`, or undefined if it isn't complete yet. */
export function scanResponse(bytes: Buffer, start: number): ScannedResponse | undefined {
  const literals: Buffer[] = [];
  let lineStart = start;
  for (;;) {
    const lineFeed = bytes.indexOf(0x0a, lineStart);
    if (lineFeed === -1) return undefined;
    const line = bytes.subarray(lineStart, lineFeed + 1);
    if (lineStart === start && !canHoldLiteral(line)) return { bytes: line, literals };
    const mark = readMark(line);
    if (mark === undefined) return { bytes: bytes.subarray(start, lineFeed + 1), literals };
    const literalEnd = lineFeed + 1 + mark.size;
    if (bytes.length < literalEnd) return undefined;
    literals.push(bytes.subarray(lineFeed + 1, literalEnd));
    lineStart = literalEnd;
  }
}

/** The text of a status line, a tagged line or a continuation may end in `{10}` and still announces nothing. */
function canHoldLiteral(line: Buffer): boolean {
  const head = line.subarray(0, 16).toString('latin1');
  return head.startsWith('* ') && !/^\* (?:OK|NO|BAD|BYE|PREAUTH)\b/i.test(head);
}
