/** Owns a session after its login: joins the client with what it leases, and ends both in good order (RFC 9051 §3). */

import { ERRORS } from '../errors.js';
import type { ProxyError } from '../errors.js';
import type { FramedSocket } from '../net/framed-socket.js';
import type { Lease, LeaseHolder } from '../pool/lease.js';
import type { CommandHead } from '../wire/command-head.js';
import type { EnableRequest } from '../wire/enable.js';
import type { VerbRow } from '../wire/verbs.js';
import { CommandPump } from './command-pump.js';
import type { CommandPumpHost } from './command-pump-host.js';
import type { FirstCommand } from './first-command.js';
import { Inbound } from './inbound.js';
import { LeaseDesk } from './lease-desk.js';
import type { LeaseDeskHost, LeaseSource } from './lease-desk.js';
import { Memory } from './memory.js';
import type { IdentityMemory } from './memory.js';
import { LocalCommands } from './local-commands.js';
import { byeReply } from './local-replies.js';
import { discardReason } from './relay-end.js';
import type { RelayEnd } from './relay-end.js';

export interface RelayOptions {
  readonly client: FramedSocket;
  /** The connection whose login proved the credentials, if there is one. */
  readonly lease: Lease | undefined;
  /** What the client was told at login; used until there is a lease. */
  readonly capabilities: readonly string[];
  readonly serverId: Readonly<Record<string, string>>;
  /** What the identity was answered before. */
  readonly memory: IdentityMemory;
  /** How long the server may be silent once the client has sent FIN: most such clients are gone. Milliseconds. */
  readonly halfCloseTimeoutMs: number;
  readonly leases: LeaseSource;
  /** Monotonic milliseconds. */
  now(): number;
  onCommand(row: VerbRow): void;
  /** The upstream has answered the first command: nothing needs the credentials any more. */
  onFirstAnswer(): void;
  /** Called once; the client's socket has got everything that it will get, and is the caller's to close. */
  onEnd(end: RelayEnd): void;
}

