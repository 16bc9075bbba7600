// How upstream connections are kept, lent, waited for and given up.

import { describe, expect, it } from 'vitest';
import { makeGate } from '../support/gate.js';
import type { Gate } from '../support/gate.js';
import type { RawClient } from '../support/raw-client.js';
import type { UpstreamConnection } from '../support/scripted-upstream.js';
import { useStages } from './stage.js';
import type { Stage } from './stage.js';

const stage = useStages();

/** Holds every login back until the gate is opened, or the first `count` of them. */
function holdLogins(s: Stage, count = Infinity): Gate {
  const gate = makeGate();
  let held = 0;
  s.upstream.on('AUTHENTICATE', async () => {
    if (++held <= count) await gate.opened;
    return 'default';
  });
  return gate;
}

/** Leaves an idle connection of the user in the pool, and returns it. */
async function warm(s: Stage, user = 'alice'): Promise<UpstreamConnection> {
  const { client, connection } = await s.lease(user);
  const idle = await s.connections('idle');
  await s.leave(client);
  await s.untilPool({ idle: idle + 1 });
  return connection;
}

async function closedCount(s: Stage, reason: string, initiator: 'local' | 'remote'): Promise<number> {
  return s.proxy.metric('imapbouncer_upstream_connections_closed_total', { reason, initiator });
}

describe('reuse', () => {
  it('makes a warm login cost nothing upstream before the first command', async () => {
    const s = await stage();
    const connection = await warm(s);
    const bytes = connection.received.length;
    const connections = s.upstream.connections.length;
    const client = await s.logIn('alice');
    expect((await client.command('CAPABILITY')).untagged[0]).toMatch(/^\* CAPABILITY IMAP4rev1 .*UNSELECT/);
    expect((await client.command('ID NIL')).untagged).toEqual(['* ID ("name" "scripted")']);
    await s.leave(client);
    await s.untilSessions(0);
    expect(connection.received.length).toBe(bytes);
    expect(s.upstream.connections.length).toBe(connections);
    expect(await s.proxy.metric('imapbouncer_auth_cache_hits_total')).toBe(1);
  });

  it('serves client after client of two users on one connection each', async () => {
    const s = await stage();
    for (let n = 0; n < 10; n++) {
      for (const user of ['alice', 'bob']) {
        const client = await s.logIn(user);
        expect((await client.command('LIST "" "*"')).untagged).toContain(`* LIST () "/" of-${user}`);
        expect((await client.command('SELECT INBOX')).status).toBe('OK');
        const { literals } = await client.command('UID FETCH 1:* (BODY.PEEK[])');
        expect(literals.every((body) => body.includes(`mark-of-${user} `))).toBe(true);
        await s.leave(client);
        await s.untilPool({ leased: 0, resetting: 0 });
      }
    }
    expect(s.attempts).toBe(2);
    expect(await s.proxy.metric('imapbouncer_leases_total')).toBe(20);
    expect(await s.proxy.metric('imapbouncer_lease_reuses_total')).toBe(18);
  });

  it('lends the connection that was given back last', async () => {
    const s = await stage();
    const sessions = [await s.lease(), await s.lease(), await s.lease()];
    expect(new Set(sessions.map(({ connection }) => connection)).size).toBe(3);
    for (const [at, session] of sessions.entries()) {
      await s.leave(session.client);
      await s.untilPool({ idle: at + 1 });
    }
    expect((await s.lease()).connection).toBe(sessions[2]?.connection);
    expect((await s.lease()).connection).toBe(sessions[1]?.connection);
    expect((await s.lease()).connection).toBe(sessions[0]?.connection);
    expect(s.attempts).toBe(3);
  });

  it('leases the connection of a cold login to the session that logged in', async () => {
    const s = await stage();
    await s.lease();
    expect(s.attempts).toBe(1);
    expect(await s.proxy.metric('imapbouncer_upstream_connections_opened_total')).toBe(1);
    expect(await s.proxy.metric('imapbouncer_lease_reuses_total')).toBe(0);
  });

  it('hands a connection back that nobody used, without a command on it', async () => {
    const s = await stage();
    await s.leave(await s.logIn('alice'));
    await s.untilPool({ idle: 1 });
    const connection = await s.connectionOf('alice');
    expect(connection.verbs.at(-1)).toBe('AUTHENTICATE');
    expect((await s.lease('alice')).connection).toBe(connection);
  });

  it('retires a connection after as many leases as are allowed', async () => {
    const s = await stage({ environment: { UPSTREAM_MAX_LEASES_PER_CONNECTION: '2' } });
    const first = await warm(s);
    expect(first.isOpen).toBe(true);
    const { client, connection } = await s.lease();
    expect(connection).toBe(first);
    await s.leave(client);
    expect(await first.waitForClose()).toEqual({ by: 'server', how: 'ended' });
    expect((await s.lease()).connection).not.toBe(first);
    expect(await closedCount(s, 'leases', 'remote')).toBe(1);
  });

  it('retires a connection that is too old', async () => {
    const s = await stage({ environment: { UPSTREAM_MAX_AGE: '300ms', MAILBOX_CACHE_TTL: '2s' } });
    const connection = await warm(s);
    expect(await connection.waitForClose()).toEqual({ by: 'server', how: 'ended' });
    await s.proxy.until(async () => (await closedCount(s, 'age', 'remote')) === 1, 'a close for its age');
  });
});

