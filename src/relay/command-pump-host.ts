/** Owns what the way from client to upstream needs of the session around it. */

import type { Lease } from '../pool/lease.js';
import type { CommandHead } from '../wire/command-head.js';
import type { EnableRequest } from '../wire/enable.js';
import type { VerbRow } from '../wire/verbs.js';

export interface CommandPumpHost {
  /** The lease, if the session has one now. */
  readonly lease: Lease | undefined;
  /** Whether nothing is outstanding upstream, so that the proxy's own reply is in order. */
  readonly isQuiet: boolean;
  /** Gets a lease on which this is enabled, then calls `leaseSettled`. */
  requestLease(enable: EnableRequest | undefined): void;
  /** Has this enabled for the session, which is quiet, then calls `leaseSettled`. */
  exchangeLease(enable: EnableRequest): void;
  /** Sends the proxy's own reply. */
  answer(reply: string | Buffer): void;
  /** Whether the proxy answers the command itself. */
  isLocal(head: CommandHead): boolean;
  /** Gives the reply to a command that {@link isLocal}. */
  answerLocally(head: CommandHead): void;
  onCommand(row: VerbRow): void;
  /** The session can't go on; what is leased can't be given back. */
  onUnprovable(text: string): void;
  /** The client has sent FIN, and every command that was complete was passed on or answered. */
  onInputEnd(): void;
}
