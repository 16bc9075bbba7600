// Unknown credentials: what their check costs the server, and whom a crowd of them keeps waiting.

import { describe, expect, it } from 'vitest';
import { makeGate } from '../support/gate.js';
import type { Gate } from '../support/gate.js';
import type { RawClient } from '../support/raw-client.js';
import { useStages } from './stage.js';
import type { Stage } from './stage.js';

const stage = useStages();

const WRONG = '[AUTHENTICATIONFAILED] wrong user name or password';

function connectAll(s: Stage, count: number): Promise<RawClient[]> {
  return Promise.all(Array.from({ length: count }, () => s.connect()));
}

/** Holds back the answers to logins with a password other than `secret`. */
function holdGuesses(s: Stage): { gate: Gate; count: () => number } {
  const gate = makeGate();
  let count = 0;
  s.upstream.on('AUTHENTICATE', async (command) => {
    const [, password] = Buffer.from(command.args.split(' ')[1] ?? '', 'base64')
      .toString()
      .split('\0')
      .slice(1);
    if (password === 'secret') return 'default';
    count += 1;
    await gate.opened;
    return 'default';
  });
  return { gate, count: () => count };
}

/** How often the server was shown this password. */
function shown(s: Stage, password: string): number {
  return s.upstream.loginAttempts.filter(({ secret }) => secret.toString() === password).length;
}

describe('a crowd of guesses on one name', () => {
  it('does not keep its owner waiting, once the sessions have failed before', async () => {
    const s = await stage();
    const guessers = await connectAll(s, 20);
    await Promise.all(
      guessers.map(async (client, n) => {
        expect((await client.command(`LOGIN alice first${n}`)).text).toBe(WRONG);
      }),
    );
    const { gate, count } = holdGuesses(s);
    for (const [n, client] of guessers.entries()) await client.send(`g LOGIN alice second${n}\r\n`);
    await s.proxy.until(() => count() > 0, 'a guess that is held');
    const owner = await s.connect();
    expect((await owner.command('LOGIN alice secret', 1_000)).status).toBe('OK');
    expect((await owner.command('LIST "" "*"')).untagged).toContain('* LIST () "/" of-alice');
    // A guesser that has failed never takes both places.
    expect(count()).toBe(1);
    gate.open();
    for (const client of guessers) await client.waitFor(/^g NO \[AUTHENTICATIONFAILED\].*\r\n/m);
  });

  it('makes its owner wait for one guess at most, even if nothing speaks against the sessions yet', async () => {
    const s = await stage();
    const { gate, count } = holdGuesses(s);
    const guessers = await connectAll(s, 20);
    for (const [n, client] of guessers.entries()) await client.send(`g LOGIN alice guess${n}\r\n`);
    await s.proxy.until(() => count() === 2, 'as many guesses as may run');
    const owner = await s.connect();
    const login = owner.command('LOGIN alice secret');
    // Bob is not concerned at all.
    expect((await (await s.logIn('bob')).command('NOOP')).text).toBe('NOOP done (bob)');
    expect(count()).toBe(2);
    gate.open();
    expect((await login).status).toBe('OK');
    // One of the two was over: the owner came next.
    expect(
      s.upstream.loginAttempts.findIndex(({ secret }) => secret.toString() === 'secret'),
    ).toBeLessThanOrEqual(4);
    for (const client of guessers) await client.waitFor(/^g NO .*\r\n/m);
  });

  it('does not keep an owner waiting whose password was known before', async () => {
    const s = await stage({ environment: { AUTH_CACHE_TTL: '100ms' } });
    await s.leave(await s.logIn('alice'));
    const { gate, count } = holdGuesses(s);
    const guessers = await connectAll(s, 20);
    for (const [n, client] of guessers.entries()) await client.send(`g LOGIN alice guess${n}\r\n`);
    await s.proxy.until(() => count() > 0, 'a guess that is held');
    const owner = await s.connect();
    const login = owner.command('LOGIN alice secret', 4_000);
    if (count() === 2) gate.open();
    expect((await login).status).toBe('OK');
    gate.open();
    for (const client of guessers) await client.waitFor(/^g NO .*\r\n/m);
  });

  it('is not checked any more when its clients have gone', async () => {
    const s = await stage();
    const { gate, count } = holdGuesses(s);
    const guessers = await connectAll(s, 20);
    for (const [n, client] of guessers.entries()) await client.send(`g LOGIN alice guess${n}\r\n`);
    await s.proxy.until(() => count() === 2, 'as many guesses as may run');
    await s.proxy.until(async () => (await s.metric('auth_cache_lookups_total')) === 20, 'twenty lookups');
    for (const client of guessers) client.reset();
    await s.untilSessions(0);
    gate.open();
    const bob = await s.lease('bob');
    const alice = await s.logIn('alice');
    expect((await alice.command('LIST "" "*"')).untagged).toContain('* LIST () "/" of-alice');
    expect(count()).toBe(2);
    expect(s.attempts).toBe(4);
    expect((await bob.client.command('NOOP')).text).toBe('NOOP done (bob)');
  });
});

