// An IMAP server in memory: real upstream connections end in it, without a socket and without a login.

import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { FramedSocket } from '../../src/net/framed-socket.js';
import { UpstreamConnection } from '../../src/upstream/connection.js';
import { CapabilitySet } from '../../src/wire/capability.js';
import { LineFramer } from '../../src/wire/line-framer.js';

/** What the server does with LOGOUT: answers and closes, or does nothing. */
export type LogoutManner = 'close' | 'ignore';

/** The server's side of one connection. */
export class MemorySession {
  readonly connection: UpstreamConnection;
  /** Every line that the server got. */
  readonly lines: string[] = [];
  isClosed = false;
  /** Set to take a command over: true means that it is dealt with. */
  onCommand: (tag: string, verb: string) => boolean = () => false;
  readonly #duplex: Duplex;
  readonly #manner: () => LogoutManner;

  constructor(id: number, manner: () => LogoutManner, reportFault: (error: unknown) => void) {
    this.#manner = manner;
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
    this.connection = new UpstreamConnection(id, new FramedSocket(socket, new LineFramer(), reportFault));
    this.connection.capabilities = new CapabilitySet(['IMAP4rev1', 'UNSELECT']);
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

  #command(line: string): void {
    this.lines.push(line);
    const [tag = '', verb = ''] = line.split(' ');
    if (this.onCommand(tag, verb.toUpperCase())) return;
    switch (verb.toUpperCase()) {
      case 'LOGOUT':
        if (this.#manner() === 'ignore') return;
        this.send(`* BYE\r\n${tag} OK\r\n`);
        this.end();
        break;
      case 'EXAMINE':
        this.send(`${tag} NO\r\n`);
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
  readonly #byConnection = new Map<UpstreamConnection, MemorySession>();

  get open(): MemorySession[] {
    return this.sessions.filter(({ isClosed }) => !isClosed);
  }

  connect(): UpstreamConnection {
    const session = new MemorySession(
      this.sessions.length + 1,
      () => this.logoutManner,
      (error) => this.faults.push(error),
    );
    this.sessions.push(session);
    this.#byConnection.set(session.connection, session);
    return session.connection;
  }

  sessionOf(connection: UpstreamConnection): MemorySession {
    return this.#byConnection.get(connection)!;
  }
}
