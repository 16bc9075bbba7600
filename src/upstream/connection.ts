/** Owns one upstream connection: its socket, what is outstanding on it, and how it ends. */

import type { FramedSocket } from '../net/framed-socket.js';
import { CapabilitySet } from '../wire/capability.js';
import { CommandLedger } from '../wire/command-ledger.js';
import type { OutstandingCommand } from '../wire/command-ledger.js';
import { ResponseReader } from '../wire/response-reader.js';
import type { ResponseSink } from '../wire/response-reader.js';
import { verbRow } from '../wire/verbs.js';
import type { VerbRow } from '../wire/verbs.js';
import { randomTag } from './random-tag.js';

/** How long a server may take to close first, so that TIME_WAIT lies with it and not with us. */
const PEER_CLOSE_GRACE_MS = 1_000;

/** Why an upstream connection was closed; the same strings are the `reason` label of the metric. */
export type CloseReason =
  | 'idle'
  | 'age'
  | 'leases'
  | 'bye'
  | 'eof'
  | 'error'
  | 'reset'
  | 'dirty'
  | 'credentials'
  | 'evicted'
  | 'probe'
  | 'stale'
  | 'drain';

/** Who sent FIN or RST first; `local` is what leaves a port in TIME_WAIT on this host. */
export type CloseInitiator = 'local' | 'remote';

/** What a server offers one identity after its login. */
export type Capabilities = UpstreamConnection['capabilities'];

/** How a client left its connection; decides what a command that still runs needs before it ends. */
export interface Leaving {
  /** An IDLE that was sent and not ended: it needs DONE, once the server has accepted it. */
  readonly idle?: { readonly command: OutstandingCommand; readonly isAccepted: boolean };
}

/** Who uses the connection now: exactly one does, and an idle one has nobody attached. */
export interface ConnectionUser extends ResponseSink {
  /** Everything that came with one read was reported; now is the time to act on it. */
  onReadDone(): void;
  onDrain(): void;
  /** The connection is gone; nothing else is called after this. */
  onClosed(): void;
}

/** A user that takes no notice: the base of users that care for a few calls only. */
export const INDIFFERENT: ConnectionUser = Object.freeze({
  forward: () => undefined,
  onCompleted: () => undefined,
  onContinuation: () => undefined,
  onBye: () => undefined,
  onEnabled: () => undefined,
  onCapabilities: () => undefined,
  onNamespace: () => undefined,
  onDesynced: () => undefined,
  onReadDone: () => undefined,
  onDrain: () => undefined,
  onClosed: () => undefined,
});

export interface ConnectionEnd {
  readonly reason: CloseReason;
  readonly initiator: CloseInitiator;
}

export class UpstreamConnection {
  /** Unique in this process, for the log. */
  readonly id: number;
  readonly ledger = new CommandLedger();
  /** As of the login, or as the server changed them since. */
  capabilities = new CapabilitySet([]);
  /** Resolves when nothing can come any more: the server has closed, or the socket is gone. Never rejects. */
  readonly closed: Promise<ConnectionEnd>;
  /** Resolves when the socket is gone, and its port with it: over TLS up to a second later. Never rejects. */
  readonly gone: Promise<CloseInitiator>;
  /** While idle, only BYE is news; anything that needs an answer, or answers nothing, makes it unusable. */
  readonly #nobody: ConnectionUser = {
    ...INDIFFERENT,
    onContinuation: () => {
      this.destroy('dirty');
    },
    onEnabled: () => {
      this.destroy('dirty');
    },
    onDesynced: () => {
      this.destroy('dirty');
    },
    onReadDone: () => {
      if (this.#hasBye) this.#awaitPeerClose('bye');
    },
  };
  readonly #socket: FramedSocket;
  readonly #reader: ResponseReader;
  readonly #sink: ResponseSink;
  #user: ConnectionUser;
  #closeReason: CloseReason | undefined;
  #hasBye = false;
  #isLocalEnd = false;
  #isOver = false;
  /** Ends what is left of the socket behind the server. */
  #linger: NodeJS.Timeout | undefined;

