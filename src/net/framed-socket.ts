/** Owns one socket, from creation to destruction: its options, its listeners, and its back-pressure. */

import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

import type { LineFramer } from '../wire/line-framer.js';
import type { ServerTls } from './server-tls.js';

/** How much may wait unread behind a reader that stopped, before the socket is paused. */
const MAX_PENDING_BYTES = 65_536;
const KEEPALIVE_DELAY_MS = 60_000;

export interface FramedSocketListener {
  /** The framer has bytes that it did not have before. */
  onInput(): void;
  /** The peer sent FIN; what it sent before is in the framer. The socket can still be written to. */
  onEnd(): void;
  /** The send buffer, full when {@link FramedSocket.write} said false, is empty again. */
  onDrain(): void;
  /** The socket is gone; nothing else is called after this. */
  onClose(): void;
}

/** What the owner wants to know of a defect of our own: the socket is destroyed, and nothing is thrown. */
export type FaultReporter = (error: unknown) => void;

const NOBODY: FramedSocketListener = {
  onInput: () => undefined,
  onEnd: () => undefined,
  onDrain: () => undefined,
  onClose: () => undefined,
};

/**
 * A socket whose input goes to a {@link LineFramer}. No callback of a listener can throw out of a socket event: a
 * throw destroys this one socket and is reported.
 */
export class FramedSocket {
  readonly framer: LineFramer;
  listener: FramedSocketListener = NOBODY;
  #socket: Socket;
  readonly #reportFault: FaultReporter;
  #isPausedByOwner = false;
  #error: Error | undefined;
  #hasEnded = false;
  #hasFault = false;
  /** What crossed the connection before it went on over TLS. */
  #plain = { bytesReceived: 0, bytesSent: 0 };
  readonly #handlers = {
    data: (chunk: Buffer): void => {
      this.framer.push(chunk);
      this.guard(() => {
        this.listener.onInput();
      });
      this.#applyPause();
    },
    end: (): void => {
      this.#hasEnded = true;
      this.guard(() => {
        this.listener.onEnd();
      });
    },
    drain: (): void => {
      this.guard(() => {
        this.listener.onDrain();
      });
    },
    close: (): void => {
      this.guard(() => {
        this.listener.onClose();
      });
    },
  };

  /** Takes ownership of the socket, and starts to read when {@link resume} is called. */
  constructor(socket: Socket, framer: LineFramer, reportFault: FaultReporter) {
    this.framer = framer;
    this.#socket = socket;
    this.#reportFault = reportFault;
    // Who ends its half when is decided here, not by Node.
    socket.allowHalfOpen = true;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEPALIVE_DELAY_MS);
    socket.setTimeout(0);
    // The reason is kept for the log; `close` always follows.
    socket.on('error', (error) => (this.#error = error));
    for (const [event, handler] of Object.entries(this.#handlers)) socket.on(event, handler);
    socket.pause();
  }

  /** Why the socket was destroyed, if it was by an error. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** Whether the peer has sent FIN. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Whether a listener threw: what it was in the middle of is not done, so nothing it holds may be reused. */
  get hasFault(): boolean {
    return this.#hasFault;
  }

  /** Over TLS the peer's close_notify comes as `end`, before its FIN. */
  get isTls(): boolean {
    return this.#socket instanceof TLSSocket;
  }

  get isDestroyed(): boolean {
    return this.#socket.destroyed;
  }

  /** Whether the peer takes less than it is sent: who answers it should stop until `onDrain`. */
  get needsDrain(): boolean {
    return this.#socket.writableNeedDrain;
  }

  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress;
  }

  get localPort(): number | undefined {
    return this.#socket.localPort;
  }

  get bytesReceived(): number {
    return this.#plain.bytesReceived + this.#socket.bytesRead;
  }

  get bytesSent(): number {
    return this.#plain.bytesSent + this.#socket.bytesWritten;
  }

  /**
   * Sends bytes; on a socket that is gone they are dropped, as the kernel would.
   *
   * @returns false if the caller should stop until `onDrain`
   */
  write(bytes: Buffer | string): boolean {
    if (this.#socket.destroyed || this.#socket.writableEnded) return true;
    return typeof bytes === 'string' ? this.#socket.write(bytes, 'latin1') : this.#socket.write(bytes);
  }

  /**
   * Goes on over TLS, as the server of it, behind what was written so far. All that was received and not read is thrown
   * away: it came in plain text, and who sent it may not be who shakes hands (RFC 9051 §11.1).
   *
   * @param onSecure - the handshake is done. If it fails, the socket closes; until then nothing else is called.
   */
  startTls(tls: ServerTls, onSecure: () => void): void {
    const plain = this.#socket;
    if (this.#hasEnded) {
      plain.destroy();
      return;
    }
    for (const [event, handler] of Object.entries(this.#handlers)) plain.off(event, handler);
    this.framer.discard();
    // What Node has read ahead would be taken for the beginning of the handshake.
    plain.pause();
    let readAhead: unknown;
    do readAhead = plain.read();
    while (readAhead !== null);
    this.#plain = { bytesReceived: plain.bytesRead, bytesSent: plain.bytesWritten };
    const secure = tls.wrap(plain);
    this.#socket = secure;
    secure.on('error', (error: Error) => (this.#error = error));
    secure.on('close', this.#handlers.close);
    secure.once('secure', () => {
      const { data, end, drain } = this.#handlers;
      secure.on('data', data);
      secure.on('end', end);
      secure.on('drain', drain);
      this.guard(onSecure);
      this.#applyPause();
    });
  }

  /** Stops reading, so that the peer is held back by TCP itself. */
  pause(): void {
    this.#isPausedByOwner = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#isPausedByOwner = false;
    this.#applyPause();
  }

  /** To be called by a reader that had stopped and has caught up. */
  inputTaken(): void {
    this.#applyPause();
  }

  /** Throws away what was received and not read: for a session that is over. */
  discardInput(): void {
    this.framer.discard();
    this.#applyPause();
  }

  /** Calls back when nothing was received or sent for so long; 0 switches it off. */
  setIdleTimeout(timeoutMs: number, onTimeout: () => void): void {
    this.#socket.removeAllListeners('timeout');
    this.#socket.setTimeout(timeoutMs);
    this.#socket.on('timeout', () => {
      this.guard(onTimeout);
    });
  }

  /** Sends FIN when everything written is sent. */
  end(onSent?: () => void): void {
    this.#socket.end(onSent);
  }

  /** Closes at once. Safe to call twice. */
  destroy(): void {
    this.#socket.destroy();
  }

  #applyPause(): void {
    const shouldPause = this.#isPausedByOwner || this.framer.pendingBytes > MAX_PENDING_BYTES;
    if (shouldPause !== this.#socket.isPaused()) {
      if (shouldPause) this.#socket.pause();
      else this.#socket.resume();
    }
  }

  /** Runs a listener's code: what it throws ends this connection and is reported, and goes no further. */
  guard(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.#hasFault = true;
      this.#socket.destroy();
      this.#reportFault(error);
    }
  }
}
