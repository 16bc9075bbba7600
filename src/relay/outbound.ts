/** Owns what is passed on to the upstream: the bytes, what they leave in doubt, and a copy of the first command. */

import type { FramedSocket } from '../net/framed-socket.js';
import type { Lease } from '../pool/lease.js';
import type { OutstandingCommand } from '../wire/command-ledger.js';
import type { MarkerResult } from '../wire/literal.js';
import type { TaggedStatus } from '../wire/response-head.js';
import type { VerbRow } from '../wire/verbs.js';
import { FirstCommand } from './first-command.js';
import { ForwardedRun } from './forwarded-run.js';
import { Provability, isDone } from './provability.js';

export class Outbound {
  readonly first = new FirstCommand();
  readonly #client: FramedSocket;
  readonly #provability = new Provability();
  readonly #run = new ForwardedRun();
  #isBlocked = false;

  constructor(client: FramedSocket) {
    this.#client = client;
  }

  /** The upstream's send buffer is full. */
  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  unblock(): void {
    this.#isBlocked = false;
  }

  /** One read of the client begins. */
  begin(): void {
    this.#run.begin(this.#client.framer.buffer);
  }

  /** One read of the client ends: everything that was passed on is written. */
  end(lease: Lease | undefined): void {
    if (!this.#run.flush(lease?.connection)) this.#isBlocked = true;
    this.#run.release();
  }

  /** Begins a command on the leased connection. */
  command(lease: Lease, tag: string, row: VerbRow): OutstandingCommand {
    lease.use();
    const command = lease.connection.begin(tag, row);
    this.first.begin(command);
    return command;
  }

  /**
   * Passes the segment on that the framer has just found.
   *
   * @param marker - how it ends, if it is the end of a line
   * @param isFirst - whether it is the command's first
   */
  segment(lease: Lease, command: OutstandingCommand, marker: MarkerResult, isFirst: boolean): void {
    const { framer } = this.#client;
    this.#provability.sending(lease, command, framer, marker, isFirst);
    // It waits for the server's `+`, which nobody would do the second time.
    if (typeof marker === 'object' && marker.isSynchronizing) this.first.spoil();
    this.first.add(framer.buffer.subarray(framer.start, framer.end));
    this.#pass(lease);
    if (framer.kind === 'line' && marker === undefined) this.first.end();
  }

  /** Passes the segment on that the framer has just found: of the line that ends IDLE. */
  endOfIdle(lease: Lease | undefined): void {
    // A server that ended IDLE itself a moment ago reads it as a command. Only DONE is none.
    if (!isDone(this.#client.framer)) lease?.markDirty();
    this.#pass(lease);
  }

  answered(lease: Lease, command: OutstandingCommand, status: TaggedStatus): void {
    this.first.spoil();
    this.#provability.answered(lease, command, status);
  }

  #pass(lease: Lease | undefined): void {
    const { start, end } = this.#client.framer;
    if (lease !== undefined && !this.#run.add(start, end, lease.connection)) this.#isBlocked = true;
  }
}
