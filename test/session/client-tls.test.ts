// TLS towards clients: from the first byte, by STARTTLS, and what goes wrong on the way.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeCertificate } from '../support/certificates.js';
import { makeTlsFolder } from '../support/client-tls.js';
import type { TlsFolder } from '../support/client-tls.js';
import { RawClient } from '../support/raw-client.js';
import { useStages } from './stage.js';
import type { Stage } from './stage.js';

const stage = useStages();

let files: TlsFolder;
beforeAll(async () => {
  files = await makeTlsFolder();
});
afterAll(() => files.remove());

const sockets: Socket[] = [];
const servers: Server[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

const implicit = 'imaps://127.0.0.1:0';
const plain = 'imap://127.0.0.1:0';
const trusting = (): { ca: string; servername: string } => ({
  ca: files.certificate.ca,
  servername: 'localhost',
});

function stageWith(environment: Readonly<Record<string, string>>): Promise<Stage> {
  return stage({ environment: { ...files.environment, ...environment } });
}

/** A client that speaks TLS from the start. */
function connectSecurely(s: Stage): Promise<RawClient> {
  return s.connect({ port: s.proxy.port, tls: trusting() });
}

/** A client without a greeting read. */
async function connectRaw(s: Stage): Promise<RawClient> {
  const client = await RawClient.connect({ port: s.proxy.port });
  void client.closed;
  return client;
}

const rejectedForTls = (s: Stage): Promise<number> =>
  s.metric('client_connections_rejected_total', { reason: 'tls' });

async function untilRejected(s: Stage, count = 1): Promise<void> {
  await s.proxy.until(async () => (await rejectedForTls(s)) === count, `${String(count)} rejected for TLS`);
}

async function expectMail(client: RawClient, user: string): Promise<void> {
  expect((await client.command('SELECT INBOX')).status).toBe('OK');
  const { literals } = await client.command('UID FETCH 1:* (BODY.PEEK[])');
  expect(literals.length).toBeGreaterThan(0);
  expect(literals.every((body) => body.includes(`mark-of-${user} `))).toBe(true);
}

/** The end of a session as it is logged. */
function endOf(s: Stage): Record<string, unknown> | undefined {
  return s.proxy.logLines.find(({ msg }) => msg === 'session ended');
}

describe('imaps:// listeners', () => {
  it('greet after the handshake, and let whoever has TLS log in, from anywhere', async () => {
    const s = await stageWith({ LISTEN: implicit, PLAINTEXT_NETWORKS: 'none' });
    const { client, greeting } = await RawClient.connectAndGreet({ port: s.proxy.port, tls: trusting() });
    expect(greeting).toMatch(/^\* OK \[CAPABILITY IMAP4rev1 [^\]]*AUTH=PLAIN/);
    expect(greeting).not.toMatch(/STARTTLS|LOGINDISABLED/);
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');
    await expectMail(client, 'alice');
    await s.leave(client);
    const label = { listener: 'imaps://127.0.0.1:0' };
    expect(await s.metric('client_connections_accepted_total', label)).toBe(1);
    expect(await rejectedForTls(s)).toBe(0);
    expect(endOf(s)).toMatchObject({ peer: '127.0.0.1', user: 'alice', end: 'logout' });
  });

  it('say BAD to STARTTLS', async () => {
    const s = await stageWith({ LISTEN: implicit });
    const client = await connectSecurely(s);
    expect((await client.command('STARTTLS')).status).toBe('BAD');
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');
  });

  it('pass a large message, and a literal, as they are', async () => {
    const s = await stageWith({ LISTEN: implicit });
    const client = await connectSecurely(s);
    await client.command('LOGIN alice secret');
    const body = `Subject: large\r\n\r\n${'0123456789abcde\n'.repeat(50_000)}`;
    s.upstream.store.add('alice', 'Archive', body);
    await client.command('SELECT Archive');
    const { literals } = await client.command('FETCH 1 BODY[]');
    expect(literals[0]?.toString()).toBe(body);
    expect((await client.command(`APPEND INBOX {3+}\r\nabc`)).status).toBe('OK');
    await s.leave(client);
  });

  it('answer a client that ends its half as they do without TLS', async () => {
    const s = await stageWith({ LISTEN: implicit });
    const client = await s.connect({ port: s.proxy.port, tls: trusting(), allowHalfOpen: true });
    await client.command('LOGIN alice secret');
    await client.send('x NOOP\r\n');
    client.end();
    const { unread, how } = await client.waitForClose();
    expect(unread).toContain('x OK NOOP done (alice)');
    expect(how).toBe('ended');
    await s.untilSessions(0);
    expect(endOf(s)).toMatchObject({ end: 'half_close' });
  });

  it.each([
    ['is no TLS', 'a NOOP\r\n', 'ERR_SSL_WRONG_VERSION_NUMBER'],
    [
      'is half a ClientHello, and then nothing',
      Buffer.from('16030100c8010000', 'hex'),
      'hung up in the TLS handshake',
    ],
    ['is nothing', '', 'hung up in the TLS handshake'],
  ])('count a client whose handshake %s', async (_what, bytes, detail) => {
    const s = await stageWith({ LISTEN: implicit });
    const client = await connectRaw(s);
    await client.send(bytes);
    if (detail === 'hung up in the TLS handshake') client.end();
    const { unread } = await client.waitForClose();
    expect(unread).not.toContain('ImapBouncer');
    await untilRejected(s);
    await s.untilSessions(0);
    expect(s.proxy.logLines.find(({ msg }) => msg === 'client turned away')).toMatchObject({
      reason: 'tls',
      listener: 'imaps://127.0.0.1:0',
      peer: '127.0.0.1',
      detail,
    });
  });

  it('count a client that resets the connection, and go on', async () => {
    const s = await stageWith({ LISTEN: implicit });
    const client = await connectRaw(s);
    await client.send(Buffer.from('16030100c8010000', 'hex'));
    client.reset();
    await untilRejected(s);
    expect((await (await connectSecurely(s)).command('NOOP')).status).toBe('OK');
  });

  it('hang up on a client that never begins the handshake, when the time to log in is over', async () => {
    const s = await stageWith({ LISTEN: implicit, CLIENT_LOGIN_TIMEOUT: '200ms' });
    const client = await connectRaw(s);
    await s.untilSessions(1);
    expect((await client.waitForClose()).unread).toBe('');
    await untilRejected(s);
    await s.untilSessions(0);
  });

  it('give a client that was slow to shake hands the rest of its time to log in, and no more', async () => {
    const s = await stageWith({ LISTEN: implicit, CLIENT_LOGIN_TIMEOUT: '600ms' });
    const startedAt = performance.now();
    const client = await connectRaw(s);
    await new Promise((resolve) => setTimeout(resolve, 400));
    await client.upgrade(trusting());
    expect(await client.readLine()).toMatch(/^\* OK /);
    expect((await client.waitForClose()).unread).toBe('* BYE No login in time\r\n');
    expect(performance.now() - startedAt).toBeLessThan(900);
  });

  it('do not hold up the end of the proxy', async () => {
    const s = await stageWith({ LISTEN: implicit, DRAIN_TIMEOUT: '20s' });
    const client = await connectRaw(s);
    await s.untilSessions(1);
    const startedAt = performance.now();
    await s.proxy.app.drain();
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    await client.closed;
    await s.stop();
  });

  it('count clients that shake hands among CLIENT_MAX_CONNECTIONS, and say nothing to those above', async () => {
    const s = await stageWith({ LISTEN: implicit, CLIENT_MAX_CONNECTIONS: '1' });
    const first = await connectRaw(s);
    await s.untilSessions(1);
    const second = await connectRaw(s);
    expect((await second.waitForClose()).unread).toBe('');
    expect(await s.metric('client_connections_rejected_total', { reason: 'max_clients' })).toBe(1);
    first.destroy();
    await first.closed;
  });

  it('end a session whose records were tampered with', async () => {
    const s = await stageWith({ LISTEN: implicit });
    const between = await startMiddle(s.proxy.port);
    const client = await s.connect({ port: between.port, tls: trusting() });
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');
    between.inject(Buffer.alloc(600, 'garbage'));
    await client.closed;
    await s.untilSessions(0);
    expect(endOf(s)).toMatchObject({ end: 'vanished' });
  });

  it('end a session by a reset without a fault', async () => {
    const s = await stageWith({ LISTEN: implicit });
    const between = await startMiddle(s.proxy.port);
    const client = await s.connect({ port: between.port, tls: trusting() });
    await client.command('LOGIN alice secret');
    between.reset();
    await s.untilSessions(0);
    expect((await (await connectSecurely(s)).command('LOGIN bob secret')).status).toBe('OK');
  });
});

describe('TLS_MIN_VERSION', () => {
  /** The version that is agreed on, or the client's error. */
  async function versionWith(s: Stage, maxVersion: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'): Promise<string> {
    const socket: TLSSocket = connectTls({
      port: s.proxy.port,
      host: '127.0.0.1',
      ...trusting(),
      minVersion: 'TLSv1',
      maxVersion,
      ciphers: 'ALL:@SECLEVEL=0',
    });
    sockets.push(socket);
    return new Promise((resolve) => {
      socket.once('secureConnect', () => resolve(String(socket.getProtocol())));
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(String(error.code)));
    });
  }

  it.each([
    ['TLSv1.2', ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'TLSv1.2', 'TLSv1.3']],
    ['TLSv1.3', ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'TLSv1.3']],
  ])('%s is the oldest that is spoken', async (TLS_MIN_VERSION, expected) => {
    const s = await stageWith({ LISTEN: implicit, TLS_MIN_VERSION });
    const found: string[] = [];
    for (const version of ['TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const)
      found.push(await versionWith(s, version));
    expect(found).toEqual(expected);
    await untilRejected(s, expected.filter((word) => word.startsWith('ERR')).length);
    for (const socket of sockets.splice(0)) socket.destroy();
    await s.untilSessions(0);
  });
});

