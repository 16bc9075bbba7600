// The reserve of each user's connections: who only waits for news gives way to who has something to ask.

import { afterEach, describe, expect, it, vi } from 'vitest';
import type { RawClient } from '../support/raw-client.js';
import type { UpstreamConnection } from '../support/scripted-upstream.js';
import { useStages } from './stage.js';
import type { Stage } from './stage.js';

const stage = useStages();

const three = { UPSTREAM_MAX_CONNECTIONS_PER_USER: '3', UPSTREAM_RESERVED_PER_USER: '1' };
const BYE = /^\* BYE \[UNAVAILABLE\] .*\r\n$/;
const GIVEN_BACK = 'others waited for what quiet sessions held: they give it back';

let passedMs = 0;

afterEach(() => {
  passedMs = 0;
  vi.restoreAllMocks();
});

/** The proxy's clock, as if that much more time had passed; its timers go on as they were. */
function pass(ms: number): void {
  const isFirst = passedMs === 0;
  passedMs += ms;
  if (!isFirst) return;
  const now = performance.now.bind(performance);
  vi.spyOn(performance, 'now').mockImplementation(() => now() + passedMs);
}

interface Idler {
  readonly client: RawClient;
  readonly connection: UpstreamConnection;
}

/** A session in IDLE, with INBOX selected. */
async function idler(s: Stage, user = 'alice', enable?: string): Promise<Idler> {
  const client = await s.logIn(user);
  if (enable !== undefined) expect((await client.command(enable)).status).toBe('OK');
  expect((await client.command('SELECT INBOX')).status).toBe('OK');
  const before = s.upstream.connections.filter(({ isIdling }) => isIdling);
  await client.begin('IDLE');
  await client.expectContinuation();
  const connection = s.upstream.connections.find(
    (candidate) => candidate.isIdling && !before.includes(candidate),
  );
  if (connection === undefined) throw new Error('no upstream connection is in IDLE');
  return { client, connection };
}

async function idlers(s: Stage, count: number): Promise<Idler[]> {
  const made: Idler[] = [];
  for (let n = 0; n < count; n++) made.push(await idler(s));
  return made;
}

/** Still in IDLE: news of the mailbox arrives. */
async function expectIdling({ client, connection }: Idler): Promise<void> {
  expect(client.unread).toBe('');
  expect(connection.isIdling).toBe(true);
  connection.send('* 4 EXISTS\r\n');
  expect(await client.readLine()).toBe('* 4 EXISTS');
}