describe('an idle connection', () => {
  it('is closed after MAILBOX_CACHE_TTL by LOGOUT, and the server closes first', async () => {
    const s = await stage({ environment: { MAILBOX_CACHE_TTL: '150ms' } });
    const connection = await warm(s);
    const started = performance.now();
    expect(await connection.waitForClose()).toEqual({ by: 'server', how: 'ended' });
    expect(performance.now() - started).toBeGreaterThan(50);
    expect(connection.verbs.at(-1)).toBe('LOGOUT');
    await s.proxy.until(async () => (await closedCount(s, 'idle', 'remote')) === 1, 'a close by the server');
    await s.proxy.until(async () => (await s.proxy.metric('imapbouncer_pools')) === 0, 'no pool');
  });

  it('is closed by the proxy if the server does not close', async () => {
    const s = await stage({
      upstream: { closesOnLogout: false },
      environment: { MAILBOX_CACHE_TTL: '50ms' },
    });
    const connection = await warm(s);
    expect(await connection.waitForClose()).toMatchObject({ by: 'client' });
    await s.proxy.until(async () => (await closedCount(s, 'idle', 'local')) === 1, 'a close by the proxy');
  });

  it('does not exist with MAILBOX_CACHE_TTL=0', async () => {
    const s = await stage({ environment: { MAILBOX_CACHE_TTL: '0' } });
    const { client, connection } = await s.lease();
    await s.leave(client);
    expect(await connection.waitForClose()).toEqual({ by: 'server', how: 'ended' });
    expect(connection.verbs.at(-1)).toBe('LOGOUT');
    await s.leave(await s.logIn('alice'));
    expect((await s.lease('alice')).connection).not.toBe(connection);
  });

  const ends: [name: string, act: (connection: UpstreamConnection) => void][] = [
    ['says BYE and closes', (connection) => connection.end('* BYE idle for too long\r\n')],
    ['says BYE and does not close', (connection) => connection.send('* BYE idle for too long\r\n')],
    ['closes without a word', (connection) => connection.end()],
    ['is reset', (connection) => connection.reset()],
    ['gets an answer that nobody waits for', (connection) => connection.send('a1 OK huh\r\n')],
    ['gets a continuation', (connection) => connection.send('+ more\r\n')],
    ['gets ENABLED', (connection) => connection.send('* ENABLED QRESYNC\r\n')],
    ['gets a line of no grammar', (connection) => connection.send('\x00\xff garbage\r\n')],
  ];
  const histories: [name: string, prepare: (s: Stage) => Promise<UpstreamConnection>][] = [
    ['after use', (s) => warm(s)],
    [
      'after a lease that sent nothing',
      async (s) => {
        await s.leave(await s.logIn('alice'));
        await s.untilPool({ idle: 1 });
        return s.connectionOf('alice');
      },
    ],
  ];
  const cases = histories.flatMap(([history, prepare]) =>
    ends.map(([name, act]) => ({ history, prepare, name, act })),
  );
  it.each(cases)('that $name is not lent again $history', async ({ prepare, act }) => {
    const s = await stage();
    const bob = await s.lease('bob');
    const connection = await prepare(s);
    act(connection);
    await connection.waitForClose();
    await s.untilPool({ idle: 0, closing: 0 });
    const next = await s.lease('alice');
    expect(next.connection).not.toBe(connection);
    expect(next.client.received.toString('latin1')).not.toMatch(/BYE|huh|ENABLED|garbage/);
    expect((await bob.client.command('NOOP')).text).toBe('NOOP done (bob)');
    expect(bob.connection.isOpen).toBe(true);
  });

  it.each(histories)('keeps unsolicited news from the next client %s', async (_name, prepare) => {
    const s = await stage();
    const connection = await prepare(s);
    connection.send('* 17 EXISTS\r\n* 3 EXPUNGE\r\n* OK [ALERT] news\r\n* LIST () "/" {4}\r\nleak\r\n');
    connection.send('* CAPABILITY IMAP4rev1 UNSELECT XNEW COMPRESS=DEFLATE\r\n');
    // Another user's round trip on the same loop, so that the bytes above have been read.
    await s.lease('bob');
    const next = await s.lease('alice');
    expect(next.connection).toBe(connection);
    expect(next.client.received.toString('latin1')).not.toMatch(/EXISTS|EXPUNGE|news|leak/);
    expect((await next.client.command('CAPABILITY')).untagged).toEqual([
      '* CAPABILITY IMAP4rev1 UNSELECT XNEW',
    ]);
  });

  it('that stops in the middle of a response is not lent again', async () => {
    const s = await stage();
    const connection = await warm(s);
    connection.send('* LIST () "/" {100}\r\nhalf');
    await s.lease('bob');
    const next = await s.lease('alice');
    expect(next.connection).not.toBe(connection);
    expect(next.client.received.toString('latin1')).not.toMatch(/half/);
  });
});

