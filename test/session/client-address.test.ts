// What the upstream is told of where a client comes from.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { UpstreamConnection } from '../support/scripted-upstream.js';
import { useStages } from './stage.js';

const stage = useStages();

const id = { UPSTREAM_CLIENT_ADDRESS: 'id' };

/** The fields of each ID before the login; undefined if the login did not come after them. */
function idsOf(connection: UpstreamConnection): Record<string, string>[] {
  const before = connection.verbs.indexOf('AUTHENTICATE');
  expect(connection.verbs.slice(before)).not.toContain('ID');
  return connection.commands
    .slice(0, before)
    .filter(({ verb }) => verb === 'ID')
    .map(({ args }) =>
      Object.fromEntries(
        [...args.matchAll(/"([^"]*)" "([^"]*)"/g)].map(([, key = '', value = '']) => [key, value]),
      ),
    );
}

describe('UPSTREAM_CLIENT_ADDRESS=id', () => {
  it('tells the client’s address before each login, each client’s its own', async () => {
    const s = await stage({ environment: id });
    for (const [user, localAddress] of [
      ['alice', '127.0.0.1'],
      ['bob', '127.0.0.7'],
    ] as const) {
      const client = await s.connect({ port: s.proxy.port, localAddress });
      expect((await client.command(`LOGIN ${user} secret`)).status).toBe('OK');
      const ids = idsOf(await s.connectionOf(user));
      expect(ids).toHaveLength(1);
      expect(ids[0]).toMatchObject({ name: 'imapbouncer', 'x-originating-ip': localAddress });
    }
  });

  it('tells of a session that needs one more connection where that one comes from', async () => {
    const s = await stage({ environment: id });
    await s.lease('alice');
    const second = await s.connect({ port: s.proxy.port, localAddress: '127.0.0.9' });
    await second.command('LOGIN alice secret');
    expect((await second.command('NOOP')).text).toBe('NOOP done (alice)');
    expect(idsOf(await s.connectionOf('alice', 2))[0]).toMatchObject({ 'x-originating-ip': '127.0.0.9' });
    expect(idsOf(await s.connectionOf('alice', 1))[0]).toMatchObject({ 'x-originating-ip': '127.0.0.1' });
  });

  it('tells nothing to a server that does not know ID, and logs in', async () => {
    const s = await stage({
      environment: id,
      upstream: { capabilitiesBeforeLogin: ['IMAP4rev1', 'SASL-IR', 'AUTH=PLAIN'] },
    });
    await s.lease('alice');
    expect(s.count('ID')).toBe(0);
    expect(s.proxy.logText()).not.toContain('x-originating-ip');
  });

  it('does not pass on what clients say of themselves, before or after the login', async () => {
    const s = await stage({ environment: id });
    const client = await s.connect();
    await client.command('ID ("x-originating-ip" "203.0.113.9" "name" "liar")');
    await client.command('LOGIN alice secret');
    await client.command('ID ("x-originating-ip" "203.0.113.9")');
    await client.command('NOOP');
    const connection = await s.connectionOf('alice');
    expect(idsOf(connection)).toMatchObject([{ 'x-originating-ip': '127.0.0.1' }]);
    expect(connection.received.toString('latin1')).not.toMatch(/203\.0\.113\.9|liar/);
  });

  it('knows no address of a client of a Unix socket', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'imapbouncer-'));
    const path = join(folder, 'imap.sock');
    const s = await stage({ environment: { ...id, LISTEN: `unix:${path}` } });
    const client = await s.connect({ path });
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');
    expect((await client.command('NOOP')).text).toBe('NOOP done (alice)');
    for (const ids of s.upstream.connections.map(({ received }) => received.toString('latin1')))
      expect(ids).not.toContain('x-originating-ip');
    await s.strike();
    await rm(folder, { recursive: true });
  });
});

it('UPSTREAM_CLIENT_ADDRESS=off, the default, tells nothing', async () => {
  const s = await stage();
  await s.lease('alice');
  const ids = idsOf(await s.connectionOf('alice'));
  for (const fields of ids) expect(Object.keys(fields)).not.toContain('x-originating-ip');
});
