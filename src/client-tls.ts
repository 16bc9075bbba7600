/** Owns the certificate that clients are shown: read at the start, and again when its files have changed. */

import { stat } from 'node:fs/promises';

import type { ClientTlsConfig, Config } from './config/config.js';
import { readClientTlsFiles } from './config/tls-files.js';
import { ServerTls } from './net/server-tls.js';
import type { ServerTlsOptions } from './net/server-tls.js';

/** How often the files are looked at. */
const POLL_INTERVAL_MS = 10_000;

export interface ClientTlsEvents {
  /** Clients are shown a new certificate from now on. */
  onRenewed(): void;
  /** The files have changed, and can't be used: the certificate before stays. Once for each change. */
  onNotRenewed(error: unknown): void;
}

/**
 * What clients are shown according to the configuration.
 *
 * @returns undefined if there is no TLS towards clients
 * @throws ConfigError if a file can't be read or used
 */
export async function readClientTls({ clientTls }: Config): Promise<ServerTlsOptions | undefined> {
  return clientTls === undefined ? undefined : read(clientTls);
}

async function read(config: ClientTlsConfig): Promise<ServerTlsOptions> {
  return { ...(await readClientTlsFiles(config)), minVersion: config.minVersion };
}

/** Looks at the files until it is closed, which is the caller's to do. */
export class ClientTls {
  /** What sockets are wrapped with; the same for as long as the process lives. */
  readonly server: ServerTls;
  readonly #config: ClientTlsConfig;
  readonly #events: ClientTlsEvents;
  readonly #timer: NodeJS.Timeout;
  /** The state of the files that was acted on last. */
  #acted: string;
  #reloading: Promise<void> | undefined;

  /**
   * Reads the files and begins to watch them.
   *
   * @throws ConfigError if a file can't be read or used
   */
  static async open(
    config: ClientTlsConfig,
    events: ClientTlsEvents,
    pollIntervalMs = POLL_INTERVAL_MS,
  ): Promise<ClientTls> {
    // Looked at before they are read: what changes in between is read again.
    const state = await stateOf(config);
    return new ClientTls(config, events, new ServerTls(await read(config)), state, pollIntervalMs);
  }

  private constructor(
    config: ClientTlsConfig,
    events: ClientTlsEvents,
    server: ServerTls,
    state: string,
    pollIntervalMs: number,
  ) {
    this.#config = config;
    this.#events = events;
    this.server = server;
    this.#acted = state;
    this.#timer = setInterval(() => void this.check(), pollIntervalMs).unref();
  }

  /** Reads the files if they have changed since they were last read. Never rejects. */
  check(): Promise<void> {
    return (this.#reloading ??= this.#check().finally(() => (this.#reloading = undefined)));
  }

  /** Stops watching. */
  close(): void {
    clearInterval(this.#timer);
  }

  /** A file that is only half written, or a certificate whose key comes a moment later, is looked at again when it changes. */
  async #check(): Promise<void> {
    const state = await stateOf(this.#config);
    if (state === this.#acted) return;
    this.#acted = state;
    try {
      this.server.renew(await read(this.#config));
    } catch (error) {
      this.#events.onNotRenewed(error);
      return;
    }
    this.#events.onRenewed();
  }
}

/** Differs whenever a file was written, replaced, removed or given other permissions; a link counts as what it leads to. */
async function stateOf({ certFile, keyFile }: ClientTlsConfig): Promise<string> {
  const states = await Promise.all([certFile, keyFile].map(stateOfFile));
  return states.join(' ');
}

async function stateOfFile(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(':');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}
