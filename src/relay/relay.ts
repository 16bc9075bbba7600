/** Owns a session after its login: joins the client with what it leases, and ends both in good order (RFC 9051 §3). */

import { ERRORS, asProxyError } from '../errors.js';
import type { ProxyError } from '../errors.js';
import type { FramedSocket } from '../net/framed-socket.js';
import type { Lease, LeaseHolder } from '../pool/lease.js';
import type { CloseReason, ConnectionUser } from '../upstream/connection.js';
import type { CommandHead } from '../wire/command-head.js';
import type { EnableRequest } from '../wire/enable.js';
import type { OutstandingCommand } from '../wire/command-ledger.js';
import type { TaggedStatus } from '../wire/response-head.js';
import type { VerbRow } from '../wire/verbs.js';
import { CommandPump } from './command-pump.js';
import type { CommandPumpHost } from './command-pump.js';
import { Memory } from './memory.js';
import type { IdentityMemory } from './memory.js';
import { badReply, byeReply, capabilityReply, idReply, logoutReply } from './local-replies.js';

/** How a session ended, for the log. */
export type RelayEnd =
  | 'logout'
  /** The client sent FIN, and got all its answers. */
  | 'half_close'
  /** The client is gone: RST, or a failed write. */
  | 'vanished'
  /** The client broke the framing, or left inside a command. */
  | 'unprovable'
  | 'upstream_lost'
  | 'desynced'
  /** The upstream doesn't accept the credentials any more. */
  | 'credentials'
  | 'timeout'
  /** The session was quiet, and others of its user waited for what it held. */
  | 'reclaimed'
  | 'drain';

/** What the session wants of a lease. */
export interface RelayWish {
  readonly enable: EnableRequest | undefined;
  /** Whether it had a lease before. */
  readonly isSwap: boolean;
}

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
  /** The session gives up waiting when it has ended; a lease that comes later is still taken over. */
  acquire(wish: RelayWish): Promise<Lease>;
  /** Has something enabled for the session that holds the lease. Gives the lease to go on with; never rejects. */
  exchange(lease: Lease, enable: EnableRequest): Promise<Lease>;
  /** Monotonic milliseconds. */
  now(): number;
  onCommand(row: VerbRow): void;
  /** The upstream has answered the first command: nothing needs the credentials any more. */
  onFirstAnswer(): void;
  /** Called once; the client's socket has got everything that it will get, and is the caller's to close. */
  onEnd(end: RelayEnd): void;
}

