/** Owns the making of a ready upstream connection: dialed, logged in, counted from its first moment to its last. */

import { setMaxListeners } from 'node:events';

import { asProxyError } from '../errors.js';
import type { ProxyError } from '../errors.js';
import type { Credentials } from '../identity.js';
import { FramedSocket } from '../net/framed-socket.js';
import type { FaultReporter } from '../net/framed-socket.js';
import type { CapabilitySet } from '../wire/capability.js';
import { LineFramer } from '../wire/line-framer.js';
import { UpstreamConnection } from './connection.js';
import type { CloseInitiator, ConnectionEnd } from './connection.js';
import { dial, isOfSource } from './dial.js';
import type { DialOptions, DialedSocket } from './dial.js';
import { logIn } from './login.js';
import type { SourceAddresses } from './source-addresses.js';

/** What the rest of the program may want to count and log. */
export interface UpstreamEvents {
  /** A socket is about to be opened; then `onDialed` and once `onSocketClosed`, or `onDialFailed`. */
  onDialing(): void;
  onDialed(endpoint: { readonly address: string; readonly port: number }): void;
  onDialFailed(error: ProxyError): void;
  /** No connection can leave from this local address; another one is tried, and this one not for a while. */
  onSourceFailed(address: string, error: ProxyError): void;
  onSocketClosed(initiator: CloseInitiator): void;
  onConnectStarted(): void;
  /** @param durationMs - DNS to the tagged OK */
  onOpened(connection: UpstreamConnection, durationMs: number): void;
  onConnectFailed(error: ProxyError): void;
  /** Once for each `onOpened`. */
  onClosed(connection: UpstreamConnection, end: ConnectionEnd, ageMs: number): void;
}

export interface UpstreamOptions extends DialOptions {
  readonly loginTimeoutMs: number;
  /** The local addresses that connections leave from. */
  readonly sources: SourceAddresses;
  readonly now: () => number;
  readonly events: UpstreamEvents;
  readonly reportFault: FaultReporter;
}

/** The server at the other end: the only one that opens connections to it. */
export class Upstream {
  readonly #options: UpstreamOptions;
  #lastId = 0;
  #serverId: Readonly<Record<string, string>> = {};
  readonly #closing = new AbortController();
  /** Connections that are nobody's: while they log in or are probed, and from their end until their socket is gone. */
  readonly #unowned = new Set<UpstreamConnection>();

  constructor(options: UpstreamOptions) {
    // One listener for each connection that is being opened: any number is right.
    setMaxListeners(0, this.#closing.signal);
    this.#options = options;
  }

  /** What the server last said of itself (RFC 2971). */
  get serverId(): Readonly<Record<string, string>> {
    return this.#serverId;
  }

  /**
   * Opens a connection and logs in. The caller owns the connection, and must close or destroy it.
   *
   * @param clientAddress - as in {@link dial}
   * @throws ProxyError; what was opened is closed in good order then
   */
  async connect(credentials: Credentials, clientAddress?: string): Promise<UpstreamConnection> {
    const { events, now } = this.#options;
    const startedAt = now();
    events.onConnectStarted();
    try {
      const connection = await this.#open(credentials, clientAddress);
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

  /**
   * Goes as far as the greeting, and leaves in good order.
   *
   * @throws ProxyError if the server can't be reached or doesn't greet as it should
   */
  async probe(): Promise<void> {
    const { connection } = await this.#dial();
    connection.close('drain');
    await connection.closed;
  }

  /**
   * Gives up what is being opened. Resolves when the sockets are gone, those of connections that have ended among them;
   * established connections are their owners'.
   */
  async close(): Promise<void> {
    this.#closing.abort('closing');
    for (const connection of this.#unowned) connection.close('drain');
    await Promise.all([...this.#unowned].map(({ gone }) => gone));
  }

  async #open(credentials: Credentials, clientAddress: string | undefined): Promise<UpstreamConnection> {
    const { connection, capabilities } = await this.#dial(clientAddress);
    try {
      await logIn(connection, credentials, capabilities, this.#options.loginTimeoutMs);
      this.#unowned.delete(connection);
      return connection;
    } catch (error) {
      // LOGOUT where that is possible: the server then closes first, and no port is left in TIME_WAIT here.
      connection.close('credentials');
      throw error;
    }
  }

  async #dial(
    clientAddress?: string,
  ): Promise<{ connection: UpstreamConnection; capabilities: CapabilitySet }> {
    const { socket, capabilities, serverId } = await this.#openSocket(clientAddress);
    this.#serverId = serverId;
    const framedSocket = new FramedSocket(socket, new LineFramer(), this.#options.reportFault);
    const connection = new UpstreamConnection(++this.#lastId, framedSocket);
    this.#unowned.add(connection);
    void connection.closed.then(() => this.#unowned.add(connection));
    void connection.gone.then((initiator) => {
      this.#unowned.delete(connection);
      this.#options.events.onSocketClosed(initiator);
    });
    return { connection, capabilities };
  }

  async #openSocket(clientAddress: string | undefined): Promise<DialedSocket> {
    const { events } = this.#options;
    events.onDialing();
    try {
      const dialed = await this.#dialFromSource(clientAddress);
      const { remoteAddress: address, remotePort: port } = dialed.socket;
      if (address !== undefined && port !== undefined) events.onDialed({ address, port });
      return dialed;
    } catch (error) {
      const failure = asProxyError(error);
      events.onDialFailed(failure);
      throw failure;
    }
  }

  /** From one local address after the other, as far as none can be left from: the server is asked once at most. */
  async #dialFromSource(clientAddress: string | undefined): Promise<DialedSocket> {
    const { events, sources } = this.#options;
    for (;;) {
      const localAddress = sources.take();
      try {
        const options = { ...this.#options, ...(localAddress === undefined ? {} : { localAddress }) };
        const dialed = await dial(options, this.#closing.signal, clientAddress);
        dialed.socket.once('close', () => {
          sources.give(localAddress);
        });
        return dialed;
      } catch (error) {
        const failure = asProxyError(error);
        sources.give(localAddress);
        // Whosever fault it is: another address may do better, and if none does, this one is tried again.
        const hasOther = localAddress !== undefined && sources.setAside(localAddress);
        if (!hasOther || !isOfSource(failure)) throw failure;
        events.onSourceFailed(localAddress, failure);
      }
    }
  }
}