describe('a user with as many connections as are allowed', () => {
  const one = { UPSTREAM_MAX_CONNECTIONS_PER_USER: '1' };

  it('waits for the first that is given back; other users do not', async () => {
    const s = await stage({ environment: one });
    const first = await s.lease('alice');
    const second = await s.logIn('alice');
    const noop = second.command('NOOP');
    await s.untilWaiting(1);
    expect(await s.sessions({ state: 'waiting' })).toBe(1);
    await s.lease('bob');
    await s.leave(first.client);
    expect((await noop).text).toBe('NOOP done (alice)');
    expect(first.connection.verbs.filter((verb) => verb === 'NOOP')).toHaveLength(3);
    expect(s.attempts).toBe(2);
  });

  it('is told when nothing became free in time, and may try again', async () => {
    const s = await stage({ environment: { ...one, ACQUIRE_TIMEOUT: '100ms' } });
    const first = await s.lease('alice');
    const second = await s.logIn('alice');
    expect(await second.command('LIST "" "*"')).toMatchObject({
      status: 'NO',
      text: '[UNAVAILABLE] No upstream connection became free in time; try again later',
    });
    expect((await second.command('CAPABILITY')).status).toBe('OK');
    await s.leave(first.client);
    await s.untilPool({ idle: 1 });
    expect((await second.command('NOOP')).text).toBe('NOOP done (alice)');
    expect(await s.proxy.metric('imapbouncer_lease_timeouts_total')).toBe(1);
  });

  it('has its refused command taken out with its literal', async () => {
    const s = await stage({ environment: { ...one, ACQUIRE_TIMEOUT: '0' } });
    const first = await s.lease('alice');
    const second = await s.logIn('alice');
    await second.send('a APPEND INBOX {10+}\r\nb LOGOUT\r\n\r\nc CAPABILITY\r\nd APPEND INBOX {10}\r\n');
    expect(await second.readLine()).toMatch(/^a NO \[UNAVAILABLE\]/);
    expect((await second.finish('c')).status).toBe('OK');
    expect(await second.readLine()).toMatch(/^d NO \[UNAVAILABLE\]/);
    await s.leave(first.client);
    await s.untilPool({ idle: 1 });
    expect((await second.command('NOOP')).text).toBe('NOOP done (alice)');
    expect(s.upstream.store.mailbox('alice', 'INBOX')?.messages).toHaveLength(3);
  });

  it('is refused at once when too many wait already', async () => {
    const s = await stage({ environment: { ...one, ACQUIRE_MAX_WAITING: '1' } });
    const first = await s.lease('alice');
    const waiting = await s.logIn('alice');
    const noop = waiting.command('NOOP');
    await s.untilWaiting(1);
    const refused = await s.logIn('alice');
    expect(await refused.command('NOOP')).toMatchObject({
      status: 'NO',
      text: '[UNAVAILABLE] Too many clients are waiting; try again later',
    });
    await s.leave(first.client);
    expect((await noop).status).toBe('OK');
  });

  it.each(['reset', 'LOGOUT behind it'] as const)(
    'grants nothing to a client that is gone: %s',
    async (how) => {
      const s = await stage({ environment: one });
      const first = await s.lease('alice');
      const gone = await s.logIn('alice');
      await gone.send('a APPEND INBOX {3+}\r\nxyz\r\n');
      await s.untilWaiting(1);
      const third = await s.logIn('alice');
      const noop = third.command('NOOP');
      await s.untilWaiting(2);
      if (how === 'reset') {
        gone.reset();
        await s.untilWaiting(1);
      } else {
        await gone.send('b LOGOUT\r\n');
      }
      await s.leave(first.client);
      if (how !== 'reset')
        expect((await gone.waitForClose()).unread).toMatch(/^a OK .*\r\n\* BYE .*\r\nb OK .*\r\n$/);
      expect((await noop).text).toBe('NOOP done (alice)');
      expect(s.upstream.store.mailbox('alice', 'INBOX')?.messages).toHaveLength(how === 'reset' ? 3 : 4);
      expect(s.attempts).toBe(1);
    },
  );

  it('is logged in at once all the same when its credentials have to be checked', async () => {
    const s = await stage({ environment: { ...one, AUTH_CACHE_TTL: '0', ACQUIRE_TIMEOUT: '20s' } });
    const first = await s.lease('alice');
    const second = await s.connect();
    expect((await second.command('LOGIN alice secret', 3_000)).status).toBe('OK');
    const noop = second.command('NOOP');
    await s.leave(first.client);
    expect((await noop).text).toBe('NOOP done (alice)');
  });

  it('waits for an idle connection to be replaced by one that verified a login', async () => {
    const s = await stage({ environment: { ...one, AUTH_CACHE_TTL: '0' } });
    const old = await warm(s);
    const { connection } = await s.lease('alice');
    expect(connection).not.toBe(old);
    expect(await old.waitForClose()).toEqual({ by: 'server', how: 'ended' });
    expect(s.upstream.openConnections).toEqual([connection]);
  });

  it('gets a new connection when the place of one that says BYE is free', async () => {
    const s = await stage({ environment: one });
    const old = await warm(s);
    old.send('* BYE enough\r\n');
    await s.lease('bob');
    const { connection } = await s.lease('alice');
    expect(connection).not.toBe(old);
    expect(old.isOpen).toBe(false);
  });

  it('opens one connection first, and then at most two at once', async () => {
    const s = await stage({
      environment: { MAILBOX_CACHE_TTL: '0', UPSTREAM_MAX_CONNECTIONS_PER_USER: '5' },
    });
    await s.leave(await s.logIn('alice'));
    await s.upstream.waitForOpenConnections(0);
    const clients: RawClient[] = [];
    for (let n = 0; n < 5; n++) clients.push(await s.logIn('alice'));
    const gate = holdLogins(s);
    const answers = clients.map((client) => client.command('NOOP'));
    // Until one has succeeded: a password that was changed meanwhile costs one attempt.
    await s.proxy.until(() => s.count('AUTHENTICATE') === 2, 'a login that is held');
    await s.untilWaiting(4);
    expect(await s.connections('connecting')).toBe(1);
    gate.open();
    let mostAtOnce = 0;
    s.upstream.on('AUTHENTICATE', async () => {
      mostAtOnce = Math.max(mostAtOnce, await s.connections('connecting'));
      return 'default';
    });
    for (const answer of await Promise.all(answers)) expect(answer.text).toBe('NOOP done (alice)');
    expect(s.upstream.openConnections).toHaveLength(5);
    expect(mostAtOnce).toBe(2);
  });
});

