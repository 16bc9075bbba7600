/** Owns what an identity's connections have said before, and what is therefore said again without asking. */

import type { Lease } from '../pool/lease.js';
import type { OutstandingCommand } from '../wire/command-ledger.js';
import type { TaggedStatus } from '../wire/response-head.js';

/** Shared by all sessions that the same credentials let in, and as long-lived as these are known. */
export interface IdentityMemory {
  /** The answer to NAMESPACE on connections of each enabled set: that can change it. */
  namespaces?: Map<string, { readonly untagged: Buffer; readonly tagged: Buffer }>;
}

/** One session's look at it. A dirty lease, on which anything may be enabled, neither asks nor tells. */
export class Memory {
  readonly #shared: IdentityMemory;
  #untagged: Buffer | undefined;

  constructor(shared: IdentityMemory) {
    this.#shared = shared;
  }

  /** The whole answer to NAMESPACE; undefined if the server has to be asked. */
  namespaceReply(tag: string, lease: Lease | undefined): Buffer | undefined {
    const known = this.#shared.namespaces?.get(lease?.set ?? '');
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
    this.#shared.namespaces ??= new Map();
    this.#shared.namespaces.set(lease.set, { untagged, tagged: Buffer.from(line.subarray(tag.length)) });
  }
}
