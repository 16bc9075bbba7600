// Owns everything that a measurement starts, and that nothing of it is left in the end.

import '../../scripts/typescript-loader.mjs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startProxy } from '../support/proxy-process.mjs';
import { startScriptedServer } from './scripted-server.mjs';

const { pickFreePorts } = await import('../../test/support/dovecot/ports.js');

/** @typedef {import('../support/proxy-process.mjs').Proxy & { port: number, adminPort: number }} StagedProxy */

export class Stage {
  /**
   * @param {{ isShort: boolean, main: string }} options - `main`: the proxy's main file
   */
  constructor({ isShort, main }) {
    this.isShort = isShort;
    this.main = main;
    /** @type {(() => Promise<void>)[]} - the last one is to be ended first */
    this.ends = [];
  }

  /** Of this machine; nobody else takes it for an outgoing connection. */
  async freePort() {
    const [port = 0] = await pickFreePorts(1);
    return port;
  }

  /** @param {import('./scripted-server.mjs').Delays} [delays] */
  async server(delays) {
    return this.serverAt(await this.freePort(), delays);
  }

  /**
   * @param {number} port
   * @param {import('./scripted-server.mjs').Delays} [delays]
   */
  async serverAt(port, delays) {
    const server = await startScriptedServer(port, delays);
    this.ends.push(server.stop);
    return server;
  }

  /**
   * Starts the proxy in front of a server on this machine.
   *
   * @param {number} upstreamPort
   * @param {Record<string, string>} [settings]
   * @param {string[]} [nodeArguments]
   * @returns {Promise<StagedProxy>}
   */
  async proxy(upstreamPort, settings = {}, nodeArguments = []) {
    const [port = 0, adminPort = 0] = await pickFreePorts(2);
    const proxy = await startProxy(
      adminPort,
      {
        UPSTREAM_HOST: '127.0.0.1',
        UPSTREAM_PORT: String(upstreamPort),
        UPSTREAM_TLS: 'off',
        LISTEN: `imap://127.0.0.1:${port}`,
        ADMIN_LISTEN: `127.0.0.1:${adminPort}`,
        LOG_LEVEL: 'error',
        ...settings,
      },
      [...nodeArguments, this.main],
    );
    this.ends.push(proxy.stop);
    return { ...proxy, port, adminPort };
  }

  /** A folder of its own, for a Unix socket. */
  async folder() {
    const folder = await mkdtemp(join(tmpdir(), 'imapbouncer-policy-'));
    this.ends.push(() => rm(folder, { recursive: true, force: true }));
    return folder;
  }

  /** @param {() => Promise<void>} end */
  endWith(end) {
    this.ends.push(end);
  }

  /** Ends all of it, whatever is in the way of some. */
  async end() {
    const failures = [];
    for (const end of this.ends.splice(0).reverse()) {
      try {
        await end();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'not everything could be ended');
  }
}
