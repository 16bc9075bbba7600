/** Owns the making of a ready upstream connection: dialed, logged in, counted from its first moment to its last. */

import { asProxyError } from '../errors.js';
import type { ProxyError } from '../errors.js';
import type { Credentials } from '../identity.js';
import { FramedSocket } from '../net/framed-socket.js';
import type { FaultReporter } from '../net/framed-socket.js';
import { LineFramer } from '../wire/line-framer.js';
import { UpstreamConnection } from './connection.js';
import type { ConnectionEnd } from './connection.js';
import { dial } from './dial.js';
import type { DialOptions } from './dial.js';
import { logIn } from './login.js';

/** What the rest of the program may want to count and log. */
export interface UpstreamEvents {
  onConnectStarted(): void;
  /** @param durationMs - DNS to the tagged OK */
  onOpened(connection: UpstreamConnection, durationMs: number): void;
  onConnectFailed(error: ProxyError): void;
  /** Once for each `onOpened`. */
  onClosed(connection: UpstreamConnection, end: ConnectionEnd, ageMs: number): void;
}

export interface UpstreamOptions extends DialOptions {
  readonly loginTimeoutMs: number;
  readonly now: () => number;
  readonly events: UpstreamEvents;
  readonly reportFault: FaultReporter;
}

/** The server at the other end: the only one that opens connections to it. */
export class Upstream {
  /** host:port as configured. */
  readonly name: string;
  readonly #options: UpstreamOptions;
  #lastId = 0;
  #serverId: Readonly<Record<string, string>> = {};
  readonly #closing = new AbortController();
  /** Connections that are logging in, or end because that failed: nobody else knows of them. */
  readonly #loggingIn = new Set<UpstreamConnection>();

  constructor(options: UpstreamOptions) {
    this.name = `${options.host}:${String(options.port)}`;
    this.#options = options;
  }

  /** What the server last said of itself (RFC 2971). */
  get serverId(): Readonly<Record<string, string>> {
    return this.#serverId;
  }

  /**
   * Opens a connection and logs in. The caller owns the connection, and must close or destroy it.
   *
   * @throws ProxyError; nothing is left open then
   */
  async connect(credentials: Credentials): Promise<UpstreamConnection> {
    const { events, now } = this.#options;
    const startedAt = now();
    events.onConnectStarted();
    try {
      const connection = await this.#open(credentials);
      const openedAt = now();
      events.onOpened(connection, openedAt - startedAt);
      void connection.closed.then((end) => {
        events.onClosed(connection, end, now() - openedAt);
      });
      return connection;
    } catch (error) {
      const failure = asProxyError(error);
      events.onConnectFailed(failure);
      throw failure;
    }
  }

  /** Gives up what is being opened. Resolves when the sockets are gone; established connections are their owners'. */
  async close(): Promise<void> {
    this.#closing.abort('closing');
    for (const connection of this.#loggingIn) connection.destroy('drain');
    await Promise.all([...this.#loggingIn].map(({ closed }) => closed));
  }

  async #open(credentials: Credentials): Promise<UpstreamConnection> {
    const { loginTimeoutMs, reportFault } = this.#options;
    const dialed = await dial(this.#options, this.#closing.signal);
    this.#serverId = dialed.serverId;
    const connection = new UpstreamConnection(
      ++this.#lastId,
      new FramedSocket(dialed.socket, new LineFramer(), reportFault),
    );
    this.#loggingIn.add(connection);
    void connection.closed.then(() => this.#loggingIn.delete(connection));
    try {
      await logIn(connection, credentials, dialed.capabilities, loginTimeoutMs);
      this.#loggingIn.delete(connection);
      return connection;
    } catch (error) {
      // LOGOUT where that is possible: the server then closes first, and no port is left in TIME_WAIT here.
      connection.close('credentials');
      throw error;
    }
  }
}
