// PROXY headers: whose address a session has, who is believed, and what becomes of the others.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeTlsFolder } from '../support/client-tls.js';
import type { TlsFolder } from '../support/client-tls.js';
import { ipv6Addresses, proxyBlock, proxyLine, sslField } from '../support/proxy-headers.js';
import { RawClient } from '../support/raw-client.js';
import type { RawTarget } from '../support/raw-client.js';
import { useStages } from './stage.js';
import type { Stage } from './stage.js';

const stage = useStages();

let files: TlsFolder;
let folder: string;
beforeAll(async () => {
  files = await makeTlsFolder();
  folder = await mkdtemp(join(tmpdir(), 'imapbouncer-proxy-'));
});
afterAll(async () => {
  await files.remove();
  await rm(folder, { recursive: true });
});

const CLIENT = '203.0.113.7';
const trusting = (): { ca: string; servername: string } => ({
  ca: files.certificate.ca,
  servername: 'localhost',
});

function listening(
  query: string,
  environment: Readonly<Record<string, string>> = {},
  scheme = 'imap',
): Promise<Stage> {
  return stage({ environment: { LISTEN: `${scheme}://127.0.0.1:0?${query}`, ...environment } });
}

/** A connection that has sent this, and read nothing. */
async function connectAfter(
  s: Stage,
  header: string | Buffer,
  target: RawTarget = { port: s.proxy.port },
): Promise<RawClient> {
  const client = await RawClient.connect(target);
  if (header.length > 0) await client.send(header);
  return client;
}

const rejected = (s: Stage): Promise<number> =>
  s.metric('client_connections_rejected_total', { reason: 'proxy_header' });

async function untilRejected(s: Stage): Promise<void> {
  await s.proxy.until(async () => (await rejected(s)) === 1, 'one rejected for its header');
  await s.untilSessions(0);
}

const lineOf = (s: Stage, message: string): Record<string, unknown> | undefined =>
  s.proxy.logLines.find(({ msg }) => msg === message);

const allow = { PLAINTEXT_NETWORKS: '203.0.113.0/24,2001:db8::/32' };

