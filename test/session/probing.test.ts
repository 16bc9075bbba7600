// Whether a pooled connection still lives: asked before it is lent, and from time to time.

import { describe, expect, it } from 'vitest';
import { makeGate } from '../support/gate.js';
import type { UpstreamConnection } from '../support/scripted-upstream.js';
import { useStages } from './stage.js';
import type { Stage } from './stage.js';

const stage = useStages();

const always = { PROBE_AFTER: '0' };

/** What came after the login. */
function behindLogin({ verbs }: UpstreamConnection): string[] {
  return verbs.slice(verbs.indexOf('AUTHENTICATE') + 1);
}

/** From now on this connection takes everything and answers nothing. */
function deafen(s: Stage, deaf: UpstreamConnection): void {
  for (const verb of ['NOOP', 'LIST', 'SELECT', 'UNSELECT', 'LOGOUT'])
    s.upstream.on(verb, (_command, connection) => (connection === deaf ? undefined : 'default'));
}

/** A short session; nobody else is leased anything when it is over. */
async function list(s: Stage, user: string): Promise<void> {
  const client = await s.logIn(user);
  expect((await client.command('LIST "" "*"')).untagged).toContain(`* LIST () "/" of-${user}`);
  await s.leave(client);
  await s.untilPool({ leased: 0, resetting: 0 });
}

describe('PROBE_AFTER=0', () => {
  it('asks by NOOP before each reuse, and never before the first lease', async () => {
    const s = await stage({ environment: { ...always, KEEPALIVE_INTERVAL: '0' } });
    for (const user of ['alice', 'bob']) await list(s, user);
    for (const user of ['alice', 'bob'])
      expect(behindLogin(await s.connectionOf(user))).toEqual(['LIST', 'NOOP']);
    expect(await s.metric('session_probes_total')).toBe(0);
    for (let n = 0; n < 3; n++) await list(s, 'alice');
    expect(behindLogin(await s.connectionOf('alice')).slice(2)).toEqual(
      Array.from({ length: 3 }, () => ['NOOP', 'LIST', 'NOOP']).flat(),
    );
    expect(await s.metric('session_probes_total')).toBe(3);
    expect(await s.metric('session_probe_failures_total')).toBe(0);
    expect(s.attempts).toBe(2);
  });

  it('asks before the first use of a connection that a session gave back unused', async () => {
    const s = await stage({ environment: always });
    await s.leave(await s.logIn('alice'));
    await s.untilPool({ idle: 1 });
    await list(s, 'alice');
    expect(behindLogin(await s.connectionOf('alice'))).toEqual(['NOOP', 'LIST', 'NOOP']);
  });

  it('asks before a connection of a set is lent, too', async () => {
    const s = await stage({ environment: always });
    for (let n = 0; n < 3; n++) {
      const client = await s.logIn('alice');
      expect((await client.command('ENABLE CONDSTORE')).untagged).toEqual(['* ENABLED CONDSTORE']);
      expect((await client.command('STATUS INBOX (MESSAGES)')).status).toBe('OK');
      await s.leave(client);
      await s.untilPool({ idle: 1, resetting: 0 });
    }
    expect(behindLogin(await s.connectionOf('alice'))).toEqual([
      'ENABLE',
      ...['STATUS', 'NOOP'],
      ...['NOOP', 'STATUS', 'NOOP'],
      ...['NOOP', 'STATUS', 'NOOP'],
    ]);
    expect(s.attempts).toBe(1);
  });

  it('replaces a half-dead connection after the probe’s deadline; others are served meanwhile', async () => {
    const s = await stage({ environment: always });
    await list(s, 'bob');
    const deaf = await s.warm('alice');
    deafen(s, deaf);
    const client = await s.logIn('alice');
    const answer = client.command('LIST "" "*"');
    await s.untilPool({ probing: 1 });
    await s.lease('bob');
    expect((await answer).untagged).toContain('* LIST () "/" of-alice');
    expect(deaf.verbs.at(-1)).toBe('NOOP');
    await deaf.waitForClose();
    expect(await s.metric('session_probe_failures_total')).toBe(1);
    expect(await s.closedFor('probe')).toBe(1);
    expect((await s.connectionOf('alice', 2)).isOpen).toBe(true);
    await s.untilPool({ probing: 0 });
  });

  const answers: [name: string, act: (connection: UpstreamConnection, tag: string) => void][] = [
    ['NO', (at, tag) => at.send(`${tag} NO not now\r\n`)],
    ['BAD', (at, tag) => at.send(`${tag} BAD what?\r\n`)],
    ['BYE', (at) => at.end('* BYE enough\r\n')],
    ['BYE without an end', (at) => at.send('* BYE enough\r\n')],
    ['FIN', (at) => at.end()],
    ['RST', (at) => at.reset()],
    ['another tag', (at) => at.send('x OK done\r\n')],
    ['ENABLED', (at, tag) => at.send(`* ENABLED QRESYNC\r\n${tag} OK done\r\n`)],
  ];
  it.each(answers)(
    'replaces a connection that answers %s, and the client sees nothing of it',
    async (_name, act) => {
      const s = await stage({ environment: always });
      await s.lease('bob');
      const old = await s.warm('alice');
      s.upstream.once('NOOP', (command, connection) => {
        act(connection, command.tag);
      });
      const client = await s.logIn('alice');
      const start = client.received.length;
      const { untagged } = await client.command('LIST "" "of-alice"');
      expect(untagged).toEqual(['* LIST () "/" of-alice']);
      expect(client.received.subarray(start).toString('latin1')).not.toMatch(/BYE|ENABLED|not now|what/);
      await old.waitForClose();
      expect(await s.metric('session_probe_failures_total')).toBe(1);
      expect(old.verbs).not.toContain('LIST');
      expect(s.attempts).toBe(3);
    },
  );

  it('keeps the connection whose client vanishes during the probe', async () => {
    const s = await stage({ environment: always });
    await s.lease('bob');
    const connection = await s.warm('alice');
    const gate = makeGate();
    s.upstream.once('NOOP', async () => {
      await gate.opened;
      return 'default';
    });
    const gone = await s.logIn('alice');
    await gone.send('a LIST "" "*"\r\n');
    await s.untilPool({ probing: 1 });
    gone.reset();
    await s.untilSessions(1);
    gate.open();
    await s.untilPool({ idle: 1, leased: 1, resetting: 0 });
    expect(connection.verbs).not.toContain('LIST');
    expect((await s.lease('alice')).connection).toBe(connection);
    expect(s.attempts).toBe(2);
  });

  it('is not needed within PROBE_AFTER', async () => {
    const s = await stage({ environment: { PROBE_AFTER: '30s', KEEPALIVE_INTERVAL: '0' } });
    for (let n = 0; n < 3; n++) await list(s, 'alice');
    expect(behindLogin(await s.connectionOf('alice'))).toEqual(
      Array.from({ length: 3 }, () => ['LIST', 'NOOP']).flat(),
    );
    expect(await s.metric('session_probes_total')).toBe(0);
  });
});

