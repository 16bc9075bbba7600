// @ts-check
// Owns what the measurements share: Dovecot and relays on the server host, proxies on the client host, and who undoes them.

import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startWorker } from './child.mjs';
import { startDovecot } from './dovecot.mjs';
import { clientAddress, serverAddress } from './network.mjs';
import { startProxy } from './proxy.mjs';

const dovecotPorts = Array.from({ length: 40 }, (_, n) => 10_001 + n);
const relayPortOffset = 1_000;
/** Where every proxy listens for TCP. */
const loopback = { host: '127.0.0.1', port: 1143 };
const adminPort = 9143;

/**
 * @typedef {object} Stage
 * @property {{ lowest: number, highest: number, ports: number }} range - the client host's ephemeral ports
 * @property {string} clientAddress - of the client host, which may take more
 * @property {string[]} users - who churns
 * @property {Endpoint} loopback - where a proxy listens, besides its Unix socket
 * @property {string[]} otherUsers - who may log in too, and hasn't yet
 * @property {import('./dovecot.mjs').RunningDovecot} dovecot
 * @property {() => Endpoint} claimEndpoint - Dovecot, on a port that nobody has used
 * @property {(manner: RelayManner) => Promise<Endpoint>} startRelay - Dovecot on such a port, behind a relay
 * @property {(upstream: Endpoint, settings?: Record<string, string>) => Promise<RunningProxy>} startProxy - one at a time
 */
/** @typedef {{ host: string, port: number }} Endpoint */
/** @typedef {{ isPatient: boolean, delayMs: number }} RelayManner - never closes first; passes on so much later */
/**
 * @typedef {object} RunningProxy
 * @property {{ path: string }} unix - where it listens
 * @property {import('./proxy.mjs').LabProxy['metric']} metric
 * @property {import('./proxy.mjs').LabProxy['portReport']} portReport
 * @property {import('./proxy.mjs').LabProxy['warnings']} warnings
 * @property {() => Promise<void>} stop - twice is safe
 */

/**
 * Each measurement has a port of the server for itself: Linux counts ports by destination, so all of them find the
 * whole range free, and the kernel's table tells whose socket it is.
 *
 * @param {{ serverNamespace: string, range: Stage['range'], cleanups: (() => Promise<void>)[] }} options
 * @returns {Promise<Stage>}
 */
export async function openStage({ serverNamespace, range, cleanups }) {
  const folder = await mkdtemp(join(tmpdir(), 'imapbouncer-lab-'));
  cleanups.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }));
  await chmod(folder, 0o755);

  const users = Array.from({ length: 50 }, (_, n) => `user${n}`);
  const otherUsers = Array.from({ length: 20 }, (_, n) => `other${n}`);
  const dovecot = await startDovecot({
    namespace: serverNamespace,
    address: serverAddress,
    ports: dovecotPorts,
    users: [...users, ...otherUsers],
    folder,
  });
  cleanups.push(dovecot.stop);

  const unclaimed = [...dovecotPorts];
  const claimPort = () => {
    const port = unclaimed.shift();
    if (port === undefined) throw new Error('no port is left: let Dovecot listen on more in lab/stage.mjs');
    return port;
  };
  return {
    range,
    clientAddress,
    loopback,
    users,
    otherUsers,
    dovecot,
    claimEndpoint: () => ({ host: serverAddress, port: claimPort() }),
    startRelay: async (manner) => {
      const upstreamPort = claimPort();
      const order = { address: serverAddress, port: upstreamPort + relayPortOffset, upstreamPort, ...manner };
      const wrapper = ['ip', 'netns', 'exec', serverNamespace];
      await new Promise((resolve, reject) => {
        const relay = startWorker('relay-main.mjs', order, resolve, wrapper);
        cleanups.push(relay.stop);
        relay.ended.then(() => reject(new Error('the relay ended')), reject);
      });
      return { host: order.address, port: order.port };
    },
    startProxy: async (upstream, settings = {}) => {
      const path = join(folder, 'proxy.sock');
      const proxy = await startProxy(adminPort, {
        UPSTREAM_HOST: upstream.host,
        UPSTREAM_PORT: String(upstream.port),
        UPSTREAM_TLS: 'off',
        LISTEN: `unix:${path},imap://${loopback.host}:${loopback.port}`,
        ADMIN_LISTEN: `127.0.0.1:${adminPort}`,
        LOG_LEVEL: 'warn',
        ...settings,
      });
      cleanups.push(proxy.stop);
      return { unix: { path }, ...proxy };
    },
  };
}