describe('all users together', () => {
  it('evict the connection that is idle for longest of another user', async () => {
    const s = await stage({ environment: { UPSTREAM_MAX_CONNECTIONS: '2' } });
    const alice = await warm(s, 'alice');
    const bob = await warm(s, 'bob');
    const { client } = await s.lease('user0');
    expect(await alice.waitForClose()).toEqual({ by: 'server', how: 'ended' });
    expect(alice.verbs.at(-1)).toBe('LOGOUT');
    expect(bob.isOpen).toBe(true);
    expect(await closedCount(s, 'evicted', 'remote')).toBe(1);
    expect((await client.command('LIST "" "of-user0"')).untagged).toEqual(['* LIST () "/" of-user0']);
  });

  it('wait for each other when nobody is idle', async () => {
    const s = await stage({ environment: { UPSTREAM_MAX_CONNECTIONS: '2' } });
    const alice = await s.lease('alice');
    await s.lease('bob');
    await s.leave(await s.logIn('alice'));
    const next = await s.connect();
    const login = next.command('LOGIN user0 secret');
    await s.upstream.waitForLoginAttempts(3);
    await s.leave(alice.client);
    expect((await login).status).toBe('OK');
    expect((await next.command('NOOP')).text).toBe('NOOP done (user0)');
    expect(await s.proxy.metric('imapbouncer_upstream_connections_opened_total')).toBeLessThanOrEqual(4);
  });

  it('take turns: one user’s crowd does not starve another', async () => {
    const s = await stage({ environment: { UPSTREAM_MAX_CONNECTIONS: '1' } });
    const holder = await s.lease('alice');
    const answers: string[] = [];
    const crowd: Promise<unknown>[] = [];
    for (let n = 0; n < 3; n++) {
      const client = await s.logIn('alice');
      crowd.push(client.command('NOOP').then(() => (answers.push('alice'), s.leave(client))));
      await s.untilWaiting(n + 1);
    }
    const bob = await s.connect();
    const login = bob.command('LOGIN bob secret');
    crowd.push(login.then(() => bob.command('NOOP')).then(() => (answers.push('bob'), s.leave(bob))));
    await s.upstream.waitForLoginAttempts(2);
    await s.leave(holder.client);
    await Promise.all(crowd);
    expect(answers.indexOf('bob')).toBeLessThan(3);
  });
});

