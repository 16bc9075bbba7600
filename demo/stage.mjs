// Owns what the demo runs on: a folder for its files, the embedded server, the proxy before it, and their end.
import { Buffer } from 'node:buffer';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { startProxy } from '../bench/support/proxy-process.mjs';
import { startMailServer } from './mail-server.mjs';
import { pickPort } from './ports.mjs';

/** The proxy's own defaults: what a reader of the README would try first. */
const usualPorts = { imap: 1143, admin: 9143 };

/** What a socket file's path may have, on macOS; Linux takes four more. A longer one ends the proxy's start. */
const longestSocketPath = 103;

/**
 * @typedef {object} Stage
 * @property {import('./mail-server.mjs').MailServer} server
 * @property {import('../bench/support/proxy-process.mjs').Proxy} proxy
 * @property {import('./session.mjs').Target} direct
 * @property {{ host: string, port: number }} byTcp
 * @property {{ path: string } | undefined} byUnixSocket - undefined on Windows
 * @property {number} adminPort
 * @property {Promise<never>} failed - rejects when one of the two processes ends by itself
 */

/**
 * @param {string} root - the repository
 * @param {boolean} canUseUsualPorts - else any
 * @param {(() => Promise<void>)[]} cleanups - is given what undoes each step, even if a later one fails
 * @returns {Promise<Stage>}
 */
export async function openStage(root, canUseUsualPorts, cleanups) {
  const socketFile = await makeRoomForSocket(cleanups);
  const server = await startMailServer(root);
  cleanups.push(server.stop);

  const port = await pickPort(canUseUsualPorts ? usualPorts.imap : 0);
  const adminPort = await pickPort(canUseUsualPorts ? usualPorts.admin : 0);
  const listeners = [`imap://127.0.0.1:${port}`, ...(socketFile === undefined ? [] : [`unix:${socketFile}`])];
  const proxy = await startProxy(adminPort, {
    UPSTREAM_HOST: '127.0.0.1',
    UPSTREAM_PORT: String(server.port),
    UPSTREAM_TLS: 'off',
    LISTEN: listeners.join(','),
    ADMIN_LISTEN: `127.0.0.1:${adminPort}`,
    DRAIN_TIMEOUT: '2s',
    LOG_LEVEL: 'warn',
  });
  cleanups.push(proxy.stop);

  const failed = Promise.race([server.failed, proxy.failed]);
  failed.catch(() => undefined);
  return {
    server,
    proxy,
    direct: { host: '127.0.0.1', port: server.port },
    byTcp: { host: '127.0.0.1', port },
    byUnixSocket: socketFile === undefined ? undefined : { path: socketFile },
    adminPort,
    failed,
  };
}

/**
 * In a folder of its own, which is below TMPDIR, or below /tmp where that would be too long a path.
 *
 * @param {(() => Promise<void>)[]} cleanups
 * @returns {Promise<string | undefined>} undefined on Windows
 */
async function makeRoomForSocket(cleanups) {
  if (process.platform === 'win32') return undefined;
  const fileIn = (folder) => join(folder, 'imap.sock');
  const prefixIn = (parent) => join(parent, 'imapbouncer-demo-');
  const isShort = Buffer.byteLength(fileIn(`${prefixIn(tmpdir())}XXXXXX`)) <= longestSocketPath;
  const folder = await mkdtemp(prefixIn(isShort ? tmpdir() : '/tmp'));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  return fileIn(folder);
}
