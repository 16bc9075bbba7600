/** Owns the reading of an upstream's byte stream: which bytes pass, and what they mean (RFC 9051 §7). */

import { filterCapabilityLine, readCapabilities } from './capability.js';
import type { CapabilitySet } from './capability.js';
import type { CommandLedger, OutstandingCommand } from './command-ledger.js';
import type { LineFramer } from './line-framer.js';
import { readResponseLiteral } from './literal.js';
import { readResponseHead } from './response-head.js';
import type { ResponseHead, TaggedStatus } from './response-head.js';

/** The longest line that carries capabilities; they are the only lines that are collected before they pass. */
const MAX_CAPABILITY_LINE_BYTES = 65_536;

/**
 * Who listens to an upstream. The calls of one {@link ResponseReader.read} come before the bytes that they speak of
 * were given to `forward`, so a listener notes them, and acts when `read` has returned.
 */
export interface ResponseSink {
  /** Bytes for the client: in order, never empty, valid only during the call unless the listener keeps the buffer. */
  forward(bytes: Buffer): void;
  /** @param line - the whole reply line, or its end if it is longer than one segment */
  onCompleted(command: OutstandingCommand, status: TaggedStatus, line: Buffer): void;
  onContinuation(line: Buffer): void;
  onBye(line: Buffer): void;
  /** `* ENABLED` came: the connection has state that no reset undoes (RFC 5161 §3.2). */
  onEnabled(): void;
  onCapabilities(capabilities: CapabilitySet): void;
  /** The stream can't be trusted any more; nothing is read or forwarded after this. */
  onDesynced(reason: string): void;
}

export class ResponseReader {
  readonly #framer: LineFramer;
  readonly #ledger: CommandLedger;
  /** The response that is being read, until its last line ended. */
  #current: ResponseHead | undefined;
  #isAtBoundary = true;
  #collected: Buffer[] = [];
  #collectedBytes = 0;

  constructor(framer: LineFramer, ledger: CommandLedger) {
    this.#framer = framer;
    this.#ledger = ledger;
  }

  /** Whether what was forwarded so far ends between two responses, so that the proxy may say something itself. */
  get isAtBoundary(): boolean {
    return this.#isAtBoundary && this.#current === undefined;
  }

  /** Reads everything that the framer has. */
  read(sink: ResponseSink): void {
    const framer = this.#framer;
    const buffer = framer.buffer;
    let from = framer.offset;
    let to = from;
    while (framer.next()) {
      const { start, end } = framer;
      to = end;
      if (framer.kind === 'literal') continue;
      this.#current ??= readResponseHead(buffer, start, framer.kind === 'line' ? end : buffer.length);
      const head = this.#current;
      if (head.kind === 'capability' || (head.kind === 'tagged' && head.hasCapability)) {
        if (start > from) sink.forward(buffer.subarray(from, start));
        from = end;
        this.#collect(buffer.subarray(start, end), sink);
      }
      if (framer.kind === 'line') this.#endLine(head, buffer, start, end, sink);
      // The line that failed is not forwarded.
      if (framer.hasFailed) to = start;
    }
    if (to > from) sink.forward(buffer.subarray(from, to));
  }

  #endLine(head: ResponseHead, buffer: Buffer, start: number, end: number, sink: ResponseSink): void {
    if (head.kind === 'data') {
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
    this.#report(head, buffer.subarray(start, end), sink);
  }

  #report(head: ResponseHead, line: Buffer, sink: ResponseSink): void {
    switch (head.kind) {
      case 'tagged': {
        const command = this.#ledger.complete(head.tag, head.status);
        if (command === undefined) this.#fail(sink, 'a tagged reply that no command waits for');
        else sink.onCompleted(command, head.status, head.hasCapability ? this.#passCollected(sink) : line);
        break;
      }
      case 'capability':
        this.#passCollected(sink);
        break;
      case 'continuation':
        sink.onContinuation(line);
        break;
      case 'bye':
        sink.onBye(line);
        break;
      case 'enabled':
        sink.onEnabled();
        break;
      case 'malformed':
        this.#fail(sink, 'a line that is no response of the grammar');
        break;
      case 'data':
      case 'status':
        break;
    }
  }

  #collect(segment: Buffer, sink: ResponseSink): void {
    // Copied: the segment's buffer is given away when the line goes on in a later read.
    this.#collected.push(Buffer.from(segment));
    this.#collectedBytes += segment.length;
    if (this.#collectedBytes > MAX_CAPABILITY_LINE_BYTES) this.#fail(sink, 'a capability list without end');
  }

  #passCollected(sink: ResponseSink): Buffer {
    const line = Buffer.concat(this.#collected);
    this.#collected = [];
    this.#collectedBytes = 0;
    const capabilities = readCapabilities(line.toString('latin1'));
    if (capabilities !== undefined) sink.onCapabilities(capabilities);
    sink.forward(filterCapabilityLine(line));
    return line;
  }

  #fail(sink: ResponseSink, reason: string): void {
    // The line that failed isn't forwarded, unless its beginning already was.
    this.#isAtBoundary = this.#current === undefined && this.#framer.isLineStart;
    this.#framer.fail();
    sink.onDesynced(reason);
  }
}
