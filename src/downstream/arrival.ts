/** Owns a client's way from accept to its session: the TLS handshake, where TLS comes first. */

import type { Socket } from 'node:net';

import type { ServerTls } from '../net/server-tls.js';

/** What a listener makes of those who come in by it. */
export interface Entrance {
  /** As in LISTEN, without its options: the label of metrics. */
  readonly label: string;
  readonly isUnix: boolean;
  /** Whether clients speak TLS from the start. */
  readonly isTls: boolean;
}

/** A client that a session can begin with. */
export interface Arrived {
  /** Not reading yet. */
  readonly socket: Socket;
  /** The client's address; undefined by a Unix socket. */
  readonly address: string | undefined;
  /** Whether nobody in between can read what it sends. */
  readonly isSecure: boolean;
  /** How much of its time to log in is over. */
  readonly tookMs: number;
}

/** A client that no session begins with; its socket is closed. */
export interface TurnedAway {
  readonly reason: 'tls' | 'draining';
  readonly peer: string;
  /** What was wrong, for the log. */
  readonly detail: string;
}

export interface ArrivalOptions {
  /** Needed for entrances with TLS. */
  readonly tls: ServerTls | undefined;
  /** For all of it; what is left of that is the session's. */
  readonly timeoutMs: number;
  readonly now: () => number;
  /** Exactly one of the two is called, once. */
  onArrived(arrived: Arrived): void;
  onTurnedAway(turnedAway: TurnedAway): void;
}

export class Arrival {
  readonly #options: ArrivalOptions;
  readonly #entrance: Entrance;
  readonly #startedAt: number;
  readonly #address: string | undefined;
  #socket: Socket;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  /** Takes ownership of the accepted socket, until it has arrived. */
  constructor(socket: Socket, entrance: Entrance, options: ArrivalOptions) {
    this.#options = options;
    this.#entrance = entrance;
    this.#socket = socket;
    this.#startedAt = options.now();
    // A client that has gone already has no address any more, and is not to be taken for one of a Unix socket.
    this.#address = entrance.isUnix ? undefined : (socket.remoteAddress ?? 'unknown');
  }

  start(): void {
    if (this.#entrance.isTls) this.#shakeHands();
    else this.#arrive(false);
  }

  /** Cuts the client off, since the proxy ends. */
  destroy(): void {
    this.#turnAway('draining', 'the proxy is shutting down');
    this.#socket.destroy();
  }

  #shakeHands(): void {
    const { tls, timeoutMs } = this.#options;
    if (tls === undefined) throw new Error('a listener with TLS, and no certificate');
    let detail = 'the client hung up';
    const secure = tls.wrap(this.#socket);
    this.#socket = secure;
    this.#timer = setTimeout(() => {
      detail = 'no TLS handshake in time';
      secure.destroy();
    }, timeoutMs);
    const onError = (error: NodeJS.ErrnoException): void => {
      detail = error.code ?? error.message;
    };
    const onClose = (): void => {
      this.#turnAway('tls', detail);
    };
    secure.on('error', onError);
    secure.once('close', onClose);
    secure.once('secure', () => {
      secure.off('close', onClose);
      this.#arrive(true);
      // The session listens to them now.
      secure.off('error', onError);
    });
  }

  #arrive(isSecure: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#options.onArrived({
      socket: this.#socket,
      address: this.#address,
      isSecure,
      tookMs: this.#options.now() - this.#startedAt,
    });
  }

  #turnAway(reason: TurnedAway['reason'], detail: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#options.onTurnedAway({ reason, peer: this.#address ?? 'unix', detail });
  }
}
