/** Owns a copy of the first command on a pooled connection, for the case that the connection was dead already. */

import type { Lease } from '../pool/lease.js';
import type { OutstandingCommand } from '../wire/command-ledger.js';

/** A longer one is not worth a copy. */
const MAX_BYTES = 8_192;

/**
 * - `nothing`: nothing was sent yet.
 * - `collecting`: part of the command was sent.
 * - `whole`: the command was sent, and nothing else; nobody has answered.
 * - `spoilt`: it can't be repeated.
 */
type State = 'nothing' | 'collecting' | 'whole' | 'spoilt';

export class FirstCommand {
  #state: State = 'spoilt';
  #parts: Buffer[] = [];
  #bytes = 0;

  /** A lease begins. A connection that has just logged in is not dead; if it dies, the server has its reasons. */
  watch(lease: Lease): void {
    this.spoil();
    if (lease.isReuse) this.#state = 'nothing';
  }

  /** A command begins. */
  begin({ row }: OutstandingCommand): void {
    if (this.#state === 'spoilt') return;
    if (this.#state === 'nothing' && row.isRepeatable) this.#state = 'collecting';
    else this.spoil();
  }

  /** @param bytes - of the command; copied */
  add(bytes: Buffer): void {
    if (this.#state !== 'collecting') return;
    this.#bytes += bytes.length;
    if (this.#bytes > MAX_BYTES) this.spoil();
    else this.#parts.push(Buffer.from(bytes));
  }

  /** The command is complete. */
  end(): void {
    if (this.#state === 'collecting') this.#state = 'whole';
  }

  /** The server has said something: what it did of the command isn't known. */
  spoil(): void {
    this.#state = 'spoilt';
    this.#parts = [];
    this.#bytes = 0;
  }

  /** What may be sent again on another connection; undefined if nothing may be. */
  get repeatable(): Buffer | undefined {
    return this.#state === 'whole' ? Buffer.concat(this.#parts) : undefined;
  }
}
