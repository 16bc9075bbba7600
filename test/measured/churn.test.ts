// Many short sessions of few users: what a webmail does, and what the pool is for.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWithDovecot } from '../support/describe-with-dovecot.js';
import { type Dovecot, startDovecot } from '../support/dovecot.js';
import type { TestProxy } from '../support/proxy.js';
import { RawClient } from '../support/raw-client.js';
import { logOut, plainly, readBodies, useStage } from '../support/stage.js';

const run = promisify(execFile);
const users = Array.from({ length: 20 }, (_, n) => `user${String(n)}`);

/** What a webmail asks for one page: eight commands, and every answer is looked at. */
async function webmailSession(port: number, user: string): Promise<void> {
  const { client } = await RawClient.connectAndGreet({ port });
  try {
    const ask = async (command: string): Promise<string> => {
      const { status, text, raw } = await client.command(command, 25_000);
      if (status !== 'OK') throw new Error(`${user}: ${command}: ${status} ${text}`);
      return raw.toString('latin1');
    };
    const expectIn = (answer: string, part: string): void => {
      if (!answer.includes(part)) throw new Error(`${user} misses ${part} in ${answer}`);
    };
    await ask(`LOGIN ${user} secret`);
    expectIn(await ask('CAPABILITY'), '* CAPABILITY IMAP4rev1');
    expectIn(await ask('LIST "" "*"'), `of-${user}\r\n`);
    expectIn(await ask('STATUS INBOX (MESSAGES UNSEEN)'), 'MESSAGES 3 ');
    expectIn(await ask('SELECT INBOX'), '* 3 EXISTS');
    expectIn(await ask('UID SEARCH ALL'), '* SEARCH 1 2 3\r\n');
    const bodies = await ask('UID FETCH 1:* (UID FLAGS BODY.PEEK[])');
    const marks = new Set(bodies.match(/mark-of-\S+/g));
    if (marks.size !== 1 || !marks.has(`mark-of-${user}`))
      throw new Error(`${user} got ${[...marks].join()}`);
    await ask('LOGOUT');
    await client.waitForClose();
  } finally {
    client.destroy();
  }
}

/** Runs sessions of all users in turn, so many at a time; returns what went wrong. */
async function churn(port: number, sessions: number, atATime: number): Promise<string[]> {
  const failures: string[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < sessions) {
      const user = users[next++ % users.length]!;
      await webmailSession(port, user).catch((error: unknown) => {
        failures.push(String(error));
      });
    }
  };
  await Promise.all(Array.from({ length: atATime }, worker));
  return failures;
}

/** The local ports that this machine keeps in TIME_WAIT towards a port. */
async function timeWaitPorts(peerPort: number): Promise<number[]> {
  // Of all that this machine has in TIME_WAIT there may be more than a program's output should be.
  const { stdout } = await run('ss', ['-Htan', 'state', 'time-wait', 'dport', '=', `:${String(peerPort)}`]);
  const rows = stdout.split('\n').filter((line) => line.trim() !== '');
  return rows
    .map((line) => line.trim().split(/\s+/))
    .map(([, , local = '']) => Number(local.slice(local.lastIndexOf(':') + 1)));
}

function resetIsOver(proxy: TestProxy): Promise<void> {
  return proxy.until(
    async () => (await proxy.metric('imapbouncer_upstream_connections', { state: 'resetting' })) === 0,
    'the reset',
  );
}

