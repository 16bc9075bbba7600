// How a connection ends over TLS: the server's close_notify ends it, and our FIN comes behind the server's own.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { FramedSocket } from '../../../src/net/framed-socket.js';
import { UpstreamConnection } from '../../../src/upstream/connection.js';
import { LineFramer } from '../../../src/wire/line-framer.js';
import { makeCertificate, type Certificate } from '../../support/certificates.js';

const HOST = '127.0.0.1';
/** A busy machine comes back to the server's process so much later. */
const FIN_DELAY_MS = 200;

let certificate: Certificate;
const servers: Server[] = [];
const sockets = new Set<Socket>();

beforeAll(async () => {
  certificate = await makeCertificate();
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  await Promise.all(servers.splice(0).map((server) => once(server.close(), 'close')));
});

async function listen(server: Server): Promise<number> {
  servers.push(server);
  server.on('connection', remember);
  await once(server.listen({ port: 0, host: HOST }), 'listening');
  return (server.address() as AddressInfo).port;
}

function remember(socket: Socket): void {
  sockets.add(socket);
  // Whoever is cut off by the end of a test has nothing to say.
  socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
}

/** Answers LOGOUT, and closes. */
async function startServer(): Promise<number> {
  const server = createTlsServer({ key: certificate.key, cert: certificate.cert }, (client) => {
    client.on('error', () => undefined);
    client.on('data', (line: Buffer) => {
      const [tag = '', verb] = line.toString('latin1').trim().split(' ');
      if (verb === 'LOGOUT') client.end(`* BYE\r\n${tag} OK\r\n`);
    });
  });
  return listen(server);
}

/** Passes everything on, but the server's FIN only later, or never: its close_notify has arrived long before. */
async function startLateFins(port: number, delayMs: number | undefined, fins: string[]): Promise<number> {
  const relay = createServer({ allowHalfOpen: true }, (client) => {
    const server = connect({ port, host: HOST, allowHalfOpen: true });
    remember(server);
    client.on('data', (chunk) => server.write(chunk));
    server.on('data', (chunk) => client.write(chunk));
    client.on('end', () => {
      fins.push('ours');
      client.end();
      server.end();
    });
    server.on('end', () => {
      if (delayMs === undefined) return;
      setTimeout(() => {
        fins.push("the server's");
        client.end();
      }, delayMs);
    });
  });
  return listen(relay);
}

async function open(port: number): Promise<UpstreamConnection> {
  const socket = connectTls({ port, host: HOST, ca: certificate.ca });
  await once(socket, 'secureConnect');
  const framed = new FramedSocket(socket, new LineFramer(), (error) => {
    expect.fail(String(error));
  });
  return new UpstreamConnection(1, framed);
}

/** The relay hears of a FIN a moment after it was sent. */
async function expectFins(fins: readonly string[], order: readonly string[]): Promise<void> {
  await vi.waitFor(() => {
    expect(fins).toEqual(order);
  });
}

describe('a connection over TLS', () => {
  it('sends its FIN behind that of the server, however late that comes', async () => {
    const fins: string[] = [];
    const connection = await open(await startLateFins(await startServer(), FIN_DELAY_MS, fins));
    connection.close('idle');
    await expect(connection.gone).resolves.toBe('remote');
    await expect(connection.closed).resolves.toEqual({ reason: 'idle', initiator: 'remote' });
    await expectFins(fins, ["the server's", 'ours']);
  });

  it('is over with the close_notify, and nobody waits for the FIN', async () => {
    const fins: string[] = [];
    const connection = await open(await startLateFins(await startServer(), FIN_DELAY_MS, fins));
    connection.close('evicted');
    await connection.closed;
    expect(fins).toEqual([]);
    expect(connection).toMatchObject({ isOver: true, isUsable: false, isQuiet: false });
    await connection.gone;
  });

  it('stays behind the server when it is to be destroyed meanwhile', async () => {
    const fins: string[] = [];
    const connection = await open(await startLateFins(await startServer(), FIN_DELAY_MS, fins));
    connection.close('idle');
    await connection.closed;
    connection.destroy('drain');
    await expect(connection.gone).resolves.toBe('remote');
    await expectFins(fins, ["the server's", 'ours']);
  });

  it('waits no longer than a second for a FIN that never comes', async () => {
    const fins: string[] = [];
    const connection = await open(await startLateFins(await startServer(), undefined, fins));
    connection.close('idle');
    await connection.closed;
    const startedAt = performance.now();
    await connection.gone;
    await expectFins(fins, ['ours']);
    expect(performance.now() - startedAt).toBeLessThan(2_500);
  });
});
