// IDLE: the lines that end it, what is pipelined behind it, how long it lasts, and clients that leave it.

import { describe, expect, it } from 'vitest';
import { makeGate } from '../support/gate.js';
import { literal } from '../support/literal.js';
import type { RawClient } from '../support/raw-client.js';
import { beginIdle, expectKept, expectRetired, useIdleScenes } from './idle-scene.js';

const scene = useIdleScenes();

describe('the line that ends IDLE', () => {
  it.each(['DONE', 'done', 'dOnE'])('%s leaves a clean connection', async (word) => {
    const all = await scene();
    const { s, client } = all;
    const tag = await beginIdle(client);
    await client.send(`${word}\r\n`);
    expect((await client.finish(tag)).status).toBe('OK');
    await s.leave(client);
    await expectKept(all);
  });

  it.each([
    ['with spaces', ' DONE'],
    ['with a space behind it', 'DONE '],
    ['that is empty', ''],
    ['that is a command', 'x NOOP'],
    ['that is LOGOUT', 'x LOGOUT'],
    ['that ends like a literal', 'x APPEND INBOX {5}'],
    ['that ends like a non-sync literal', 'x APPEND INBOX {5+}'],
    ['of 8-bit garbage', '\x80\xff\0'],
    ['of 10,000 bytes', 'DONE'.repeat(2_500)],
  ])('%s is the server’s to judge, and costs the connection', async (_name, line) => {
    const all = await scene();
    const { s, client, connection } = all;
    const tag = await beginIdle(client);
    await client.send(Buffer.from(`${line}\r\n`, 'latin1'));
    expect((await client.finish(tag)).status).toBe('BAD');
    expect(connection.received.toString('latin1').endsWith(`${line}\r\n`)).toBe(true);
    expect((await client.command('NOOP')).text).toBe('NOOP done (alice)');
    expect((await client.command('LIST "" "of-*"')).status).toBe('OK');
    await s.leave(client);
    await expectRetired(all);
  });

  it('costs the connection even if the server takes something else than DONE', async () => {
    const all = await scene();
    const { s, client } = all;
    s.upstream.once('IDLE', async (command, connection) => {
      connection.send('+ idling\r\n');
      await connection.readLine();
      connection.ok(command);
    });
    const tag = await beginIdle(client);
    await client.send('x NOOP {7+}\r\n');
    expect((await client.finish(tag)).status).toBe('OK');
    await s.leave(client);
    await expectRetired(all);
  });

  it('may come byte by byte', async () => {
    const all = await scene();
    const { s, client } = all;
    const tag = await beginIdle(client);
    for (const byte of 'DONE\r\n') await client.send(byte);
    expect((await client.finish(tag)).status).toBe('OK');
    await s.leave(client);
    await expectKept(all);
  });
});

describe('what is pipelined', () => {
  it('behind DONE runs in order, with its literals and the answers of the proxy', async () => {
    const all = await scene();
    const { s, client, connection } = all;
    await client.send(
      'i IDLE\r\nDONE\r\na APPEND INBOX {4+}\r\nDONE\r\nb CAPABILITY\r\nj IDLE\r\nDONE\r\nc NOOP\r\n',
    );
    const { raw } = await client.finish('c');
    const seen = raw.toString('latin1');
    expect(seen.match(/^(?:[a-j] \w+|\+)/gm)).toEqual(['+', 'i OK', 'a OK', 'b OK', '+', 'j OK', 'c OK']);
    expect(connection.verbs.slice(-4)).toEqual(['IDLE', 'APPEND', 'IDLE', 'NOOP']);
    expect(s.upstream.store.mailbox('alice', 'INBOX')?.messages.at(-1)?.body.toString()).toBe('DONE');
    expect(s.upstream.store.mailbox('bob', 'INBOX')?.messages).toHaveLength(3);
    await s.leave(client);
    await expectKept(all);
  });

  it.each(['NO', 'BAD'])(
    'behind an IDLE that is refused by %s are commands, and DONE is none',
    async (status) => {
      const all = await scene();
      const { s, client, connection } = all;
      const gate = makeGate();
      s.upstream.once('IDLE', async (command, at) => {
        await gate.opened;
        at.send(`${command.tag} ${status} not now\r\n`);
      });
      await client.send('i IDLE\r\nDONE\r\na NOOP\r\n');
      await connection.waitForCommand('IDLE');
      gate.open();
      expect(await client.readLine()).toBe(`i ${status} not now`);
      expect(await client.readLine()).toMatch(/^DONE BAD /);
      expect((await client.finish('a')).text).toBe('NOOP done (alice)');
      expect(connection.received.toString('latin1')).not.toContain('DONE');
      await s.leave(client);
      await (status === 'NO' ? expectKept(all) : expectRetired(all));
    },
  );

  it('as a second IDLE instead of DONE ends the first one', async () => {
    const all = await scene();
    const { s, client, connection } = all;
    await client.send('a IDLE\r\nb IDLE\r\n');
    expect(await client.readLine()).toBe('+ idling');
    expect(await client.readLine()).toMatch(/^a BAD /);
    expect((await client.command('NOOP')).text).toBe('NOOP done (alice)');
    expect(connection.verbs.filter((verb) => verb === 'IDLE')).toHaveLength(1);
    await s.leave(client);
    await expectRetired(all);
  });

  it('as one IDLE behind the other is passed on one by one, under the same tag, too', async () => {
    const all = await scene();
    const { s, client, connection } = all;
    await client.send('a IDLE\r\nDONE\r\n'.repeat(50));
    for (let n = 0; n < 50; n++) {
      expect(await client.readLine()).toBe('+ idling');
      expect(await client.readLine()).toMatch(/^a OK /);
    }
    expect(connection.verbs.filter((verb) => verb === 'IDLE')).toHaveLength(50);
    await s.leave(client);
    await expectKept(all);
  });
});

