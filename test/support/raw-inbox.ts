// What a raw client received, how far it was read, and who waits for more.

import type { Socket } from 'node:net';
import { ByteLog } from './byte-log.js';
import { Changes } from './changes.js';

/** How a connection ended. */
export interface ClientClose {
  /** ended: the server sent FIN; reset: an error; local: we destroyed it. */
  readonly how: 'ended' | 'reset' | 'local';
  readonly error?: Error;
}

/** Reads are one at a time; each takes bytes from where the last one stopped. */
export class RawInbox {
  /** Resolves when the socket is closed; never rejects. */
  readonly closed: Promise<ClientClose>;
  readonly #changes = new Changes();
  readonly #log = new ByteLog();
  #cursor = 0;
  #isReading = false;
  #hasEnded = false;
  #error: Error | undefined;
  #close: ClientClose | undefined;
  #resolveClosed: (close: ClientClose) => void = () => undefined;

  constructor() {
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  get received(): Buffer {
    return this.#log.bytes;
  }

  /** Where the next read starts. */
  get cursor(): number {
    return this.#cursor;
  }

  get unread(): string {
    return this.received.subarray(this.#cursor).toString('latin1');
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  get close(): ClientClose | undefined {
    return this.#close;
  }

  get error(): Error | undefined {
    return this.#error;
  }

  /** Takes bytes and the end from this socket. */
  listen(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => {
      this.#log.append(chunk);
      this.#changes.notify();
    });
    socket.on('end', () => {
      this.#hasEnded = true;
      this.#changes.notify();
    });
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('close', () => {
      const how = this.#hasEnded ? 'ended' : 'local';
      this.#close = this.#error ? { how: 'reset', error: this.#error } : { how };
      this.#resolveClosed(this.#close);
      this.#changes.notify();
    });
  }

  /**
   * Waits until `find` finds something, and moves on by its bytes.
   *
   * @throws Error if the connection ends first, at the deadline, or while another read waits
   */
  async read<T extends { readonly bytes: Buffer }>(
    what: string,
    find: () => T | undefined,
    timeoutMs: number,
  ): Promise<T> {
    if (this.#isReading) throw new Error(`two reads at once on one client (the second wants ${what})`);
    this.#isReading = true;
    const findOrFail = (): T | undefined => {
      const result = find();
      if (result === undefined && (this.#hasEnded || this.#close !== undefined)) {
        throw new Error(`the connection ended while waiting for ${this.#describe(what)}`);
      }
      return result;
    };
    try {
      const found = await this.#changes.until(findOrFail, () => this.#describe(what), timeoutMs);
      this.#cursor += found.bytes.length;
      return found;
    } finally {
      this.#isReading = false;
    }
  }

  waitForClose(timeoutMs: number): Promise<ClientClose> {
    return this.#changes.until(
      () => this.#close,
      () => this.#describe('the connection to close'),
      timeoutMs,
    );
  }

  #describe(what: string): string {
    const unread = JSON.stringify(this.unread.slice(0, 2_000));
    const lastRead = JSON.stringify(this.received.subarray(0, this.#cursor).toString('latin1').slice(-300));
    const state = this.#close?.how ?? (this.#hasEnded ? 'ended' : 'open');
    const reason = this.#error === undefined ? '' : ` (${this.#error.message})`;
    return `${what}; connection ${state}${reason}; unread: ${unread}; read before: ${lastRead}`;
  }
}
