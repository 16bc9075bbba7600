// Clients that send without end, read nothing, or leave while something hangs: what they take is bounded, and given back.

import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { makeGate } from '../support/gate.js';
import { useStages } from './stage.js';
import type { Stage } from './stage.js';

const stage = useStages();

const MEGABYTE = 1_048_576;
/** What the buffers of the system may take on both sides, and what the proxy may. */
const BUFFERS = 24 * MEGABYTE;

/** Sends without ever reading; gives how many bytes were taken until nothing moved any more. */
async function takenOf(s: Stage, lines: string, total: number, first = ''): Promise<number> {
  const socket = connect(s.proxy.port, '127.0.0.1');
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('connect', resolve));
  socket.pause();
  socket.write(first);
  const chunk = Buffer.from(lines.repeat(Math.ceil(MEGABYTE / lines.length)));
  for (let sent = 0; sent < total; sent += chunk.length) socket.write(chunk);
  let taken = -1;
  for (let now = 0; now !== taken;) {
    taken = now;
    await new Promise((resolve) => setTimeout(resolve, 300));
    now = socket.bytesWritten - socket.writableLength;
  }
  socket.destroy();
  await new Promise((resolve) => socket.once('close', resolve));
  return taken;
}

describe('a client that reads none of the replies', () => {
  it('gets no more of them before its login', async () => {
    const s = await stage();
    const bob = await s.lease('bob');
    expect(await takenOf(s, 'a CAPABILITY\r\n', 4 * BUFFERS)).toBeLessThan(BUFFERS);
    expect((await bob.client.command('NOOP')).text).toBe('NOOP done (bob)');
    await s.untilSessions(1);
  });

  it.each(['CAPABILITY', 'ID NIL', 'LOGIN a b', 'NAMESPACE'])(
    'gets no more of them after it: %s',
    async (text) => {
      const s = await stage();
      const bob = await s.lease('bob');
      await s.leave((await s.lease('alice')).client);
      const login = 'l LOGIN alice secret\r\n';
      expect(await takenOf(s, `a ${text}\r\n`, 4 * BUFFERS, login)).toBeLessThan(BUFFERS);
      expect((await bob.client.command('NOOP')).text).toBe('NOOP done (bob)');
      await s.untilSessions(1);
    },
  );

  it('gets all of them when it reads after all', async () => {
    const s = await stage();
    const client = await s.logIn('alice');
    const count = 20_000;
    client.pause();
    const sending = client.send('a CAPABILITY\r\n'.repeat(count) + 'z NOOP\r\n');
    await new Promise((resolve) => setTimeout(resolve, 200));
    client.resume();
    await sending;
    await client.waitFor(/z OK .*\r\n$/, 20_000);
    expect(client.received.toString('latin1').match(/^a OK /gm)).toHaveLength(count);
  });
});

describe('commands that nobody answers', () => {
  it('are passed on up to a number, and the others when there is room', async () => {
    const s = await stage();
    const bob = await s.lease('bob');
    const { client, connection } = await s.lease('alice');
    const gate = makeGate();
    s.upstream.on('NOOP', async (_command, at) => {
      if (at.user === 'alice') await gate.opened;
      return 'default';
    });
    const total = 5_000;
    const noops = Array.from({ length: total }, (_, at) => `n${at} NOOP\r\n`).join('');
    await client.send(noops);
    const passed = (): number => connection.verbs.filter((verb) => verb === 'NOOP').length - 1;
    await s.proxy.until(() => passed() >= 1_000, 'a thousand commands');
    for (let n = 0; n < 5; n++) expect((await bob.client.command('NOOP')).status).toBe('OK');
    expect(passed()).toBe(1_000);
    gate.open();
    await client.waitFor(new RegExp(`n${total - 1} OK .*\\r\\n$`), 20_000);
    expect(client.received.toString('latin1').match(/^n\d+ OK /gm)).toHaveLength(total);
    expect(passed()).toBe(total);
  });

  it.each([
    ['a command', 'a STATUS INBOX (MESSAGES)\r\n'],
    ['LOGOUT behind it', 'a STATUS INBOX (MESSAGES)\r\nb LOGOUT\r\n'],
    ['a local command behind it', 'a STATUS INBOX (MESSAGES)\r\nb CAPABILITY\r\n'],
    ['an empty line behind it', 'a STATUS INBOX (MESSAGES)\r\n\r\n'],
    ['a literal that waits for its continuation', 'a APPEND INBOX {10}\r\n'],
    ['IDLE that was not accepted', 'a IDLE\r\n'],
  ])('hold no connection long after a FIN: %s', async (_name, bytes) => {
    const s = await stage({ environment: { RELEASE_TIMEOUT: '100ms' } });
    const bob = await s.lease('bob');
    for (const verb of ['STATUS', 'IDLE']) s.upstream.on(verb, () => undefined);
    s.upstream.script.onLiteral = () => 'silent';
    const { client, connection } = await s.lease('alice');
    await client.send(bytes);
    client.end();
    await connection.waitForClose();
    await s.untilSessions(1);
    expect((await bob.client.command('NOOP')).text).toBe('NOOP done (bob)');
  });
});

describe('what a server cuts short', () => {
  it('an IDLE line of more than 128 bytes is no command, and its connection is not kept', async () => {
    const s = await stage();
    await s.lease('bob');
    const { client, connection } = await s.lease('alice');
    const gate = makeGate();
    s.upstream.once('IDLE', async (command, at) => {
      at.send('+ idling\r\n');
      await gate.opened;
      at.ok(command, 'enough of that');
    });
    await client.send('a IDLE\r\n');
    await client.waitFor(/\+ idling\r\n/);
    await client.send('x'.repeat(200));
    gate.open();
    await client.waitFor(/a OK enough of that .*\r\n/);
    await client.send(`${'y'.repeat(20)} LOGOUT\r\n`);
    client.end();
    await connection.waitForClose();
    expect((await s.lease('alice')).connection).not.toBe(connection);
  });

  it('a further literal of a command that was answered already ends the session', async () => {
    const s = await stage();
    await s.lease('bob');
    const { client, connection } = await s.lease('alice');
    s.upstream.once('APPEND', (command, at) => at.no(command, 'too much'));
    s.upstream.script.onLiteral = (_mark, head, at) => {
      at.send(`${head.tag} NO [TOOBIG] too much\r\n`);
      return 'silent';
    };
    await client.send('a APPEND INBOX {3+}\r\nabc');
    await client.waitFor(/a NO /);
    await client.send(' {5+}\r\nhello\r\n');
    expect((await client.waitForClose()).unread).toMatch(/^\* BYE /m);
    await connection.waitForClose();
    expect((await s.lease('alice')).connection).not.toBe(connection);
  });
});
