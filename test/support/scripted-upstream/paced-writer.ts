// Writes a scripted server's bytes in order, in whole pieces or byte by byte.

import type { Socket } from 'node:net';

/** Byte by byte means: each byte in a write of its own, one per turn of the event loop. */
export class PacedWriter {
  readonly #socket: Socket;
  readonly #queue: (Buffer | (() => void))[] = [];
  #isPumping = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  write(bytes: Buffer, mode: 'whole' | 'bytewise'): void {
    if (mode === 'whole') this.#queue.push(bytes);
    else for (let at = 0; at < bytes.length; at++) this.#queue.push(bytes.subarray(at, at + 1));
    this.#pump();
  }

  /** Runs once all bytes queued so far are handed to the socket. */
  whenDrained(action: () => void): void {
    this.#queue.push(action);
    this.#pump();
  }

  #pump(): void {
    if (this.#isPumping) return;
    const next = this.#queue.shift();
    if (next === undefined) return;
    if (typeof next === 'function') next();
    else if (this.#socket.writable) this.#socket.write(next);
    if (Buffer.isBuffer(next) && next.length === 1) {
      this.#isPumping = true;
      setImmediate(() => {
        this.#isPumping = false;
        this.#pump();
      });
      return;
    }
    this.#pump();
  }
}