describe('one credential in many sessions', () => {
  it('is checked once, if it is right', async () => {
    const s = await stage();
    const clients = await connectAll(s, 10);
    const results = await Promise.all(clients.map((client) => client.command('LOGIN alice secret')));
    expect(results.every(({ status }) => status === 'OK')).toBe(true);
    expect(s.attempts).toBe(1);
    expect(await s.metric('auth_cache_lookups_total')).toBe(10);
    expect((await clients[9]?.command('LIST "" "*"'))?.untagged).toContain('* LIST () "/" of-alice');
  });

  it('is checked once, if it is wrong', async () => {
    const s = await stage({ environment: { AUTH_FAILURE_TTL: '0' } });
    const clients = await connectAll(s, 10);
    const results = await Promise.all(clients.map((client) => client.command('LOGIN alice wrong')));
    expect(results.every(({ text }) => text === WRONG)).toBe(true);
    expect(s.attempts).toBe(1);
  });

  it('is checked once, if the first of them vanishes while the check runs', async () => {
    const s = await stage();
    const gate = makeGate();
    s.upstream.once('AUTHENTICATE', async () => {
      await gate.opened;
      return 'default';
    });
    const [first, ...others] = await connectAll(s, 10);
    await first?.send('a LOGIN alice secret\r\n');
    await s.proxy.until(() => s.count('AUTHENTICATE') === 1, 'the check');
    const answers = others.map((client) => client.command('LOGIN alice secret'));
    await s.proxy.until(async () => (await s.metric('auth_cache_lookups_total')) === 10, 'ten lookups');
    first?.reset();
    await s.untilSessions(9);
    gate.open();
    for (const answer of await Promise.all(answers)) expect(answer.status).toBe('OK');
    expect(s.attempts).toBe(1);
  });

  it('is checked once, if the first of them vanishes while it waits for the check', async () => {
    const s = await stage();
    const { gate, count } = holdGuesses(s);
    const guessers = await connectAll(s, 2);
    for (const [n, client] of guessers.entries()) await client.send(`g LOGIN alice guess${n}\r\n`);
    await s.proxy.until(() => count() === 2, 'as many checks as may run');
    const [first, ...others] = await connectAll(s, 10);
    await first?.send('a LOGIN alice secret\r\n');
    await s.proxy.until(async () => (await s.metric('auth_cache_lookups_total')) === 3, 'the lookup');
    const answers = others.map((client) => client.command('LOGIN alice secret'));
    await s.proxy.until(async () => (await s.metric('auth_cache_lookups_total')) === 12, 'all lookups');
    first?.reset();
    await s.untilSessions(11);
    gate.open();
    for (const answer of await Promise.all(answers)) expect(answer.status).toBe('OK');
    for (const client of guessers) await client.waitFor(/^g NO .*\r\n/m);
    expect(shown(s, 'secret')).toBe(1);
  });

  it('is not shared with another name', async () => {
    const s = await stage();
    const clients = await connectAll(s, 6);
    const users = ['alice', 'bob', 'alice', 'bob', 'alice', 'bob'];
    await Promise.all(clients.map((client, n) => client.command(`LOGIN ${users[n] ?? ''} secret`)));
    expect(s.attempts).toBe(2);
    for (const [n, client] of clients.entries())
      expect((await client.command('NOOP')).text).toBe(`NOOP done (${users[n] ?? ''})`);
  });
});

describe('AUTH_FAILURE_TTL', () => {
  it('bounds how long a wrong password is refused from memory', async () => {
    const s = await stage({ environment: { AUTH_FAILURE_TTL: '300ms' } });
    const client = await s.connect();
    const started = performance.now();
    expect((await client.command('LOGIN alice wrong')).text).toBe(WRONG);
    while (s.attempts === 1) expect((await client.command('LOGIN alice wrong')).text).toBe(WRONG);
    expect(performance.now() - started).toBeGreaterThan(290);
    expect(performance.now() - started).toBeLessThan(1_500);
    expect(await s.metric('auth_failure_cache_hits_total')).toBeGreaterThan(0);
    // Another password is nobody's memory.
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');
  });
});

