/** Owns a client's way from accept to its session: the PROXY header of whoever forwards it, then TLS, where either comes first. */

import type { Socket } from 'node:net';

import { ProxyHeaderReader } from '../net/proxy-header.js';
import type { ProxyVersions } from '../net/proxy-header.js';
import type { ServerTls } from '../net/server-tls.js';

/** Whoever forwards connections has its header ready. */
const PROXY_HEADER_TIMEOUT_MS = 10_000;

/** What a listener makes of those who come in by it. */
export interface Entrance {
  /** As in LISTEN, without its options: the label of metrics. */
  readonly label: string;
  readonly isUnix: boolean;
  /** Whether clients speak TLS from the start. */
  readonly isTls: boolean;
  /** The PROXY headers that it takes; undefined: none, and nobody is believed to be somebody else. */
  readonly proxy: ProxyVersions | undefined;
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
  readonly reason: 'proxy_header' | 'tls' | 'draining';
  /** Who it is, as far as that is known. */
  readonly peer: string;
  /** What was wrong, for the log. */
  readonly detail: string;
  /** Whether it left without a word, as what looks whether a port is open does. */
  readonly isQuiet: boolean;
}

export interface ArrivalOptions {
  /** Needed for entrances with TLS. */
  readonly tls: ServerTls | undefined;
  /** For all of it; what is left of that is the session's. */
  readonly timeoutMs: number;
  readonly now: () => number;
  /** Whether a PROXY header from this address is believed. */
  isProxyTrusted(address: string): boolean;
  /** Exactly one of the two is called, once. */
  onArrived(arrived: Arrived): void;
  onTurnedAway(turnedAway: TurnedAway): void;
}

/** Of one client; to be started once. It ends by itself, in time. */
export class Arrival {
  readonly #options: ArrivalOptions;
  readonly #entrance: Entrance;
  readonly #startedAt: number;
  #address: string | undefined;
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
    const { proxy } = this.#entrance;
    if (proxy === undefined) this.#enter(false);
    else if (this.#address === undefined || this.#options.isProxyTrusted(this.#address))
      this.#readProxyHeader(new ProxyHeaderReader(proxy));
    else this.#turnAway('proxy_header', 'PROXY_TRUSTED does not have it');
  }

  /** Cuts the client off, since the proxy ends. */
  destroy(): void {
    this.#turnAway('draining', 'the proxy is shutting down');
  }

  #readProxyHeader(reader: ProxyHeaderReader): void {
    const socket = this.#socket;
    let hasSpoken = false;
    const hungUp = (): void => {
      this.#turnAway('proxy_header', 'hung up before its PROXY header', !hasSpoken);
    };
    const onError = (): void => {
      // `close` follows.
    };
    const onData = (chunk: Buffer): void => {
      hasSpoken = true;
      const read = reader.push(chunk);
      if (read.kind === 'more') return;
      if (read.kind === 'bad') {
        this.#turnAway('proxy_header', read.reason);
        return;
      }
      clearTimeout(this.#timer);
      socket.pause();
      socket.off('data', onData).off('end', hungUp).off('close', hungUp);
      // Whoever comes next finds it as if it had come alone.
      if (read.rest.length > 0) socket.unshift(read.rest);
      this.#address = read.header.address ?? this.#address;
      this.#enter(read.header.isTls);
      socket.off('error', onError);
    };
    socket.on('error', onError);
    socket.on('data', onData).on('end', hungUp).on('close', hungUp);
    this.#timer = setTimeout(
      () => {
        this.#turnAway('proxy_header', 'no PROXY header in time');
      },
      Math.min(PROXY_HEADER_TIMEOUT_MS, this.#options.timeoutMs),
    );
    socket.resume();
  }

  /** @param isSecure - whether there is TLS between the client and whoever forwards it */
  #enter(isSecure: boolean): void {
    if (this.#entrance.isTls) this.#shakeHands();
    else this.#arrive(isSecure);
  }

  #shakeHands(): void {
    const { tls, timeoutMs } = this.#options;
    if (tls === undefined) throw new Error('a listener with TLS, and no certificate');
    let error: NodeJS.ErrnoException | undefined;
    const secure = tls.wrap(this.#socket);
    this.#socket = secure;
    this.#timer = setTimeout(() => {
      this.#turnAway('tls', 'no TLS handshake in time');
    }, timeoutMs - this.#tookMs);
    const onError = (reason: Error): void => {
      error = reason;
    };
    const onClose = (): void => {
      this.#turnAway(
        'tls',
        error === undefined ? 'hung up in the TLS handshake' : (error.code ?? error.message),
      );
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

  get #tookMs(): number {
    return this.#options.now() - this.#startedAt;
  }

  #arrive(isSecure: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#options.onArrived({
      socket: this.#socket,
      address: this.#address,
      isSecure,
      tookMs: this.#tookMs,
    });
  }

  #turnAway(reason: TurnedAway['reason'], detail: string, isQuiet = false): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#socket.destroy();
    this.#options.onTurnedAway({ reason, peer: this.#address ?? 'unix', detail, isQuiet });
  }
}
