// Tests of the Dovecot helper itself, with the raw client.

import { access } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { describeWithDovecot } from '../support/describe-with-dovecot.js';
import { type Dovecot, startDovecot } from '../support/dovecot.js';
import { literal } from '../support/literal.js';
import { RawClient } from '../support/raw-client.js';

describeWithDovecot('Dovecot helper', () => {
  let dovecot: Dovecot;
  const clients: RawClient[] = [];

  beforeAll(async () => {
    dovecot = await startDovecot({ users: { carol: 'other' } });
  }, 30_000);

  afterEach(async () => {
    for (const client of clients.splice(0)) {
      client.destroy();
      await client.closed;
    }
  });

  afterAll(async () => {
    await dovecot.stop();
    await expect(access(dovecot.folder)).rejects.toThrow('ENOENT');
  });

  async function logIn(user: string, password = 'secret'): Promise<RawClient> {
    const client = await RawClient.connect({ port: dovecot.port });
    clients.push(client);
    await client.readLine();
    const result = await client.command(`LOGIN ${user} ${password}`);
    if (result.status !== 'OK') throw new Error(`LOGIN ${user}: ${result.status} ${result.text}`);
    return client;
  }

  it('serves each user its own marked mail', async () => {
    for (const user of ['alice', 'bob', 'user49', 'alice@example.org']) {
      const client = await logIn(user);
      expect((await client.command('SELECT INBOX')).untagged).toContain('* 3 EXISTS');
      const { literals } = await client.command('UID FETCH 1:* (FLAGS BODY.PEEK[])');
      expect(literals).toHaveLength(3);
      expect(literals.every((body) => body.includes(`mark-of-${user} `))).toBe(true);
    }
    expect((await (await logIn('user7')).command('LIST "" "*"')).untagged).toContain(
      '* LIST (\\HasNoChildren) "/" of-user7',
    );
  });

  it('tells passwords apart, adds users and changes passwords while it runs', async () => {
    await logIn('carol', 'other');
    await expect(logIn('carol', 'secret')).rejects.toThrow('NO [AUTHENTICATIONFAILED]');
    await dovecot.addUser('dave', 'first');
    await logIn('dave', 'first');
    await dovecot.setPassword('dave', 'later');
    await logIn('dave', 'later');
    await expect(logIn('dave', 'first')).rejects.toThrow('NO [AUTHENTICATIONFAILED]');
    await dovecot.log.waitFor(/passwd-file\(dave,.*Password mismatch/);
    expect(await dovecot.log.countFailedLogins('dave')).toBe(1);
  }, 15_000);

  it('takes APPEND with every kind of literal', async () => {
    const client = await logIn('user1');
    for (const kind of ['sync', 'non-sync'] as const) {
      const body = `Subject: by ${kind}\r\n\r\nappended\r\n`;
      expect((await client.command(['APPEND INBOX (\\Seen) ', literal(body, kind)])).status).toBe('OK');
    }
    await client.command('EXAMINE INBOX');
    const { literals } = await client.command('FETCH 4:5 BODY.PEEK[]');
    expect(literals.map(String)).toEqual(
      ['sync', 'non-sync'].map((kind) => `Subject: by ${kind}\r\n\r\nappended\r\n`),
    );
  });

  it('tells an idling client of mail that is delivered', async () => {
    const client = await logIn('user2');
    await client.command('SELECT INBOX');
    const tag = await client.begin('IDLE');
    await client.expectContinuation();
    await dovecot.deliver('user2', 'INBOX', 'Subject: new\r\n\r\nnew mail\r\n');
    await client.waitFor(/\* 4 EXISTS\r\n/);
    await client.send('DONE\r\n');
    expect((await client.finish(tag)).status).toBe('OK');
  });

  it('offers what the proxy needs', async () => {
    const client = await logIn('alice');
    const { untagged } = await client.command('CAPABILITY');
    const offered = untagged[0]?.split(' ') ?? [];
    expect(offered).toEqual(
      expect.arrayContaining([
        'LITERAL+',
        'IDLE',
        'UNSELECT',
        'ENABLE',
        'CONDSTORE',
        'QRESYNC',
        'NOTIFY',
        'NAMESPACE',
      ]),
    );
  });

  it('speaks TLS on both ports under a certificate for localhost', async () => {
    const tls = { ca: dovecot.ca, servername: 'localhost' };
    const implicit = await RawClient.connect({ port: dovecot.tlsPort, tls });
    clients.push(implicit);
    await implicit.readLine();
    expect((await implicit.command('LOGIN alice secret')).status).toBe('OK');
    const client = await RawClient.connect({ port: dovecot.port });
    clients.push(client);
    await client.readLine();
    await client.startTls(tls);
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');
  });

  it('counts logins and logouts, and kills the sessions of one user', async () => {
    const [first, second, other] = [await logIn('user3'), await logIn('user3'), await logIn('user4')];
    expect((await first.command('LOGOUT')).status).toBe('OK');
    expect((await first.waitForClose()).how).toBe('ended');
    await dovecot.log.waitFor(/imap\(user3\)<.*Logged out/);
    expect(await dovecot.countLogins('user3')).toBe(2);
    expect(await dovecot.countLogouts('user3')).toBe(1);
    expect(await dovecot.killSessions('user3')).toBe(1);
    expect((await second.waitForClose()).how).not.toBe('local');
    expect((await other.command('NOOP')).status).toBe('OK');
    other.end();
    await other.waitForClose();
    await dovecot.log.waitFor(/imap\(user4\)<.*Connection closed/);
    expect(await dovecot.log.countDisconnects('user4')).toBe(1);
    expect(await dovecot.log.countDisconnects('user3')).toBe(0);
  });

  it('believes x-originating-ip of a trusted client', async () => {
    const client = await RawClient.connect({ port: dovecot.port });
    clients.push(client);
    await client.readLine();
    await client.command('ID ("x-originating-ip" "192.0.2.7")');
    await client.command('LOGIN user5 secret');
    await dovecot.log.waitFor(/Login: user=<user5>.*rip=192\.0\.2\.7/);
  });

  it('serves 128 sessions at once', async () => {
    const sessions = await Promise.all(
      Array.from({ length: 128 }, (_, n) => logIn(`user${String(10 + (n % 40))}`)),
    );
    const answers = await Promise.all(sessions.map((client) => client.command('NOOP', 20_000)));
    expect(answers.every((answer) => answer.status === 'OK')).toBe(true);
  }, 30_000);

  it('comes back on its ports after a halt', async () => {
    await dovecot.halt();
    await expect(RawClient.connect({ port: dovecot.port })).rejects.toThrow('ECONNREFUSED');
    await dovecot.start();
    await logIn('alice');
  }, 30_000);
});
