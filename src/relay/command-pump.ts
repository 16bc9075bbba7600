/** Owns the way from client to upstream: which bytes pass, which the proxy answers, and when it has to wait. */

import type { ProxyError } from '../errors.js';
import type { FramedSocket } from '../net/framed-socket.js';
import type { Lease } from '../pool/lease.js';
import type { Leaving } from '../upstream/connection.js';
import type { OutstandingCommand } from '../wire/command-ledger.js';
import type { TaggedStatus } from '../wire/response-head.js';
import { canTakeLiteral } from '../wire/literal-support.js';
import { readCommandLiteral } from '../wire/literal.js';
import type { MarkerResult } from '../wire/literal.js';
import type { EnableRequest } from '../wire/enable.js';
import type { CommandPumpHost } from './command-pump-host.js';
import { NO_SUCH_LITERAL, commandStep } from './command-step.js';
import { refusalReply } from './local-replies.js';
import { Enabling } from './enabling.js';
import type { FirstCommand } from './first-command.js';
import { Outbound } from './outbound.js';
import { SkippedCommand } from './skipped-command.js';

/** How many commands may wait for their answers; further ones stay unread until some are answered. */
const MAX_OUTSTANDING = 1_000;

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
    // What waited for that command's answer is looked at again.
    this.#wait = 'lease';
  }

  /**
   * Sends that command again on another connection, or refuses it if there is none.
   *
   * @param bytes - the whole command
   */
  resume(next: { readonly lease: Lease; readonly bytes: Buffer } | ProxyError): void {
    const lost = this.#current;
    if (lost === undefined) throw new Error('no command was lost');
    this.#outbound.unblock();
    if (next instanceof Error) {
      this.#current = undefined;
      this.#host.answer(refusalReply(lost.tag, next.refusal));
    } else {
      this.#current = this.#outbound.command(next.lease, lost.tag, lost.row);
      next.lease.connection.write(next.bytes);
    }
    this.#wait = undefined;
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
    } else if (this.#mode === 'idle' && !this.#client.framer.isInsideLine) {
      // What is left of a line that was begun in IDLE is no command, whatever the server makes of it.
      this.#mode = 'command';
    }
  }

  get #canGoOn(): boolean {
    if (this.#wait !== undefined || this.#outbound.isBlocked || this.#isStopped) return false;
    return this.#mode !== 'command' || this.#hasRoom;
  }

  /** A client that doesn't read, or whose commands aren't answered, gets no more of them: each takes memory. */
  get #hasRoom(): boolean {
    const outstanding = this.#host.lease?.connection.ledger.size ?? 0;
    return outstanding < MAX_OUTSTANDING && !this.#client.needsDrain;
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
        this.#outbound.endOfIdle(this.#host.lease);
        if (this.#client.framer.kind === 'line') this.#mode = 'command';
        break;
      case 'skip':
        this.#skip();
        break;
    }
  }

  #command(): void {
    const step = commandStep(this.#client.framer, this.#host, this.#enabling);
    switch (step.kind) {
      case 'answer':
        this.#refuse(step.answer);
        break;
      case 'quiet':
        this.#unread('quiet');
        break;
      case 'ask':
        this.#passLater(step.head.tag, step.enable);
        break;
      case 'exchange':
        this.#unread('lease');
        this.#host.exchangeLease(step.enable);
        break;
      case 'pass':
        this.#host.onCommand(step.head.row);
        this.#current = this.#outbound.command(step.lease, step.head.tag, step.head.row);
        this.#mode = 'argument';
        this.#isAnswered = false;
        this.#send(step.lease, this.#current, step.marker, true);
    }
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
    this.#enabling.forget();
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
