/** Owns one session from accept to close: its phases, its timers, its secret, and the one line about its end. */

import type { Socket } from 'node:net';

import type { ProxyError } from '../errors.js';
import { wipeCredentials } from '../identity.js';
import type { Credentials, Identity, LoginOutcome, Presenter } from '../identity.js';
import { FramedSocket } from '../net/framed-socket.js';
import type { FaultReporter } from '../net/framed-socket.js';
import type { ServerTls } from '../net/server-tls.js';
import type { Lease, SessionWish } from '../pool/lease.js';
import { byeReply } from '../relay/local-replies.js';
import type { LeaseSource } from '../relay/lease-desk.js';
import type { IdentityMemory } from '../relay/memory.js';
import { Relay } from '../relay/relay.js';
import type { RelayEnd } from '../relay/relay-end.js';
import { LineFramer } from '../wire/line-framer.js';
import type { VerbRow } from '../wire/verbs.js';
import { LoginPhase } from './login-phase.js';
import type { LoginPhaseEnd } from './login-phase.js';

/** How long a client may keep the socket open after it was sent everything. */
const LINGER_MS = 5_000;
/** How long a client may take for what it is still to be sent: a few hundred kilobytes at most. */
const SLOW_READER_MS = 60_000;

export type SessionEnd = RelayEnd | LoginPhaseEnd | 'login_timeout';

/** `login` until the credentials were accepted; `idle` between commands and in IDLE. */
export type SessionState = 'login' | 'waiting' | 'active' | 'idle' | 'closing';

/** What a login gave; the session owns the lease. */
export interface SessionLogin {
  readonly identity: Identity;
  readonly capabilities: readonly string[];
  readonly outcome: LoginOutcome;
  readonly lease: Lease | undefined;
  /** What the identity was answered before; the relay's to fill. */
  readonly memory: IdentityMemory;
  /** Takes a lease when there is none; the session keeps the credentials until the promise settles. */
  acquire(wish: SessionWish): Promise<Lease>;
  /** As in the relay's options. */
  exchange: LeaseSource['exchange'];
}

export interface SessionOptions {
  readonly id: number;
  /** The client's address; undefined by a Unix socket. */
  readonly address: string | undefined;
  readonly isLoginAllowed: boolean;
  /** As in the login phase's options. */
  readonly startTls: ServerTls | undefined;
  readonly loginTimeoutMs: number;
  readonly inactivityTimeoutMs: number;
  /** As in the relay's options. */
  readonly halfCloseTimeoutMs: number;
  readonly now: () => number;
  readonly reportFault: FaultReporter;
  readonly serverId: () => Readonly<Record<string, string>>;
  authenticate(credentials: Credentials, presenter: Presenter): Promise<SessionLogin>;
  readonly events: SessionEvents;
}

export interface SessionEvents {
  onLogin(outcome: LoginOutcome, durationMs: number): void;
  onLoginFailed(error: ProxyError, attempt: LoginAttempt): void;
  onCommand(row: VerbRow): void;
  /** The socket is gone. */
  onClosed(summary: SessionSummary): void;
}

/** Who tried to log in: what a tool that bans guessers wants to read. */
export interface LoginAttempt {
  readonly session: number;
  readonly user: string;
  /** The client's address; `unix` by a Unix socket. */
  readonly peer: string;
}

export interface SessionSummary {
  readonly session: number;
  readonly peer: string;
  readonly identity: Identity | undefined;
  readonly end: SessionEnd;
  readonly durationMs: number;
  readonly commands: number;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /** What was wrong with the TLS handshake, if that was the end: a code of Node's. */
  readonly tlsError?: string;
}

export class Session {
  readonly #options: SessionOptions;
  readonly #client: FramedSocket;
  readonly #abort = new AbortController();
  readonly #startedAt: number;
  readonly #peer: string;
  readonly #loginPhase: LoginPhase<SessionLogin>;
  #loginTimer: NodeJS.Timeout | undefined;
  #relay: Relay | undefined;
  #identity: Identity | undefined;
  #end: SessionEnd | undefined;
  #isAcquiring = false;
  #canLogIn = true;
  #hasFailed = false;
  #commands = 0;

  /** Takes ownership of the accepted socket. */
  constructor(socket: Socket, options: SessionOptions) {
    this.#options = options;
    this.#startedAt = options.now();
    this.#peer = options.address ?? 'unix';
    this.#client = new FramedSocket(socket, new LineFramer(), options.reportFault);
    this.#loginPhase = new LoginPhase<SessionLogin>({
      client: this.#client,
      isLoginAllowed: options.isLoginAllowed,
      startTls: options.startTls,
      authenticate: (credentials) => this.#authenticate(credentials),
      onAuthenticated: (tag, credentials, login) => {
        this.#authenticated(tag, credentials, login);
      },
      onLoginFailed: (error, user) => {
        this.#hasFailed ||= error.code === 'credentials';
        options.events.onLoginFailed(error, { session: options.id, user, peer: this.#peer });
      },
      onEnd: (end) => {
        this.#finish(end);
      },
    });
  }

