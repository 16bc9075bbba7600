/** Owns the sessions of all listeners: admission, their number, and their end when the proxy shuts down. */

import type { Socket } from 'node:net';

import type { ServerTls } from '../net/server-tls.js';
import { byeReply } from '../relay/local-replies.js';
import { Arrival } from './arrival.js';
import type { Arrived, Entrance, TurnedAway } from './arrival.js';
import { Session } from './session.js';
import type { SessionEvents, SessionOptions, SessionState } from './session.js';

/** For a client to take its BYE and hang up. */
const BYE_GRACE_MS = 1_000;

export type RejectReason = FullReason | TurnedAway['reason'];

/** Why nobody may come in at the moment. */
type FullReason = 'max_clients' | 'draining';

export interface RegistryEvents extends SessionEvents {
  onAccepted(listener: string): void;
  /** @param details - of a client that got as far as the door */
  onRejected(reason: RejectReason, details?: RejectDetails): void;
}

export interface RejectDetails extends Omit<TurnedAway, 'reason'> {
  readonly listener: string;
}

export interface SessionRegistryOptions extends Omit<
  SessionOptions,
  'id' | 'address' | 'isLoginAllowed' | 'startTls'
> {
  readonly maxSessions: number;
  /** TLS towards clients, if there is any. */
  readonly tls: ServerTls | undefined;
  /** Whether a PROXY header from this address is believed. */
  isProxyTrusted(remoteAddress: string): boolean;
  /** Whether a password may cross a connection from this address; undefined is a Unix socket. */
  isLoginAllowed(remoteAddress: string | undefined): boolean;
  readonly events: RegistryEvents;
}

export class SessionRegistry {
  readonly #options: SessionRegistryOptions;
  /** With the label of the listener that accepted it. */
  readonly #sessions = new Map<Session, string>();
  /** Those that are not sessions yet. */
  readonly #arrivals = new Map<Arrival, string>();
  #lastId = 0;
  #isDraining = false;
  #onEmpty: (() => void) | undefined;
  #grace: NodeJS.Timeout | undefined;

  constructor(options: SessionRegistryOptions) {
    this.#options = options;
  }

  /** How many sessions of each listener are in each state now; listeners without sessions are left out. */
  countStates(): ReadonlyMap<string, Readonly<Record<SessionState, number>>> {
    const counts = new Map<string, Record<SessionState, number>>();
    const count = (listener: string, state: SessionState): void => {
      const states = counts.get(listener) ?? { login: 0, waiting: 0, active: 0, idle: 0, closing: 0 };
      states[state] += 1;
      counts.set(listener, states);
    };
    for (const listener of this.#arrivals.values()) count(listener, 'login');
    for (const [session, listener] of this.#sessions) count(listener, session.state);
    return counts;
  }

  /**
   * Takes ownership of an accepted socket.
   *
   * @param entrance - the listener that accepted it
   */
  accept(socket: Socket, entrance: Entrance): void {
    const reason = this.#rejectReason;
    if (reason !== undefined) {
      this.#reject(socket, reason, entrance);
      return;
    }
    const { tls, loginTimeoutMs, now, events } = this.#options;
    const { label } = entrance;
    const arrival: Arrival = new Arrival(socket, entrance, {
      tls,
      timeoutMs: loginTimeoutMs,
      now,
      isProxyTrusted: (address) => this.#options.isProxyTrusted(address),
      onArrived: (arrived) => {
        this.#arrivals.delete(arrival);
        this.#begin(arrived, entrance);
      },
      onTurnedAway: ({ reason: why, ...details }) => {
        this.#arrivals.delete(arrival);
        events.onRejected(why, { listener: label, ...details });
        this.#noteLeft();
      },
    });
    this.#arrivals.set(arrival, label);
    arrival.start();
  }

  #begin({ socket, address, isSecure, tookMs }: Arrived, { label, isTls }: Entrance): void {
    const { events, tls, loginTimeoutMs } = this.#options;
    events.onAccepted(label);
    const session: Session = new Session(socket, {
      ...this.#options,
      id: ++this.#lastId,
      address,
      isLoginAllowed: isSecure || this.#options.isLoginAllowed(address),
      // Nobody is between here and the client of a Unix socket.
      startTls: isSecure || isTls || address === undefined ? undefined : tls,
      loginTimeoutMs: Math.max(1, loginTimeoutMs - tookMs),
      events: {
        ...events,
        onClosed: (summary) => {
          this.#sessions.delete(session);
          events.onClosed(summary);
          this.#noteLeft();
        },
      },
    });
    this.#sessions.set(session, label);
    session.start();
  }

  #noteLeft(): void {
    if (this.#size === 0) this.#onEmpty?.();
  }

  get #size(): number {
    return this.#sessions.size + this.#arrivals.size;
  }

  /**
   * Accepts nobody any more, and gives the sessions time to finish.
   *
   * @param timeoutMs - after this the rest is told BYE, and a moment later cut off
   */
  async drain(timeoutMs: number): Promise<void> {
    this.#isDraining = true;
    // They have said nothing yet.
    for (const arrival of [...this.#arrivals.keys()]) arrival.destroy();
    if (this.#size === 0) return;
    const timer = setTimeout(() => {
      this.#terminateAll();
    }, timeoutMs);
    await new Promise<void>((resolve) => (this.#onEmpty = resolve));
    clearTimeout(timer);
    clearTimeout(this.#grace);
  }

  /** BYE first; who doesn't take that in time must not hold the shutdown up. */
  #terminateAll(): void {
    for (const session of [...this.#sessions.keys()])
      session.terminate('drain', 'The proxy is shutting down');
    this.#grace = setTimeout(() => {
      for (const session of [...this.#sessions.keys()]) session.destroy();
    }, BYE_GRACE_MS);
  }

  get #rejectReason(): FullReason | undefined {
    if (this.#isDraining) return 'draining';
    return this.#size >= this.#options.maxSessions ? 'max_clients' : undefined;
  }

  #reject(socket: Socket, reason: FullReason, { isTls }: Entrance): void {
    this.#options.events.onRejected(reason);
    socket.on('error', () => {
      // The client is gone already, which is what was to happen to it.
    });
    if (isTls) {
      // There is no word for it that is cheaper than a handshake.
      socket.destroy();
      return;
    }
    const text =
      reason === 'draining' ? 'The proxy is shutting down' : 'Too many connections, try again later';
    socket.end(byeReply(text, 'UNAVAILABLE'), () => {
      socket.destroy();
    });
  }
}
