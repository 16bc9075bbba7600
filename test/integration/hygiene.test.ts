// Every way of leaving, in front of Dovecot: the next client of the same user finds what a fresh direct session finds.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWithDovecot } from '../support/describe-with-dovecot.js';
import { type Dovecot, startDovecot } from '../support/dovecot.js';
import { probeMailbox, takeTranscript } from '../support/hygiene/probe.js';
import { allExits } from '../support/hygiene/scene.js';
import type { Exit, Fate, Way } from '../support/hygiene/scene.js';
import { waysBeforeLogin } from '../support/hygiene/ways-before-login.js';
import { waysWithNothingOpen } from '../support/hygiene/ways-with-nothing-open.js';
import { waysWithSomethingOpen } from '../support/hygiene/ways-with-something-open.js';
import type { TestProxy } from '../support/proxy.js';
import type { RawClient } from '../support/raw-client.js';
import { logOut, plainly, useStage } from '../support/stage.js';

const ways: readonly Way[] = [...waysBeforeLogin, ...waysWithNothingOpen, ...waysWithSomethingOpen];
const cases = ways.flatMap((way) =>
  (way.exits ?? allExits).map((exit) => ({
    name: way.name,
    exit,
    way,
    fate: way.fateBy?.[exit] ?? way.fate,
  })),
);

/** How many connections each fate opens and closes beside the warm one, until the next client has its own. */
const traffic: Readonly<Record<Fate, { readonly opened: number; readonly closed: number }>> = {
  untouched: { opened: 0, closed: 0 },
  reused: { opened: 0, closed: 0 },
  retired: { opened: 1, closed: 1 },
  apart: { opened: 1, closed: 0 },
};

/** More than the buffers between server and client hold. */
const largeBytes = 8_000_000;

async function leave(client: RawClient, { beforeLogout = '' }: Way, exit: Exit): Promise<void> {
  switch (exit) {
    case 'FIN':
      client.destroy();
      return;
    case 'RST':
      client.reset();
      return;
    case 'half-close':
      client.end();
      break;
    case 'LOGOUT':
      await client.send(`${beforeLogout}bye LOGOUT\r\n`);
  }
  client.resume();
  const { how, unread } = await client.waitForClose(20_000);
  expect(how).toBe('ended');
  if (exit === 'LOGOUT') expect(unread).toMatch(/\* BYE .*\r\nbye OK .*\r\n$/);
}

const counted = async (proxy: TestProxy): Promise<{ opened: number; closed: number; leases: number }> => {
  const [opened = 0, closed = 0, leases = 0] = await Promise.all(
    ['upstream_connections_opened_total', 'upstream_connections_closed_total', 'leases_total'].map((name) =>
      proxy.metric(`imapbouncer_${name}`),
    ),
  );
  return { opened, closed, leases };
};

describeWithDovecot('behind a client that has left', () => {
  const stage = useStage();
  let dovecot: Dovecot;

  beforeAll(async () => {
    dovecot = await startDovecot();
    for (const user of ['alice', 'bob']) {
      for (const mailbox of ['Way', 'Copies']) await dovecot.makeMailbox(user, mailbox);
      await dovecot.deliver(user, probeMailbox, `Subject: probe\r\n\r\nmark-of-${user} `);
      const body = `mark-of-${user} large `.repeat(largeBytes / 20);
      await dovecot.deliver(user, 'Large', `Subject: large\r\n\r\n${body}`);
      for (let n = 0; n < 150; n++)
        await dovecot.deliver(user, 'Many', `Subject: ${n}\r\n\r\n${`mark-of-${user} `.repeat(500)}`);
      // The first look takes \Recent away.
      await freshTranscript(user);
    }
  }, 30_000);

  afterAll(async () => {
    await dovecot.stop();
  });

  async function freshTranscript(user: string): Promise<string> {
    return takeTranscript(await stage.logIn({ port: dovecot.port }, user), user);
  }

  it('there are ways of every fate, and most of them keep the connection', () => {
    expect(ways.length).toBeGreaterThanOrEqual(60);
    expect(new Set(ways.map(({ name }) => name)).size).toBe(ways.length);
    const count = (fate: Fate): number => cases.filter((one) => one.fate === fate).length;
    expect(count('reused')).toBeGreaterThanOrEqual(100);
    expect(count('retired')).toBeGreaterThanOrEqual(50);
    expect(count('apart')).toBeGreaterThanOrEqual(10);
  });

  it.each(cases)('the next one starts afresh: $name, by $exit → $fate', async ({ way, exit, fate }) => {
    const proxy = await stage.proxy(plainly(dovecot), {
      // The next client has to wait for just this connection, or for its end.
      UPSTREAM_MAX_CONNECTIONS_PER_USER: fate === 'apart' ? '2' : '1',
      RELEASE_TIMEOUT: '20s',
    });
    for (const user of ['alice', 'bob']) {
      const warm = await stage.logIn(proxy, user);
      await warm.command('NOOP');
      await logOut(warm);
    }
    await proxy.until(
      async () => (await proxy.metric('imapbouncer_upstream_connections', { state: 'idle' })) === 2,
      'both connections to be idle',
    );
    const before = await counted(proxy);

    const client = await stage.connect(proxy);
    await way.run({
      client,
      user: 'alice',
      direct: () => stage.logIn({ port: dovecot.port }, 'alice'),
    });
    await leave(client, way, exit);

    const [next, bob] = await Promise.all(['alice', 'bob'].map((user) => stage.logIn(proxy, user)));
    await Promise.all([next!.command('NOOP', 20_000), bob!.command('NOOP')]);
    const { opened, closed } = traffic[fate];
    await proxy.until(
      async () => (await counted(proxy)).closed - before.closed >= closed,
      `${closed} connections to be closed`,
    );
    const after = await counted(proxy);
    expect({ opened: after.opened - before.opened, closed: after.closed - before.closed }).toEqual({
      opened,
      closed,
    });
    if (fate !== 'untouched') expect(after.leases - before.leases).toBe(3);

    const seen = await Promise.all([takeTranscript(next!, 'alice'), takeTranscript(bob!, 'bob')]);
    expect(seen[0]).toBe(await freshTranscript('alice'));
    expect(seen[1]).toBe(await freshTranscript('bob'));
  });
});