  start(): void {
    this.#loginTimer = setTimeout(() => {
      this.#loginTimedOut();
    }, this.#options.loginTimeoutMs);
    this.#loginPhase.start();
  }

  get state(): SessionState {
    if (this.#end !== undefined) return 'closing';
    if (this.#relay === undefined) return 'login';
    if (this.#isAcquiring) return 'waiting';
    return this.#relay.isIdle ? 'idle' : 'active';
  }

  /** Ends the session with BYE. Safe to call at any time. */
  terminate(end: 'timeout' | 'drain', text: string): void {
    if (this.#relay !== undefined) this.#relay.terminate(end, text);
    else this.#sayBye(end, text);
  }

  /** Cuts the client off. Safe to call at any time. */
  destroy(): void {
    this.#client.destroy();
  }

  async #authenticate(credentials: Credentials): Promise<SessionLogin> {
    const startedAt = this.#options.now();
    const login = await this.#options.authenticate(credentials, {
      address: this.#options.address,
      hasFailed: this.#hasFailed,
      signal: this.#abort.signal,
    });
    this.#options.events.onLogin(login.outcome, this.#options.now() - startedAt);
    return login;
  }

  #authenticated(tag: string, credentials: Credentials, login: SessionLogin): void {
    clearTimeout(this.#loginTimer);
    if (this.#end !== undefined) {
      // The client did not wait for the answer.
      wipeCredentials(credentials);
      login.lease?.release({});
      return;
    }
    this.#identity = login.identity;
    this.#client.write(`${tag} OK [CAPABILITY ${login.capabilities.join(' ')}] Logged in\r\n`);
    this.#client.setIdleTimeout(this.#options.inactivityTimeoutMs, () => {
      this.terminate('timeout', 'Autologout; idle for too long');
    });
    this.#startRelay(credentials, login);
  }

  #startRelay(credentials: Credentials, login: SessionLogin): void {
    const wipeIfUnused = (): void => {
      // A login may still be using them, for this session or for what was to become its lease.
      if (this.#isAcquiring) return;
      this.#canLogIn = false;
      wipeCredentials(credentials);
    };
    this.#relay = new Relay({
      client: this.#client,
      lease: login.lease,
      capabilities: login.capabilities,
      serverId: this.#options.serverId(),
      memory: login.memory,
      halfCloseTimeoutMs: this.#options.halfCloseTimeoutMs,
      now: this.#options.now,
      leases: this.#leaseSource(credentials, login),
      onCommand: (row) => {
        this.#commands += 1;
        this.#options.events.onCommand(row);
      },
      onFirstAnswer: wipeIfUnused,
      onEnd: (end) => {
        this.#finish(end);
        wipeIfUnused();
      },
    });
    this.#relay.start();
  }

  #leaseSource(credentials: Credentials, login: SessionLogin): LeaseSource {
    return {
      exchange: (lease, enable) => login.exchange(lease, enable),
      acquire: async (wish) => {
        this.#isAcquiring = true;
        try {
          return await login.acquire({ ...wish, canLogIn: this.#canLogIn, signal: this.#abort.signal });
        } finally {
          this.#isAcquiring = false;
          if (this.#end !== undefined) wipeCredentials(credentials);
        }
      },
    };
  }

  #loginTimedOut(): void {
    // Credentials that are being checked have deadlines of their own, and a slow answer is better than none.
    if (this.#loginPhase.isBusy) this.#loginTimer?.refresh();
    else this.#sayBye('login_timeout', 'No login in time');
  }

  #sayBye(end: SessionEnd, text: string): void {
    if (this.#end !== undefined) return;
    const canSpeak = !this.#loginPhase.isShakingHands;
    if (canSpeak) this.#client.write(byeReply(text));
    this.#finish(end);
    // A handshake that is not done would be waited for.
    if (!canSpeak) this.#client.destroy();
  }

  /** Nothing more is said; what is written is still sent, and the client may take a moment to hang up. */
  #finish(end: SessionEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    clearTimeout(this.#loginTimer);
    this.#abort.abort(end);
    if (this.#client.isDestroyed) {
      this.#closed(end);
      return;
    }
    // First the client may take its time to read, then a moment to hang up; whatever it sends meanwhile.
    this.#client.setIdleTimeout(0, () => undefined);
    const cutOff = (): void => {
      this.#client.destroy();
    };
    let linger = setTimeout(cutOff, SLOW_READER_MS);
    this.#client.listener = {
      onInput: () => {
        this.#client.discardInput();
      },
      onEnd: () => undefined,
      onDrain: () => undefined,
      onClose: () => {
        clearTimeout(linger);
        this.#closed(end);
      },
    };
    this.#client.discardInput();
    this.#client.end(() => {
      clearTimeout(linger);
      linger = setTimeout(cutOff, LINGER_MS);
    });
    this.#client.resume();
  }

  #closed(end: SessionEnd): void {
    this.#options.events.onClosed({
      session: this.#options.id,
      peer: this.#peer,
      identity: this.#identity,
      end,
      durationMs: this.#options.now() - this.#startedAt,
      commands: this.#commands,
      bytesReceived: this.#client.bytesReceived,
      bytesSent: this.#client.bytesSent,
      ...(end === 'tls' ? { tlsError: codeOf(this.#client.error) } : {}),
    });
  }
}

/** OpenSSL's own texts have numbers in them that change; a client that hangs up gives no error. */
function codeOf(error: Error | undefined): string {
  return (error as NodeJS.ErrnoException | undefined)?.code ?? 'closed';
}
