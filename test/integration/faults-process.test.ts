// Faults that only a process has: signals, and no file descriptor left. What must hold after each is as in the other faults.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeGate } from '../support/gate.js';
import { ProxyProcess } from '../support/proxy-process.js';
import type { ProcessOptions } from '../support/proxy-process.js';
import { RawClient } from '../support/raw-client.js';
import { startScriptedUpstream } from '../support/scripted-upstream.js';
import type { ScriptedUpstream } from '../support/scripted-upstream.js';

let upstream: ScriptedUpstream;
const proxies: ProxyProcess[] = [];
const clients: RawClient[] = [];

beforeEach(async () => {
  upstream = await startScriptedUpstream();
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const proxy of proxies.splice(0)) {
    expect(JSON.stringify(proxy.logLines)).not.toMatch(/a defect|secret/);
    await proxy.kill();
  }
  await upstream.close();
});

async function start(options: ProcessOptions = {}): Promise<ProxyProcess> {
  const proxy = await ProxyProcess.start(upstream, options);
  proxies.push(proxy);
  return proxy;
}

async function connect(proxy: ProxyProcess): Promise<RawClient> {
  const { client } = await RawClient.connectAndGreet({ port: proxy.port });
  clients.push(client);
  return client;
}

async function select(proxy: ProxyProcess, user: string): Promise<RawClient> {
  const client = await connect(proxy);
  for (const text of [`LOGIN ${user} secret`, 'SELECT INBOX'])
    expect((await client.command(text)).status, text).toBe('OK');
  return client;
}

async function expectMail(client: RawClient, user: string): Promise<void> {
  const { literals } = await client.command('UID FETCH 1:* BODY.PEEK[]');
  expect(literals).toHaveLength(3);
  expect(literals.every((body) => body.includes(`mark-of-${user} `))).toBe(true);
}

describe.each(['SIGTERM', 'SIGINT'] as const)('%s', (signal) => {
  it('lets sessions go on, accepts nobody, and ends when they have left: every connection is logged out', async () => {
    const proxy = await start();
    const alice = await select(proxy, 'alice');
    const bob = await select(proxy, 'bob');
    proxy.signal(signal);
    await proxy.until(() => proxy.logLines.some(({ msg }) => msg === 'draining'), 'draining');
    await expect(RawClient.connectAndGreet({ port: proxy.port })).rejects.toThrow();
    await expectMail(alice, 'alice');
    await expectMail(bob, 'bob');
    for (const client of [alice, bob]) expect((await client.command('LOGOUT')).status).toBe('OK');
    expect(await proxy.ended()).toBe(0);
    expect(proxy.logLines.at(-1)).toMatchObject({ msg: 'drained' });
    await upstream.waitForOpenConnections(0);
    const used = upstream.connections.filter(({ user }) => user !== undefined);
    expect(used.map(({ verbs }) => verbs.at(-1))).toEqual(['LOGOUT', 'LOGOUT']);
  });

  it('ends what is still there after DRAIN_TIMEOUT, in IDLE, in a literal and in a response', async () => {
    const proxy = await start({ environment: { DRAIN_TIMEOUT: '300ms', RELEASE_TIMEOUT: '300ms' } });
    const gate = makeGate();
    upstream.on('FETCH', async (command, connection) => {
      connection.send('* 1 FETCH (BODY[] {40}\r\nhalf');
      await gate.opened;
      connection.ok(command);
    });
    const [idle, writing, reading, quiet] = await Promise.all(
      ['alice', 'bob', 'user1', 'user2'].map((user) => select(proxy, user)),
    );
    await idle!.begin('IDLE');
    await idle!.expectContinuation();
    await writing!.send('a APPEND INBOX {100+}\r\nhalf');
    await reading!.send('a FETCH 1 BODY[]\r\n');
    await reading!.waitFor(/half/);
    proxy.signal(signal);
    for (const client of [idle!, writing!, quiet!])
      expect((await client.waitForClose()).unread).toMatch(/^\* BYE \[UNAVAILABLE\] .*\r\n$/);
    // Inside a response any word of the proxy would be taken for mail.
    expect((await reading!.waitForClose()).unread).toBe('');
    gate.open();
    expect(await proxy.ended()).toBe(0);
    await upstream.waitForOpenConnections(0);
    expect(upstream.store.mailbox('bob', 'INBOX')?.messages).toHaveLength(3);
  });

  it('a second time ends the process at once, whatever is there', async () => {
    const proxy = await start();
    const alice = await select(proxy, 'alice');
    await alice.begin('IDLE');
    await alice.expectContinuation();
    proxy.signal(signal);
    await proxy.until(() => proxy.logLines.some(({ msg }) => msg === 'draining'), 'draining');
    expect(proxy.isRunning).toBe(true);
    proxy.signal(signal);
    expect(await proxy.ended()).toBe(1);
    expect(proxy.logLines.at(-1)).toMatchObject({ msg: 'second signal: ending at once' });
    await alice.waitForClose();
    await upstream.waitForOpenConnections(0);
  });
});

