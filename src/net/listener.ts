/** Owns the listening sockets, TCP and Unix: opening, the stale socket file, and closing. */

import { chmod, chown, lstat, readFile, stat, unlink } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { dirname } from 'node:path';

import { hostPort } from './host-port.js';

/** Enough for the bursts of a busy webmail: a full backlog drops clients without a word. */
const BACKLOG = 4096;

export type ListenerAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string; readonly mode?: number; readonly group?: string };

export interface Listener {
  /** Where it listens, with the port that the system chose if 0 was asked for. */
  readonly address: string;
  readonly port: number | undefined;
  /** Stops accepting; open connections stay. Safe to call twice. */
  close(): Promise<void>;
}

export interface ListenerEvents {
  /** Takes ownership of the accepted socket: half-open capable, and not reading yet. */
  onConnection(socket: Socket): void;
  /** One accept failed (out of file descriptors, say); the listener goes on. */
  onError(error: Error): void;
}

/**
 * Opens a listener.
 *
 * @throws Error of the system (`EADDRINUSE`, `EACCES`, …), or one that says that something else is at the path
 */
export async function openListener(address: ListenerAddress, events: ListenerEvents): Promise<Listener> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    events.onConnection(socket);
  });
  if (address.kind === 'unix') {
    await expectFolder(address.path);
    await removeStaleSocket(address.path);
  }
  await listen(server, address);
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      // Node's callback has an error only if the server is closed already, which is what was asked for.
      server.close(() => {
        resolve();
      });
    });
  server.on('error', (error) => {
    events.onError(error);
  });
  if (address.kind === 'unix') {
    try {
      await setAccess(address);
    } catch (error) {
      await close();
      throw error;
    }
  }
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : undefined;
  return {
    address: address.kind === 'unix' ? address.path : hostPort(address.host, port ?? address.port),
    port,
    close,
  };
}

function listen(server: Server, address: ListenerAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const options =
      address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port };
    server.listen({ ...options, backlog: BACKLOG }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function setAccess(address: ListenerAddress & { kind: 'unix' }): Promise<void> {
  if (address.group !== undefined) await chown(address.path, -1, await groupId(address.group));
  if (address.mode !== undefined) await chmod(address.path, address.mode);
}

async function groupId(group: string): Promise<number> {
  if (/^\d+$/.test(group)) return Number(group);
  const line = (await readFile('/etc/group', 'utf8')).split('\n').find((row) => row.startsWith(`${group}:`));
  if (line === undefined)
    throw new Error(`LISTEN names the group ${group}, which does not exist on this machine`);
  return Number(line.split(':')[2]);
}

/** Where the folder is missing, Node says EACCES, which sends people looking for permissions. */
async function expectFolder(path: string): Promise<void> {
  const folder = dirname(path);
  const found = await unlessMissing(stat(folder));
  const wrong = found === undefined ? 'does not exist' : found.isDirectory() ? undefined : 'is no folder';
  if (wrong === undefined) return;
  const code = found === undefined ? 'ENOENT' : 'ENOTDIR';
  throw Object.assign(new Error(`LISTEN names ${path}, but the folder ${folder} ${wrong}`), { code });
}

/** A socket file that nobody listens on is left over from a process that was killed. */
async function removeStaleSocket(path: string): Promise<void> {
  const found = await unlessMissing(lstat(path));
  if (found === undefined) return;
  if (!found.isSocket()) throw new Error(`LISTEN names ${path}, but that exists and is no socket`);
  if (await hasListener(path)) throw new Error(`LISTEN names ${path}, but another process listens there`);
  // Its owner may just have ended in good order, and taken the file along.
  await unlessMissing(unlink(path));
}

/** @returns undefined if there is no such file */
function unlessMissing<T>(found: Promise<T>): Promise<T | undefined> {
  return found.catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
}

/**
 * @throws Error if that can't be told, since the file of a living process must stay: EACCES where the socket is somebody
 *   else's, for example
 */
function hasListener(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect({ path });
    probe.on('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.on('error', (error: NodeJS.ErrnoException) => {
      const { code = '' } = error;
      if (code === 'ECONNREFUSED' || code === 'ENOENT') resolve(false);
      // A full backlog: somebody listens, and is too busy to accept.
      else if (code === 'EAGAIN') resolve(true);
      else
        reject(
          new Error(`LISTEN names ${path}, and who listens there can't be told (${code})`, { cause: error }),
        );
    });
  });
}
