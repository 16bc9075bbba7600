// Tests of the raw client and the scripted upstream themselves, against each other.

import { afterEach, describe, expect, it } from 'vitest';
import { makeCertificate } from '../support/certificates.js';
import { makeGate } from '../support/gate.js';
import { literal } from '../support/literal.js';
import { RawClient } from '../support/raw-client.js';
import {
  type ScriptedUpstream,
  type ScriptedUpstreamOptions,
  startScriptedUpstream,
} from '../support/scripted-upstream.js';

let upstream: ScriptedUpstream | undefined;
const clients: RawClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) {
    client.destroy();
    await client.closed;
  }
  await upstream?.close();
  expect(upstream?.openConnections ?? []).toEqual([]);
  upstream = undefined;
});

async function start(options: ScriptedUpstreamOptions = {}): Promise<ScriptedUpstream> {
  upstream = await startScriptedUpstream(options);
  return upstream;
}

async function greet(server: ScriptedUpstream): Promise<RawClient> {
  const client = await RawClient.connect({ port: server.port });
  clients.push(client);
  await client.readLine();
  return client;
}

async function logIn(server: ScriptedUpstream, user: string): Promise<RawClient> {
  const client = await greet(server);
  expect((await client.command(`LOGIN ${user} secret`)).status).toBe('OK');
  return client;
}