describe('a header that is believed', () => {
  it.each([
    ['version 1', 'proxy=v1', () => proxyLine(CLIENT), CLIENT],
    ['version 1, IPv6', 'proxy=any', () => proxyLine('2001:db8::7'), '2001:db8::7'],
    ['version 2', 'proxy=v2', () => proxyBlock(), CLIENT],
    [
      'version 2, IPv6',
      'proxy=any',
      () => proxyBlock({ family: 0x21, addresses: ipv6Addresses(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7) }),
      '2001:db8::7',
    ],
  ])(
    'of %s gives the session its address, upstream and in the log, too',
    async (_what, query, header, address) => {
      const s = await listening(query, { ...allow, UPSTREAM_CLIENT_ADDRESS: 'id' });
      const client = await connectAfter(s, header());
      expect(await client.readLine()).toMatch(/^\* OK .*AUTH=PLAIN/);
      expect(await client.command('LOGIN alice wrong')).toMatchObject({ status: 'NO' });
      expect(await client.command('LOGIN alice secret')).toMatchObject({ status: 'OK' });
      expect((await client.command('NOOP')).text).toBe('NOOP done (alice)');
      expect((await s.connectionOf()).received.toString('latin1')).toContain(
        `"x-originating-ip" "${address}"`,
      );
      await s.leave(client);
      await s.untilSessions(0);
      expect(lineOf(s, 'login failed')).toMatchObject({ peer: address });
      expect(lineOf(s, 'session ended')).toMatchObject({ peer: address, user: 'alice' });
      expect(await s.metric('client_connections_accepted_total', { listener: 'imap://127.0.0.1:0' })).toBe(1);
      expect(await rejected(s)).toBe(0);
    },
  );

  it('keeps what follows in the same packet, however it is cut', async () => {
    const s = await listening('proxy=any', allow);
    const commands = 'a LOGIN alice secret\r\nb NOOP\r\nc LOGOUT\r\n';
    for (const header of [proxyLine(CLIENT), proxyBlock({ fields: [[0xee, Buffer.alloc(300)]] })]) {
      const bytes = Buffer.concat([header, Buffer.from(commands)]);
      for (const cuts of [[], [1], [12, 16, 17], [header.length - 1], [header.length], [header.length + 5]]) {
        const client = await connectAfter(s, '');
        for (let at = 0, n = 0; at < bytes.length; n += 1) {
          const end = cuts[n] ?? bytes.length;
          await client.send(bytes.subarray(at, end));
          await new Promise((resolve) => setImmediate(resolve));
          at = end;
        }
        const { unread } = await client.waitForClose();
        expect(unread).toMatch(
          /^\* OK .*\r\na OK .*\r\nb OK NOOP done \(alice\)\r\n\* BYE .*\r\nc OK .*\r\n$/,
        );
      }
    }
  });

  it('keeps what follows when the client has ended its half, too', async () => {
    const s = await listening('proxy=v1', allow);
    const client = await connectAfter(s, '');
    client.end(`${proxyLine(CLIENT).toString()}a LOGIN alice secret\r\nb NOOP\r\n`);
    const { unread } = await client.waitForClose();
    expect(unread).toContain('b OK NOOP done (alice)');
  });

  it('decides by its address whether a login needs TLS', async () => {
    const s = await listening('proxy=any', { PLAINTEXT_NETWORKS: 'loopback' });
    for (const header of [proxyLine(CLIENT), proxyBlock()]) {
      const client = await connectAfter(s, header);
      expect(await client.readLine()).toContain('LOGINDISABLED');
      expect((await client.command('LOGIN alice secret')).text).toMatch(/^\[PRIVACYREQUIRED\]/);
      client.destroy();
    }
    expect(s.attempts).toBe(0);
  });

  it.each([
    ['TLS', sslField(0x01), true],
    ['no TLS, but a certificate', sslField(0x02), false],
  ])('with the field for %s decides that', async (_what, field, isAllowed) => {
    const s = await listening('proxy=v2', { ...files.environment, PLAINTEXT_NETWORKS: 'none' });
    const client = await connectAfter(s, proxyBlock({ fields: [field] }));
    const greeting = await client.readLine();
    expect(greeting.includes('AUTH=PLAIN')).toBe(isAllowed);
    // There is no TLS within TLS.
    expect(greeting.includes('STARTTLS')).toBe(!isAllowed);
    expect((await client.command('LOGIN alice secret')).status).toBe(isAllowed ? 'OK' : 'NO');
    expect((await client.command('STARTTLS')).status).toBe(isAllowed ? 'BAD' : 'OK');
    client.destroy();
    await client.closed;
  });

  it.each([
    ['UNKNOWN', Buffer.from('PROXY UNKNOWN\r\n')],
    ['LOCAL', proxyBlock({ command: 0x20, fields: [sslField()] })],
    ['UNSPEC', proxyBlock({ family: 0, addresses: Buffer.alloc(0) })],
  ])('that says %s leaves the session the address of its socket', async (_what, header) => {
    const s = await listening('proxy=any');
    const client = await connectAfter(s, header);
    await client.readLine();
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');
    await s.leave(client);
    await s.untilSessions(0);
    expect(lineOf(s, 'session ended')).toMatchObject({ peer: '127.0.0.1' });
  });

  it('comes before TLS, in one packet with its beginning', async () => {
    const s = await listening('proxy=v2', { ...files.environment, PLAINTEXT_NETWORKS: 'none' }, 'imaps');
    const client = await connectAfter(s, proxyBlock());
    await client.upgrade(trusting());
    expect(await client.readLine()).toMatch(/^\* OK .*AUTH=PLAIN/);
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');
    await s.leave(client);
    await s.untilSessions(0);
    expect(lineOf(s, 'session ended')).toMatchObject({ peer: CLIENT });
    const label = { listener: 'imaps://127.0.0.1:0' };
    expect(await s.metric('client_connections_accepted_total', label)).toBe(1);
  });

  it('before a handshake that fails counts that, with the address of the client', async () => {
    const s = await listening('proxy=v1', files.environment, 'imaps');
    const client = await connectAfter(s, Buffer.concat([proxyLine(CLIENT), Buffer.from('a NOOP\r\n')]));
    await client.waitForClose();
    await s.proxy.until(
      async () => (await s.metric('client_connections_rejected_total', { reason: 'tls' })) === 1,
      'one rejected for TLS',
    );
    expect(lineOf(s, 'client turned away')).toMatchObject({ reason: 'tls', peer: CLIENT });
  });

  it('leads to STARTTLS', async () => {
    const s = await listening('proxy=v1', { ...files.environment, PLAINTEXT_NETWORKS: 'none' });
    const client = await connectAfter(s, proxyLine(CLIENT));
    await client.readLine();
    await client.startTls(trusting());
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');
    await s.leave(client);
  });
});

