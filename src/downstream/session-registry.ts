/** Owns the sessions of all listeners: admission, their number, and their end when the proxy shuts down. */

import type { Socket } from 'node:net';

import { byeReply } from '../relay/local-replies.js';
import { Session } from './session.js';
import type { SessionEvents, SessionOptions, SessionState } from './session.js';

/** For a client to take its BYE and hang up. */
const BYE_GRACE_MS = 1_000;

export type RejectReason = 'max_clients' | 'draining';

export interface RegistryEvents extends SessionEvents {
  onAccepted(listener: string): void;
  onRejected(reason: RejectReason): void;
}

export interface SessionRegistryOptions extends Omit<SessionOptions, 'id' | 'isLoginAllowed'> {
  readonly maxSessions: number;
  /** Whether a password may cross a connection from this address; undefined is a Unix socket. */
  isLoginAllowed(remoteAddress: string | undefined): boolean;
  readonly events: RegistryEvents;
}

export class SessionRegistry {
  readonly #options: SessionRegistryOptions;
  /** With the label of the listener that accepted it. */
  readonly #sessions = new Map<Session, string>();
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
    for (const [session, listener] of this.#sessions) {
      const states = counts.get(listener) ?? { login: 0, waiting: 0, active: 0, idle: 0, closing: 0 };
      states[session.state] += 1;
      counts.set(listener, states);
    }
    return counts;
  }

  /**
   * Takes ownership of an accepted socket.
   *
   * @param listener - the label of the listener that accepted it
   */
  accept(socket: Socket, listener: string): void {
    const reason = this.#rejectReason;
    if (reason !== undefined) {
      this.#reject(socket, reason);
      return;
    }
    const { events } = this.#options;
    events.onAccepted(listener);
    const session: Session = new Session(socket, {
      ...this.#options,
      id: ++this.#lastId,
      isLoginAllowed: this.#options.isLoginAllowed(socket.remoteAddress),
      events: {
        ...events,
        onClosed: (summary) => {
          this.#sessions.delete(session);
          events.onClosed(summary);
          if (this.#sessions.size === 0) this.#onEmpty?.();
        },
      },
    });
    this.#sessions.set(session, listener);
    session.start();
  }

  /**
   * Accepts nobody any more, and gives the sessions time to finish.
   *
   * @param timeoutMs - after this the rest is told BYE, and a moment later cut off
   */
  async drain(timeoutMs: number): Promise<void> {
    this.#isDraining = true;
    if (this.#sessions.size === 0) return;
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

  get #rejectReason(): RejectReason | undefined {
    if (this.#isDraining) return 'draining';
    return this.#sessions.size >= this.#options.maxSessions ? 'max_clients' : undefined;
  }

  #reject(socket: Socket, reason: RejectReason): void {
    this.#options.events.onRejected(reason);
    socket.on('error', () => {
      // The client is gone already, which is what was to happen to it.
    });
    const text =
      reason === 'draining' ? 'The proxy is shutting down' : 'Too many connections, try again later';
    socket.end(byeReply(text, 'UNAVAILABLE'), () => {
      socket.destroy();
    });
  }
}
