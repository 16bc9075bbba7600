/** Owns the lease: one session's right to use one upstream connection, and the ways to end it. */

import type { CloseReason, Leaving, UpstreamConnection } from '../upstream/connection.js';

/** What becomes of the connection when a lease ends; decided by the pool. */
export interface LeaseEnd {
  /** The connection may be proven clean. */
  released(lease: Lease, leaving: Leaving): void;
  /** The connection can't be proven clean. */
  discarded(lease: Lease, reason: CloseReason): void;
}

export class Lease {
  readonly connection: UpstreamConnection;
  /** Whether another session used the connection before. */
  readonly isReuse: boolean;
  readonly #end: LeaseEnd;
  #isDirty = false;
  #isPristine = true;
  #hasEnded = false;

  constructor(connection: UpstreamConnection, isReuse: boolean, end: LeaseEnd) {
    this.connection = connection;
    this.isReuse = isReuse;
    this.#end = end;
  }

  /** Nothing was sent on it: nothing has to be reset. */
  get isPristine(): boolean {
    return this.#isPristine;
  }

  /** State was changed that no reset undoes: the connection is retired at release. */
  get isDirty(): boolean {
    return this.#isDirty;
  }

  /** To be called before anything is sent. */
  use(): void {
    this.#isPristine = false;
  }

  markDirty(): void {
    this.#isDirty = true;
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