export class Relay implements CommandPumpHost, LeaseDeskHost, LeaseHolder {
  readonly #options: RelayOptions;
  readonly #client: FramedSocket;
  readonly #pump: CommandPump;
  readonly #local: LocalCommands;
  readonly #desk: LeaseDesk;
  readonly #inbound: Inbound;
  #end: RelayEnd | undefined;
  #isInputEnded = false;
  #silence: NodeJS.Timeout | undefined;
  #lastTrafficAt = 0;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#client = options.client;
    const memory = new Memory(options.memory);
    this.#local = new LocalCommands({ ...options, memory });
    this.#pump = new CommandPump(options.client, this);
    this.#desk = new LeaseDesk(options.leases, this);
    this.#inbound = new Inbound({
      client: options.client,
      pump: this.#pump,
      desk: this.#desk,
      memory,
      onFirstAnswer: () => {
        options.onFirstAnswer();
      },
      onTraffic: () => {
        this.#silence?.refresh();
        this.#lastTrafficAt = options.now();
      },
      onReadDone: () => {
        this.#pump.run();
        this.#finishIfAnswered();
      },
      onDesynced: () => {
        this.#bye('desynced', ERRORS.upstream_protocol.refusal.text, 'UNAVAILABLE');
      },
      onLost: () => {
        this.onUnreplaceable();
      },
    });
  }

  /** Takes the client's events over, and reads what the client has sent already. */
  start(): void {
    this.#client.listener = {
      onInput: () => {
        this.#pump.run();
      },
      onEnd: () => {
        this.#pump.run();
        this.#watchSilence();
      },
      onDrain: () => {
        this.lease?.connection.resume();
        this.#pump.run();
      },
      onClose: () => {
        this.#finish(this.#client.hasFault ? 'unprovable' : 'vanished');
      },
    };
    if (this.#options.lease !== undefined) this.#desk.hold(this.#options.lease);
    this.#pump.run();
  }

  get lease(): Lease | undefined {
    return this.#desk.lease;
  }

  get first(): FirstCommand {
    return this.#pump.first;
  }

  get isQuiet(): boolean {
    return this.lease?.connection.isQuiet ?? true;
  }

  /** Whether the session has nothing under way: between commands, or in IDLE. */
  get isIdle(): boolean {
    return this.isQuiet || this.isInIdle;
  }

  get isInIdle(): boolean {
    return this.#pump.leaving?.idle !== undefined;
  }

  get quietSince(): number | undefined {
    return this.lease !== undefined && this.isIdle ? this.#lastTrafficAt : undefined;
  }

  reclaim(): void {
    const { lease } = this;
    if (lease === undefined || !this.isIdle) return;
    // The client need not know: its next command takes another lease.
    if (lease.isPristine && this.isQuiet && this.#pump.isBetweenCommands) this.#desk.take()?.release({});
    else this.#bye('reclaimed', 'Others of this user wait for the connection', 'UNAVAILABLE');
  }

  /** Ends the session with BYE, as soon as that is no lie about the framing. */
  terminate(end: 'timeout' | 'drain', text: string): void {
    this.#bye(end, text, end === 'drain' ? 'UNAVAILABLE' : '');
  }

  // ---- what the command pump asks for

  requestLease(enable: EnableRequest | undefined): void {
    this.#desk.request(enable);
  }

  exchangeLease(enable: EnableRequest): void {
    this.#desk.exchange(enable);
  }

  answer(reply: string | Buffer): void {
    this.#client.write(reply);
  }

  isLocal(head: CommandHead): boolean {
    return this.#local.isLocal(head, this.lease);
  }

  answerLocally(head: CommandHead): void {
    this.answer(this.#local.replyTo(head, this.lease));
    if (head.row.effect === 'logout') this.#finish('logout');
  }

  onCommand(row: VerbRow): void {
    this.#options.onCommand(row);
  }

  onUnprovable(text: string): void {
    this.#bye('unprovable', text);
  }

  onInputEnd(): void {
    this.#isInputEnded = true;
    this.#finishIfAnswered();
  }

  /** A client that has sent FIN is not waited for without end, whatever its commands wait for. */
  #watchSilence(): void {
    if (this.#end !== undefined || this.lease === undefined || !this.#client.hasEnded) return;
    this.#silence ??= setTimeout(() => {
      this.#bye('timeout', 'The mail server is silent', 'UNAVAILABLE');
    }, this.#options.halfCloseTimeoutMs);
  }

  // ---- what the desk reports

  guard(callback: () => void): void {
    this.#client.guard(callback);
  }

  onHeld(lease: Lease): void {
    this.#lastTrafficAt = this.#options.now();
    lease.holder = this;
    if (lease.connection.isUsable) lease.connection.attach(this.#inbound);
    else this.#inbound.onClosed();
    this.#watchSilence();
  }

  onSettled(): void {
    this.#pump.leaseSettled();
  }

  onRefused(error: ProxyError, isReplacement: boolean): void {
    const { refusal } = error;
    if (error.code === 'credentials') this.#bye('credentials', refusal.text, refusal.responseCode);
    else if (refusal.status === 'BYE') this.#bye('upstream_lost', refusal.text, refusal.responseCode);
    else if (isReplacement) this.#pump.resume(error);
    else this.#pump.leaseSettled(error);
    this.#finishIfAnswered();
  }

  onReplacing(): void {
    this.#pump.suspend();
  }

  onReplaced(lease: Lease, command: Buffer): void {
    this.#pump.resume({ lease, bytes: command });
  }

  onUnreplaceable(): void {
    // The server's own BYE has reached the client.
    if (this.lease?.connection.hasBye === true) this.#finish('upstream_lost');
    else this.#bye('upstream_lost', ERRORS.upstream_lost.refusal.text, 'UNAVAILABLE');
  }

  // ---- the ends

  #finishIfAnswered(): void {
    if (!this.#isInputEnded) return;
    if (this.#pump.leaving === undefined) {
      // The command that the client broke off is never answered; the ones before it are.
      if ((this.lease?.connection.ledger.size ?? 0) <= 1)
        this.onUnprovable('The connection ended inside a command');
    } else if (this.isQuiet) {
      this.#finish('half_close');
    }
  }

  #bye(end: RelayEnd, text: string, responseCode = ''): void {
    if (this.#end !== undefined) return;
    // Inside a response any word of ours would be taken for mail.
    if (this.lease?.connection.isAtBoundary ?? true) this.answer(byeReply(text, responseCode));
    this.#finish(end);
  }

  #finish(end: RelayEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    clearTimeout(this.#silence);
    this.#pump.stop();
    const lease = this.#desk.close();
    if (lease !== undefined) this.#giveBack(lease, end);
    this.#options.onEnd(end);
  }

  #giveBack(lease: Lease, end: RelayEnd): void {
    const { leaving } = this.#pump;
    const reason = discardReason(end);
    if (leaving === undefined || reason !== undefined) lease.discard(reason ?? 'dirty');
    else lease.release(leaving);
  }
}