describe('out of file descriptors', () => {
  it('new clients and new connections fail, the others go on, and so does the process when there are some again', async () => {
    const proxy = await start();
    const bob = await select(proxy, 'bob');
    const warm = await select(proxy, 'alice');
    await proxy.limitFiles(40);
    // More than there are descriptors for: some are greeted, some are not.
    const crowd = await Promise.all(
      Array.from({ length: 100 }, () => RawClient.connect({ port: proxy.port })),
    );
    clients.push(...crowd);
    const isTold = (client: RawClient): boolean =>
      client.received.length > 0 || client.hasEnded || client.isClosed;
    await proxy.until(() => crowd.filter(isTold).length >= 20, 'the first of the crowd');
    for (let n = 0; n < 10; n++) {
      await expectMail(bob, 'bob');
      await expectMail(warm, 'alice');
    }
    const greeted = crowd.filter(
      ({ received, isClosed, hasEnded }) => received.length > 0 && !isClosed && !hasEnded,
    );
    expect(greeted.length).toBeGreaterThan(0);
    expect(greeted.length).toBeLessThan(60);
    // Each login that still finds a descriptor takes one.
    const answers: string[] = [];
    for (const [n, client] of greeted.slice(0, 20).entries()) {
      await client.readLine();
      const { status, text } = await client.command(`LOGIN user${String(n)} secret`, 15_000);
      answers.push(`${status} ${text}`);
    }
    for (const answer of answers) expect(answer).toMatch(/^(?:OK|NO \[UNAVAILABLE\]) /);
    expect(answers.some((answer) => answer.startsWith('NO'))).toBe(true);
    expect(proxy.isRunning).toBe(true);

    for (const client of crowd) client.destroy();
    await Promise.all(crowd.map((client) => client.closed));
    // Those that were never accepted are, now, and go at once.
    await proxy.until(
      async () => (await proxy.metric('imapbouncer_client_connections')) === 2,
      'two sessions',
    );
    const late = await select(proxy, 'user30');
    await expectMail(late, 'user30');
    await expectMail(bob, 'bob');
    await expectMail(warm, 'alice');
    for (const client of [late, bob, warm]) await client.command('LOGOUT');
    await proxy.until(async () => (await proxy.metric('imapbouncer_client_connections')) === 0, 'no session');
    const [opened, closed, live] = await Promise.all(
      ['opened_total', 'closed_total', ''].map((name) =>
        proxy.metric(`imapbouncer_upstream_connections${name === '' ? '' : `_${name}`}`),
      ),
    );
    expect(opened).toBe(closed! + live!);
    proxy.signal('SIGTERM');
    expect(await proxy.ended()).toBe(0);
    await upstream.waitForOpenConnections(0);
  });
});
