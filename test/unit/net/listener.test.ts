import { once } from 'node:events';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn, spawnSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openListener } from '../../../src/net/listener.js';
import type { Listener, ListenerAddress } from '../../../src/net/listener.js';

let folder: string;
let accepted: Socket[];
let opened: Listener[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'listener-'));
  accepted = [];
  opened = [];
});

afterEach(async () => {
  for (const socket of accepted) socket.destroy();
  await Promise.all(opened.map((listener) => listener.close()));
  await rm(folder, { recursive: true });
});

async function open(address: ListenerAddress): Promise<Listener> {
  const listener = await openListener(address, {
    onConnection: (socket) => {
      accepted.push(socket);
      socket.on('error', () => undefined);
    },
    onError: () => undefined,
  });
  opened.push(listener);
  return listener;
}

/** Whether somebody answers there. */
async function isOpen(target: { path: string } | { port: number; host: string }): Promise<boolean> {
  const socket = connect(target);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

const unix = (more: { mode?: number; group?: string } = {}): ListenerAddress & { kind: 'unix' } => ({
  kind: 'unix',
  path: join(folder, 'socket'),
  ...more,
});

describe('tcp', () => {
  test('says which port the system chose, and accepts there until it is closed', async () => {
    const listener = await open({ kind: 'tcp', host: '127.0.0.1', port: 0 });
    expect(listener.port).toBeGreaterThan(0);
    expect(listener.address).toBe(`127.0.0.1:${listener.port}`);
    expect(await isOpen({ port: listener.port!, host: '127.0.0.1' })).toBe(true);
    for (const socket of accepted) socket.destroy();
    await listener.close();
    await listener.close();
    expect(await isOpen({ port: listener.port!, host: '127.0.0.1' })).toBe(false);
  });

  test('puts an IPv6 address into brackets', async () => {
    const listener = await open({ kind: 'tcp', host: '::', port: 0 });
    expect(listener.address).toBe(`[::]:${listener.port}`);
  });

  test('does not read before its owner does', async () => {
    const listener = await open({ kind: 'tcp', host: '127.0.0.1', port: 0 });
    const client = connect({ port: listener.port!, host: '127.0.0.1' });
    client.write('a NOOP\r\n');
    await once(client, 'connect');
    while (accepted.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(accepted[0]!.isPaused()).toBe(true);
    expect(accepted[0]!.allowHalfOpen).toBe(true);
    client.destroy();
  });

  test('rejects a port that is taken', async () => {
    const { port } = await open({ kind: 'tcp', host: '127.0.0.1', port: 0 });
    await expect(open({ kind: 'tcp', host: '127.0.0.1', port: port! })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
  });
});

describe('unix', () => {
  test('has the mode that was asked for, and leaves no file', async () => {
    const listener = await open(unix({ mode: 0o600 }));
    expect((await stat(listener.address)).mode & 0o777).toBe(0o600);
    expect(await isOpen({ path: listener.address })).toBe(true);
    for (const socket of accepted) socket.destroy();
    await listener.close();
    await expect(stat(listener.address)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('replaces the socket of a process that was killed', async () => {
    const address = unix();
    const script = `require('node:net').createServer().listen(${JSON.stringify(address.path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', script]);
    expect((await stat(address.path)).isSocket()).toBe(true);
    await open(address);
    expect(await isOpen({ path: address.path })).toBe(true);
  });

  test('leaves a file alone that is no socket', async () => {
    await writeFile(unix().path, 'precious');
    await expect(open(unix())).rejects.toThrow('is no socket');
    expect((await stat(unix().path)).size).toBe(8);
  });

  test('says that the folder is missing, or is none', async () => {
    const missing = join(folder, 'missing', 'socket');
    await expect(open({ kind: 'unix', path: missing })).rejects.toMatchObject({
      code: 'ENOENT',
      message: `LISTEN names ${missing}, but the folder ${join(folder, 'missing')} does not exist`,
    });
    await writeFile(join(folder, 'file'), '');
    await expect(open({ kind: 'unix', path: join(folder, 'file', 'socket') })).rejects.toMatchObject({
      code: 'ENOTDIR',
      message: expect.stringContaining('is no folder') as string,
    });
  });

  test('leaves the socket of a living process alone', async () => {
    await open(unix());
    await expect(open(unix())).rejects.toThrow('another process listens there');
    expect(await isOpen({ path: unix().path })).toBe(true);
  });

  test('leaves the socket of a process alone that is too busy to accept', async () => {
    const { path } = unix();
    // Listens, and blocks its event loop: what connects fills its backlog.
    const script = `require('node:net').createServer().listen({ path: ${JSON.stringify(path)}, backlog: 1 }, () => {
      require('node:fs').writeSync(1, 'listening');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    })`;
    const busy = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const clients: Socket[] = [];
    try {
      await once(busy.stdout, 'data');
      const refused = new Promise<NodeJS.ErrnoException>((resolve) => {
        for (let n = 0; n < 5; n += 1) clients.push(connect({ path }).on('error', resolve));
      });
      expect((await refused).code).toBe('EAGAIN');
      await expect(open(unix())).rejects.toThrow('another process listens there');
      expect((await stat(path)).isSocket()).toBe(true);
    } finally {
      for (const client of clients) client.destroy();
      busy.kill('SIGKILL');
      await once(busy, 'close');
    }
  });

  test('leaves nothing open when the group does not exist', async () => {
    await expect(open(unix({ group: 'no-such-group-here' }))).rejects.toThrow('no-such-group-here');
    expect(await isOpen({ path: unix().path })).toBe(false);
  });
});
