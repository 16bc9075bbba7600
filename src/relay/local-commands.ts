/** Owns the commands that the proxy answers itself after login, and what it says to them (RFC 9051 §6.1). */

import type { Lease } from '../pool/lease.js';
import type { CommandHead } from '../wire/command-head.js';
import { badReply, capabilityReply, idReply, logoutReply } from './local-replies.js';
import type { Memory } from './memory.js';

export interface LocalCommandsOptions {
  /** What the client was told at login; used until there is a lease. */
  readonly capabilities: readonly string[];
  readonly serverId: Readonly<Record<string, string>>;
  readonly memory: Memory;
}

export class LocalCommands {
  readonly #options: LocalCommandsOptions;

  constructor(options: LocalCommandsOptions) {
    this.#options = options;
  }

  isLocal({ tag, row }: CommandHead, lease: Lease | undefined): boolean {
    if (row.effect === 'remembered') return this.#options.memory.namespaceReply(tag, lease) !== undefined;
    return row.effect === 'answered' || row.effect === 'refused' || row.effect === 'logout';
  }

  /** The reply to a command that {@link isLocal}. */
  replyTo({ tag, row }: CommandHead, lease: Lease | undefined): string | Buffer {
    const { capabilities, memory, serverId } = this.#options;
    switch (row.verb) {
      case 'NAMESPACE':
        return memory.namespaceReply(tag, lease) ?? badReply(tag, 'Not known any more');
      case 'LOGOUT':
        return logoutReply(tag);
      case 'CAPABILITY':
        return capabilityReply(tag, lease?.connection.capabilities.forClients ?? capabilities);
      case 'ID':
        return idReply(tag, serverId);
      default:
        return badReply(tag, `${row.verb} is not possible after login`);
    }
  }
}
