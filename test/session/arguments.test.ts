// Names, tags and long lines: whatever a command or an answer carries passes as it is.

import { describe, expect, it } from 'vitest';
import type { RawClient } from '../support/raw-client.js';
import type { UpstreamConnection } from '../support/scripted-upstream.js';
import { useStages } from './stage.js';

const stage = useStages();

/** Sends bytes as they are, and gives what the server got of them. */
async function passed(client: RawClient, connection: UpstreamConnection, bytes: string): Promise<string> {
  const before = connection.received.length;
  await client.send(Buffer.from(bytes, 'latin1'));
  await client.waitFor(/^end \w+ .*\r\n/m);
  return connection.received.subarray(before).toString('latin1');
}

describe('before the login', () => {
  it.each([
    ['LOGIN {5+}\r\nalice {6+}\r\nsecret\r\n', 0],
    ['LOGIN {5}\r\nalice {6}\r\nsecret\r\n', 2],
    ['LOGIN {5}\r\nalice {6+}\r\nsecret\r\n', 1],
    ['LOGIN "alice" {6}\r\nsecret\r\n', 1],
  ])('LOGIN takes %j, and what is behind it reaches the server', async (bytes, continuations) => {
    const s = await stage();
    const client = await s.connect();
    await client.send(`a ${bytes}b LIST "" {4+}\r\nof-*\r\nend NOOP\r\n`);
    await client.waitFor(/^end OK .*\r\n/m);
    const seen = client.received.toString('latin1');
    expect(seen.match(/^\+/gm) ?? []).toHaveLength(continuations);
    expect(seen).toMatch(/^a OK .*\r\n[^]*^b OK LIST done \(alice\)\r\nend OK/m);
    expect(s.attempts).toBe(1);
  });
});

describe('names of mailboxes', () => {
  const name = 'Entwürfe/日本/🗃';
  const bytes = Buffer.from(name);
  const forms: readonly (readonly [form: string, before: string, after: string])[] = [
    ['quoted', '"', '"'],
    ['as a literal', `{${String(bytes.length)}+}\r\n`, ''],
    ['in modified UTF-7', '"Entw&APw-rfe/&ZeVnLA-', '"'],
  ];
  it.each(forms)('in UTF-8, %s, pass both ways byte by byte', async (form, before, after) => {
    const s = await stage();
    const { client, connection } = await s.lease('alice');
    const written = Buffer.concat([
      Buffer.from(before),
      form.includes('UTF-7') ? Buffer.alloc(0) : bytes,
      Buffer.from(after),
    ]).toString('latin1');
    s.upstream.on('SELECT', (command, at) => {
      at.send(Buffer.from(`* LIST () "/" ${written.replace('+}', '}')}\r\n`, 'latin1'));
      at.ok(command);
    });
    const lines = `a SELECT ${written}\r\nend NOOP\r\n`;
    expect(await passed(client, connection, lines)).toBe(lines);
    expect(client.received.toString('latin1')).toContain(
      `* LIST () "/" ${written.replace('+}', '}')}\r\na OK`,
    );
    s.upstream.on('SELECT', () => 'default');
    expect((await client.command(`SELECT ${form === 'quoted' ? 'INBOX' : '"INBOX"'}`)).status).toBe('OK');
  });
});

describe('many', () => {
  it('commands under one tag are answered one by one, and leave a clean connection', async () => {
    const s = await stage();
    const bob = await s.lease('bob');
    const { client, connection } = await s.lease('alice');
    const texts = ['NOOP', 'LIST "" {4+}\r\nof-*', 'CAPABILITY', 'STATUS INBOX (MESSAGES)'];
    await client.send(Array.from({ length: 1_000 }, (_, n) => `x ${texts[n % 4]!}\r\n`).join(''));
    await client.send('end NOOP\r\n');
    await client.waitFor(/^end OK .*\r\n/m, 20_000);
    const seen = client.received.toString('latin1');
    expect(seen.match(/^x \w+/gm)).toHaveLength(1_000);
    expect(seen.match(/^x OK/gm)).toHaveLength(1_000);
    expect(seen).not.toContain('(bob)');
    expect((await bob.client.command('NOOP')).text).toBe('NOOP done (bob)');
    await s.leave(client);
    // A literal in LIST is in doubt; one that only counts tags is not.
    await connection.waitForClose();
    const next = await s.lease('alice');
    await next.client.send(`${'y NOOP\r\n'.repeat(1_000)}end NOOP\r\n`);
    await next.client.waitFor(/^end OK .*\r\n/m, 20_000);
    await s.leave(next.client);
    await s.untilPool({ idle: 1, leased: 1, resetting: 0 });
    expect((await s.lease('alice')).connection).toBe(next.connection);
  });

  it('literals in one line of 4 MB pass both ways', async () => {
    const s = await stage();
    const { client, connection } = await s.lease('alice');
    const line = `* LIST () "/" ${'{1}\r\n)'.repeat(10)} ${'n'.repeat(4_194_304)} {3}\r\nend\r\n`;
    s.upstream.once('LIST', (command, at) => {
      at.send(line);
      at.ok(command);
    });
    const sent = `a LIST "" (${'{2+}\r\n%) '.repeat(1_000)}${'m'.repeat(4_194_304)} {3+}\r\nend)\r\nend NOOP\r\n`;
    expect((await passed(client, connection, sent)) === sent).toBe(true);
    expect(client.received.includes(line)).toBe(true);
  });
});
