/** Owns the not-authenticated state of a session: its commands, up to credentials that were accepted (RFC 9051 §6.2). */

import { asProxyError } from '../errors.js';
import type { ProxyError } from '../errors.js';
import { inOneForm, loginName, wipeCredentials } from '../identity.js';
import type { Credentials } from '../identity.js';
import type { FramedSocket } from '../net/framed-socket.js';
import type { ServerTls } from '../net/server-tls.js';
import { badReply, byeReply, capabilityReply, idReply, logoutReply } from '../relay/local-replies.js';
import { ArgumentReader } from '../wire/argument-reader.js';
import type { WholeCommand } from '../wire/argument-reader.js';
import { readCommandHead, readTag } from '../wire/command-head.js';
import { CommandCollector } from './command-collector.js';
import { SaslDialogue } from './sasl-dialogue.js';
import { SASL_MECHANISMS, passwordStep } from './sasl.js';

/** So many commands of one client, then the others have their turn. */
const MAX_COMMANDS_PER_TURN = 64;

/** How a session ended that never logged in. */
export type LoginPhaseEnd = 'logout' | 'half_close' | 'vanished' | 'limit' | 'tls';

export interface LoginPhaseOptions<A> {
  readonly client: FramedSocket;
  /** Whether a password may cross this connection as it is (RFC 8314 §3, RFC 9051 §6.2.3 LOGINDISABLED). */
  readonly isLoginAllowed: boolean;
  /** What the connection can go on over TLS with; undefined where it can't, or has. */
  readonly startTls: ServerTls | undefined;
  /** Checks credentials; they stay the caller's. Throws ProxyError if they are not accepted. */
  authenticate(credentials: Credentials): Promise<A>;
  /** Credentials were accepted: the listener of the socket is for the next one to set, bytes may be waiting. */
  onAuthenticated(tag: string, credentials: Credentials, accepted: A): void;
  /** @param user - the name that was presented */
  onLoginFailed(error: ProxyError, user: string): void;
  onEnd(end: LoginPhaseEnd): void;
}

/** What the proxy itself can do, before any upstream was asked. */
export function greetingCapabilities(isLoginAllowed: boolean, canStartTls: boolean): string[] {
  const mechanisms = [...SASL_MECHANISMS.keys()].map((name) => `AUTH=${name}`);
  return [
    ...['IMAP4rev1', 'ID', 'SASL-IR', 'LITERAL-'],
    ...(canStartTls ? ['STARTTLS'] : []),
    ...(isLoginAllowed ? mechanisms : ['LOGINDISABLED']),
  ];
}

export class LoginPhase<A> {
  readonly #options: LoginPhaseOptions<A>;
  readonly #client: FramedSocket;
  readonly #collector: CommandCollector;
  readonly #dialogue: SaslDialogue;
  #isLoginAllowed: boolean;
  #startTls: ServerTls | undefined;
  #isBusy = false;
  #isShakingHands = false;
  #isOver = false;
  #isOthersTurn = false;

