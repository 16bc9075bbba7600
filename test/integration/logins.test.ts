// Every way to log in, over every kind of connection to the server, right and wrong.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWithDovecot } from '../support/describe-with-dovecot.js';
import { type Dovecot, startDovecot } from '../support/dovecot.js';
import { literal } from '../support/literal.js';
import type { TestProxy } from '../support/proxy.js';
import type { RawClient } from '../support/raw-client.js';
import { logOut, plainly, readBodies, useStage } from '../support/stage.js';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** Each resolves with the status of the tagged reply. */
const ways: Readonly<Record<string, (client: RawClient, user: string, secret: string) => Promise<string>>> = {
  'LOGIN with atoms': async (client, user, secret) =>
    (await client.command(`LOGIN ${user} ${secret}`)).status,
  'LOGIN with quoted strings': async (client, user, secret) =>
    (await client.command(`login "${user}" "${secret}"`)).status,
  'LOGIN with synchronizing literals': async (client, user, secret) =>
    (await client.command(['LOGIN ', literal(user), ' ', literal(secret)])).status,
  'LOGIN with non-synchronizing literals': async (client, user, secret) =>
    (await client.command(['LOGIN ', literal(user, 'non-sync'), ' ', literal(secret, 'non-sync')])).status,
  'AUTHENTICATE PLAIN with an initial response': async (client, user, secret) =>
    (await client.command(`AUTHENTICATE PLAIN ${base64(`\0${user}\0${secret}`)}`)).status,
  'AUTHENTICATE PLAIN with a challenge': async (client, user, secret) => {
    const tag = await client.begin('AUTHENTICATE PLAIN');
    await client.expectContinuation();
    await client.send(`${base64(`\0${user}\0${secret}`)}\r\n`);
    return (await client.finish(tag)).status;
  },
  'AUTHENTICATE PLAIN that names itself twice': async (client, user, secret) =>
    (await client.command(`AUTHENTICATE PLAIN ${base64(`${user}\0${user}\0${secret}`)}`)).status,
  'AUTHENTICATE LOGIN': async (client, user, secret) => {
    const tag = await client.begin('AUTHENTICATE LOGIN');
    await client.expectContinuation();
    await client.send(`${base64(user)}\r\n`);
    await client.expectContinuation();
    await client.send(`${base64(secret)}\r\n`);
    return (await client.finish(tag)).status;
  },
};

interface Readiness {
  readonly status: number;
  readonly body: string;
}

async function readiness(proxy: TestProxy): Promise<Readiness> {
  const response = await fetch(`http://127.0.0.1:${String(proxy.app.admin.port)}/readyz`);
  return { status: response.status, body: await response.text() };
}