describe('an upstream that is down', () => {
  it('is no reason not to start, and serves when it is up', async () => {
    const s = await stage({ isUpstreamDown: true });
    const client = await s.connect();
    expect(await client.command('LOGIN alice secret')).toMatchObject({
      status: 'NO',
      text: '[UNAVAILABLE] The mail server refuses connections; try again later',
    });
    await s.upstream.listen();
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');
    expect((await client.command('NOOP')).text).toBe('NOOP done (alice)');
  });

  it('leaves known credentials known, and refuses commands one by one', async () => {
    const s = await stage({ environment: { MAILBOX_CACHE_TTL: '0' } });
    await s.leave(await s.logIn('alice'));
    await s.upstream.waitForOpenConnections(0);
    s.upstream.stopListening();
    const client = await s.logIn('alice');
    expect((await client.command('SELECT INBOX')).text).toMatch(/^\[UNAVAILABLE\] The mail server refuses/);
    expect((await client.command(['APPEND INBOX ', 'x'])).text).toMatch(/^\[UNAVAILABLE\]/);
    await s.upstream.listen();
    expect((await client.command('NOOP')).text).toBe('NOOP done (alice)');
  });
});

describe('a password that was changed upstream', () => {
  const noIdle = { MAILBOX_CACHE_TTL: '0' };

  it('ends the session at its next growth, and is forgotten', async () => {
    const s = await stage({ environment: noIdle });
    const bob = await s.lease('bob');
    await s.leave(await s.logIn('alice'));
    await s.upstream.waitForOpenConnections(1);
    s.upstream.script.users['alice'] = 'changed';
    s.secrets.add('changed');
    const client = await s.logIn('alice', 'secret');
    await client.send('a NOOP\r\nb NOOP\r\n');
    expect((await client.waitForClose()).unread).toBe(
      '* BYE [AUTHENTICATIONFAILED] wrong user name or password\r\n',
    );
    expect(s.attempts).toBe(3);
    const next = await s.connect();
    expect((await next.command('LOGIN alice secret')).text).toBe(
      '[AUTHENTICATIONFAILED] wrong user name or password',
    );
    expect(s.attempts).toBe(3);
    expect((await next.command('LOGIN alice changed')).status).toBe('OK');
    expect((await next.command('NOOP')).text).toBe('NOOP done (alice)');
    expect((await bob.client.command('NOOP')).text).toBe('NOOP done (bob)');
  });

  it('costs one attempt, however many sessions hold it', async () => {
    const s = await stage({ environment: noIdle });
    await s.leave(await s.logIn('alice'));
    await s.upstream.waitForOpenConnections(0);
    s.upstream.script.users['alice'] = 'changed';
    const clients = [await s.logIn('alice'), await s.logIn('alice'), await s.logIn('alice')];
    for (const client of clients) await client.send('a NOOP\r\n');
    for (const client of clients)
      expect((await client.waitForClose()).unread).toMatch(/^\* BYE \[AUTHENTICATIONFAILED\]/);
    expect(s.attempts).toBe(2);
  });

  it('costs one attempt, however long after the first a session tries it', async () => {
    const s = await stage({ environment: noIdle });
    await s.leave(await s.logIn('alice'));
    await s.upstream.waitForOpenConnections(0);
    s.upstream.script.users['alice'] = 'changed';
    const clients = [await s.logIn('alice'), await s.logIn('alice')];
    for (const client of clients) {
      await client.send('a NOOP\r\n');
      expect((await client.waitForClose()).unread).toMatch(/^\* BYE \[AUTHENTICATIONFAILED\]/);
    }
    expect(s.attempts).toBe(2);
  });

  it('does not end a session that holds a connection', async () => {
    const s = await stage();
    const { client } = await s.lease('alice');
    s.upstream.script.users['alice'] = 'changed';
    expect((await client.command('NOOP')).text).toBe('NOOP done (alice)');
  });

  it('is a busy growth’s business: [LIMIT] refuses the command only', async () => {
    const s = await stage({ environment: noIdle });
    await s.leave(await s.logIn('alice'));
    s.upstream.once('AUTHENTICATE', (command, connection) => {
      connection.no(command, '[LIMIT] too many connections');
    });
    const client = await s.logIn('alice');
    expect(await client.command('NOOP')).toMatchObject({
      status: 'NO',
      text: '[LIMIT] too many connections',
    });
    // In the meantime the server is left alone, and its words are said again.
    expect(await client.command('NOOP')).toMatchObject({
      status: 'NO',
      text: '[LIMIT] too many connections',
    });
    expect(s.count('AUTHENTICATE')).toBe(2);
    await s.proxy.until(
      async () => (await client.command('NOOP')).text === 'NOOP done (alice)',
      'the server is asked again',
    );
    expect(s.count('AUTHENTICATE')).toBe(3);
  });
});

