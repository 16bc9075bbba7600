// Twenty ports towards the server, and more users than that: who finds none is told so, and nothing is left of it.

import { afterEach, expect } from 'vitest';
import { startProxy } from '../support/proxy.js';
import type { TestProxy } from '../support/proxy.js';
import { RawClient } from '../support/raw-client.js';
import { startScriptedUpstream } from '../support/scripted-upstream.js';
import type { ScriptedUpstream } from '../support/scripted-upstream.js';
import { describeInOwnNetwork, setPortRange } from '../unit/ports/own-network.js';

const PORTS = 20;
const USERS = 30;
/** Below the range: the listeners and the clients take none of its ports. */
const LISTENERS = { LISTEN: 'unix:/run/imapbouncer-faults-ports.sock', ADMIN_LISTEN: '127.0.0.1:9143' };

let upstream: ScriptedUpstream | undefined;
let proxy: TestProxy | undefined;
const clients: RawClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) {
    client.destroy();
    await client.closed;
  }
  await proxy?.stop();
  await upstream?.close();
});

async function logIn(user: string): Promise<{ client: RawClient; answer: string }> {
  const { client } = await RawClient.connectAndGreet({ path: LISTENERS.LISTEN.slice('unix:'.length) });
  clients.push(client);
  const { status, text } = await client.command(`LOGIN ${user} secret`, 20_000);
  return { client, answer: `${status} ${text}` };
}

async function expectMail(client: RawClient, user: string): Promise<void> {
  expect((await client.command('SELECT INBOX')).status).toBe('OK');
  const { literals } = await client.command('UID FETCH 1:* BODY.PEEK[]');
  expect(literals).toHaveLength(3);
  expect(literals.every((body) => body.includes(`mark-of-${user} `))).toBe(true);
}

describeInOwnNetwork('twenty ports for thirty users', import.meta.url, ({ it }) => {
  it('serve those who have one, refuse the others, and serve these when there are some again', async () => {
    setPortRange(40_000, 49_999);
    upstream = await startScriptedUpstream();
    setPortRange(50_000, 50_000 + PORTS - 1);
    proxy = await startProxy(upstream, { ...LISTENERS, MAILBOX_CACHE_TTL: '300ms' });
    const served: { client: RawClient; user: string }[] = [];
    let refused = 0;
    for (let n = 0; n < USERS; n++) {
      const user = `user${String(n)}`;
      const { client, answer } = await logIn(user);
      if (answer.startsWith('OK')) served.push({ client, user });
      else {
        expect(answer).toMatch(/^NO \[UNAVAILABLE\] /);
        refused += 1;
      }
    }
    expect(served.length).toBeGreaterThan(0);
    expect(served.length).toBeLessThanOrEqual(PORTS);
    expect(refused).toBe(USERS - served.length);
    for (const { client, user } of served) await expectMail(client, user);
    await expectBalance(proxy, served.length);

    for (const { client } of served) expect((await client.command('LOGOUT')).status).toBe('OK');
    await Promise.all(served.map(({ client }) => client.closed));
    for (const client of clients) client.destroy();
    await proxy.until(
      async () => (await proxy!.metric('imapbouncer_client_connections')) === 0,
      'no session',
    );
    // Idle connections are closed by the server first: their ports are free at once.
    await proxy.until(
      async () => (await logIn('user29')).answer.startsWith('OK'),
      'a port for the last',
      20_000,
    );
    const { client } = await logIn('user29');
    await expectMail(client, 'user29');
    expect(proxy.logText()).not.toContain('a defect');
  });
});

async function expectBalance(at: TestProxy, leased: number): Promise<void> {
  const connections = 'imapbouncer_upstream_connections';
  await at.until(async () => (await at.metric(connections, { state: 'connecting' })) === 0, 'nothing opened');
  const live = await at.metric(connections);
  expect(await at.metric(`${connections}_opened_total`)).toBe(
    (await at.metric(`${connections}_closed_total`)) + live,
  );
  expect(await at.metric(connections, { state: 'leased' })).toBe(leased);
}
