/** Owns the way from client to upstream: which bytes pass, which the proxy answers, and when it has to wait. */

import type { ProxyError } from '../errors.js';
import type { FramedSocket } from '../net/framed-socket.js';
import type { Lease } from '../pool/lease.js';
import type { Leaving } from '../upstream/connection.js';
import { readCommandHead, readTag } from '../wire/command-head.js';
import type { CommandHead } from '../wire/command-head.js';
import type { OutstandingCommand } from '../wire/command-ledger.js';
import type { TaggedStatus } from '../wire/response-head.js';
import { canTakeLiteral } from '../wire/literal-support.js';
import { readCommandLiteral } from '../wire/literal.js';
import type { MarkerResult } from '../wire/literal.js';
import type { EnableRequest } from '../wire/enable.js';
import type { VerbRow } from '../wire/verbs.js';
import { badReply, refusalReply } from './local-replies.js';
import { Enabling } from './enabling.js';
import type { FirstCommand } from './first-command.js';
import { Outbound } from './outbound.js';
import { SkippedCommand } from './skipped-command.js';

const NO_SUCH_LITERAL = 'No such literal is possible here';

/** What the pump needs of the session around it. */
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

/**
 * - `command`: the next line begins a command.
 * - `argument`: inside a command that was passed on in part.
 * - `idle`: IDLE runs: the next line ends it, whatever it is (RFC 2177).
 * - `skip`: inside a command that is not passed on.
 */
type Mode = 'command' | 'argument' | 'idle' | 'skip';

/** Why nothing is read: for a lease, for `+` or a refusal, or for all answers before a reply of our own. */
type Wait = 'lease' | 'continuation' | 'quiet' | undefined;

export class CommandPump {
  readonly #client: FramedSocket;
  readonly #host: CommandPumpHost;
  #mode: Mode = 'command';
  #wait: Wait;
  #isRunning = false;
  #isStopped = false;
  #hasInputEnded = false;
  /** The command that was passed on last. */
  #current: OutstandingCommand | undefined;
  readonly #enabling = new Enabling();
  readonly #outbound: Outbound;
  /** What was waited for when the connection was lost. */
  #waitBefore: Wait;
  /** Whether the current command was answered: what still comes of it, no server reads as more of it. */
  #isAnswered = false;
  /** Size of the synchronizing literal that waits for `+`. */
  #announced = 0;
  /** The command that is being taken out of the stream. */
  #skipped: SkippedCommand | undefined;
  #leaseError: ProxyError | undefined;

  constructor(client: FramedSocket, host: CommandPumpHost) {
    this.#client = client;
    this.#outbound = new Outbound(client);
    this.#host = host;
  }

