// An IMAP server in memory: real upstream connections end in it, without a socket and without a login.

import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { FramedSocket } from '../../src/net/framed-socket.js';
import { UpstreamConnection } from '../../src/upstream/connection.js';
import { CapabilitySet } from '../../src/wire/capability.js';
import { LineFramer } from '../../src/wire/line-framer.js';

/** What the server does with LOGOUT: answers and closes, or does nothing. */
export type LogoutManner = 'close' | 'ignore';

/** What it does with another command: says OK, says NO, does nothing, or closes. */
export type Manner = 'answer' | 'refuse' | 'ignore' | 'close';

/** The server's side of one connection. */
export class MemorySession {
  readonly connection: UpstreamConnection;
  /** Every line that the server got. */
  readonly lines: string[] = [];
  /** The arguments of each ENABLE to which it said OK. */
  readonly enabled: string[] = [];
  isClosed = false;
  /** Set to take a command over: true means that it is dealt with. */
  onCommand: (tag: string, verb: string) => boolean = () => false;
  readonly #duplex: Duplex;
  readonly #server: MemoryServer;

  constructor(id: number, server: MemoryServer) {
    this.#server = server;
    let rest = '';
    this.#duplex = new Duplex({
      allowHalfOpen: true,
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        rest += chunk.toString('latin1');
        const lines = rest.split('\r\n');
        rest = lines.pop() ?? '';
        // Later, as from a network: no answer comes while its command is still being written.
        setImmediate(() => {
          for (const line of lines) this.#command(line);
          done();
        });
      },
    });
    const socket = Object.assign(this.#duplex, {
      setNoDelay: () => undefined,
      setKeepAlive: () => undefined,
      setTimeout: () => undefined,
    }) as unknown as Socket;
    const reportFault = (error: unknown): void => void server.faults.push(error);
    this.connection = new UpstreamConnection(id, new FramedSocket(socket, new LineFramer(), reportFault));
    this.connection.capabilities = new CapabilitySet(['IMAP4rev1', 'ENABLE', 'UNSELECT']);
    void this.connection.closed.then(() => {
      this.isClosed = true;
    });
  }

  send(text: string): void {
    if (!this.#duplex.destroyed) this.#duplex.push(Buffer.from(text, 'latin1'));
  }

  /** The server closes. */
  end(): void {
    if (!this.#duplex.destroyed) this.#duplex.push(null);
  }

  /** The connection breaks. */
  break(): void {
    this.#duplex.destroy(new Error('connection reset'));
  }

  /** Whether the proxy said that it leaves. */
  get isLeaving(): boolean {
    return this.lines.some((line) => line.endsWith(' LOGOUT'));
  }

  #command(line: string): void {
    this.lines.push(line);
    const [tag = '', name = '', ...rest] = line.split(' ');
    const verb = name.toUpperCase();
    if (this.onCommand(tag, verb)) return;
    switch (verb === 'LOGOUT' ? 'answer' : (this.#server.manners.get(verb) ?? 'answer')) {
      case 'answer':
        this.#answer(tag, verb, rest.join(' '));
        break;
      case 'refuse':
        this.send(`${tag} NO\r\n`);
        break;
      case 'close':
        this.end();
        break;
      case 'ignore':
    }
  }

  #answer(tag: string, verb: string, rest: string): void {
    switch (verb) {
      case 'LOGOUT':
        if (this.#server.logoutManner === 'ignore') return;
        this.send(`* BYE\r\n${tag} OK\r\n`);
        this.end();
        break;
      case 'EXAMINE':
        this.send(`${tag} NO\r\n`);
        break;
      case 'ENABLE':
        this.enabled.push(rest);
        this.send(`* ENABLED ${rest}\r\n${tag} OK\r\n`);
        break;
      default:
        this.send(`${tag} OK\r\n`);
    }
  }
}

/** Opens sessions for a pool, and remembers all of them. */
export class MemoryServer {
  readonly sessions: MemorySession[] = [];
  readonly faults: unknown[] = [];
  logoutManner: LogoutManner = 'close';
  /** By verb; commands that are not in it are answered. */
  readonly manners = new Map<string, Manner>();
  readonly #byConnection = new Map<UpstreamConnection, MemorySession>();

  get open(): MemorySession[] {
    return this.sessions.filter(({ isClosed }) => !isClosed);
  }

  connect(): UpstreamConnection {
    const session = new MemorySession(this.sessions.length + 1, this);
    this.sessions.push(session);
    this.#byConnection.set(session.connection, session);
    return session.connection;
  }

  sessionOf(connection: UpstreamConnection): MemorySession {
    return this.#byConnection.get(connection)!;
  }
}
