// A scripted IMAP server in this process: correct by default, wrong wherever a test wants it to be.

import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import type { Certificate } from './certificates.js';
import { Changes, defaultWaitMs } from './changes.js';
import type { ParsedCommand } from './scripted-upstream/command.js';
import { UpstreamConnection } from './scripted-upstream/connection.js';
import { answerByDefault } from './scripted-upstream/default-answers.js';
import type { Credentials, LoginAttempt } from './scripted-upstream/login-commands.js';
import { MailStore } from './scripted-upstream/mail-store.js';
import { defaultScript, type Hook, type Script } from './scripted-upstream/script.js';

export type { ParsedCommand } from './scripted-upstream/command.js';
export type { UpstreamClose, UpstreamConnection } from './scripted-upstream/connection.js';
export type { LoginAttempt } from './scripted-upstream/login-commands.js';
export { seededMessage } from './scripted-upstream/mail-store.js';
export type { Hook, LiteralHook, Script } from './scripted-upstream/script.js';

/** The script's fields, and what can't change while the server runs. */
export interface ScriptedUpstreamOptions extends Partial<Script> {
  /** @defaultValue 'off' */
  readonly tls?: 'off' | 'implicit' | 'starttls';
  /** Needed for TLS. */
  readonly certificate?: Pick<Certificate, 'cert' | 'key'>;
  /** In every INBOX. @defaultValue 3 */
  readonly messagesPerUser?: number;
}

/** Listens on a free port of 127.0.0.1. The caller must `close()` it; twice is safe. */
export class ScriptedUpstream {
  readonly host = '127.0.0.1';
  /** Change any field at any time. */
  readonly script: Script;
  readonly store: MailStore;
  /** Every connection ever accepted, in order. */
  readonly connections: UpstreamConnection[] = [];
  readonly loginAttempts: LoginAttempt[] = [];
  readonly #tls: 'off' | 'implicit' | 'starttls';
  readonly #secureContext: SecureContext | undefined;
  readonly #hooks = new Map<string, Hook>();
  readonly #changes = new Changes();
  readonly #server: Server;
  #port = 0;
  #taken = 0;