describe('a Unix socket', () => {
  it('is always believed, and gives its sessions the address of the header', async () => {
    const path = join(folder, 'imap.sock');
    const s = await stage({
      environment: { LISTEN: `unix:${path}?proxy=any`, PROXY_TRUSTED: 'none', ...allow },
    });
    const client = await connectAfter(s, proxyLine(CLIENT), { path });
    expect(await client.readLine()).toContain('AUTH=PLAIN');
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');
    await s.leave(client);
    const stranger = await connectAfter(s, proxyLine('198.51.100.1'), { path });
    expect(await stranger.readLine()).toContain('LOGINDISABLED');
    stranger.destroy();
    const itself = await connectAfter(s, proxyBlock({ command: 0x20 }), { path });
    expect(await itself.readLine()).toContain('AUTH=PLAIN');
    itself.destroy();
    await s.untilSessions(0);
    const peers = s.proxy.logLines.filter(({ msg }) => msg === 'session ended').map(({ peer }) => peer);
    expect(peers).toEqual([CLIENT, '198.51.100.1', 'unix']);
  });
});

describe('without a header that is believed the connection is closed at once, and counted', () => {
  it.each([
    ['that is none', 'proxy=any', 'a LOGIN alice secret\r\n', 'no PROXY header'],
    ['of the other version', 'proxy=v2', proxyLine(CLIENT), 'no PROXY header of version 2'],
    ['that is wrong', 'proxy=v1', 'PROXY TCP4 1.2.3.4\r\n', 'a line that is not of the form of version 1'],
    ['that is too long', 'proxy=v1', `PROXY UNKNOWN ${'x'.repeat(600)}`, 'a line of more than 536 bytes'],
    [
      'with a block that is too long',
      'proxy=v2',
      proxyBlock({ length: 5_000 }),
      '5000 bytes, and 4096 are the limit',
    ],
  ])('for one %s', async (_what, query, bytes, detail) => {
    const s = await listening(query, allow);
    const client = await connectAfter(s, bytes);
    expect((await client.waitForClose()).unread).toBe('');
    await untilRejected(s);
    expect(lineOf(s, 'client turned away')).toMatchObject({
      level: 'warn',
      reason: 'proxy_header',
      listener: 'imap://127.0.0.1:0',
      peer: '127.0.0.1',
      detail,
    });
    expect(s.attempts).toBe(0);
  });

  it('for one from elsewhere, whatever it says', async () => {
    const s = await listening('proxy=any', { PROXY_TRUSTED: '127.0.0.9,10.0.0.0/8' });
    const client = await connectAfter(s, '');
    expect((await client.waitForClose()).unread).toBe('');
    await untilRejected(s);
    expect(lineOf(s, 'client turned away')).toMatchObject({ detail: 'PROXY_TRUSTED does not have it' });
    const trusted = await connectAfter(s, 'PROXY UNKNOWN\r\n', {
      port: s.proxy.port,
      localAddress: '127.0.0.9',
    });
    expect(await trusted.readLine()).toMatch(/^\* OK /);
    trusted.destroy();
    await trusted.closed;
  });

  it('for one that does not come in time', async () => {
    const s = await listening('proxy=any', { CLIENT_LOGIN_TIMEOUT: '150ms' });
    const client = await connectAfter(s, 'PROXY TCP4');
    expect((await client.waitForClose()).unread).toBe('');
    await untilRejected(s);
    expect(lineOf(s, 'client turned away')).toMatchObject({ detail: 'no PROXY header in time' });
  });

  it.each([
    ['after half of it', 'PROXY TCP4', 'warn'],
    ['without a word, as a health check does', '', 'debug'],
  ])('for one that hangs up %s', async (_what, bytes, level) => {
    const s = await listening('proxy=any');
    const client = await connectAfter(s, bytes);
    client.end();
    await client.waitForClose();
    await untilRejected(s);
    expect(lineOf(s, 'client turned away')).toMatchObject({
      level,
      detail: 'hung up before its PROXY header',
    });
  });

  it('for one that resets the connection', async () => {
    const s = await listening('proxy=any');
    const client = await connectAfter(s, 'PROXY TCP4');
    await s.untilSessions(1);
    client.reset();
    await untilRejected(s);
  });

  it('and the end of the proxy does not wait for it', async () => {
    const s = await listening('proxy=any', { DRAIN_TIMEOUT: '20s' });
    const client = await connectAfter(s, 'PROXY TCP4');
    await s.untilSessions(1);
    const startedAt = performance.now();
    await s.proxy.app.drain();
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    await client.closed;
    await s.stop();
  });
});

it('a header at a listener that takes none is a bad command, and nobody is believed', async () => {
  const s = await stage();
  const client = await connectAfter(s, proxyLine(CLIENT));
  await client.readLine();
  expect(await client.readLine()).toMatch(/^PROXY BAD /);
  expect((await client.command('LOGIN alice secret')).status).toBe('OK');
  await s.leave(client);
  await s.untilSessions(0);
  expect(lineOf(s, 'session ended')).toMatchObject({ peer: '127.0.0.1' });
});
