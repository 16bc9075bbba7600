/** Owns what an identity's connections have said before, and what is therefore said again without asking. */

import type { Lease } from '../pool/lease.js';
import type { OutstandingCommand } from '../wire/command-ledger.js';
import type { TaggedStatus } from '../wire/response-head.js';

/** Shared by all sessions that the same credentials let in, and as long-lived as these are known. */
export interface IdentityMemory {
  /** The answer to NAMESPACE: its untagged line, and the tagged one without its tag. */
  namespace?: { readonly untagged: Buffer; readonly tagged: Buffer };
}

/** One session's look at it. ENABLE can change what is answered, so a dirty lease neither asks nor tells. */
export class Memory {
  readonly #shared: IdentityMemory;
  #untagged: Buffer | undefined;

  constructor(shared: IdentityMemory) {
    this.#shared = shared;
  }

  /** The whole answer to NAMESPACE; undefined if the server has to be asked. */
  namespaceReply(tag: string, lease: Lease | undefined): Buffer | undefined {
    const known = this.#shared.namespace;
    if (known === undefined || lease?.isDirty === true) return undefined;
    return Buffer.concat([known.untagged, Buffer.from(tag, 'latin1'), known.tagged]);
  }

  /** @param line - `* NAMESPACE`, valid during the call only */
  heard(line: Buffer): void {
    this.#untagged = Buffer.from(line);
  }

  answered(lease: Lease, { row, tag }: OutstandingCommand, status: TaggedStatus, line: Buffer): void {
    if (row.verb !== 'NAMESPACE') return;
    const untagged = this.#untagged;
    this.#untagged = undefined;
    if (status !== 'OK' || untagged === undefined || lease.isDirty) return;
    this.#shared.namespace = { untagged, tagged: Buffer.from(line.subarray(tag.length)) };
  }
}
