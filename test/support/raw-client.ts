// A raw IMAP client for tests: it sends exactly the bytes that it is told to and keeps every byte that it gets.

import type { Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions, TLSSocket } from 'node:tls';
import { defaultWaitMs } from './changes.js';
import { type Literal, renderMark } from './literal.js';
import { type ClientClose, RawInbox } from './raw-inbox.js';
import { openSocket, type RawTarget } from './raw-target.js';
import { type ScannedResponse, scanResponse } from './response-scanner.js';

export type { ClientClose } from './raw-inbox.js';
export type { RawTarget } from './raw-target.js';

/** The answer to one command. All text is latin1, so that no byte is lost. */
export interface CommandResult {
  readonly tag: string;
  /** OK, NO or BAD. */
  readonly status: string;
  /** What follows the status, response code included. */
  readonly text: string;
  /** Untagged responses (and continuations) before the tagged one, without the final CRLF, literals in place. */
  readonly untagged: readonly string[];
  /** The contents of all literals in the untagged responses. */
  readonly literals: readonly Buffer[];
  /** All bytes read for this command, the tagged line included. */
  readonly raw: Buffer;
}

/** A command's text, or its pieces with literals between them. */
export type CommandParts = string | Buffer | readonly (string | Buffer | Literal)[];

/** One connection. The caller must `destroy()` it (or await `closed`) before its test ends; twice is safe. */
export class RawClient {
  readonly #inbox = new RawInbox();
  #socket: Socket;
  #nextTag = 1;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#inbox.listen(socket);
  }

  /** Connects and, with `tls`, shakes hands; doesn't read the greeting. */
  static async connect(target: RawTarget): Promise<RawClient> {
    return new RawClient(await openSocket(target));
  }

  /** Connects and reads the greeting. */
  static async connectAndGreet(target: RawTarget): Promise<{ client: RawClient; greeting: string }> {
    const client = await RawClient.connect(target);
    try {
      return { client, greeting: await client.readLine() };
    } catch (error) {
      client.destroy();
      throw error;
    }
  }

  /** Resolves when the socket is closed; never rejects. */
  get closed(): Promise<ClientClose> {
    return this.#inbox.closed;
  }

  /** All bytes ever received. */
  get received(): Buffer {
    return this.#inbox.received;
  }

  /** What was received and not yet read, as latin1. */
  get unread(): string {
    return this.#inbox.unread;
  }

  get localPort(): number | undefined {
    return this.#socket.localPort;
  }

  get isClosed(): boolean {
    return this.#inbox.close !== undefined;
  }

  /** The server sent FIN. */
  get hasEnded(): boolean {
    return this.#inbox.hasEnded;
  }

  /** Sends bytes as they are; a string is sent as UTF-8. Resolves when the kernel has taken them. */
  send(data: string | Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(data, (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
  }

  /** Sends one command under a fresh tag and waits for its tagged reply. Literals: sync ones wait for the `+`. */
  async command(parts: CommandParts, timeoutMs = defaultWaitMs): Promise<CommandResult> {
    const tag = await this.begin(parts, timeoutMs);
    return this.finish(tag, timeoutMs);
  }

  /**
   * Sends one command and returns its tag without waiting for the reply; `finish` reads that.
   *
   * @throws Error if a sync literal is answered by the tagged reply instead of a continuation
   */
  async begin(parts: CommandParts, timeoutMs = defaultWaitMs): Promise<string> {
    const tag = `t${String(this.#nextTag++)}`;
    let pending: Buffer[] = [Buffer.from(`${tag} `)];
    for (const part of typeof parts === 'string' || Buffer.isBuffer(parts) ? [parts] : parts) {
      if (typeof part === 'string' || Buffer.isBuffer(part)) {
        pending.push(Buffer.from(part));
        continue;
      }
      pending.push(Buffer.from(renderMark(part)));
      if (part.kind !== 'non-sync') {
        await this.send(Buffer.concat(pending));
        await this.expectContinuation(timeoutMs);
        pending = [];
      }
      pending.push(part.bytes);
    }
    pending.push(Buffer.from('\r\n'));
    await this.send(Buffer.concat(pending));
    return tag;
  }

  /** Reads responses up to the tagged reply of `tag`; other commands' tagged replies in between count as untagged. */
  async finish(tag: string, timeoutMs = defaultWaitMs): Promise<CommandResult> {
    const start = this.#inbox.cursor;
    const untagged: string[] = [];
    const literals: Buffer[] = [];
    for (;;) {
      const response = await this.#inbox.read(`the tagged reply of ${tag}`, this.#nextResponse, timeoutMs);
      const text = withoutLineEnd(response.bytes);
      if (!text.startsWith(`${tag} `)) {
        untagged.push(text);
        literals.push(...response.literals);
        continue;
      }
      const [, status = '', rest = ''] = /^\S+ (\S+) ?(.*)$/s.exec(text) ?? [];
      return {
        tag,
        status,
        text: rest,
        untagged,
        literals,
        raw: this.received.subarray(start, this.#inbox.cursor),
      };
    }
  }

  /** The next line as latin1 without its line end; a literal mark at its end isn't looked at. */
  async readLine(timeoutMs = defaultWaitMs): Promise<string> {
    const line = await this.#inbox.read(
      'a line',
      () => {
        const lineFeed = this.received.indexOf(0x0a, this.#inbox.cursor);
        return lineFeed === -1
          ? undefined
          : { bytes: this.received.subarray(this.#inbox.cursor, lineFeed + 1) };
      },
      timeoutMs,
    );
    return withoutLineEnd(line.bytes);
  }

  /** The next response with its literals, as latin1 without the final line end. */
  async readResponse(timeoutMs = defaultWaitMs): Promise<string> {
    return withoutLineEnd((await this.#inbox.read('a response', this.#nextResponse, timeoutMs)).bytes);
  }

  /** Exactly this many bytes. */
  async readBytes(count: number, timeoutMs = defaultWaitMs): Promise<Buffer> {
    const wanted = (): { bytes: Buffer } | undefined => {
      const end = this.#inbox.cursor + count;
      return this.received.length < end
        ? undefined
        : { bytes: this.received.subarray(this.#inbox.cursor, end) };
    };
    return (await this.#inbox.read(`${String(count)} bytes`, wanted, timeoutMs)).bytes;
  }

  /** Reads up to and including a continuation; returns its text and the untagged responses before it. */
  async expectContinuation(timeoutMs = defaultWaitMs): Promise<{ text: string; untagged: string[] }> {
    const untagged: string[] = [];
    for (;;) {
      const response = await this.#inbox.read('a continuation', this.#nextResponse, timeoutMs);
      const text = withoutLineEnd(response.bytes);
      if (text.startsWith('+')) return { text: text.slice(1).trimStart(), untagged };
      if (!text.startsWith('* ')) throw new Error(`waited for a continuation, got: ${text}`);
      untagged.push(text);
    }
  }

  /**
   * Waits until the unread text matches, and reads up to the end of the match (a predicate reads nothing).
   *
   * @returns the matched text, or all unread text for a predicate
   */
  async waitFor(pattern: RegExp | ((unread: string) => boolean), timeoutMs = defaultWaitMs): Promise<string> {
    if (typeof pattern === 'function') {
      const find = (): { text: string; bytes: Buffer } | undefined => {
        const text = this.unread;
        return pattern(text) ? { text, bytes: Buffer.alloc(0) } : undefined;
      };
      return (await this.#inbox.read('what the predicate accepts', find, timeoutMs)).text;
    }
    const stateless = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''));
    const find = (): { text: string; bytes: Buffer } | undefined => {
      const match = stateless.exec(this.unread);
      if (match === null) return undefined;
      const end = this.#inbox.cursor + match.index + match[0].length;
      return { text: match[0], bytes: this.received.subarray(this.#inbox.cursor, end) };
    };
    return (await this.#inbox.read(String(pattern), find, timeoutMs)).text;
  }

  /** Waits for the end of the connection: all that is unread by then, and how it ended. */
  async waitForClose(timeoutMs = defaultWaitMs): Promise<ClientClose & { readonly unread: string }> {
    const close = await this.#inbox.waitForClose(timeoutMs);
    return { ...close, unread: this.unread };
  }

  /** STARTTLS and the handshake. */
  async startTls(options: ConnectionOptions): Promise<void> {
    const result = await this.command('STARTTLS');
    if (result.status !== 'OK') throw new Error(`STARTTLS: ${result.status} ${result.text}`);
    await this.upgrade(options);
  }

  /** The TLS handshake alone, on the socket as it is. */
  async upgrade(options: ConnectionOptions): Promise<void> {
    const plain = this.#socket;
    plain.removeAllListeners();
    plain.on('error', () => undefined);
    const secure = connectTls({ ...options, socket: plain });
    this.#socket = secure;
    this.#inbox.listen(secure);
    await new Promise<void>((resolve, reject) => {
      secure.once('secureConnect', resolve);
      secure.once('close', () => {
        reject(this.#inbox.error ?? new Error('closed in the TLS handshake'));
      });
    });
  }

  /** Stops reading, as a slow client does. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Sends FIN and goes on reading. */
  end(data?: string | Buffer): void {
    if (data === undefined) this.#socket.end();
    else this.#socket.end(data);
  }

  /** Sends RST. Not under TLS: Node can't. */
  reset(): void {
    if (this.#socket instanceof TLSSocket) throw new Error('a TLS socket cannot be reset');
    this.#socket.resetAndDestroy();
  }

  /** Closes at once; safe at any time. */
  destroy(): void {
    this.#socket.destroy();
  }

  readonly #nextResponse = (): ScannedResponse | undefined => scanResponse(this.received, this.#inbox.cursor);
}

function withoutLineEnd(bytes: Buffer): string {
  return bytes.toString('latin1').replace(/\r?\n$/, '');
}