  /** Takes ownership of the socket and starts to read. */
  constructor(id: number, socket: FramedSocket) {
    this.id = id;
    this.#socket = socket;
    this.#reader = new ResponseReader(socket.framer, this.ledger);
    this.#sink = this.#delegate();
    this.#user = this.#nobody;
    let onOver: (end: ConnectionEnd) => void;
    this.closed = new Promise((resolve) => (onOver = resolve));
    const over = (): void => {
      if (this.#isOver) return;
      this.#isOver = true;
      onOver(this.#end());
      this.#user.onClosed();
    };
    this.gone = new Promise((resolve) => {
      socket.listener = {
        onInput: () => {
          this.#reader.read(this.#sink);
          this.#user.onReadDone();
        },
        onEnd: () => {
          this.#closeReason ??= this.#hasBye ? 'bye' : 'eof';
          this.#answerEnd();
          over();
        },
        onDrain: () => {
          this.#user.onDrain();
        },
        onClose: () => {
          clearTimeout(this.#linger);
          over();
          resolve(this.#end().initiator);
        },
      };
    });
    socket.resume();
  }

  /** Whether a lease may be taken on it: alive, and nothing half-said on it. */
  get isUsable(): boolean {
    const isOpen = this.#closeReason === undefined && !this.#hasBye && !this.#socket.hasEnded;
    return isOpen && this.isQuiet && this.#socket.framer.pendingBytes === 0;
  }

  /** Whether nothing can come any more. */
  get isOver(): boolean {
    return this.#isOver || this.#socket.isDestroyed;
  }

  /** Whether nothing is outstanding, and only whole responses were forwarded. */
  get isQuiet(): boolean {
    return this.ledger.size === 0 && this.isAtBoundary && !this.isOver;
  }

  /** Whether what was forwarded so far ends between two responses. */
  get isAtBoundary(): boolean {
    return this.#reader.isAtBoundary;
  }

  get hasBye(): boolean {
    return this.#hasBye;
  }

  get localPort(): number | undefined {
    return this.#socket.localPort;
  }

  get bytesReceived(): number {
    return this.#socket.bytesReceived;
  }

  get bytesSent(): number {
    return this.#socket.bytesSent;
  }

  /** Makes `user` the one that hears everything; the one before must be done with it. */
  attach(user: ConnectionUser): void {
    this.#user = user;
  }

  /** Leaves the connection to nobody: from now on only its end is watched. */
  detach(): void {
    this.#user = this.#nobody;
    this.#socket.resume();
  }

  /** Notes a command that is about to be written. */
  begin(tag: string, row: VerbRow): OutstandingCommand {
    return this.ledger.begin(tag, row);
  }

  /** @returns false if the caller should stop until `onDrain` */
  write(bytes: Buffer | string): boolean {
    return this.#socket.write(bytes);
  }

  /** Stops reading from the server, for a client that doesn't keep up. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /**
   * Ends a connection in good order: LOGOUT, then the server closes first. One on which something is outstanding
   * is destroyed instead. Takes the connection from its user. Safe to call twice.
   */
  close(reason: CloseReason): void {
    if (this.#closeReason !== undefined) return;
    if (this.#hasBye) {
      this.#awaitPeerClose('bye');
      return;
    }
    if (!this.isUsable) {
      this.destroy(reason);
      return;
    }
    const tag = randomTag();
    this.begin(tag, verbRow('LOGOUT'));
    this.write(`${tag} LOGOUT\r\n`);
    this.#awaitPeerClose(reason);
  }

  /** Ends the connection at once: for one that can't be proven clean. Safe to call twice. */
  destroy(reason: CloseReason): void {
    // It is closing behind the server, in good order.
    if (this.#socket.hasEnded) return;
    this.#closeReason ??= this.#hasBye ? 'bye' : reason;
    this.#isLocalEnd ||= this.#socket.error === undefined;
    this.#socket.destroy();
  }

  /**
   * Closes behind the server. Over TLS its close_notify is all that Node tells of, and its FIN follows when the server
   * gets to it: an answer that crosses it would be a simultaneous close, which leaves TIME_WAIT on both sides.
   */
  #answerEnd(): void {
    const answer = (): void => {
      this.#socket.end();
      this.#linger = setTimeout(() => {
        this.#socket.destroy();
      }, PEER_CLOSE_GRACE_MS);
    };
    if (this.#socket.isTls) this.#linger = setTimeout(answer, PEER_CLOSE_GRACE_MS);
    else answer();
  }

  #awaitPeerClose(reason: CloseReason): void {
    this.#closeReason ??= reason;
    const grace = setTimeout(() => {
      this.destroy(reason);
    }, PEER_CLOSE_GRACE_MS);
    this.#user = {
      ...INDIFFERENT,
      onClosed: () => {
        clearTimeout(grace);
      },
    };
    this.#socket.resume();
  }

  #end(): ConnectionEnd {
    this.#closeReason ??= this.#hasBye ? 'bye' : this.#socket.error === undefined ? 'eof' : 'error';
    return { reason: this.#closeReason, initiator: this.#isLocalEnd ? 'local' : 'remote' };
  }

  #delegate(): ResponseSink {
    return {
      forward: (bytes) => {
        this.#user.forward(bytes);
      },
      onCompleted: (command, status, line) => {
        this.#user.onCompleted(command, status, line);
      },
      onContinuation: (line) => {
        this.#user.onContinuation(line);
      },
      onBye: (line) => {
        this.#hasBye = true;
        this.#user.onBye(line);
      },
      onEnabled: (line) => {
        this.#user.onEnabled(line);
      },
      onCapabilities: (capabilities) => {
        this.capabilities = capabilities;
        this.#user.onCapabilities(capabilities);
      },
      onNamespace: (line) => {
        this.#user.onNamespace(line);
      },
      onDesynced: (reason) => {
        this.#user.onDesynced(reason);
      },
    };
  }
}