  constructor(options: LoginPhaseOptions<A>) {
    this.#options = options;
    this.#isLoginAllowed = options.isLoginAllowed;
    this.#startTls = options.startTls;
    this.#client = options.client;
    this.#collector = new CommandCollector(options.client.framer);
    this.#dialogue = new SaslDialogue({
      write: (reply) => {
        this.#client.write(reply);
      },
      onCredentials: (tag, credentials) => {
        this.#check(tag, inOneForm(credentials));
      },
    });
  }

  /** Whether credentials are being checked. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** Whether a TLS handshake is under way: nothing can be said until it is done. */
  get isShakingHands(): boolean {
    return this.#isShakingHands;
  }

  /** Greets, and takes the client's events over. */
  start(): void {
    const run = (): void => {
      this.#run();
    };
    this.#client.listener = {
      onInput: run,
      onEnd: run,
      onDrain: run,
      onClose: () => {
        this.#end(this.#isShakingHands ? 'tls' : 'vanished');
      },
    };
    this.#client.write(`* OK [CAPABILITY ${this.#capabilities.join(' ')}] ImapBouncer ready.\r\n`);
    this.#client.resume();
  }

  get #capabilities(): string[] {
    return greetingCapabilities(this.#isLoginAllowed, this.#startTls !== undefined);
  }

  get #mayGoOn(): boolean {
    if (this.#isBusy || this.#isShakingHands || this.#isOver || this.#isOthersTurn) return false;
    // A client that doesn't read its replies gets no more of them.
    return !this.#client.needsDrain;
  }

  #run(): void {
    for (let left = MAX_COMMANDS_PER_TURN; this.#mayGoOn; left -= 1) {
      if (left === 0) {
        this.#letOthers();
        return;
      }
      const collected = this.#collector.next();
      switch (collected.kind) {
        case 'more':
          this.#client.inputTaken();
          if (this.#client.hasEnded) this.#end('half_close');
          return;
        case 'continue':
          this.#client.write('+ OK\r\n');
          break;
        case 'refused':
          this.#client.write(badReply(readTag(collected.line, 0, collected.line.length), collected.reason));
          break;
        case 'fatal':
          this.#client.write(byeReply(collected.reason, 'TOOBIG'));
          this.#end('limit');
          break;
        case 'command':
          if (this.#dialogue.isOpen) this.#dialogue.take(collected.command);
          else this.#command(collected.command);
      }
    }
  }

  /** One packet has room for thousands of commands: whoever sent something meanwhile is served in between. */
  #letOthers(): void {
    this.#isOthersTurn = true;
    setImmediate(() => {
      this.#isOthersTurn = false;
      this.#client.guard(() => {
        this.#run();
      });
    });
  }

  #command(command: WholeCommand): void {
    // The reader of heads wants the line's end, which whole commands don't have any more.
    const line = Buffer.concat([
      command.lines[0] ?? Buffer.alloc(0),
      Buffer.from(command.lines.length > 1 ? ' ' : '\n'),
    ]);
    const head = readCommandHead(line, 0, line.length);
    if (head === undefined) {
      this.#client.write(badReply(readTag(line, 0, line.length), 'Command syntax: tag, space, command'));
      return;
    }
    const { tag, row } = head;
    const reader = new ArgumentReader(command, tag.length + 1 + row.verb.length);
    switch (row.verb) {
      case 'CAPABILITY':
        this.#client.write(capabilityReply(tag, this.#capabilities));
        break;
      case 'NOOP':
        this.#client.write(`${tag} OK NOOP completed.\r\n`);
        break;
      case 'ID':
        this.#client.write(idReply(tag, { name: 'ImapBouncer' }));
        break;
      case 'LOGOUT':
        this.#client.write(logoutReply(tag));
        this.#end('logout');
        break;
      case 'STARTTLS':
        this.#startTlsCommand(tag, reader);
        break;
      case 'LOGIN':
        this.#login(tag, reader);
        break;
      case 'AUTHENTICATE':
        this.#authenticate(tag, reader);
        break;
      default:
        this.#client.write(badReply(tag, 'Not possible before login'));
    }
  }

  /** Nothing that was said before is believed after it (RFC 9051 §6.2.1): the client asks for the capabilities anew. */
  #startTlsCommand(tag: string, reader: ArgumentReader): void {
    const tls = this.#startTls;
    if (tls === undefined || !reader.isAtEnd) {
      this.#client.write(
        badReply(tag, tls === undefined ? 'STARTTLS is not possible here' : 'STARTTLS takes nothing'),
      );
      return;
    }
    this.#client.write(`${tag} OK Begin TLS negotiation now\r\n`);
    this.#isShakingHands = true;
    this.#client.startTls(tls, () => {
      this.#isShakingHands = false;
      this.#startTls = undefined;
      this.#isLoginAllowed = true;
    });
  }

  #login(tag: string, reader: ArgumentReader): void {
    if (this.#isPrivacyMissing(tag)) return;
    const authenticationId = reader.space() ? reader.astring() : undefined;
    const secret = authenticationId !== undefined && reader.space() ? reader.astring() : undefined;
    if (authenticationId === undefined || secret === undefined || !reader.isAtEnd) {
      this.#client.write(badReply(tag, 'LOGIN takes a user name and a password'));
      return;
    }
    const authorizationId = Buffer.alloc(0);
    this.#dialogue.conclude(tag, passwordStep({ authenticationId, authorizationId, secret }));
  }

  #authenticate(tag: string, reader: ArgumentReader): void {
    if (this.#isPrivacyMissing(tag)) return;
    const name = reader.space() ? reader.astring()?.toString('latin1').toUpperCase() : undefined;
    const hasInitial = name !== undefined && reader.space();
    const initial = hasInitial ? reader.astring()?.toString('latin1') : undefined;
    if (name === undefined || (hasInitial && initial === undefined) || !reader.isAtEnd) {
      this.#client.write(badReply(tag, 'AUTHENTICATE takes a mechanism and perhaps an initial response'));
      return;
    }
    const mechanism = SASL_MECHANISMS.get(name);
    if (mechanism === undefined) {
      this.#client.write(`${tag} NO [CANNOT] No such authentication mechanism here\r\n`);
      return;
    }
    this.#dialogue.begin(tag, mechanism, initial);
  }

  #check(tag: string, credentials: Credentials): void {
    this.#isBusy = true;
    this.#options.authenticate(credentials).then(
      (accepted) => {
        this.#client.guard(() => {
          this.#isBusy = false;
          this.#isOver = true;
          this.#options.onAuthenticated(tag, credentials, accepted);
        });
      },
      (error: unknown) => {
        this.#client.guard(() => {
          wipeCredentials(credentials);
          this.#refused(tag, asProxyError(error), loginName(credentials));
        });
      },
    );
  }

  #refused(tag: string, failure: ProxyError, user: string): void {
    this.#options.onLoginFailed(failure, user);
    this.#isBusy = false;
    if (!this.#isOver) this.#dialogue.refuse(tag, failure);
    this.#run();
  }

  #isPrivacyMissing(tag: string): boolean {
    if (this.#isLoginAllowed) return false;
    this.#client.write(`${tag} NO [PRIVACYREQUIRED] Logins need TLS on this listener\r\n`);
    return true;
  }

  #end(end: LoginPhaseEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.onEnd(end);
  }
}