describe('STARTTLS', () => {
  it('is offered, leads to TLS, and is not offered again', async () => {
    const s = await stageWith({ LISTEN: plain, PLAINTEXT_NETWORKS: 'none' });
    const { client, greeting } = await RawClient.connectAndGreet({ port: s.proxy.port });
    expect(greeting).toContain('STARTTLS LOGINDISABLED]');
    expect(greeting).not.toContain('AUTH=');
    for (const parts of ['LOGIN alice secret', 'AUTHENTICATE PLAIN'])
      expect((await client.command(parts)).text).toMatch(/^\[PRIVACYREQUIRED\] /);
    await client.startTls(trusting());
    const { untagged } = await client.command('CAPABILITY');
    expect(untagged[0]).toMatch(/^\* CAPABILITY IMAP4rev1 .*AUTH=PLAIN/);
    expect(untagged[0]).not.toMatch(/STARTTLS|LOGINDISABLED/);
    expect((await client.command('STARTTLS')).status).toBe('BAD');
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');
    await expectMail(client, 'alice');
    expect((await client.command('STARTTLS')).status).toBe('BAD');
    await s.leave(client);
    await s.untilSessions(0);
    expect(endOf(s)).toMatchObject({ end: 'logout', user: 'alice' });
    expect(endOf(s)?.['bytesReceived']).toBeGreaterThan(150);
    expect(s.attempts).toBe(1);
  });

  it('is offered beside logins without it, where PLAINTEXT_NETWORKS has the client', async () => {
    const s = await stageWith({ LISTEN: plain });
    const { client, greeting } = await RawClient.connectAndGreet({ port: s.proxy.port });
    expect(greeting).toMatch(/STARTTLS AUTH=PLAIN/);
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');
    expect((await client.command('CAPABILITY')).untagged[0]).not.toContain('STARTTLS');
    expect((await client.command('STARTTLS')).status).toBe('BAD');
    await s.leave(client);
  });

  it('is not offered without a certificate, and is BAD', async () => {
    const s = await stage();
    const { client, greeting } = await RawClient.connectAndGreet({ port: s.proxy.port });
    expect(greeting).not.toContain('STARTTLS');
    expect((await client.command('STARTTLS')).status).toBe('BAD');
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');
    await s.leave(client);
  });

  it('takes no argument', async () => {
    const s = await stageWith({ LISTEN: plain });
    const client = await s.connect();
    expect((await client.command('STARTTLS now')).status).toBe('BAD');
    await client.startTls(trusting());
    expect((await client.command('NOOP')).status).toBe('OK');
  });

  it.each([
    ['a login', 'b LOGIN alice secret\r\n'],
    ['half a command', 'b LOG'],
    ['half a literal', 'b LOGIN {20}\r\nalice'],
    ['a thousand commands', 'b NOOP\r\n'.repeat(1_000)],
  ])('throws away what came in plain text behind it: %s', async (_what, injected) => {
    const s = await stageWith({ LISTEN: plain });
    const client = await s.connect();
    await client.send(`a STARTTLS\r\n${injected}`);
    expect(await client.readLine()).toMatch(/^a OK /);
    await client.upgrade(trusting());
    expect((await client.command('NOOP')).raw.toString()).toMatch(/^t1 OK NOOP completed\.\r\n$/);
    expect(client.unread).toBe('');
    expect(s.attempts).toBe(0);
    expect((await client.command('LOGIN bob secret')).status).toBe('OK');
    expect(s.upstream.loginAttempts.map(({ user }) => user)).toEqual(['bob']);
  });

  it('forgets the login that was begun before it', async () => {
    const s = await stageWith({ LISTEN: plain });
    const client = await s.connect();
    const tag = await client.begin('AUTHENTICATE PLAIN');
    await client.expectContinuation();
    await client.send('*\r\n');
    expect((await client.finish(tag)).status).toBe('BAD');
    await client.startTls(trusting());
    await client.send('AGFsaWNlAHNlY3JldA==\r\n');
    expect(await client.readLine()).toMatch(/^\* BAD |^AGF\S+ BAD /);
    expect(s.attempts).toBe(0);
  });

  it.each([
    ['is no TLS', 'b LOGIN alice secret\r\n', 'ERR_SSL_WRONG_VERSION_NUMBER'],
    ['breaks off', undefined, 'closed'],
  ])('ends the session when the handshake %s', async (_what, bytes, tlsError) => {
    const s = await stageWith({ LISTEN: plain });
    const client = await s.connect();
    expect((await client.command('STARTTLS')).status).toBe('OK');
    if (bytes === undefined) client.end();
    else await client.send(bytes);
    expect((await client.waitForClose()).unread).not.toContain('OK');
    await s.untilSessions(0);
    expect(endOf(s)).toMatchObject({ end: 'tls', tlsError });
    expect(s.attempts).toBe(0);
    expect(await rejectedForTls(s)).toBe(0);
  });

  it('ends the session when the handshake takes longer than a login may', async () => {
    const s = await stageWith({ LISTEN: plain, CLIENT_LOGIN_TIMEOUT: '200ms' });
    const client = await s.connect();
    expect((await client.command('STARTTLS')).status).toBe('OK');
    expect((await client.waitForClose()).unread).toBe('');
    await s.untilSessions(0);
    expect(endOf(s)).toMatchObject({ end: 'login_timeout' });
  });

  it('does not hold up the end of the proxy', async () => {
    const s = await stageWith({ LISTEN: plain, DRAIN_TIMEOUT: '100ms' });
    const client = await s.connect();
    expect((await client.command('STARTTLS')).status).toBe('OK');
    const startedAt = performance.now();
    await s.proxy.app.drain();
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    await client.closed;
    await s.stop();
  });

  it('is not offered by a Unix socket, where nobody is in between', async () => {
    const path = `${files.certFile}.sock`;
    const s = await stageWith({ LISTEN: `unix:${path}`, PLAINTEXT_NETWORKS: 'none' });
    const { client, greeting } = await RawClient.connectAndGreet({ path });
    expect(greeting).toContain('AUTH=PLAIN');
    expect(greeting).not.toMatch(/STARTTLS|LOGINDISABLED/);
    client.destroy();
    await client.closed;
    await s.untilSessions(0);
  });
});

