/** Owns the reading of an upstream's byte stream: which bytes pass, and what they mean (RFC 9051 §7). */

import { filterCapabilityLine, readCapabilities } from './capability.js';
import type { CapabilitySet } from './capability.js';
import type { CommandLedger, OutstandingCommand } from './command-ledger.js';
import type { LineFramer } from './line-framer.js';
import { readResponseLiteral } from './literal.js';
import { readResponseHead } from './response-head.js';
import type { ResponseHead, TaggedStatus } from './response-head.js';

/** The longest status or capability line: they are understood as a whole, unlike data, which may have any length. */
const MAX_STATUS_LINE_BYTES = 65_536;

/**
 * Who listens to an upstream. The calls of one {@link ResponseReader.read} come before the bytes that they speak of
 * were given to `forward`, so a listener notes them, and acts when `read` has returned.
 */
export interface ResponseSink {
  /** Bytes for the client: in order, never empty, valid only during the call unless the listener keeps the buffer. */
  forward(bytes: Buffer): void;
  /** @param line - the whole reply line */
  onCompleted(command: OutstandingCommand, status: TaggedStatus, line: Buffer): void;
  onContinuation(line: Buffer): void;
  onBye(line: Buffer): void;
  /** @param line - `* ENABLED`: the connection has state that no reset undoes (RFC 5161 §3.2) */
  onEnabled(line: Buffer): void;
  onCapabilities(capabilities: CapabilitySet): void;
  /** @param line - `* NAMESPACE` (RFC 2342 §5), if it came in one piece */
  onNamespace(line: Buffer): void;
  /** The stream can't be trusted any more; nothing is read or forwarded after this. */
  onDesynced(reason: string): void;
}

export class ResponseReader {
  readonly #framer: LineFramer;
  readonly #ledger: CommandLedger;
  /** The response that is being read, until its last line ended. */
  #current: ResponseHead | undefined;
  /** Some of a response was forwarded, and its end was not. */
  #isInside = false;
  #collected: Buffer[] = [];
  #collectedBytes = 0;

  constructor(framer: LineFramer, ledger: CommandLedger) {
    this.#framer = framer;
    this.#ledger = ledger;
  }

  /** Whether what was forwarded so far ends between two responses, so that the proxy may say something itself. */
  get isAtBoundary(): boolean {
    return !this.#isInside;
  }

  /** Reads everything that the framer has. */
  read(sink: ResponseSink): void {
    const framer = this.#framer;
    const buffer = framer.buffer;
    let from = framer.offset;
    let to = from;
    while (framer.next()) {
      const { start, end, kind } = framer;
      to = end;
      if (kind === 'literal') continue;
      const head = this.#current ?? this.#begin(buffer, start, kind === 'line' ? end : buffer.length, sink);
      if (isRewritten(head)) {
        if (start > from) sink.forward(buffer.subarray(from, start));
        from = end;
      }
      if (isRewritten(head) || (kind === 'part' && isStatus(head)))
        this.#collect(buffer.subarray(start, end), sink);
      if (kind === 'line' && !framer.hasFailed) this.#endLine(head, buffer, start, end, sink);
      // The line that failed is not forwarded.
      if (framer.hasFailed) to = start;
      else this.#isInside = this.#current !== undefined && !isRewritten(head);
    }
    if (to > from) sink.forward(buffer.subarray(from, to));
  }

  /** Looks at the first segment of a response; what is wrong with it shows before any of it is forwarded. */
  #begin(buffer: Buffer, start: number, end: number, sink: ResponseSink): ResponseHead {
    const head = readResponseHead(buffer, start, end);
    this.#current = head;
    if (head.kind === 'malformed') this.#fail(sink, 'a line that is no response of the grammar');
    if (head.kind === 'tagged' && !this.#ledger.has(head.tag))
      this.#fail(sink, 'a tagged reply that no command waits for');
    return head;
  }

  #endLine(head: ResponseHead, buffer: Buffer, start: number, end: number, sink: ResponseSink): void {
    if (head.kind === 'data' || head.kind === 'namespace') {
      const marker = readResponseLiteral(buffer, start, end);
      if (marker === 'malformed') {
        this.#fail(sink, 'a literal marker that is not of the grammar');
        return;
      }
      if (marker !== undefined) {
        this.#framer.openLiteral(marker.size);
        return;
      }
    }
    this.#current = undefined;
    this.#report(head, this.#whole(head, buffer.subarray(start, end)), sink);
  }

  #report(head: ResponseHead, line: Buffer, sink: ResponseSink): void {
    switch (head.kind) {
      case 'tagged': {
        const command = this.#ledger.complete(head.tag, head.status);
        if (command === undefined) throw new Error('the ledger has lost a command');
        if (head.hasCapability) passCapabilities(line, sink);
        sink.onCompleted(command, head.status, line);
        break;
      }
      case 'capability':
        passCapabilities(line, sink);
        break;
      case 'continuation':
        sink.onContinuation(line);
        break;
      case 'bye':
        sink.onBye(line);
        break;
      case 'enabled':
        sink.onEnabled(line);
        break;
      case 'namespace':
        if (this.#framer.isLineStart && !this.#isInside) sink.onNamespace(line);
        break;
      case 'data':
      case 'status':
      case 'malformed':
        break;
    }
  }

  #collect(segment: Buffer, sink: ResponseSink): void {
    // Copied: the segment's buffer is given away when the line goes on in a later read.
    this.#collected.push(Buffer.from(segment));
    this.#collectedBytes += segment.length;
    if (this.#collectedBytes > MAX_STATUS_LINE_BYTES) this.#fail(sink, 'a status line without end');
  }

  /** The line from its beginning, if that came in an earlier segment. */
  #whole(head: ResponseHead, lastSegment: Buffer): Buffer {
    if (this.#collectedBytes === 0) return lastSegment;
    const line = Buffer.concat(isRewritten(head) ? this.#collected : [...this.#collected, lastSegment]);
    this.#collected = [];
    this.#collectedBytes = 0;
    return line;
  }

  #fail(sink: ResponseSink, reason: string): void {
    this.#framer.fail();
    sink.onDesynced(reason);
  }
}

/** Lines that carry capabilities are the only ones that change on their way. */
function isRewritten(head: ResponseHead): boolean {
  return head.kind === 'capability' || (head.kind === 'tagged' && head.hasCapability);
}

/** Lines that are short, and understood as a whole. */
function isStatus(head: ResponseHead): boolean {
  switch (head.kind) {
    case 'tagged':
    case 'bye':
    case 'enabled':
    // Error challenges of SASL are long, and read as a whole.
    case 'continuation':
      return true;
    default:
      return false;
  }
}

function passCapabilities(line: Buffer, sink: ResponseSink): void {
  const capabilities = readCapabilities(line.toString('latin1'));
  if (capabilities !== undefined) sink.onCapabilities(capabilities);
  sink.forward(filterCapabilityLine(line));
}
