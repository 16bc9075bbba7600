// What messages of 100 MB cost the process in memory, in both directions, and with a side that is slow.

import { connect } from 'node:net';
import type { Socket } from 'node:net';
import process from 'node:process';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ProxyProcess } from '../support/proxy-process.js';
import { RawClient } from '../support/raw-client.js';
import { startScriptedUpstream } from '../support/scripted-upstream.js';
import type { ScriptedUpstream } from '../support/scripted-upstream.js';

const MEGABYTE = 1_048_576;
const SIZE = 100;
/**
 * How much more than before the process may have resident at any time. About 40 MB is what lies until V8 collects the buffers
 * that were read into, however large the message is.
 */
const LIMIT = 64;
const block = Buffer.alloc(MEGABYTE, 'm');

describe.skipIf(process.platform !== 'linux')('a message of 100 MB', () => {
  let upstream: ScriptedUpstream;
  let proxy: ProxyProcess;
  /** Before any large message. */
  let base = 0;
  const sockets: Socket[] = [];

  beforeAll(async () => {
    upstream = await startScriptedUpstream();
    upstream.on('CHECK', (command, connection) => {
      connection.send(`* 1 FETCH (BODY[] {${String(SIZE * MEGABYTE)}}\r\n`);
      for (let n = 0; n < SIZE; n++) connection.send(block);
      connection.send(')\r\n');
      connection.ok(command);
    });
    upstream.on('APPEND', (command, connection) => {
      connection.ok(command);
    });
    proxy = await ProxyProcess.start(upstream);
    // Small sessions first: code is loaded and compiled by then.
    for (let n = 0; n < 50; n++) {
      const { client } = await RawClient.connectAndGreet({ port: proxy.port });
      for (const text of ['LOGIN alice secret', 'SELECT INBOX', 'UID FETCH 1:* BODY.PEEK[]', 'LOGOUT'])
        expect((await client.command(text)).status).toBe('OK');
      client.destroy();
    }
    base = (await proxy.memory()).now;
  }, 60_000);

  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });

  afterAll(async () => {
    await proxy.kill();
    await upstream.close();
  });

  /** A session without a memory of what it got. */
  async function logIn(user: string): Promise<Socket> {
    const socket = connect(proxy.port, '127.0.0.1').on('error', () => undefined);
    sockets.push(socket);
    socket.write(`l LOGIN ${user} secret\r\nm SELECT INBOX\r\n`);
    await untilText(socket, 'm OK');
    return socket;
  }

  /** Reads until these bytes come; counts what came before. */
  function untilText(socket: Socket, text: string, onData: () => void = () => undefined): Promise<number> {
    return new Promise((resolve, reject) => {
      let count = 0;
      let tail = '';
      const onClose = (): void => {
        reject(new Error(`closed before ${text}: ${tail}`));
      };
      const take = (chunk: Buffer): void => {
        count += chunk.length;
        tail = (tail + chunk.subarray(-200).toString('latin1')).slice(-200);
        onData();
        if (!tail.includes(text)) return;
        socket.off('data', take).off('close', onClose);
        resolve(count);
      };
      socket.on('data', take).on('close', onClose);
    });
  }

  async function fetchMessage(isSlow = false): Promise<void> {
    const socket = await logIn('alice');
    let nextPause = MEGABYTE;
    socket.write('a CHECK\r\n');
    const count = await untilText(socket, 'a OK', () => {
      if (!isSlow || socket.bytesRead < nextPause) return;
      nextPause += MEGABYTE;
      socket.pause();
      setTimeout(() => socket.resume(), 10);
    });
    expect(count).toBeGreaterThan(SIZE * MEGABYTE);
  }

  async function appendMessage(isSlow = false): Promise<void> {
    const socket = await logIn('alice');
    const connection = upstream.connections.findLast(({ user, isOpen }) => user === 'alice' && isOpen);
    const dragging = setInterval(() => {
      connection?.socket.pause();
      setTimeout(() => connection?.socket.resume(), 20);
    }, 30);
    if (!isSlow) clearInterval(dragging);
    try {
      const answered = untilText(socket, 'a OK');
      socket.write(`a APPEND INBOX {${String(SIZE * MEGABYTE)}+}\r\n`);
      for (let n = 0; n < SIZE; n++) socket.write(block);
      socket.write('\r\n');
      await answered;
    } finally {
      clearInterval(dragging);
      connection?.socket.resume();
    }
    expect(upstream.connections.flatMap(({ commands }) => commands).at(-1)?.literals[0]).toHaveLength(
      SIZE * MEGABYTE,
    );
    // What the server got is not kept here, either.
    for (const { commands } of upstream.connections) commands.splice(0);
  }

  /** Runs something, and says how much more memory was in use at most than before the first large message. */
  async function growthOf(what: string, work: () => Promise<void>): Promise<number> {
    await proxy.forgetPeak();
    await work();
    const { peak } = await proxy.memory();
    process.stdout.write(`measured: ${what}: ${base.toFixed(1)} MB before, ${peak.toFixed(1)} MB at most\n`);
    return peak - base;
  }

  const works: readonly (readonly [name: string, work: () => Promise<void>])[] = [
    ['FETCH', () => fetchMessage()],
    ['FETCH by a client that is slow', () => fetchMessage(true)],
    ['APPEND', () => appendMessage()],
    ['APPEND to a server that is slow', () => appendMessage(true)],
  ];
  it.each(works)('passes in constant memory: %s', { timeout: 60_000 }, async (name, work) => {
    expect(await growthOf(name, work)).toBeLessThan(LIMIT);
  });

  it(
    'that a client asks for and never reads costs no more, twenty times over',
    { timeout: 60_000 },
    async () => {
      const growth = await growthOf('20 FETCH that nobody reads', async () => {
        const clients: Socket[] = [];
        for (let n = 0; n < 20; n++) {
          const socket = await logIn(`user${String(n)}`);
          socket.pause();
          socket.write('a CHECK\r\n');
          clients.push(socket);
        }
        await proxy.until(
          async () => (await proxy.metric('imapbouncer_upstream_connections')) >= 20,
          'all of them',
        );
        // Another user's round trips: by then the proxy has taken of the others what it takes.
        const { client } = await RawClient.connectAndGreet({ port: proxy.port });
        await client.command('LOGIN bob secret');
        for (let n = 0; n < 200; n++) expect((await client.command('NOOP')).text).toBe('NOOP done (bob)');
        client.destroy();
        for (const socket of clients) socket.destroy();
      });
      expect(growth).toBeLessThan(LIMIT);
    },
  );
});