  constructor(options: ScriptedUpstreamOptions = {}) {
    const { tls = 'off', certificate, messagesPerUser = 3, ...script } = options;
    this.script = { ...defaultScript(), ...script };
    this.store = new MailStore(messagesPerUser);
    this.#tls = tls;
    if (tls === 'starttls' && script.capabilitiesBeforeLogin === undefined) {
      this.script.capabilitiesBeforeLogin = [...this.script.capabilitiesBeforeLogin, 'STARTTLS'];
    }
    if (tls !== 'off') {
      if (certificate === undefined) throw new Error('TLS needs a certificate');
      this.#secureContext = createSecureContext({ cert: certificate.cert, key: certificate.key });
    }
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.#accept(socket);
    });
  }

  get port(): number {
    return this.#port;
  }

  get openConnections(): UpstreamConnection[] {
    return this.connections.filter((connection) => connection.isOpen);
  }

  /** Starts to listen; after `stopListening`, on the same port again. */
  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#port, this.host, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** New connections are refused from now on; open ones live on. */
  stopListening(): void {
    this.#server.close();
  }

  /** Destroys every connection and waits until all are closed. */
  async close(): Promise<void> {
    this.#server.close();
    for (const connection of this.connections) connection.destroy();
    await Promise.all(this.connections.map((connection) => connection.closed));
  }

  /** Takes over a verb (`UID FETCH` is one) on every connection, until the returned function is called. */
  on(verb: string, hook: Hook): () => void {
    const key = verb.toUpperCase();
    this.#hooks.set(key, hook);
    return () => {
      if (this.#hooks.get(key) === hook) this.#hooks.delete(key);
    };
  }

  /** Takes over the next command with this verb only. */
  once(verb: string, hook: Hook): void {
    const release = this.on(verb, (command, connection) => {
      release();
      return hook(command, connection);
    });
  }

  /** The oldest connection that no earlier call returned, as soon as there is one. */
  nextConnection(timeoutMs = defaultWaitMs): Promise<UpstreamConnection> {
    const wanted = this.#taken++;
    return this.#changes.until(
      () => this.connections[wanted],
      () => `upstream connection no. ${String(wanted + 1)} (so far: ${String(this.connections.length)})`,
      timeoutMs,
    );
  }

  /** Waits until the number of open connections is this one. */
  waitForOpenConnections(count: number, timeoutMs = defaultWaitMs): Promise<true> {
    return this.#changes.until(
      () => (this.openConnections.length === count ? true : undefined),
      () => `${String(count)} open upstream connections (now: ${String(this.openConnections.length)})`,
      timeoutMs,
    );
  }

  /** Waits until so many credentials were presented in all, and returns the last of them. */
  waitForLoginAttempts(count: number, timeoutMs = defaultWaitMs): Promise<LoginAttempt> {
    return this.#changes.until(
      () => this.loginAttempts[count - 1],
      () => `login attempt no. ${String(count)} (so far: ${String(this.loginAttempts.length)})`,
      timeoutMs,
    );
  }

  #accept(socket: Socket): void {
    const isTls = this.#tls === 'implicit';
    const outer = isTls
      ? new TLSSocket(socket, { isServer: true, secureContext: this.#secureContext })
      : socket;
    // Without this a client's RST in the handshake would end the process.
    socket.on('error', () => undefined);
    let isShakingHands = isTls;
    outer.once('secure', () => (isShakingHands = false));
    // The greeting waits for the handshake for ever, and the end behind it, too.
    outer.on('end', () => {
      if (isShakingHands) outer.destroy();
    });
    const connection = new UpstreamConnection(this.connections.length + 1, outer, {
      script: this.script,
      greet: (accepted) => this.#greet(accepted),
      answer: (command, from) => this.#answer(command, from),
    });
    this.connections.push(connection);
    this.#changes.notify();
    void connection.closed.then(() => {
      this.#changes.notify();
    });
  }

  async #greet(connection: UpstreamConnection): Promise<void> {
    const { greeting, capabilitiesBeforeLogin, preauthUser } = this.script;
    const byDefault = `* OK [CAPABILITY ${capabilitiesBeforeLogin.join(' ')}] scripted server ready`;
    const text =
      typeof greeting === 'function'
        ? await greeting(connection)
        : greeting === undefined
          ? byDefault
          : greeting;
    if (text === null || text === undefined) return;
    if (text.startsWith('* PREAUTH')) connection.user = preauthUser;
    connection.send(`${text}\r\n`);
    if (text.startsWith('* BYE')) connection.end();
  }

  async #answer(command: ParsedCommand, connection: UpstreamConnection): Promise<void> {
    const hook = this.#hooks.get(command.verb);
    if (hook !== undefined && (await hook(command, connection)) !== 'default') return;
    await answerByDefault(command, connection, {
      store: this.store,
      secureContext: this.#tls === 'starttls' ? this.#secureContext : undefined,
      judge: (credentials, from) => this.#judge(credentials, from),
    });
  }

  #judge(credentials: Credentials, connection: UpstreamConnection): boolean {
    const { users, tokenOwners, masterUsers } = this.script;
    const expected = Object.hasOwn(users, credentials.user) ? users[credentials.user] : undefined;
    const actsForItself =
      credentials.authorizationUser === '' || credentials.authorizationUser === credentials.user;
    const isAccepted =
      Object.hasOwn(tokenOwners, credentials.secret.toString()) ||
      (expected !== undefined &&
        credentials.secret.equals(Buffer.from(expected)) &&
        (actsForItself || masterUsers.includes(credentials.user)));
    this.loginAttempts.push({
      ...credentials,
      secret: Buffer.from(credentials.secret),
      connection,
      isAccepted,
    });
    this.#changes.notify();
    return isAccepted;
  }
}

/** Makes a scripted server and lets it listen. */
export async function startScriptedUpstream(
  options: ScriptedUpstreamOptions = {},
): Promise<ScriptedUpstream> {
  const upstream = new ScriptedUpstream(options);
  await upstream.listen();
  return upstream;
}