describeWithDovecot('logins in front of Dovecot', () => {
  const stage = useStage();
  let dovecot: Dovecot;

  beforeAll(async () => {
    dovecot = await startDovecot({
      users: {
        spaced: ' a b  c',
        quoting: 'a"b\\c%d*e(f){5}',
        umlaut: 'pässwörd €',
        changing: 'first',
        expiring: 'first',
        unpooled: 'first',
        'odd_name-x@a.b': 'odd-secret',
        carol: 'hush-hush',
      },
    });
  }, 30_000);

  afterAll(async () => {
    await dovecot.stop();
  });

  describe.each(['off', 'starttls', 'implicit'])('with UPSTREAM_TLS=%s', (tls) => {
    const startSecured = (): Promise<TestProxy> =>
      stage.proxy(
        { host: 'localhost', port: tls === 'implicit' ? dovecot.tlsPort : dovecot.port },
        { UPSTREAM_TLS: tls, ...(tls === 'off' ? {} : { UPSTREAM_TLS_CA_FILE: dovecot.caFile }) },
      );

    it.each(Object.keys(ways).map((name, n) => [name, n] as const))(
      'accepts %s, cold and warm',
      async (name, n) => {
        const proxy = await startSecured();
        for (const temperature of ['cold', 'warm']) {
          for (const user of [`user${String(2 * n)}`, `user${String(2 * n + 1)}`]) {
            const client = await stage.connect(proxy);
            expect(await ways[name]!(client, user, 'secret'), temperature).toBe('OK');
            const bodies = await readBodies(client);
            expect(bodies).toHaveLength(3);
            expect(bodies.every((body) => body.includes(`mark-of-${user} `))).toBe(true);
            await logOut(client);
          }
        }
        expect(await proxy.metric('imapbouncer_client_logins_total', { outcome: 'upstream' })).toBe(2);
        expect(await proxy.metric('imapbouncer_client_logins_total', { outcome: 'cached' })).toBe(2);
      },
    );

    it('becomes ready, and encrypts as configured', async () => {
      const proxy = await startSecured();
      await proxy.until(async () => (await readiness(proxy)).status === 200, 'readiness');
      const before = await dovecot.countLogins('user30');
      await logOut(await stage.logIn(proxy, 'user30'));
      await dovecot.log.waitFor(/Login: user=<user30>/, before + 1);
      const lines = (await dovecot.log.text())
        .split('\n')
        .filter((line) => line.includes('Login: user=<user30>'));
      expect(lines.at(-1)!.includes(', TLS')).toBe(tls !== 'off');
    });

    it.each(Object.entries(ways))('refuses a wrong password by %s', async (_name, logIn) => {
      const proxy = await startSecured();
      const client = await stage.connect(proxy);
      expect(await logIn(client, 'carol', `wrong-${String(Math.random())}`)).toBe('NO');
      expect(await logIn(client, 'carol', 'hush-hush')).toBe('OK');
      expect((await client.command('SELECT INBOX')).untagged).toContain('* 3 EXISTS');
      expect(proxy.logText()).not.toMatch(/hush-hush|wrong-/);
      expect(proxy.logText()).not.toContain(base64('\0carol\0hush-hush'));
    });
  });

  it('sends passwords with any bytes as they are', async () => {
    const proxy = await stage.proxy(plainly(dovecot));
    for (const [user, secret] of [
      ['spaced', ' a b  c'],
      ['quoting', 'a"b\\c%d*e(f){5}'],
      ['umlaut', 'pässwörd €'],
      ['odd_name-x@a.b', 'odd-secret'],
    ] as const) {
      const direct = await stage.connect({ port: dovecot.port });
      expect((await direct.command(['LOGIN ', literal(user), ' ', literal(secret)])).status, user).toBe('OK');
      const client = await stage.connect(proxy);
      expect((await client.command(['LOGIN ', literal(user), ' ', literal(secret)])).status).toBe('OK');
      expect((await readBodies(client)).every((body) => body.includes(`mark-of-${user} `))).toBe(true);
    }
  });

  it('takes a name as the same identity however it is written', async () => {
    const proxy = await stage.proxy(plainly(dovecot));
    const before = await dovecot.countLogins('alice@example.org');
    for (const text of ['alice@example.org secret', '"alice@example.org" "secret"']) {
      const client = await stage.connect(proxy);
      expect((await client.command(`LOGIN ${text}`)).status).toBe('OK');
      expect((await readBodies(client))[0]).toContain('mark-of-alice@example.org ');
      await logOut(client);
      await proxy.until(
        async () => (await proxy.metric('imapbouncer_upstream_connections', { state: 'idle' })) === 1,
        'one idle connection',
      );
    }
    const client = await stage.connect(proxy);
    expect((await client.command(['LOGIN ', literal('alice@example.org'), ' secret'])).status).toBe('OK');
    expect((await readBodies(client))[0]).toContain('mark-of-alice@example.org ');
    expect((await dovecot.countLogins('alice@example.org')) - before).toBe(1);
  });

  it('keeps users apart whose name and password run together the same way', async () => {
    await dovecot.addUser('al', 'icesecret');
    const proxy = await stage.proxy(plainly(dovecot));
    expect((await readBodies(await stage.logIn(proxy, 'alice')))[0]).toContain('mark-of-alice ');
    expect(await readBodies(await stage.logIn(proxy, 'al', 'icesecret'))).toEqual([]);
    const stranger = await stage.connect(proxy);
    expect((await stranger.command('LOGIN al secret')).status).toBe('NO');
    expect((await stranger.command('LOGIN bob icesecret')).status).toBe('NO');
  });

  it('gives the refusal in the words of the server, and asks it once', async () => {
    const direct = await stage.connect({ port: dovecot.port });
    const theirs = await direct.command('LOGIN alice wrong-directly');
    const failuresBefore = await dovecot.log.countFailedLogins('alice');
    const proxy = await stage.proxy(plainly(dovecot));
    const bob = await stage.logIn(proxy, 'bob');
    for (const attempt of ['first', 'second', 'third']) {
      const client = await stage.connect(proxy);
      const ours = await client.command('LOGIN alice wrong-through-the-proxy', 10_000);
      expect(`${ours.status} ${ours.text}`, attempt).toBe(`${theirs.status} ${theirs.text}`);
    }
    expect((await bob.command('SELECT INBOX')).untagged).toContain('* 3 EXISTS');
    expect((await readBodies(await stage.logIn(proxy, 'alice')))[0]).toContain('mark-of-alice ');
    expect((await dovecot.log.countFailedLogins('alice')) - failuresBefore).toBe(1);
    const failures = await proxy.metric('imapbouncer_client_login_failures_total', { reason: 'credentials' });
    expect(failures).toBe(3);
  });

  it('keeps the connections of a user for whom somebody tries a wrong password', async () => {
    const proxy = await stage.proxy(plainly(dovecot));
    const before = await dovecot.countLogins('user40');
    const client = await stage.logIn(proxy, 'user40');
    await client.command('SELECT INBOX');
    const stranger = await stage.connect(proxy);
    expect((await stranger.command('LOGIN user40 guess', 10_000)).status).toBe('NO');
    expect((await client.command('FETCH 1 BODY.PEEK[]')).literals.join('')).toContain('mark-of-user40 ');
    await logOut(client);
    await logOut(await stage.logIn(proxy, 'user40'));
    expect((await dovecot.countLogins('user40')) - before).toBe(1);
  });

  it('refuses a user that the server does not know, with its words', async () => {
    const direct = await stage.connect({ port: dovecot.port });
    const theirs = await direct.command('LOGIN nobody secret');
    const proxy = await stage.proxy(plainly(dovecot));
    const ours = await (await stage.connect(proxy)).command('LOGIN nobody secret', 10_000);
    expect(`${ours.status} ${ours.text}`).toBe(`${theirs.status} ${theirs.text}`);
  });

  describe('when a password changes at the server', () => {
    it('knows the old one for AUTH_CACHE_TTL, and the new one at once', async () => {
      const proxy = await stage.proxy(plainly(dovecot));
      const bob = await stage.logIn(proxy, 'bob');
      await logOut(await stage.logIn(proxy, 'changing', 'first'));
      await dovecot.setPassword('changing', 'later');
      for (const secret of ['later', 'first', 'later']) {
        const client = await stage.logIn(proxy, 'changing', secret);
        expect((await readBodies(client))[0], secret).toContain('mark-of-changing ');
        await logOut(client);
        // Without an idle connection the old password would be tried, and refused.
        await proxy.until(
          async () => (await proxy.metric('imapbouncer_upstream_connections', { state: 'resetting' })) === 0,
          'the reset',
        );
      }
      expect((await bob.command('NOOP')).status).toBe('OK');
    });

    it('refuses the old one when AUTH_CACHE_TTL is over', async () => {
      const proxy = await stage.proxy(plainly(dovecot), { AUTH_CACHE_TTL: '300ms', AUTH_FAILURE_TTL: '0' });
      await logOut(await stage.logIn(proxy, 'expiring', 'first'));
      await dovecot.setPassword('expiring', 'later');
      await proxy.until(async () => {
        const client = await stage.connect(proxy);
        const { status, text } = await client.command('LOGIN expiring first', 10_000);
        client.destroy();
        return status === 'NO' && text.startsWith('[AUTHENTICATIONFAILED]');
      }, 'a refusal of the old password');
      expect((await readBodies(await stage.logIn(proxy, 'expiring', 'later')))[0]).toContain(
        'mark-of-expiring ',
      );
    });

    it('ends a session with the words of the server that needs a new connection with the old one', async () => {
      const proxy = await stage.proxy(plainly(dovecot), { MAILBOX_CACHE_TTL: '0' });
      await logOut(await stage.logIn(proxy, 'unpooled', 'first'));
      await dovecot.setPassword('unpooled', 'later');
      const client = await stage.logIn(proxy, 'unpooled', 'first');
      await client.send('a1 SELECT INBOX\r\n');
      const { unread } = await client.waitForClose(15_000);
      expect(unread).toMatch(/^\* BYE \[AUTHENTICATIONFAILED\] Authentication failed\.\r\n$/);
      const again = await stage.connect(proxy);
      expect((await again.command('LOGIN unpooled first', 10_000)).status).toBe('NO');
      expect((await again.command('LOGIN unpooled later', 10_000)).status).toBe('OK');
      expect((await readBodies(again))[0]).toContain('mark-of-unpooled ');
    });
  });
});