describe('IDLE for longer than CLIENT_INACTIVITY_TIMEOUT', () => {
  it('ends by BYE, and the connection is clean', async () => {
    const all = await scene({ CLIENT_INACTIVITY_TIMEOUT: '300ms' });
    const { client, connection } = all;
    // Bob is not to be sent away for the same reason.
    const bobs = setInterval(() => void all.bob.send('k NOOP\r\n'), 50);
    try {
      await beginIdle(client);
      expect((await client.waitForClose()).unread).toMatch(/^\* BYE .*idle for too long\r\n$/);
      await all.s.untilPool({ idle: 1, leased: 1, resetting: 0 });
    } finally {
      clearInterval(bobs);
    }
    expect(connection.verbs.slice(-2)).toEqual(['IDLE', 'UNSELECT']);
    expect((await all.s.lease('alice')).connection).toBe(connection);
  });

  it('goes on as long as the server has news', async () => {
    const { client, connection } = await scene({ CLIENT_INACTIVITY_TIMEOUT: '400ms' });
    const tag = await beginIdle(client);
    const startedAt = performance.now();
    for (let n = 4; performance.now() - startedAt < 1_200; n++) {
      connection.send(`* ${String(n)} EXISTS\r\n`);
      expect(await client.readLine()).toBe(`* ${String(n)} EXISTS`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await client.send('DONE\r\n');
    expect((await client.finish(tag)).status).toBe('OK');
  });
});

describe('a client that leaves IDLE', () => {
  const ways: readonly [name: string, leave: (client: RawClient) => void][] = [
    ['by FIN', (client) => client.end()],
    ['by RST', (client) => client.reset()],
    ['by closing', (client) => client.destroy()],
    ['by FIN with half of DONE', (client) => client.end('DO')],
    ['by FIN with DONE and no line end', (client) => client.end('DONE')],
    ['by FIN behind DONE', (client) => client.end('DONE\r\n')],
    ['by FIN behind DONE and a command', (client) => client.end('DONE\r\nz NOOP\r\n')],
  ];
  it.each(ways)('%s leaves a clean connection', async (_name, leave) => {
    const all = await scene();
    const { s, client } = all;
    await beginIdle(client);
    leave(client);
    await s.untilSessions(1);
    await expectKept(all);
  });

  it.each(ways.filter(([name]) => !name.includes('DONE')))(
    '%s before the continuation, which comes behind news, leaves a clean one, too',
    async (_name, leave) => {
      const all = await scene({ RELEASE_TIMEOUT: '5s' });
      const { s, client, connection } = all;
      const gate = makeGate();
      s.upstream.once('IDLE', async (_command, at) => {
        await gate.opened;
        at.send('* 8 EXISTS\r\n* OK [ALERT] {10}\r\n');
        return 'default';
      });
      await client.send('a IDLE\r\n');
      await connection.waitForCommand('IDLE');
      leave(client);
      gate.open();
      await s.untilSessions(1);
      await expectKept(all);
    },
  );

  it('inside a literal behind DONE costs the connection', async () => {
    const all = await scene();
    const { s, client } = all;
    const before = s.upstream.store.mailbox('alice', 'INBOX')?.messages.length;
    await beginIdle(client);
    await client.send('DONE\r\nb APPEND INBOX {100+}\r\nhalf');
    client.reset();
    await expectRetired(all);
    expect(s.upstream.store.mailbox('alice', 'INBOX')?.messages).toHaveLength(before ?? 0);
    expect((await (await s.logIn('alice')).command(['APPEND INBOX ', literal('whole')])).status).toBe('OK');
  });
});