describe('with a reserve of one in three', () => {
  it('serves the fourth session at once for the one that is in IDLE for longest; the others stay', async () => {
    const s = await stage({ environment: three });
    const bob = await idler(s, 'bob');
    const [first, ...others] = await idlers(s, 3);
    expect(await s.metric('leases_quiet')).toBe(4);
    const fourth = await s.logIn('alice');
    expect((await fourth.command('NOOP', 2_000)).text).toBe('NOOP done (alice)');
    expect((await first?.client.waitForClose())?.unread).toMatch(BYE);
    for (const other of others) await expectIdling(other);
    await expectIdling(bob);
    expect(await s.metric('leases_quiet')).toBe(3);
    expect(first?.connection.verbs.slice(-3)).toEqual(['IDLE', 'UNSELECT', 'NOOP']);
    expect(s.attempts).toBe(4);
    expect(s.proxy.logLines.filter(({ msg }) => msg === GIVEN_BACK)).toMatchObject([
      { user: 'alice', count: 1, level: 'warn' },
    ]);
    expect(s.proxy.logLines.filter(({ end }) => end === 'reclaimed')).toMatchObject([{ user: 'alice' }]);
    await s.leave(fourth);
  });

  it('serves one after the other in what is reserved, and takes no more for them', async () => {
    const s = await stage({ environment: three });
    const [first, ...others] = await idlers(s, 3);
    const crowd = await Promise.all([1, 2, 3, 4].map(() => s.logIn('alice')));
    await Promise.all(
      crowd.map(async (client) => {
        expect((await client.command('LIST "" "of-*"')).status).toBe('OK');
        await s.leave(client);
      }),
    );
    expect((await first?.client.waitForClose())?.unread).toMatch(BYE);
    for (const other of others) await expectIdling(other);
    expect(s.attempts).toBe(3);
    expect(s.logged(GIVEN_BACK)).toBe(1);
  });

  it('takes nothing while one of the three works', async () => {
    const s = await stage({ environment: { ...three, ACQUIRE_TIMEOUT: '400ms' } });
    const quiet = await idlers(s, 2);
    const busy = await s.lease('alice');
    const next = await s.logIn('alice');
    expect((await next.command('NOOP')).text).toMatch(/^\[UNAVAILABLE\] No upstream connection became free/);
    for (const one of quiet) await expectIdling(one);
    const noop = next.command('NOOP');
    await s.leave(busy.client);
    expect((await noop).text).toBe('NOOP done (alice)');
    expect(s.logged(GIVEN_BACK)).toBe(0);
  });

  it('lets an IDLE with nothing selected go, too', async () => {
    const s = await stage({ environment: three });
    const clients: RawClient[] = [];
    for (let n = 0; n < 3; n++) {
      const client = await s.logIn('alice');
      await client.begin('IDLE');
      await client.expectContinuation();
      clients.push(client);
    }
    expect((await (await s.logIn('alice')).command('NOOP', 2_000)).text).toBe('NOOP done (alice)');
    expect((await clients[0]?.waitForClose())?.unread).toMatch(BYE);
    for (const client of clients.slice(1)) expect(client.isClosed).toBe(false);
  });

  it('serves a plain session where all that are in IDLE have something enabled', async () => {
    const s = await stage({ environment: three });
    for (let n = 0; n < 3; n++) await idler(s, 'alice', 'ENABLE QRESYNC');
    const client = await s.logIn('alice');
    await client.command('SELECT INBOX', 3_000);
    expect((await client.command('FETCH 1 (FLAGS)')).untagged).toEqual(['* 1 FETCH (FLAGS ())']);
    expect(client.received.toString('latin1')).not.toContain('MODSEQ');
    expect(s.upstream.connections.filter(({ isIdling }) => isIdling)).toHaveLength(2);
  });

  it('does not depend on a server that answers DONE', async () => {
    const s = await stage({ environment: { ...three, RELEASE_TIMEOUT: '200ms' } });
    s.upstream.once('IDLE', async (_command, connection) => {
      connection.isIdling = true;
      connection.send('+ idling\r\n');
      await connection.readLine();
      connection.isIdling = false;
    });
    const [first] = await idlers(s, 3);
    const next = await s.logIn('alice');
    expect((await next.command('NOOP', 4_000)).text).toBe('NOOP done (alice)');
    await first?.connection.waitForClose();
    expect(s.attempts).toBe(4);
  });

  it('says nothing inside a response, where it would be taken for mail', async () => {
    const s = await stage({ environment: { ...three, RELEASE_TIMEOUT: '200ms' } });
    const [first, ...others] = await idlers(s, 3);
    first?.connection.send('* 1 FETCH (BODY[] {20}\r\n0123456789');
    await first?.client.waitFor(/0123456789/);
    // The others have news later, so that the first is quiet for longest.
    for (const other of others) await expectIdling(other);
    const next = await s.logIn('alice');
    expect((await next.command('NOOP', 3_000)).text).toBe('NOOP done (alice)');
    expect((await first?.client.waitForClose())?.unread).toBe('');
    await first?.connection.waitForClose();
    for (const other of others) await expectIdling(other);
  });
});

describe('without a reserve', () => {
  it('the fourth session waits for ACQUIRE_TIMEOUT, and nobody in IDLE is disturbed', async () => {
    const s = await stage({
      environment: { ...three, UPSTREAM_RESERVED_PER_USER: '0', ACQUIRE_TIMEOUT: '400ms' },
    });
    const all = await idlers(s, 3);
    const fourth = await s.logIn('alice');
    const started = performance.now();
    expect((await fourth.command('NOOP')).text).toMatch(
      /^\[UNAVAILABLE\] No upstream connection became free/,
    );
    expect(performance.now() - started).toBeGreaterThan(300);
    for (const one of all) await expectIdling(one);
    expect(s.logged(GIVEN_BACK)).toBe(0);
    expect(await s.metric('lease_timeouts_total')).toBe(1);
  });
});