describeWithDovecot('the certificate of the server', () => {
  const stage = useStage();
  let dovecots: Record<'valid' | 'wrong-host' | 'expired', Dovecot>;

  beforeAll(async () => {
    const [valid, wrongHost, expired] = await Promise.all([
      startDovecot(),
      startDovecot({ certificate: 'wrong-host' }),
      startDovecot({ certificate: 'expired' }),
    ]);
    dovecots = { valid, 'wrong-host': wrongHost, expired };
  }, 60_000);

  afterAll(async () => {
    await Promise.all(Object.values(dovecots).map((dovecot) => dovecot.stop()));
  });

  const startSecured = (
    kind: keyof typeof dovecots,
    tls: string,
    environment: Record<string, string> = {},
  ): Promise<TestProxy> => {
    const { port, tlsPort, caFile } = dovecots[kind];
    return stage.proxy(
      { host: 'localhost', port: tls === 'implicit' ? tlsPort : port },
      { UPSTREAM_TLS: tls, UPSTREAM_TLS_CA_FILE: caFile, ...environment },
    );
  };

  describe.each(['starttls', 'implicit'])('with UPSTREAM_TLS=%s', (tls) => {
    it.each(['wrong-host', 'expired'] as const)(
      'refuses logins as unavailable if it is %s, and /readyz says why',
      async (kind) => {
        const proxy = await startSecured(kind, tls);
        const client = await stage.connect(proxy);
        const { status, text } = await client.command('LOGIN alice secret');
        expect(`${status} ${text}`).toMatch(/^NO \[UNAVAILABLE\]/);
        await proxy.until(async () => /tls|certificate/i.test((await readiness(proxy)).body), 'a reason');
        expect((await readiness(proxy)).status).toBe(503);
        expect(await dovecots[kind].countLogins('alice')).toBe(0);
        expect(await proxy.metric('imapbouncer_upstream_connect_failures_total', { reason: 'tls' })).toBe(1);
      },
    );

    it('refuses logins if nobody vouches for it', async () => {
      const { port, tlsPort } = dovecots.valid;
      const proxy = await stage.proxy(
        { host: 'localhost', port: tls === 'implicit' ? tlsPort : port },
        { UPSTREAM_TLS: tls },
      );
      const { status, text } = await (await stage.connect(proxy)).command('LOGIN alice secret');
      expect(`${status} ${text}`).toMatch(/^NO \[UNAVAILABLE\]/);
      expect(await dovecots.valid.countLogins('alice')).toBe(0);
    });

    it('accepts an address that is in it, and a name given by UPSTREAM_TLS_SERVERNAME', async () => {
      const { port, tlsPort, caFile } = dovecots.valid;
      const byAddress = await stage.proxy(
        { host: '127.0.0.1', port: tls === 'implicit' ? tlsPort : port },
        { UPSTREAM_TLS: tls, UPSTREAM_TLS_CA_FILE: caFile },
      );
      expect((await readBodies(await stage.logIn(byAddress, 'bob')))[0]).toContain('mark-of-bob ');
      const byName = await startSecured('wrong-host', tls, { UPSTREAM_TLS_SERVERNAME: 'elsewhere.example' });
      expect((await readBodies(await stage.logIn(byName, 'bob')))[0]).toContain('mark-of-bob ');
    });
  });

  it.each(['starttls', 'implicit'])('is not looked at with UPSTREAM_TLS_VERIFY=false and %s', async (tls) => {
    for (const kind of ['wrong-host', 'expired'] as const) {
      const proxy = await startSecured(kind, tls, { UPSTREAM_TLS_VERIFY: 'false' });
      expect((await readBodies(await stage.logIn(proxy, 'user1')))[0]).toContain('mark-of-user1 ');
      expect((await readBodies(await stage.logIn(proxy, 'user2')))[0]).toContain('mark-of-user2 ');
      await proxy.until(async () => (await readiness(proxy)).status === 200, 'readiness');
    }
  });
});