export class Relay implements ConnectionUser, CommandPumpHost, LeaseHolder {
  readonly #options: RelayOptions;
  readonly #client: FramedSocket;
  readonly #pump: CommandPump;
  readonly #memory: Memory;
  #lease: Lease | undefined;
  #end: RelayEnd | undefined;
  #isInputEnded = false;
  #hasAnswered = false;
  #silence: NodeJS.Timeout | undefined;
  #desyncReason: string | undefined;
  /** What was asked to be enabled on the lease. */
  #enable: EnableRequest | undefined;
  #hasHadLease = false;
  #hasReplaced = false;
  /** The connection is about to be replaced: what it still says is not for the client. */
  #isLosing = false;
  #lastTrafficAt = 0;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#client = options.client;
    this.#memory = new Memory(options.memory);
    this.#pump = new CommandPump(options.client, this);
  }

  /** Takes the client's events over, and reads what the client has sent already. */
  start(): void {
    this.#client.listener = {
      onInput: () => {
        this.#pump.run();
      },
      onEnd: () => {
        this.#pump.run();
      },
      onDrain: () => {
        this.#lease?.connection.resume();
      },
      onClose: () => {
        this.#finish(this.#client.hasFault ? 'unprovable' : 'vanished');
      },
    };
    if (this.#options.lease !== undefined) this.#hold(this.#options.lease);
    this.#pump.run();
  }

  get lease(): Lease | undefined {
    return this.#lease;
  }

  get isQuiet(): boolean {
    return this.#lease?.connection.isQuiet ?? true;
  }

  /** Whether the session has nothing under way: between commands, or in IDLE. */
  get isIdle(): boolean {
    return this.isQuiet || this.isInIdle;
  }

  get isInIdle(): boolean {
    return this.#pump.leaving?.idle !== undefined;
  }

  get quietSince(): number | undefined {
    return this.#lease !== undefined && this.isIdle ? this.#lastTrafficAt : undefined;
  }

  reclaim(): void {
    const lease = this.#lease;
    if (lease === undefined || !this.isIdle) return;
    const { set, isDirty, connection } = lease;
    const isPristine = set === '' && !isDirty && connection.ledger.selected === 'no';
    if (isPristine && this.isQuiet && this.#pump.isBetweenCommands) {
      // The client need not know: its next command takes another lease.
      this.#lease = undefined;
      lease.release({});
    } else {
      this.#bye('reclaimed', 'Others of this user wait for the connection', 'UNAVAILABLE');
    }
  }

  /** Ends the session with BYE, as soon as that is no lie about the framing. */
  terminate(end: 'timeout' | 'drain', text: string): void {
    this.#bye(end, text, end === 'drain' ? 'UNAVAILABLE' : '');
  }

  // ---- what the command pump asks for

  requestLease(enable: EnableRequest | undefined): void {
    this.#ask(this.#options.acquire({ enable, isSwap: this.#hasHadLease }), enable);
  }

  exchangeLease(enable: EnableRequest): void {
    const lease = this.#lease;
    if (lease === undefined) throw new Error('there is no lease to exchange');
    this.#lease = undefined;
    this.#ask(this.#options.exchange(lease, enable), enable);
  }

  answer(reply: string | Buffer): void {
    this.#client.write(reply);
  }

  isLocal({ tag, row }: CommandHead): boolean {
    if (row.effect === 'remembered') return this.#memory.namespaceReply(tag, this.#lease) !== undefined;
    return row.effect === 'answered' || row.effect === 'refused' || row.effect === 'logout';
  }

  answerLocally({ tag, row }: CommandHead): void {
    switch (row.verb) {
      case 'NAMESPACE':
        this.answer(this.#memory.namespaceReply(tag, this.#lease) ?? badReply(tag, 'Not known any more'));
        break;
      case 'LOGOUT':
        this.answer(logoutReply(tag));
        this.#finish('logout');
        break;
      case 'CAPABILITY':
        this.answer(
          capabilityReply(tag, this.#lease?.connection.capabilities.forClients ?? this.#options.capabilities),
        );
        break;
      case 'ID':
        this.answer(idReply(tag, this.#options.serverId));
        break;
      default:
        this.answer(badReply(tag, `${row.verb} is not possible after login`));
    }
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
    if (this.#end !== undefined) return;
    this.#silence = setTimeout(() => {
      this.#bye('timeout', 'The mail server is silent', 'UNAVAILABLE');
    }, this.#options.halfCloseTimeoutMs);
  }

  // ---- what the upstream connection reports

  forward(bytes: Buffer): void {
    this.#silence?.refresh();
    if (this.#isLosing) return;
    this.#pump.first.spoil();
    this.#lastTrafficAt = this.#options.now();
    if (!this.#client.write(bytes)) this.#lease?.connection.pause();
  }

  onCompleted(command: OutstandingCommand, status: TaggedStatus, line: Buffer): void {
    if (this.#lease !== undefined) this.#memory.answered(this.#lease, command, status, line);
    this.#pump.completed(command, status);
    if (this.#hasAnswered) return;
    this.#hasAnswered = true;
    this.#options.onFirstAnswer();
  }

  onContinuation(): void {
    if (!this.#pump.continued()) this.#desyncReason = 'a continuation that no command waits for';
  }

  onBye(): void {
    // It reaches the client as it is, and the end of the connection follows; unless nobody need know.
    this.#isLosing = this.#canReplace;
  }

  onEnabled(): void {
    this.#lease?.markDirty();
  }

  onCapabilities(): void {
    // The connection keeps them, and filtered they reach the client.
  }

  onNamespace(line: Buffer): void {
    this.#memory.heard(line);
  }

  onDesynced(reason: string): void {
    this.#desyncReason = reason;
  }

  onReadDone(): void {
    if (this.#desyncReason !== undefined) {
      this.#bye('desynced', ERRORS.upstream_protocol.refusal.text, 'UNAVAILABLE');
      return;
    }
    if (this.#isLosing) {
      this.#replace();
      return;
    }
    this.#pump.run();
    this.#finishIfAnswered();
  }

  onDrain(): void {
    this.#pump.unblock();
  }

  onClosed(): void {
    if (this.#canReplace) this.#replace();
    else if (this.#lease?.connection.hasBye === true) this.#finish('upstream_lost');
    else this.#bye('upstream_lost', ERRORS.upstream_lost.refusal.text, 'UNAVAILABLE');
  }

  // ---- the lease

  #ask(asking: Promise<Lease>, enable: EnableRequest | undefined): void {
    asking.then(
      (lease) => {
        this.#client.guard(() => {
          this.#leaseGranted(lease, enable);
        });
      },
      (error: unknown) => {
        this.#client.guard(() => {
          this.#leaseRefused(asProxyError(error));
        });
      },
    );
  }

  #hold(lease: Lease): void {
    this.#lease = lease;
    this.#hasHadLease = true;
    this.#lastTrafficAt = this.#options.now();
    this.#pump.first.watch(lease);
    lease.holder = this;
    lease.connection.attach(this);
    if (!lease.connection.isUsable) this.onClosed();
  }

  #leaseGranted(lease: Lease, enable: EnableRequest | undefined): void {
    if (this.#end === undefined) {
      this.#enable = enable;
      this.#hold(lease);
      this.#pump.leaseSettled();
    } else {
      // Granted to a client that went away while it waited.
      lease.release({});
    }
  }

  /** Whether the client need not know that the connection is lost: nothing it sent has got any answer. */
  get #canReplace(): boolean {
    if (this.#end !== undefined || this.#hasReplaced || this.#lease === undefined) return false;
    return this.#lease.isUntouched || this.#pump.first.repeatable !== undefined;
  }

  /** Goes on with another connection: once, since a second loss is no accident. */
  #replace(): void {
    const lease = this.#lease;
    const command = this.#pump.first.repeatable;
    this.#hasReplaced = true;
    this.#isLosing = false;
    this.#lease = undefined;
    lease?.discard('error');
    // Nothing was sent: the next command asks for another lease.
    if (command === undefined) return;
    const enable = this.#enable;
    this.#pump.suspend();
    this.#options.acquire({ enable, isSwap: true }).then(
      (next) => {
        this.#client.guard(() => {
          this.#replaced(next, command);
        });
      },
      (error: unknown) => {
        this.#client.guard(() => {
          this.#leaseRefused(asProxyError(error), true);
        });
      },
    );
  }

  #replaced(lease: Lease, command: Buffer): void {
    const isEnabled = this.#enable === undefined || lease.enableReply !== undefined;
    if (this.#end !== undefined || !isEnabled) {
      lease.release({});
      this.#bye('upstream_lost', ERRORS.upstream_lost.refusal.text, 'UNAVAILABLE');
      return;
    }
    this.#hold(lease);
    if (this.#lease !== undefined) this.#pump.resend(lease, command);
  }

  #leaseRefused(error: ProxyError, isReplacement = false): void {
    const { refusal } = error;
    if (this.#end !== undefined) return;
    if (error.code === 'credentials') this.#bye('credentials', refusal.text, refusal.responseCode);
    else if (refusal.status === 'BYE') this.#bye('upstream_lost', refusal.text, refusal.responseCode);
    else if (isReplacement) this.#pump.refuseLost(error);
    else this.#pump.leaseSettled(error);
  }

  // ---- the ends

  #finishIfAnswered(): void {
    if (!this.#isInputEnded) return;
    if (this.#pump.leaving === undefined) {
      // The command that the client broke off is never answered; the ones before it are.
      if ((this.#lease?.connection.ledger.size ?? 0) <= 1)
        this.onUnprovable('The connection ended inside a command');
    } else if (this.isQuiet) {
      this.#finish('half_close');
    }
  }

  #bye(end: RelayEnd, text: string, responseCode = ''): void {
    if (this.#end !== undefined) return;
    // Inside a response any word of ours would be taken for mail.
    if (this.#lease?.connection.isAtBoundary ?? true) this.answer(byeReply(text, responseCode));
    this.#finish(end);
  }

  #finish(end: RelayEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    clearTimeout(this.#silence);
    this.#pump.stop();
    const lease = this.#lease;
    this.#lease = undefined;
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

/** What is wrong with a connection after this end; undefined if nothing is. */
function discardReason(end: RelayEnd): CloseReason | undefined {
  switch (end) {
    case 'unprovable':
      return 'dirty';
    case 'desynced':
    case 'upstream_lost':
      return 'error';
    default:
      return undefined;
  }
}