describe('a new certificate', () => {
  it('is shown from now on, and the sessions that are there go on', async () => {
    const own = await makeTlsFolder();
    try {
      const s = await stage({ environment: { ...own.environment, LISTEN: implicit } });
      const oldCa = own.certificate.ca;
      const before = await s.connect({ port: s.proxy.port, tls: { ca: oldCa, servername: 'localhost' } });
      await before.command('LOGIN alice secret');
      await own.replace(await makeCertificate());
      await s.proxy.app.renewCertificate?.();
      const { ca } = own.certificate;
      const after = await s.connect({ port: s.proxy.port, tls: { ca, servername: 'localhost' } });
      await expect(
        RawClient.connect({ port: s.proxy.port, tls: { ca: oldCa, servername: 'localhost' } }),
      ).rejects.toThrow();
      expect((await after.command('LOGIN bob secret')).status).toBe('OK');
      await expectMail(before, 'alice');
      await expectMail(after, 'bob');
    } finally {
      await own.remove();
    }
  });
});

/** Somebody between client and proxy, who can't read, but write. */
async function startMiddle(
  port: number,
): Promise<{ port: number; inject(bytes: Buffer): void; reset(): void }> {
  let upstream: Socket | undefined;
  const server = createServer((socket) => {
    const to = connect(port, '127.0.0.1');
    upstream = to;
    sockets.push(socket, to);
    socket.on('error', () => undefined);
    to.on('error', () => undefined);
    to.on('close', () => socket.destroy());
    socket.pipe(to);
    to.pipe(socket);
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    inject: (bytes) => upstream?.write(bytes),
    reset: () => upstream?.resetAndDestroy(),
  };
}