describeWithDovecot('churn in front of Dovecot', () => {
  const stage = useStage();
  let dovecot: Dovecot;

  beforeAll(async () => {
    dovecot = await startDovecot();
  }, 30_000);

  afterAll(async () => {
    await dovecot.stop();
  });

  async function loginsPerUser(): Promise<Map<string, number>> {
    const text = await dovecot.log.text();
    const counts = new Map<string, number>();
    for (const [, user = ''] of text.matchAll(/imap-login: Info: Login: user=<([^>]*)>/g))
      counts.set(user, (counts.get(user) ?? 0) + 1);
    return counts;
  }

  async function reuseRatio(proxy: TestProxy): Promise<number> {
    const reuses = await proxy.metric('imapbouncer_lease_reuses_total');
    return reuses / (await proxy.metric('imapbouncer_leases_total'));
  }

  it('serves 400 sessions of 20 users, 8 at a time, with at most two logins a user', async () => {
    const before = await loginsPerUser();
    const proxy = await stage.proxy(plainly(dovecot), { LOG_LEVEL: 'info' });
    expect(await churn(proxy.port, 400, 8)).toEqual([]);
    const after = await loginsPerUser();
    const logins = users.map((user) => (after.get(user) ?? 0) - (before.get(user) ?? 0));
    expect(Math.max(...logins)).toBeLessThanOrEqual(2);
    expect(Math.min(...logins)).toBeGreaterThanOrEqual(1);
    expect(await reuseRatio(proxy)).toBeGreaterThan(0.85);
    expect(await proxy.metric('imapbouncer_leases_total')).toBe(400);
    expect(await proxy.metric('imapbouncer_session_reset_failures_total')).toBe(0);
  }, 60_000);

  it('serves 64 sessions at a time', async () => {
    const proxy = await stage.proxy(plainly(dovecot), { LOG_LEVEL: 'info' });
    expect(await churn(proxy.port, 640, 64)).toEqual([]);
    expect(await reuseRatio(proxy)).toBeGreaterThan(0.7);
    await proxy.until(
      async () => (await proxy.metric('imapbouncer_upstream_connections', { state: 'leased' })) === 0,
      'no lease',
    );
  }, 60_000);

  it('is one login in the log of the server for many clients one after the other', async () => {
    const proxy = await stage.proxy(plainly(dovecot));
    for (const user of ['alice', 'bob']) {
      const before = await dovecot.countLogins(user);
      for (let n = 0; n < 10; n++) {
        const client = await stage.logIn(proxy, user);
        expect((await readBodies(client)).every((body) => body.includes(`mark-of-${user} `))).toBe(true);
        await logOut(client);
      }
      expect((await dovecot.countLogins(user)) - before).toBe(1);
    }
    expect(await proxy.metric('imapbouncer_lease_reuses_total')).toBe(18);
  });

  describe.each(['off', 'starttls', 'implicit'])('with UPSTREAM_TLS=%s', (tls) => {
    const startSecured = (environment: Record<string, string>): Promise<TestProxy> =>
      stage.proxy(
        { host: '127.0.0.1', port: portOf() },
        {
          UPSTREAM_TLS: tls,
          ...(tls === 'off' ? {} : { UPSTREAM_TLS_CA_FILE: dovecot.caFile }),
          ...environment,
        },
      );
    const portOf = (): number => (tls === 'implicit' ? dovecot.tlsPort : dovecot.port);
    const newTimeWaitPorts = async (before: ReadonlySet<number>): Promise<number> =>
      (await timeWaitPorts(portOf())).filter((port) => !before.has(port)).length;

    it('logs idle connections out after the TTL, and lets the server keep TIME_WAIT', async () => {
      const logoutsBefore = await dovecot.countLogouts();
      const portsBefore = new Set(await timeWaitPorts(portOf()));
      const proxy = await startSecured({ MAILBOX_CACHE_TTL: '300ms' });
      expect(await churn(proxy.port, 60, 8)).toEqual([]);
      await proxy.until(
        async () => (await proxy.metric('imapbouncer_pools')) === 0,
        'all connections to be evicted',
      );
      // Dovecot may log a login after the logout of the same session, so they are not counted in its log.
      const logins = await proxy.metric('imapbouncer_upstream_connections_opened_total');
      expect(logins).toBeGreaterThanOrEqual(20);
      await dovecot.log.waitFor(/imap\([^)]*\)<.*Logged out/, logoutsBefore + logins);
      const closed = await proxy.metric('imapbouncer_upstream_connections_closed_total', {
        reason: 'idle',
        initiator: 'remote',
      });
      expect(closed).toBe(logins);
      expect(await newTimeWaitPorts(portsBefore)).toBe(0);
    });

    it('leaves no port in TIME_WAIT when it stops', async () => {
      const portsBefore = new Set(await timeWaitPorts(portOf()));
      const proxy = await startSecured({});
      expect(await churn(proxy.port, 40, 8)).toEqual([]);
      await proxy.stop();
      expect(await newTimeWaitPorts(portsBefore)).toBe(0);
      expect(await dovecot.sessionPids()).toEqual([]);
    });

    it('leaves no port in TIME_WAIT after wrong passwords', async () => {
      const portsBefore = new Set(await timeWaitPorts(portOf()));
      const proxy = await startSecured({});
      for (let n = 0; n < 3; n++) {
        const client = await stage.connect(proxy);
        expect((await client.command(`LOGIN alice wrong${String(n)}`, 10_000)).status).toBe('NO');
      }
      await proxy.until(
        async () =>
          (await dovecot.log.count(/Logged out|Aborted login|Login aborted|Disconnected.*auth failed/)) >= 3,
        'the end of the attempts',
      );
      await proxy.stop();
      expect(await newTimeWaitPorts(portsBefore)).toBe(0);
    });
  });

  it('lets the clients of a full pool wait, and serves them all', async () => {
    const proxy = await stage.proxy(plainly(dovecot), {
      UPSTREAM_MAX_CONNECTIONS_PER_USER: '2',
      MAILBOX_CACHE_TTL: '1m',
    });
    const before = await dovecot.countLogins('alice');
    const clients: RawClient[] = [];
    for (let n = 0; n < 6; n++) clients.push(await stage.logIn(proxy, 'alice'));
    const tags = await Promise.all(clients.map((client) => client.begin('SELECT INBOX')));
    await proxy.until(
      async () => (await proxy.metric('imapbouncer_lease_waiters')) === 4,
      'four clients to wait',
    );
    const bob = await stage.logIn(proxy, 'bob');
    expect((await readBodies(bob))[0]).toContain('mark-of-bob ');
    const served = clients.map(async (client, n) => {
      const { status, untagged } = await client.finish(tags[n]!, 15_000);
      expect(status).toBe('OK');
      expect(untagged).toContain('* 3 EXISTS');
      expect((await client.command('FETCH 1 BODY.PEEK[]')).literals.join('')).toContain('mark-of-alice ');
      await logOut(client);
    });
    await Promise.all(served);
    expect((await dovecot.countLogins('alice')) - before).toBe(2);
    expect(await proxy.metric('imapbouncer_lease_waiters')).toBe(0);
    expect(await proxy.metric('imapbouncer_lease_timeouts_total')).toBe(0);
  });

  it('tells a client that waited for too long, and serves it when there is room', async () => {
    const proxy = await stage.proxy(plainly(dovecot), {
      UPSTREAM_MAX_CONNECTIONS_PER_USER: '1',
      ACQUIRE_TIMEOUT: '200ms',
    });
    const holder = await stage.logIn(proxy, 'alice');
    await holder.command('SELECT INBOX');
    const waiter = await stage.logIn(proxy, 'alice');
    const refused = await waiter.command('SELECT INBOX');
    expect(`${refused.status} ${refused.text}`).toMatch(/^NO \[UNAVAILABLE\]/);
    expect((await readBodies(await stage.logIn(proxy, 'bob')))[0]).toContain('mark-of-bob ');
    await logOut(holder);
    expect((await readBodies(waiter))[0]).toContain('mark-of-alice ');
  });

  it('answers a login at once though its pool is full', async () => {
    const proxy = await stage.proxy(plainly(dovecot), {
      UPSTREAM_MAX_CONNECTIONS_PER_USER: '1',
      AUTH_CACHE_TTL: '0',
      ACQUIRE_TIMEOUT: '4s',
    });
    const holder = await stage.logIn(proxy, 'alice');
    await holder.command('SELECT INBOX');
    const startedAt = performance.now();
    const other = await stage.logIn(proxy, 'alice');
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    await logOut(holder);
    expect((await readBodies(other))[0]).toContain('mark-of-alice ');
    expect((await readBodies(await stage.logIn(proxy, 'bob')))[0]).toContain('mark-of-bob ');
  });

  it('makes room for another user when the total is reached', async () => {
    const proxy = await stage.proxy(plainly(dovecot), { UPSTREAM_MAX_CONNECTIONS: '3' });
    expect(await churn(proxy.port, 60, 3)).toEqual([]);
    const open = await proxy.metric('imapbouncer_upstream_connections');
    expect(open).toBeLessThanOrEqual(3);
  }, 60_000);

  it('retires a connection after UPSTREAM_MAX_LEASES_PER_CONNECTION clients', async () => {
    const proxy = await stage.proxy(plainly(dovecot), { UPSTREAM_MAX_LEASES_PER_CONNECTION: '3' });
    const before = await dovecot.countLogins('bob');
    for (let n = 0; n < 9; n++) {
      const client = await stage.logIn(proxy, 'bob');
      expect((await readBodies(client))[0]).toContain('mark-of-bob ');
      await logOut(client);
      await resetIsOver(proxy);
    }
    expect((await dovecot.countLogins('bob')) - before).toBe(3);
  });

  it('takes a client that errs again and again for itself alone', async () => {
    const proxy = await stage.proxy(plainly(dovecot), { UPSTREAM_MAX_CONNECTIONS_PER_USER: '1' });
    // Dovecot 2.3 ends a connection after 20 bad commands in a row.
    for (let n = 0; n < 3; n++) {
      const client = await stage.logIn(proxy, 'alice');
      for (let bad = 0; bad < 15; bad++) expect((await client.command('FETCH')).status).toBe('BAD');
      await logOut(client);
    }
    const client = await stage.logIn(proxy, 'alice');
    for (let bad = 0; bad < 15; bad++) expect((await client.command('FETCH')).status).toBe('BAD');
    expect((await readBodies(client))[0]).toContain('mark-of-alice ');
  });
});