describe('a credential that is revoked', () => {
  it('closes the idle connections that it opened, and the others when they come back', async () => {
    const s = await stage();
    s.secrets.add('changed');
    const bob = await s.lease('bob');
    const staying = await s.lease('alice');
    const returning = await s.lease('alice');
    const gate = makeGate();
    s.upstream.once('AUTHENTICATE', async () => {
      await gate.opened;
      return 'default';
    });
    const unlucky = await s.logIn('alice');
    await unlucky.send('a NOOP\r\n');
    await s.untilPool({ connecting: 1 });
    await s.leave(returning.client);
    await s.untilPool({ idle: 1 });
    s.upstream.script.users['alice'] = 'changed';
    gate.open();
    expect((await unlucky.waitForClose()).unread).toMatch(/^\* BYE \[AUTHENTICATIONFAILED\] /);
    expect(await returning.connection.waitForClose()).toEqual({ by: 'server', how: 'ended' });
    expect(returning.connection.verbs.at(-1)).toBe('LOGOUT');
    expect(await s.metric('auth_cache_evictions_total', { reason: 'refused' })).toBe(1);

    // The new password's connections are not concerned.
    const fresh = await s.connect();
    expect((await fresh.command('LOGIN alice changed')).status).toBe('OK');
    expect((await fresh.command('NOOP')).text).toBe('NOOP done (alice)');
    const kept = await s.connectionOf('alice', 3);
    expect((await staying.client.command('NOOP')).text).toBe('NOOP done (alice)');
    await s.leave(staying.client);
    await staying.connection.waitForClose();
    await s.proxy.until(async () => (await s.closedFor('credentials')) === 2, 'two closes');
    await s.leave(fresh);
    await s.untilPool({ idle: 1, leased: 1, resetting: 0 });
    expect(kept.isOpen).toBe(true);
    expect(bob.connection.isOpen).toBe(true);
    expect((await bob.client.command('NOOP')).text).toBe('NOOP done (bob)');
  });
});

describe('the metrics of pools and credentials', () => {
  it('tell how many pools were made, and why they were forgotten', async () => {
    const s = await stage({
      environment: { MAILBOX_CACHE_TTL: '200ms', UPSTREAM_MAX_CONNECTIONS: '2', AUTH_FAILURE_TTL: '0' },
    });
    for (const user of ['alice', 'bob', 'alice']) await s.leave((await s.lease(user)).client);
    expect(await s.metric('pools_created_total')).toBe(2);
    // Room is made for a third, by the one that is idle for longest.
    const { client } = await s.lease('user1');
    await s.proxy.until(
      async () => (await s.metric('pools_evicted_total', { reason: 'room' })) === 1,
      'a pool that made room',
    );
    expect(await s.metric('pools')).toBe(2);
    await s.leave(client);
    await s.proxy.until(
      async () => (await s.metric('pools_evicted_total', { reason: 'idle' })) === 2,
      'pools that were not used',
    );
    expect(await s.metric('pools')).toBe(0);
    // A wrong password makes none.
    const guesser = await s.connect();
    expect((await guesser.command('LOGIN user2 wrong')).text).toBe(WRONG);
    expect(await s.metric('pools_created_total')).toBe(3);
    expect(await s.metric('pools_evicted_total', { reason: 'credentials' })).toBe(0);
  });

  it('tell of a pool that goes with its password', async () => {
    const s = await stage({ environment: { MAILBOX_CACHE_TTL: '0' } });
    s.secrets.add('changed');
    await s.leave(await s.logIn('alice'));
    await s.upstream.waitForOpenConnections(0);
    await s.proxy.until(async () => (await s.metric('pools')) === 0, 'no pool');
    s.upstream.script.users['alice'] = 'changed';
    const client = await s.logIn('alice');
    await client.send('a NOOP\r\n');
    await client.waitForClose();
    await s.proxy.until(async () => (await s.metric('pools')) === 0, 'no pool');
    expect(await s.metric('pools_evicted_total', { reason: 'credentials' })).toBe(1);
    expect(await s.metric('pools_created_total')).toBe(2);
  });

  it('tell why known credentials were forgotten: time, room, a refusal', async () => {
    const s = await stage({ environment: { AUTH_CACHE_TTL: '150ms', AUTH_CACHE_MAX: '1' } });
    await s.leave(await s.logIn('alice'));
    await s.leave(await s.logIn('bob'));
    expect(await s.metric('auth_cache_evictions_total', { reason: 'size' })).toBe(1);
    await s.proxy.until(async () => {
      await s.leave(await s.logIn('bob'));
      return s.upstream.loginAttempts.length === 3;
    }, 'a check after AUTH_CACHE_TTL');
    expect(await s.metric('auth_cache_evictions_total', { reason: 'ttl' })).toBe(1);
    expect(await s.metric('auth_cache_evictions_total', { reason: 'refused' })).toBe(0);
  });
});
