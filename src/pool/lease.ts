/** Owns the lease: what a session may want of one, its right to use one upstream connection, and the ways to end that. */

import type { CloseReason, Leaving, UpstreamConnection } from '../upstream/connection.js';
import type { EnableReply, EnableRequest } from '../wire/enable.js';

/** What becomes of the connection when a lease ends; decided by the pool. */
export interface LeaseEnd {
  /** The connection may be proven clean. */
  released(lease: Lease, leaving: Leaving): void;
  /** The connection can't be proven clean. */
  discarded(lease: Lease, reason: CloseReason): void;
}

/** The session, as the pool sees it while others wait. */
export interface LeaseHolder {
  /** Whether it is in IDLE: it may hold the connection for hours. */
  readonly isInIdle: boolean;
  /** Since when nothing has passed in either direction, monotonic milliseconds; undefined while a command runs. */
  readonly quietSince: number | undefined;
  /** Gives the lease back, or ends the session where that can't be hidden from the client. */
  reclaim(): void;
}

/** What a session wants of its lease. */
export interface LeaseWish {
  /** What is to be enabled on the connection. */
  readonly enable: EnableRequest | undefined;
  /** Whether the session had a lease before. */
  readonly isSwap: boolean;
}

/** The same, with what the session can do for it. */
export interface SessionWish extends LeaseWish {
  /** Whether the credentials may still be used for a login. */
  readonly canLogIn: boolean;
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal;
}

export interface LeaseOptions {
  readonly connection: UpstreamConnection;
  /** Whether another session used the connection before. */
  readonly isReuse: boolean;
  /** What is enabled on the connection; empty if nothing is. */
  readonly set: string;
  /** What the session asked for, and how the server answered when that was enabled. */
  readonly enabled: Enabled | undefined;
}

/** A request of a session that was granted. */
export interface Enabled {
  readonly request: EnableRequest;
  readonly reply: EnableReply;
}

export class Lease {
  readonly connection: UpstreamConnection;
  readonly isReuse: boolean;
  /** Set by the session that holds it. */
  holder: LeaseHolder | undefined;
  readonly #end: LeaseEnd;
  #set: string;
  #enabled: Enabled | undefined;
  #isDirty = false;
  #isUntouched = true;
  #hasEnded = false;

  constructor({ connection, isReuse, set, enabled }: LeaseOptions, end: LeaseEnd) {
    this.connection = connection;
    this.isReuse = isReuse;
    this.#set = set;
    this.#enabled = enabled;
    this.#end = end;
  }

  get set(): string {
    return this.#set;
  }

  get enabled(): Enabled | undefined {
    return this.#enabled;
  }

  /** Nothing was sent on it: nothing has to be reset. */
  get isUntouched(): boolean {
    return this.#isUntouched;
  }

  /** State was changed that no reset undoes: the connection is retired at release. */
  get isDirty(): boolean {
    return this.#isDirty;
  }

  /** Nothing was enabled or selected on it; what may still run is another question. */
  get isPristine(): boolean {
    return this.#set === '' && !this.#isDirty && this.connection.ledger.selected === 'no';
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** To be called before anything is sent. */
  use(): void {
    this.#isUntouched = false;
  }

  markDirty(): void {
    this.#isDirty = true;
  }

  /** The pool has enabled something on the connection. */
  enable(enabled: Enabled): void {
    this.#set = enabled.request.set;
    this.#enabled = enabled;
  }

  /** Gives the connection back; what still runs on it is drained in the background. Only the first end counts. */
  release(leaving: Leaving): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#end.released(this, leaving);
  }

  /** Gives the connection up; it is closed at once. Only the first end counts. */
  discard(reason: CloseReason): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#end.discarded(this, reason);
  }
}
