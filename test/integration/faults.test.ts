// A server that fails in every state of a session: each client hears of it, and the next login works again.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWithDovecot } from '../support/describe-with-dovecot.js';
import { childrenOf, signal } from '../support/dovecot/process-table.js';
import { type Dovecot, startDovecot } from '../support/dovecot.js';
import type { TestProxy } from '../support/proxy.js';
import type { RawClient } from '../support/raw-client.js';
import { logOut, plainly, readBodies, useStage } from '../support/stage.js';

const lost = '* BYE [UNAVAILABLE] The connection to the mail server was lost\r\n';

/** Brings a logged-in client into a state in which the server will fail. */
const states: Readonly<Record<string, (client: RawClient) => Promise<void>>> = {
  selected: async (client) => {
    await client.command('SELECT INBOX');
  },
  'in the middle of a large FETCH': async (client) => {
    await client.command('SELECT Large');
    await client.send('f FETCH 1 BODY.PEEK[]\r\n');
    await client.waitFor(/\* 1 FETCH \(BODY\[\] \{\d+\}\r\n/);
    client.pause();
  },
  'in the middle of a literal': async (client) => {
    await client.send('a APPEND INBOX {3000}\r\n');
    await client.expectContinuation();
    await client.send('Subject: half\r\n\r\n');
  },
  'in IDLE': async (client) => {
    await client.command('SELECT INBOX');
    await client.begin('IDLE');
    await client.expectContinuation();
  },
};

async function readyStatus(proxy: TestProxy): Promise<number> {
  return (await fetch(`http://127.0.0.1:${String(proxy.app.admin.port)}/readyz`)).status;
}

describeWithDovecot('a Dovecot that fails', () => {
  const stage = useStage();
  let dovecot: Dovecot;

  beforeAll(async () => {
    dovecot = await startDovecot();
    for (const user of ['alice', 'bob'])
      await dovecot.deliver(user, 'Large', `Subject: large\r\n\r\n${`mark-of-${user} `.repeat(2_500_000)}`);
  }, 30_000);

  afterAll(async () => {
    await dovecot.stop();
  });

  /** A server that was busy for a user is left alone for a moment; then nothing is held against the password. */
  async function untilLetIn(proxy: TestProxy, user: string): Promise<void> {
    const client = await stage.connect(proxy);
    await proxy.until(
      async () => (await client.command(`LOGIN ${user} secret`, 10_000)).status === 'OK',
      `${user} is let in again`,
    );
    await logOut(client);
  }

  async function expectMail(proxy: TestProxy, user: string): Promise<void> {
    const client = await stage.logIn(proxy, user);
    const bodies = await readBodies(client);
    expect(bodies).toHaveLength(3);
    expect(bodies.every((body) => body.includes(`mark-of-${user} `))).toBe(true);
    await logOut(client);
  }

  describe.each(Object.entries(states))('while a session is %s', (state, approach) => {
    const expectEnd = async (client: RawClient): Promise<void> => {
      client.resume();
      const { unread } = await client.waitForClose(10_000);
      // Inside a response any word of the proxy would be taken for mail.
      if (state.includes('FETCH')) expect(unread.includes('* BYE')).toBe(false);
      else expect(unread).toMatch(/^\* BYE .*\r\n$/);
    };

    it('ends that session alone when its process dies', async () => {
      const proxy = await stage.proxy(plainly(dovecot));
      const bob = await stage.logIn(proxy, 'bob');
      await bob.command('SELECT INBOX');
      const client = await stage.logIn(proxy, 'alice');
      await approach(client);
      expect(await dovecot.killSessions('alice')).toBe(1);
      await expectEnd(client);
      await expectMail(proxy, 'alice');
      expect((await bob.command('FETCH 1 BODY.PEEK[]')).literals.join('')).toContain('mark-of-bob ');
    });

    it('ends all sessions when the server shuts down, and recovers when it is back', async () => {
      const proxy = await stage.proxy(plainly(dovecot), { UPSTREAM_CONNECT_TIMEOUT: '2s' });
      const clients = await Promise.all(['alice', 'bob'].map((user) => stage.logIn(proxy, user)));
      await Promise.all(clients.map(approach));
      await dovecot.halt();
      try {
        await Promise.all(clients.map(expectEnd));
        const refused = await (await stage.connect(proxy)).command('LOGIN user0 secret');
        expect(`${refused.status} ${refused.text}`).toMatch(/^NO \[UNAVAILABLE\] /);
      } finally {
        await dovecot.start();
      }
      await expectMail(proxy, 'alice');
      await expectMail(proxy, 'bob');
      expect(await proxy.metric('imapbouncer_upstream_connections', { state: 'leased' })).toBe(0);
    });
  });

  it('says why a session ends', async () => {
    const proxy = await stage.proxy(plainly(dovecot));
    const client = await stage.logIn(proxy, 'alice');
    await client.command('SELECT INBOX');
    await dovecot.killSessions('alice');
    expect((await client.waitForClose()).unread).toBe(lost);
    await expectMail(proxy, 'bob');
  });

  it('loses idle connections without any client seeing it', async () => {
    const proxy = await stage.proxy(plainly(dovecot));
    for (let round = 0; round < 3; round++) {
      await expectMail(proxy, 'alice');
      await expectMail(proxy, 'bob');
      expect(await dovecot.killSessions('alice')).toBeGreaterThanOrEqual(1);
      await expectMail(proxy, 'alice');
    }
    const closed = await proxy.metric('imapbouncer_upstream_connections_closed_total', {
      initiator: 'remote',
    });
    expect(closed).toBeGreaterThanOrEqual(3);
  });

  it('restarts under idle connections without any client seeing it', async () => {
    const proxy = await stage.proxy(plainly(dovecot));
    await expectMail(proxy, 'alice');
    await expectMail(proxy, 'bob');
    await dovecot.halt();
    await dovecot.start();
    await expectMail(proxy, 'alice');
    await expectMail(proxy, 'bob');
  });

  it('is down when the proxy starts, and logins work as soon as it is up', async () => {
    await dovecot.halt();
    let proxy: TestProxy;
    try {
      proxy = await stage.proxy(plainly(dovecot), { AUTH_FAILURE_TTL: '10s' });
      for (const user of ['alice', 'bob']) {
        const { status, text } = await (await stage.connect(proxy)).command(`LOGIN ${user} secret`);
        expect(`${status} ${text}`).toMatch(/^NO \[UNAVAILABLE\] /);
      }
      expect(await readyStatus(proxy)).toBe(503);
    } finally {
      await dovecot.start();
    }
    await expectMail(proxy, 'alice');
    await expectMail(proxy, 'bob');
    expect(await readyStatus(proxy)).toBe(200);
  });

  it('refuses the first command of a known user while it is down, and serves the session when it is back', async () => {
    const proxy = await stage.proxy(plainly(dovecot), { MAILBOX_CACHE_TTL: '0' });
    await expectMail(proxy, 'alice');
    const client = await stage.logIn(proxy, 'alice');
    await dovecot.halt();
    try {
      const { status, text } = await client.command('SELECT INBOX');
      expect(`${status} ${text}`).toMatch(/^NO \[UNAVAILABLE\] /);
    } finally {
      await dovecot.start();
    }
    expect((await readBodies(client))[0]).toContain('mark-of-alice ');
    await expectMail(proxy, 'bob');
  });

  it.each(Object.keys(states))(
    'answers nothing any more: a client that was reset %s holds its connection until RELEASE_TIMEOUT',
    async (state) => {
      await expectRelease(state, (client) => client.reset());
    },
  );

  // A client that closed its socket has sent FIN, and only an answer could show that nobody reads any more.
  it.each(['in IDLE', 'with a command unanswered'])(
    'answers nothing any more: a client that ended %s holds its connection for six times RELEASE_TIMEOUT',
    async (state) => {
      await expectRelease(state, (client) => client.destroy());
    },
  );

  async function expectRelease(state: string, leave: (client: RawClient) => void): Promise<void> {
    const proxy = await stage.proxy(plainly(dovecot), {
      UPSTREAM_MAX_CONNECTIONS_PER_USER: '1',
      RELEASE_TIMEOUT: '300ms',
      ACQUIRE_TIMEOUT: '6s',
    });
    const client = await stage.logIn(proxy, 'alice');
    await (states[state] ?? states['selected']!)(client);
    const thaw = await dovecot.freezeSessions('alice');
    try {
      if (states[state] === undefined) await client.begin('NOOP');
      leave(client);
      await expectMail(proxy, 'alice');
      await expectMail(proxy, 'bob');
    } finally {
      thaw();
    }
  }

  it('is not ready while it is down, and ready again soon after', async () => {
    const proxy = await stage.proxy(plainly(dovecot));
    await proxy.until(async () => (await readyStatus(proxy)) === 200, 'readiness');
    await dovecot.halt();
    try {
      const { status } = await (await stage.connect(proxy)).command('LOGIN alice secret');
      expect(status).toBe('NO');
      // A check is made at most every ten seconds.
      await proxy.until(async () => (await readyStatus(proxy)) === 503, 'the end of readiness', 15_000);
    } finally {
      await dovecot.start();
    }
    await expectMail(proxy, 'bob');
    expect(await readyStatus(proxy)).toBe(200);
  });

  it('freezes under an idle connection: closing it takes a moment, not for ever', async () => {
    const proxy = await stage.proxy(plainly(dovecot), { MAILBOX_CACHE_TTL: '100ms' });
    await expectMail(proxy, 'alice');
    const thaw = await dovecot.freezeSessions('alice');
    try {
      await proxy.until(async () => (await proxy.metric('imapbouncer_pools')) === 0, 'the end of the pool');
    } finally {
      thaw();
    }
    await expectMail(proxy, 'bob');
  });

  describe.each([
    ['imap-login', 'UPSTREAM_CONNECT_TIMEOUT', 'never greets'],
    ['auth', 'UPSTREAM_LOGIN_TIMEOUT', 'never answers a login'],
  ])('whose %s process hangs', (name, variable, behaviour) => {
    it(`${behaviour}: a login is refused after ${variable}`, async () => {
      const proxy = await stage.proxy(plainly(dovecot), { [variable]: '400ms' });
      await expectMail(proxy, 'alice');
      const warm = await stage.logIn(proxy, 'alice');
      await warm.command('SELECT INBOX');
      const master = Number(await readFile(join(dovecot.folder, 'run', 'master.pid'), 'utf8'));
      const pids = await childrenOf(master, name);
      expect(pids.length).toBeGreaterThan(0);
      for (const pid of pids) signal(pid, 'SIGSTOP');
      try {
        const startedAt = performance.now();
        const { status, text } = await (await stage.connect(proxy)).command('LOGIN user1 secret');
        expect(`${status} ${text}`).toMatch(/^NO \[UNAVAILABLE\] /);
        expect(performance.now() - startedAt).toBeLessThan(2_000);
        expect((await warm.command('FETCH 1 BODY.PEEK[]')).literals.join('')).toContain('mark-of-alice ');
      } finally {
        for (const pid of pids) signal(pid, 'SIGCONT');
      }
      await untilLetIn(proxy, 'user1');
      await expectMail(proxy, 'user1');
    });
  });

  it('limits the connections of a user: the refusal is no wrong password', async () => {
    const limited = await startDovecot({ maxUserIpConnections: 1 });
    try {
      const holder = await stage.logIn({ port: limited.port }, 'alice');
      const proxy = await stage.proxy(plainly(limited));
      const client = await stage.connect(proxy);
      const { status, text } = await client.command('LOGIN alice secret', 10_000);
      expect(`${status} ${text}`).toMatch(/^NO \[(?:UNAVAILABLE|LIMIT|INUSE)\]/);
      await logOut(holder);
      await limited.log.waitFor(/imap\(alice\)<.*Logged out/);
      await untilLetIn(proxy, 'alice');
      await expectMail(proxy, 'alice');
      await expectMail(proxy, 'bob');
    } finally {
      await limited.stop();
    }
  });
});
