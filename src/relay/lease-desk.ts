/** Owns the lease of a session over time: got when it is needed, exchanged, replaced when it was dead, given back. */

import { asProxyError } from '../errors.js';
import type { ProxyError } from '../errors.js';
import type { Lease, LeaseWish } from '../pool/lease.js';
import type { EnableRequest } from '../wire/enable.js';
import type { FirstCommand } from './first-command.js';

export interface LeaseSource {
  /** The session gives up waiting when it has ended; a lease that comes later is still taken over. */
  acquire(wish: LeaseWish): Promise<Lease>;
  /** Has something enabled for the session that holds the lease. Gives the lease to go on with; never rejects. */
  exchange(lease: Lease, enable: EnableRequest): Promise<Lease>;
}

/** What the desk needs of the session around it. */
export interface LeaseDeskHost {
  /** The first command of the current lease. */
  readonly first: FirstCommand;
  /** Runs what an answer of the pool sets off: what it throws ends this session only. */
  guard(callback: () => void): void;
  /** A lease was taken; the desk has it already. */
  onHeld(lease: Lease): void;
  /** What was asked for has come. */
  onSettled(): void;
  /** @param isReplacement - whether a command was sent and lost, rather than kept back */
  onRefused(error: ProxyError, isReplacement: boolean): void;
  /** Another connection is there, and has to get the command that was lost. */
  onReplaced(lease: Lease, command: Buffer): void;
  /** There is no other connection that could do. */
  onUnreplaceable(): void;
  /** The connection is lost, and another one is looked for. */
  onReplacing(): void;
}

export class LeaseDesk {
  readonly #source: LeaseSource;
  readonly #host: LeaseDeskHost;
  #lease: Lease | undefined;
  /** What the session has enabled, and goes on to have. */
  #enabled: EnableRequest | undefined;
  #hasHadLease = false;
  #hasReplaced = false;
  #isClosed = false;

  constructor(source: LeaseSource, host: LeaseDeskHost) {
    this.#source = source;
    this.#host = host;
  }

  get lease(): Lease | undefined {
    return this.#lease;
  }

  /** Gets a lease on which this is enabled. */
  request(enable: EnableRequest | undefined): void {
    const wanted = this.#enabled ?? enable;
    this.#ask(this.#source.acquire({ enable: wanted, isSwap: this.#hasHadLease }), wanted);
  }

  /** Has this enabled for the session, on this connection or another. */
  exchange(enable: EnableRequest): void {
    const lease = this.take();
    if (lease === undefined) throw new Error('there is no lease to exchange');
    this.#ask(this.#source.exchange(lease, enable), enable);
  }

  hold(lease: Lease): void {
    this.#enabled = lease.enabled?.request ?? this.#enabled;
    this.#lease = lease;
    this.#hasHadLease = true;
    this.#host.first.watch(lease);
    this.#host.onHeld(lease);
  }

  /** Gives the lease out of hand; the caller must end it. */
  take(): Lease | undefined {
    const lease = this.#lease;
    this.#lease = undefined;
    // What happens to the connection from now on is not this session's business.
    lease?.connection.detach();
    return lease;
  }

  /** Takes no lease any more: what still comes is given back at once. */
  close(): Lease | undefined {
    this.#isClosed = true;
    return this.take();
  }

  /** Whether the client need not know that the connection is lost: nothing it sent has got any answer. */
  get canReplace(): boolean {
    if (this.#isClosed || this.#hasReplaced || this.#lease === undefined) return false;
    // Half a response that nobody asked for may have reached the client.
    if (!this.#lease.connection.isAtBoundary) return false;
    return this.#lease.isUntouched || this.#host.first.repeatable !== undefined;
  }

  /** Goes on with another connection: once, since a second loss is no accident. */
  replace(): void {
    const command = this.#host.first.repeatable;
    const lease = this.take();
    this.#hasReplaced = true;
    lease?.discard('error');
    // Nothing was sent: the next command asks for another lease.
    if (command === undefined) {
      this.#host.onSettled();
      return;
    }
    this.#host.onReplacing();
    this.#settle(
      this.#source.acquire({ enable: this.#enabled, isSwap: true }),
      (next) => {
        if (!this.#isFit(next, lease)) return;
        // What was in doubt about the command is so here, too.
        if (lease?.isDirty === true) next.markDirty();
        this.hold(next);
        if (this.#lease !== undefined) this.#host.onReplaced(next, command);
      },
      true,
    );
  }

  /** Whether the connection has what the session has enabled; else the session can't go on. */
  #isFit(lease: Lease, lost?: Lease): boolean {
    const isEnabled = this.#enabled === undefined || lease.enabled?.request.set === this.#enabled.set;
    // A literal that was one for the lost connection would be commands for this one.
    const mayHaveLiteral = lost?.connection.capabilities.has('LITERAL+') === true;
    if (isEnabled && (!mayHaveLiteral || lease.connection.capabilities.has('LITERAL+'))) return true;
    lease.release({});
    this.#host.onUnreplaceable();
    return false;
  }

  #ask(asking: Promise<Lease>, enable: EnableRequest | undefined): void {
    this.#settle(asking, (lease) => {
      if (!lease.connection.isUsable && !this.#hasReplaced) {
        // It died of the question what is enabled on it, or just now: nothing of the client's was sent on it.
        this.#hasReplaced = true;
        lease.discard('error');
        this.request(enable);
        return;
      }
      if (!this.#isFit(lease)) return;
      this.hold(lease);
      this.#host.onSettled();
    });
  }

  #settle(asking: Promise<Lease>, onLease: (lease: Lease) => void, isReplacement = false): void {
    asking.then(
      (lease) => {
        this.#host.guard(() => {
          // Granted to a client that went away while it waited.
          if (this.#isClosed) lease.release({});
          else onLease(lease);
        });
      },
      (error: unknown) => {
        this.#host.guard(() => {
          if (!this.#isClosed) this.#host.onRefused(asProxyError(error), isReplacement);
        });
      },
    );
  }
}