describe('scripted upstream', () => {
  it('greets with its capabilities and changes them at login', async () => {
    const server = await start();
    const client = await RawClient.connect({ port: server.port });
    clients.push(client);
    expect(await client.readLine()).toMatch(/^\* OK \[CAPABILITY IMAP4rev1 .*AUTH=PLAIN/);
    const result = await client.command('LOGIN alice secret');
    expect(result.text).toMatch(/^\[CAPABILITY .*UNSELECT.*\] logged in \(alice\)$/);
  });

  it('serves each user its own marked mail', async () => {
    const server = await start();
    for (const user of ['alice', 'bob']) {
      const client = await logIn(server, user);
      expect((await client.command('LIST "" "*"')).untagged).toContain(`* LIST () "/" of-${user}`);
      expect((await client.command('SELECT INBOX')).untagged).toContain('* 3 EXISTS');
      const { literals, untagged } = await client.command('UID FETCH 1:* (FLAGS BODY.PEEK[])');
      expect(untagged).toHaveLength(3);
      expect(literals.every((body) => body.includes(`mark-of-${user}`))).toBe(true);
    }
  });

  it('takes credentials as atoms, quoted strings, both kinds of literals, and by SASL', async () => {
    const server = await start({ users: { alice: 'a "b\\' } });
    const secret = 'a "b\\';
    const plain = Buffer.from(`\0alice\0${secret}`).toString('base64');
    const commands = [
      ['LOGIN "alice" "a \\"b\\\\"'],
      ['LOGIN ', literal('alice'), ' ', literal(secret)],
      ['LOGIN alice ', literal(secret, 'non-sync')],
      [`AUTHENTICATE PLAIN ${plain}`],
    ];
    for (const parts of commands) expect((await (await greet(server)).command(parts)).status).toBe('OK');
    const client = await greet(server);
    const tag = await client.begin('AUTHENTICATE PLAIN');
    await client.expectContinuation();
    await client.send(`${plain}\r\n`);
    expect((await client.finish(tag)).status).toBe('OK');
    expect(server.loginAttempts.map((attempt) => attempt.mechanism)).toEqual([
      'LOGIN',
      'LOGIN',
      'LOGIN',
      'PLAIN',
      'PLAIN',
    ]);
    expect(server.loginAttempts.every((attempt) => attempt.isAccepted)).toBe(true);
  });

  it('takes bearer tokens and records a refused attempt', async () => {
    const server = await start();
    const token = Buffer.from('user=alice\x01auth=Bearer secret\x01\x01').toString('base64');
    const oauth = Buffer.from('n,a=bob,\x01auth=Bearer wrong\x01\x01').toString('base64');
    expect((await (await greet(server)).command(`AUTHENTICATE XOAUTH2 ${token}`)).status).toBe('OK');
    const refused = await (await greet(server)).command(`AUTHENTICATE OAUTHBEARER ${oauth}`);
    expect(refused).toMatchObject({
      status: 'NO',
      text: expect.stringContaining('[AUTHENTICATIONFAILED]') as string,
    });
    expect(server.loginAttempts.map(({ user, isAccepted }) => [user, isAccepted])).toEqual([
      ['alice', true],
      ['bob', false],
    ]);
  });

  it('stores an APPEND byte for byte and records the literal', async () => {
    const server = await start();
    const client = await logIn(server, 'alice');
    const body = Buffer.from([0xff, 0x0d, 0x0a, 0x80, 0x41]);
    for (const kind of ['sync', 'non-sync'] as const) {
      expect((await client.command(['APPEND Archive (\\Seen) ', literal(body, kind)])).status).toBe('OK');
    }
    expect(server.store.mailbox('alice', 'Archive')?.messages.map((message) => message.body)).toEqual([
      body,
      body,
    ]);
    const [connection] = server.connections;
    expect(connection?.commands.at(-1)?.literals).toEqual([body]);
  });

  it('takes what follows a literal mark behind NOOP as commands, as Dovecot does', async () => {
    const server = await start();
    const client = await logIn(server, 'alice');
    await client.send('a NOOP {8+}\r\nb NOOP\r\n');
    expect(await client.readLine()).toMatch(/^a OK/);
    expect(await client.readLine()).toMatch(/^b OK/);
  });

  it('refuses a non-synchronizing literal that it does not offer', async () => {
    const server = await start({ capabilitiesAfterLogin: ['IMAP4rev1'] });
    const client = await logIn(server, 'alice');
    expect((await client.command('SELECT {5+}')).status).not.toBe('OK');
  });

  it('answers other commands while a hook holds one back', async () => {
    const server = await start();
    const gate = makeGate();
    server.on('SELECT', async () => {
      await gate.opened;
      return 'default';
    });
    const client = await logIn(server, 'alice');
    await client.send('a SELECT INBOX\r\nb NOOP\r\n');
    expect(await client.readLine()).toMatch(/^b OK/);
    const connection = await server.nextConnection();
    expect((await connection.waitForCommand('SELECT')).args).toBe('INBOX');
    gate.open();
    expect((await client.finish('a')).status).toBe('OK');
  });

  it('holds a continuation back, and refuses a literal', async () => {
    const gate = makeGate();
    const server = await start();
    server.script.onLiteral = async (mark) => {
      await gate.opened;
      return mark.size > 10 ? 'refuse' : 'accept';
    };
    const client = await greet(server);
    await client.send('a LOGIN alice {6}\r\n');
    const connection = await server.nextConnection();
    await connection.waitUntil(() => connection.received.includes('{6}\r\n'));
    expect(client.unread).toBe('');
    gate.open();
    await client.expectContinuation();
    await client.send('secret\r\nb SELECT {11}\r\n');
    expect((await client.finish('a')).status).toBe('OK');
    expect(await client.readLine()).toBe('b NO [TOOBIG] literal refused');
  });

  it('idles until DONE and shows it', async () => {
    const server = await start();
    const client = await logIn(server, 'alice');
    const connection = await server.nextConnection();
    const tag = await client.begin('IDLE');
    await client.expectContinuation();
    expect(connection.isIdling).toBe(true);
    connection.send('* 4 EXISTS\r\n');
    expect(await client.readLine()).toBe('* 4 EXISTS');
    await client.send('DONE\r\n');
    expect((await client.finish(tag)).status).toBe('OK');
    expect(connection.isIdling).toBe(false);
  });

  it('writes byte by byte in order', async () => {
    const server = await start({ writeMode: 'bytewise' });
    const client = await logIn(server, 'bob');
    await client.command('SELECT INBOX');
    const { literals } = await client.command('FETCH 1:* (BODY[])');
    expect(literals.map(String)).toEqual(
      server.store.mailbox('bob', 'INBOX')?.messages.map(({ body }) => String(body)),
    );
  });

  it('greets with BYE, with PREAUTH, or not at all', async () => {
    const server = await start({ greeting: '* BYE too busy' });
    const first = await RawClient.connect({ port: server.port });
    clients.push(first);
    expect(await first.readLine()).toBe('* BYE too busy');
    expect((await first.waitForClose()).how).toBe('ended');
    server.script.greeting = '* PREAUTH hello';
    const second = await greet(server);
    expect((await second.command('SELECT INBOX')).text).toContain('(alice)');
    server.script.greeting = null;
    const third = await RawClient.connect({ port: server.port });
    clients.push(third);
    await expect(third.readLine(50)).rejects.toThrow(/still waiting for a line; connection open/);
  });

  it('says who closed first, and how', async () => {
    const server = await start();
    const [ender, resetter, quitter] = [await greet(server), await greet(server), await greet(server)];
    ender.end();
    expect(await (await server.nextConnection()).waitForClose()).toEqual({ by: 'client', how: 'ended' });
    resetter.reset();
    expect(await (await server.nextConnection()).waitForClose()).toEqual({ by: 'client', how: 'reset' });
    await quitter.command('LOGOUT');
    expect(await (await server.nextConnection()).waitForClose()).toEqual({ by: 'server', how: 'ended' });
  });

  it('runs a complete command that arrived with FIN', async () => {
    const server = await start();
    const client = await greet(server);
    client.end('a NOOP\r\n');
    expect(await client.readLine()).toMatch(/^a OK/);
  });

  it('closes in the middle of a response', async () => {
    const server = await start();
    server.on('FETCH', (_command, connection) => {
      connection.end('* 1 FETCH (BODY[] {100}\r\ncut');
    });
    const client = await logIn(server, 'alice');
    await expect(client.command('FETCH 1 BODY[]')).rejects.toThrow(
      /connection ended while waiting for the tagged reply/,
    );
    expect((await client.waitForClose()).unread).toBe('* 1 FETCH (BODY[] {100}\r\ncut');
  });

  it('refuses connections while it does not listen, and listens again on its port', async () => {
    const server = await start();
    server.stopListening();
    await expect(RawClient.connect({ port: server.port })).rejects.toThrow('ECONNREFUSED');
    await server.listen();
    await logIn(server, 'alice');
  });

  it('speaks TLS from the start and after STARTTLS, and drops what was pipelined behind STARTTLS', async () => {
    const certificate = await makeCertificate();
    const tls = { ca: certificate.ca, servername: 'localhost' };
    const implicit = await startScriptedUpstream({ tls: 'implicit', certificate });
    const secure = await RawClient.connect({ port: implicit.port, tls });
    clients.push(secure);
    await secure.readLine();
    expect((await secure.command('LOGIN alice secret')).status).toBe('OK');
    await implicit.close();

    const server = await start({ tls: 'starttls', certificate });
    const client = await greet(server);
    await client.send('a STARTTLS\r\nb NOOP\r\n');
    expect((await client.finish('a')).status).toBe('OK');
    await client.upgrade(tls);
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');
    expect(server.connections[0]?.verbs).toEqual(['STARTTLS', 'LOGIN']);
  });

  it('shows certificates that a client must refuse', async () => {
    for (const [kind, code] of [
      ['wrong-host', 'ERR_TLS_CERT_ALTNAME_INVALID'],
      ['expired', 'CERT_HAS_EXPIRED'],
    ] as const) {
      const certificate = await makeCertificate(kind);
      const server = await startScriptedUpstream({ tls: 'implicit', certificate });
      const target = { port: server.port, tls: { ca: certificate.ca, servername: 'localhost' } };
      await expect(RawClient.connect(target)).rejects.toMatchObject({ code });
      await server.close();
    }
  });
});

describe('raw client', () => {
  it('does not take a mark in a status text for a literal', async () => {
    const server = await start();
    server.on('NOOP', (command, connection) => {
      connection.send('* OK text that ends in {100}\r\n');
      connection.ok(command, 'and {5}');
    });
    const client = await logIn(server, 'alice');
    expect((await client.command('NOOP')).untagged).toEqual(['* OK text that ends in {100}']);
  });

  it('collects untagged responses before a continuation', async () => {
    const server = await start();
    server.on('IDLE', async (command, connection) => {
      connection.send('* 7 EXISTS\r\n+ idling\r\n');
      await connection.readLine();
      connection.ok(command);
    });
    const client = await logIn(server, 'alice');
    await client.begin('IDLE');
    expect(await client.expectContinuation()).toEqual({ text: 'idling', untagged: ['* 7 EXISTS'] });
  });

  it('tells what it waited for and what it got', async () => {
    const server = await start();
    server.on('NOOP', (_command, connection) => {
      connection.send('WRONG OK done\r\n');
    });
    const client = await logIn(server, 'alice');
    await expect(client.command('NOOP', 50)).rejects.toThrow(
      /50 ms still waiting for the tagged reply of t2.*WRONG OK done/,
    );
  });
});
