/** Owns the way from upstream to client: what the leased connection reports, and what of it the client gets. */

import type { FramedSocket } from '../net/framed-socket.js';
import type { ConnectionUser } from '../upstream/connection.js';
import type { OutstandingCommand } from '../wire/command-ledger.js';
import type { TaggedStatus } from '../wire/response-head.js';
import type { CommandPump } from './command-pump.js';
import type { LeaseDesk } from './lease-desk.js';
import type { Memory } from './memory.js';

export interface InboundOptions {
  readonly client: FramedSocket;
  readonly pump: CommandPump;
  readonly desk: LeaseDesk;
  readonly memory: Memory;
  /** The server has said something. */
  readonly onTraffic: () => void;
  /** The upstream has answered the first command. */
  readonly onFirstAnswer: () => void;
  /** Everything that came with one read was passed on. */
  readonly onReadDone: () => void;
  /** The stream can't be trusted any more. */
  readonly onDesynced: () => void;
  /** The connection is gone, and no other one could do. */
  readonly onLost: () => void;
}

export class Inbound implements ConnectionUser {
  readonly #options: InboundOptions;
  #hasAnswered = false;
  #isDesynced = false;
  /** The connection is about to be replaced: what it still says is not for the client. */
  #isLosing = false;
  /** What it has said since. */
  #withheld: Buffer[] = [];

  constructor(options: InboundOptions) {
    this.#options = options;
  }

  forward(bytes: Buffer): void {
    const { client, desk, pump, onTraffic } = this.#options;
    // Behind its BYE it may have answered all the same: that shows at the end of the read.
    if (this.#isLosing && desk.canReplace) {
      this.#withheld.push(bytes);
      return;
    }
    this.#pass();
    pump.first.spoil();
    onTraffic();
    if (!client.write(bytes)) desk.lease?.connection.pause();
  }

  onCompleted(command: OutstandingCommand, status: TaggedStatus, line: Buffer): void {
    const { desk, memory, pump, onFirstAnswer } = this.#options;
    if (desk.lease !== undefined) memory.answered(desk.lease, command, status, line);
    pump.completed(command, status);
    if (this.#hasAnswered) return;
    this.#hasAnswered = true;
    onFirstAnswer();
  }

  onContinuation(): void {
    // One that no command waits for.
    if (!this.#options.pump.continued()) this.#isDesynced = true;
  }

  onBye(): void {
    // It reaches the client as it is, and the end of the connection follows; unless nobody need know.
    this.#isLosing = this.#options.desk.canReplace;
  }

  onEnabled(): void {
    this.#options.desk.lease?.markDirty();
  }

  onCapabilities(): void {
    // The connection keeps them, and filtered they reach the client.
  }

  onNamespace(line: Buffer): void {
    this.#options.memory.heard(line);
  }

  onDesynced(): void {
    this.#isDesynced = true;
  }

  onReadDone(): void {
    if (this.#isDesynced) this.#options.onDesynced();
    else if (!this.#replacesLost()) this.#options.onReadDone();
  }

  onDrain(): void {
    this.#options.pump.unblock();
  }

  onClosed(): void {
    this.#isLosing = true;
    if (!this.#replacesLost()) this.#options.onLost();
  }

  /** Whether the connection was lost, and another one is on its way. */
  #replacesLost(): boolean {
    const { desk } = this.#options;
    const canReplace = this.#isLosing && desk.canReplace;
    this.#isLosing = false;
    if (canReplace) {
      this.#withheld = [];
      desk.replace();
    } else {
      this.#pass();
    }
    return canReplace;
  }

  /** Passes on what was withheld. */
  #pass(): void {
    for (const bytes of this.#withheld) this.#options.client.write(bytes);
    this.#withheld = [];
  }
}