describe('KEEPALIVE_INTERVAL', () => {
  const often = { KEEPALIVE_INTERVAL: '100ms' };

  it('has idle connections answer, and leaves leased ones alone', async () => {
    const s = await stage({ environment: often });
    const leased = await s.lease('bob');
    const bytes = leased.connection.received.length;
    const idle = await s.warm('alice');
    const before = idle.commands.length;
    await idle.waitUntil(() => idle.commands.length >= before + 4, 'four keepalives');
    for (const { verb, tag } of idle.commands.slice(before)) {
      expect(verb).toBe('NOOP');
      expect(tag).toMatch(/^P[0-9a-f-]{36}$/);
    }
    expect(leased.connection.received.length).toBe(bytes);
    await s.proxy.until(async () => (await s.metric('session_probes_total')) >= 4, 'probes');
    expect(await s.metric('session_probe_failures_total')).toBe(0);
    expect((await s.lease('alice')).connection).toBe(idle);
    expect(s.attempts).toBe(2);
  });

  it('is no use: MAILBOX_CACHE_TTL closes the connection all the same', async () => {
    const s = await stage({ environment: { ...often, MAILBOX_CACHE_TTL: '500ms' } });
    const connection = await s.warm('alice');
    const started = performance.now();
    expect(await connection.waitForClose()).toEqual({ by: 'server', how: 'ended' });
    expect(performance.now() - started).toBeGreaterThan(350);
    expect(connection.verbs.filter((verb) => verb === 'NOOP').length).toBeGreaterThan(3);
    expect(connection.verbs.at(-1)).toBe('LOGOUT');
    await s.proxy.until(async () => (await s.closedFor('idle')) === 1, 'a close for its time');
  });

  it('finds out what died, before a client does', async () => {
    const s = await stage({ environment: { ...often, PROBE_AFTER: '30s' } });
    await s.lease('bob');
    const deaf = await s.warm('alice');
    deafen(s, deaf);
    await deaf.waitForClose();
    await s.proxy.until(async () => (await s.closedFor('probe')) === 1, 'a close by the probe');
    expect(await s.metric('session_probe_failures_total')).toBe(1);
    await s.untilPool({ idle: 0 });
    const client = await s.logIn('alice');
    expect((await client.command('LIST "" "*"', 1_000)).untagged).toContain('* LIST () "/" of-alice');
  });

  it('lets a client wait for the answer that is under way, and keeps that from the client', async () => {
    const s = await stage({ environment: { ...often, PROBE_AFTER: '30s' } });
    await s.lease('bob');
    const connection = await s.warm('alice');
    const gate = makeGate();
    s.upstream.once('NOOP', async (_command, at) => {
      await gate.opened;
      at.send('* 99 EXISTS\r\n');
      return 'default';
    });
    const nth = connection.verbs.filter((verb) => verb === 'NOOP').length + 1;
    await connection.waitForCommand('NOOP', { nth });
    const client = await s.logIn('alice');
    const start = client.received.length;
    const answer = client.command('LIST "" "of-alice"');
    await s.proxy.until(async () => (await s.sessions({ state: 'waiting' })) === 1, 'a waiting session');
    expect(connection.verbs).not.toContain('LIST');
    gate.open();
    expect((await answer).untagged).toEqual(['* LIST () "/" of-alice']);
    expect(client.received.subarray(start).toString('latin1')).not.toContain('EXISTS');
    expect(connection.verbs.at(-1)).toBe('LIST');
    expect(s.attempts).toBe(2);
  });

  it('does not get into the way of a hundred short sessions', async () => {
    const s = await stage({ environment: { KEEPALIVE_INTERVAL: '8ms', PROBE_AFTER: '5ms' } });
    for (let n = 0; n < 50; n++) {
      await Promise.all(
        ['alice', 'bob'].map(async (user) => {
          const client = await s.logIn(user);
          expect((await client.command('LIST "" "of-*"')).status).toBe('OK');
          expect((await client.command('NOOP')).text).toBe(`NOOP done (${user})`);
          await s.leave(client);
        }),
      );
    }
    await s.untilPool({ leased: 0, resetting: 0 });
    expect(await s.metric('session_probe_failures_total')).toBe(0);
    expect(await s.closedFor('probe')).toBe(0);
    expect(s.attempts).toBeLessThanOrEqual(6);
  });
});