describe('a server with a limit of its own', () => {
  it('leaves one of as many connections as it allows to those who ask', async () => {
    const s = await stage();
    const [first, second] = await idlers(s, 2);
    s.upstream.on('AUTHENTICATE', (command, connection) => {
      connection.no(command, '[LIMIT] two are enough');
    });
    const third = await s.logIn('alice');
    expect((await third.command('NOOP', 3_000)).text).toBe('NOOP done (alice)');
    expect((await first?.client.waitForClose())?.unread).toMatch(BYE);
    if (second !== undefined) await expectIdling(second);
    // The server was asked once.
    expect(s.count('AUTHENTICATE')).toBe(3);
  });
});

describe('sessions that say nothing for more than a minute', () => {
  const reserve = { ...three, PROBE_AFTER: '10m', KEEPALIVE_INTERVAL: '0', MAILBOX_CACHE_TTL: '10m' };

  it('lose what they hold without noticing, if nothing is selected, and get another for the next command', async () => {
    const s = await stage({ environment: reserve });
    const bob = await s.lease('bob');
    const quiet = [await s.lease('alice'), await s.lease('alice'), await s.lease('alice')];
    expect(await s.metric('leases_quiet')).toBe(0);
    pass(61_000);
    expect(await s.metric('leases_quiet')).toBe(4);
    const fourth = await s.lease('alice');
    expect(fourth.connection).toBe(quiet[0]?.connection);
    for (const { client } of quiet) expect([client.unread, client.isClosed]).toEqual(['', false]);
    const next = quiet[0]?.client.command('LIST "" "*"');
    await s.untilWaiting(1);
    await s.leave(fourth.client);
    expect((await next)?.untagged).toContain('* LIST () "/" of-alice');
    for (const { client } of quiet) expect((await client.command('NOOP')).text).toBe('NOOP done (alice)');
    expect((await bob.client.command('NOOP')).text).toBe('NOOP done (bob)');
    expect(s.attempts).toBe(4);
    expect(s.logged(GIVEN_BACK)).toBe(1);
  });

  it('are told so, if something is selected or enabled', async () => {
    const s = await stage({ environment: { ...reserve, UPSTREAM_MAX_CONNECTIONS_PER_USER: '2' } });
    const selected = await s.lease('alice');
    await selected.client.command('SELECT INBOX');
    const enabled = await s.logIn('alice');
    await enabled.command('ENABLE CONDSTORE');
    await enabled.command('NOOP');
    pass(61_000);
    for (const { client, others } of [
      { client: selected.client, others: [enabled] },
      { client: enabled, others: [] },
    ]) {
      const next = await s.logIn('alice');
      expect((await next.command('NOOP', 2_000)).text).toBe('NOOP done (alice)');
      expect((await client.waitForClose()).unread).toMatch(BYE);
      for (const other of others) expect(other.isClosed).toBe(false);
      pass(61_000);
    }
  });

  it('keep it inside a command, a literal or a line', async () => {
    const s = await stage({
      environment: { ...reserve, ACQUIRE_TIMEOUT: '300ms', RELEASE_TIMEOUT: '200ms' },
    });
    const [running, literal, line] = [await s.lease('alice'), await s.lease('alice'), await s.lease('alice')];
    s.upstream.once('STATUS', () => undefined);
    await running.client.send('a STATUS INBOX (MESSAGES)\r\n');
    await running.connection.waitForCommand('STATUS');
    await literal.client.send('a APPEND INBOX {10}\r\n');
    await literal.client.expectContinuation();
    const long = `a LIST "" "${'x'.repeat(300)}`;
    await line.client.send(long);
    await line.connection.waitUntil(() => line.connection.received.toString('latin1').includes('xxxx'));
    pass(61_000);
    const next = await s.logIn('alice');
    expect((await next.command('NOOP')).text).toMatch(/^\[UNAVAILABLE\] /);
    for (const { client } of [running, literal, line]) expect(client.isClosed).toBe(false);
    await literal.client.send('0123456789\r\n');
    expect((await literal.client.finish('a')).status).toBe('OK');
    await line.client.send('"\r\n');
    expect((await line.client.finish('a')).status).toBe('OK');
    running.client.reset();
    await running.connection.waitForClose();
  });
});