  /**
   * How the upstream connection is left if the client is gone now; undefined if it is left inside a command, so that
   * it can't be given back.
   */
  get leaving(): Leaving | undefined {
    const command = this.#current;
    const isIdle = command?.row.effect === 'idle';
    if (this.#mode === 'argument') return undefined;
    if (isIdle && this.#mode === 'idle') return { idle: { command, isAccepted: true } };
    if (isIdle && this.#wait === 'continuation') return { idle: { command, isAccepted: false } };
    return {};
  }

  /** The first command of the lease, and whether it may be sent again. */
  get first(): FirstCommand {
    return this.#outbound.first;
  }

  /** Whether the next bytes begin a command, and none of it was read. */
  get isBetweenCommands(): boolean {
    return this.#mode === 'command' && !this.#client.framer.isInsideLine;
  }

  /** Reads what there is, until it has to wait. Safe to call at any time. */
  run(): void {
    if (this.#isRunning || this.#isStopped) return;
    this.#isRunning = true;
    if (this.#wait === 'quiet' && this.#host.isQuiet) this.#wait = undefined;
    this.#outbound.begin();
    while (this.#canGoOn && this.#client.framer.next()) this.#segment();
    this.#outbound.end(this.#host.lease);
    this.#isRunning = false;
    this.#client.inputTaken();
    if (this.#canGoOn && this.#client.hasEnded) this.#endInput();
  }

  /** Reads nothing more; what was not passed on is thrown away. */
  stop(): void {
    this.#isStopped = true;
  }

  unblock(): void {
    this.#outbound.unblock();
    this.run();
  }

  /** @param error - why the command that asked for a lease is refused */
  leaseSettled(error?: ProxyError): void {
    this.#leaseError = error;
    this.#wait = undefined;
    this.run();
  }

  /**
   * The upstream is ready for a literal or has begun IDLE.
   *
   * @returns false if no command waits for that
   */
  continued(): boolean {
    if (this.#wait !== 'continuation') return false;
    this.#wait = undefined;
    if (this.#current?.row.effect === 'idle') this.#mode = 'idle';
    else this.#client.framer.openLiteral(this.#announced);
    return true;
  }

  /** The connection is gone, and with it the one command that was sent on it: nothing is read for now. */
  suspend(): void {
    this.#waitBefore = this.#wait;
    this.#wait = 'lease';
  }

  /** Sends that command again. */
  resend(lease: Lease, bytes: Buffer): void {
    const { tag, row } = this.#lost;
    this.#current = this.#outbound.command(lease, tag, row);
    this.#outbound.unblock();
    lease.connection.write(bytes);
    this.#resumeAfterLoss();
  }

  /** Refuses that command, since there is no other connection. */
  refuseLost(error: ProxyError): void {
    this.#host.answer(refusalReply(this.#lost.tag, error.refusal));
    this.#current = undefined;
    this.#outbound.unblock();
    this.#resumeAfterLoss();
  }

  get #lost(): OutstandingCommand {
    if (this.#current === undefined) throw new Error('no command was lost');
    return this.#current;
  }

  #resumeAfterLoss(): void {
    this.#wait = this.#waitBefore;
    this.run();
  }

  completed(command: OutstandingCommand, status: TaggedStatus): void {
    const { lease } = this.#host;
    if (lease !== undefined) this.#outbound.answered(lease, command, status);
    if (command !== this.#current) return;
    this.#isAnswered = true;
    // Refused while it waited for `+`, or an IDLE that the server ended: the next line is a command again.
    if (this.#wait === 'continuation') {
      this.#wait = undefined;
      this.#mode = 'command';
    } else if (this.#mode === 'idle') {
      // What is left of a line that was begun in IDLE is no command, whatever the server makes of it.
      if (this.#client.framer.isInsideLine) this.#host.lease?.markDirty();
      else this.#mode = 'command';
    }
  }

  get #canGoOn(): boolean {
    return this.#wait === undefined && !this.#outbound.isBlocked && !this.#isStopped;
  }

  #endInput(): void {
    if (this.#hasInputEnded) return;
    this.#hasInputEnded = true;
    if (this.#mode === 'idle') {
      this.#host.lease?.connection.write('DONE\r\n');
      this.#mode = 'command';
    }
    this.#host.onInputEnd();
  }

  #segment(): void {
    switch (this.#mode) {
      case 'command':
        this.#command();
        break;
      case 'argument':
        this.#argument();
        break;
      case 'idle':
        this.#outbound.raw(this.#host.lease);
        if (this.#client.framer.kind === 'line') this.#mode = 'command';
        break;
      case 'skip':
        this.#skip();
        break;
    }
  }

  #command(): void {
    const { buffer, kind, start, end } = this.#client.framer;
    const isWhole = kind === 'line';
    const head = readCommandHead(buffer, start, isWhole ? end : buffer.length);
    if (head === undefined) {
      const tag = readTag(buffer, start, end);
      this.#refuse(() => {
        this.#host.answer(badReply(tag, 'Command syntax: tag, space, command'));
      });
      return;
    }
    if (this.#host.isLocal(head)) {
      this.#refuse(() => {
        this.#host.onCommand(head.row);
        this.#host.answerLocally(head);
      });
    } else {
      this.#pass(head, isWhole ? readCommandLiteral(buffer, start, end) : undefined);
    }
  }

  /** Passes the first segment of a command on, once there is a lease. */
  #pass(head: CommandHead, marker: MarkerResult): void {
    const { tag, row } = head;
    const { lease, isQuiet } = this.#host;
    const { framer } = this.#client;
    const step = framer.kind === 'line' ? this.#enabling.next(head, framer, lease, isQuiet) : undefined;
    if (step?.kind === 'answer') {
      this.#refuse(() => {
        this.#host.onCommand(row);
        const { untagged, tagged } = step.reply;
        this.#host.answer(Buffer.concat([untagged, Buffer.from(tag, 'latin1'), tagged]));
      });
      return;
    }
    if (step?.kind === 'quiet') {
      this.#unread('quiet');
      return;
    }
    const enable = step?.kind === 'ask' ? step.request : undefined;
    if (lease === undefined) {
      this.#passLater(tag, enable);
      return;
    }
    if (enable !== undefined) {
      this.#unread('lease');
      this.#host.exchangeLease(enable);
      return;
    }
    if (!canTakeLiteral(lease.connection.capabilities, row, marker)) {
      this.#refuse(() => {
        this.#host.answer(badReply(tag, NO_SUCH_LITERAL));
      });
      return;
    }
    this.#host.onCommand(row);
    this.#current = this.#outbound.command(lease, tag, row);
    this.#mode = 'argument';
    this.#isAnswered = false;
    this.#send(lease, this.#current, marker, true);
  }

  /** Asks for a lease, and looks at the command again with it; or refuses the command, if there was none to be had. */
  #passLater(tag: string, enable: EnableRequest | undefined): void {
    const error = this.#leaseError;
    if (error === undefined) {
      this.#unread('lease');
      this.#host.requestLease(enable);
      return;
    }
    this.#leaseError = undefined;
    this.#refuse(() => {
      this.#host.answer(refusalReply(tag, error.refusal));
    });
  }

  /** Passes more of a command on. */
  #argument(): void {
    const { buffer, kind, start, end } = this.#client.framer;
    const { lease } = this.#host;
    const command = this.#current;
    if (lease === undefined || command === undefined)
      throw new Error('inside a command that was never begun');
    const marker = kind === 'line' ? readCommandLiteral(buffer, start, end) : undefined;
    const isOver = this.#isAnswered && marker !== undefined;
    if (!isOver && canTakeLiteral(lease.connection.capabilities, command.row, marker))
      this.#send(lease, command, marker, false);
    else this.#host.onUnprovable(NO_SUCH_LITERAL);
  }

  #send(lease: Lease, command: OutstandingCommand, marker: MarkerResult, isFirst: boolean): void {
    const { framer } = this.#client;
    this.#outbound.segment(lease, command, marker, isFirst);
    if (framer.kind !== 'line') return;
    if (typeof marker === 'object') {
      this.#announced = marker.size;
      if (marker.isSynchronizing) this.#wait = 'continuation';
      else framer.openLiteral(marker.size);
      return;
    }
    this.#mode = 'command';
    if (command.row.effect === 'idle') this.#wait = 'continuation';
  }

  /** Takes a command out of the stream, with its literals, and answers it when everything before it is answered. */
  #refuse(answer: () => void): void {
    if (!this.#host.isQuiet) {
      this.#unread('quiet');
      return;
    }
    this.#mode = 'skip';
    this.#skipped = new SkippedCommand(answer);
    this.#skip();
  }

  #skip(): void {
    const outcome = this.#skipped?.take(this.#client.framer);
    if (outcome === 'too_big') {
      this.#host.onUnprovable('[TOOBIG] The command was refused and is too long to be skipped');
    } else if (outcome === 'over') {
      this.#mode = 'command';
      this.#skipped?.answer();
    }
  }

  /** Looks at the segment again when what is waited for has come. */
  #unread(wait: Wait): void {
    this.#client.framer.unread();
    this.#wait = wait;
  }
}