describe('a client that vanishes while its connection is being opened', () => {
  it.each(['FIN', 'RST', 'LOGOUT'] as const)('%s: the login is made with its real secret', async (how) => {
    const s = await stage({
      environment: { MAILBOX_CACHE_TTL: '5m', UPSTREAM_MAX_LEASES_PER_CONNECTION: '1' },
    });
    await s.leave(await s.logIn('alice'));
    await s.upstream.waitForOpenConnections(0);
    const gate = makeGate();
    s.upstream.script.greeting = async () => {
      await gate.opened;
      return '* OK hello';
    };
    const client = await s.logIn('alice');
    await client.send('a NOOP\r\n');
    await s.untilPool({ connecting: 1 });
    await s.upstream.waitForOpenConnections(1);
    if (how === 'LOGOUT') await client.send('b LOGOUT\r\n');
    else if (how === 'FIN') client.end();
    else client.reset();
    if (how === 'RST') await s.untilSessions(0);
    gate.open();
    await s.upstream.waitForLoginAttempts(2);
    expect(s.upstream.loginAttempts[1]).toMatchObject({ isAccepted: true, secret: Buffer.from('secret') });
    await s.untilSessions(0);
    if (how !== 'RST') expect((await client.waitForClose()).unread).toMatch(/^a OK NOOP done \(alice\)\r\n/);
    await s.untilPool({ leased: 0, connecting: 0 });
  });

  it('does not make its connection anybody else’s before it is opened', async () => {
    const s = await stage({ environment: { UPSTREAM_MAX_LEASES_PER_CONNECTION: '1' } });
    await s.leave(await s.logIn('alice'));
    await s.upstream.waitForOpenConnections(0);
    const gate = holdLogins(s, 1);
    const gone = await s.logIn('alice');
    await gone.send('a APPEND INBOX {3+}\r\nxyz\r\n');
    await s.proxy.until(() => s.count('AUTHENTICATE') === 2, 'the login that is held');
    gone.reset();
    await s.untilSessions(0);
    const next = await s.logIn('alice');
    const answer = next.command('NOOP');
    await s.untilWaiting(1);
    gate.open();
    expect((await answer).text).toBe('NOOP done (alice)');
    // The first one was leased once, to nobody.
    expect(s.upstream.loginAttempts).toHaveLength(3);
    expect(s.upstream.store.mailbox('alice', 'INBOX')?.messages).toHaveLength(3);
  });
});

describe('stopping', () => {
  it('says BYE to sessions in every state, and logs every connection out', async () => {
    const s = await stage({ environment: { UPSTREAM_MAX_CONNECTIONS_PER_USER: '1' } });
    const before = await s.connect();
    const idle = await s.lease('alice');
    const waiting = await s.logIn('alice');
    await waiting.send('a NOOP\r\n');
    await s.untilWaiting(1);
    const idling = await s.lease('bob');
    await idling.client.begin('IDLE');
    await idling.client.expectContinuation();
    await s.stop();
    for (const client of [before, idle.client, waiting, idling.client])
      expect((await client.waitForClose()).unread).toMatch(/\* BYE .*shutting down\r\n$/);
    for (const connection of [idle.connection, idling.connection])
      expect(await connection.waitForClose()).toEqual({ by: 'server', how: 'ended' });
  });

  it('lets sessions finish while it drains, and accepts nobody', async () => {
    const s = await stage();
    const { client, connection } = await s.lease('alice');
    const drained = s.proxy.app.drain();
    expect((await client.command('LIST "" "of-alice"')).untagged).toEqual(['* LIST () "/" of-alice']);
    await client.command('LOGOUT');
    await drained;
    await s.stop();
    expect(await connection.waitForClose()).toEqual({ by: 'server', how: 'ended' });
  });
});
