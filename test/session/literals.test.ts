// Literals of every kind and size towards servers of every kind, taken, refused and forged; names and tags beside them.

import { describe, expect, it } from 'vitest';
import { makeGate } from '../support/gate.js';
import { literal } from '../support/literal.js';
import type { LiteralKind } from '../support/literal.js';
import type { RawClient } from '../support/raw-client.js';
import type { UpstreamConnection } from '../support/scripted-upstream.js';
import { useStages } from './stage.js';
import type { Stage } from './stage.js';

const stage = useStages();

const hidden = 'x DELETE Archive\r\ny LOGOUT\r\n* BYE bait\r\n+ go on\r\n';
const bodyOf = (size: number): string => hidden.repeat(Math.ceil(size / hidden.length)).slice(0, size);

function stored(s: Stage, user: string): Buffer[] {
  return (
    s.upstream.store
      .mailboxes(user)
      .get('INBOX')
      ?.messages.map(({ body }) => body) ?? []
  );
}

/** Sends bytes as they are, and gives what the server got of them. */
async function passed(client: RawClient, connection: UpstreamConnection, bytes: string): Promise<string> {
  const before = connection.received.length;
  await client.send(Buffer.from(bytes, 'latin1'));
  await client.waitFor(/^end \w+ .*\r\n/m);
  return connection.received.subarray(before).toString('latin1');
}

async function expectKept(s: Stage, client: RawClient, connection: UpstreamConnection): Promise<void> {
  await s.leave(client);
  await s.untilPool({ leased: 0, idle: 1, resetting: 0 });
  expect((await s.lease('alice')).connection).toBe(connection);
}

const servers: readonly (readonly [name: string, capabilities: readonly string[], limit: number])[] = [
  ['LITERAL+', ['IMAP4rev1', 'UNSELECT', 'LITERAL+'], Infinity],
  ['LITERAL-', ['IMAP4rev1', 'UNSELECT', 'LITERAL-'], 4_096],
  ['neither', ['IMAP4rev1', 'UNSELECT'], -1],
];
const kinds: readonly LiteralKind[] = ['sync', 'non-sync', 'literal8'];
const sizes = [0, 1, 4_095, 4_096, 4_097, 70_000];

describe('one literal', () => {
  it.each(servers.flatMap(([name, offered, limit]) => kinds.map((kind) => ({ name, offered, limit, kind }))))(
    '$kind, towards a server with $name, of every size',
    async ({ offered, limit, kind }) => {
      const s = await stage({ upstream: { capabilitiesAfterLogin: offered } });
      const { client, connection } = await s.lease('alice');
      for (const size of sizes) {
        const body = bodyOf(size);
        const count = stored(s, 'alice').length;
        const isTaken = kind !== 'non-sync' || size <= limit;
        const { status } = await client.command(['APPEND INBOX (\\Seen) ', literal(body, kind)]);
        expect(status, `${String(size)} bytes`).toBe(isTaken ? 'OK' : 'BAD');
        expect(stored(s, 'alice').slice(count).map(String)).toEqual(isTaken ? [body] : []);
      }
      expect(s.count('DELETE')).toBe(0);
      expect(stored(s, 'bob')).toHaveLength(3);
      await expectKept(s, client, connection);
    },
  );

  it.each(['SELECT', 'STATUS', 'LIST ""'])(
    'of no bytes in %s is followed by the rest of its line',
    async (verb) => {
      const s = await stage();
      const { client, connection } = await s.lease('alice');
      for (const mark of ['{0+}', '{0}']) {
        const line = verb === 'STATUS' ? ' (MESSAGES)' : '';
        await client.send(`a ${verb} ${mark}\r\n`);
        if (mark === '{0}') await client.expectContinuation();
        await client.send(`${line}\r\n`);
        expect((await client.finish('a')).tag).toBe('a');
        expect(connection.commands.at(-1)?.literals.map(String)).toEqual(['']);
        expect((await client.command('NOOP')).text).toBe('NOOP done (alice)');
      }
    },
  );
});

describe('several literals', () => {
  const bodies = [bodyOf(1), '', bodyOf(5_000), 'end LOGOUT\r\n'];
  it.each(kinds)('in MULTIAPPEND, all %s, pass as they are', async (kind) => {
    const s = await stage();
    const { client, connection } = await s.lease('alice');
    const parts = bodies.flatMap((body) => [' (\\Seen) ', literal(body, kind)]);
    expect((await client.command(['APPEND INBOX', ...parts])).status).toBe('OK');
    expect(connection.commands.at(-1)?.literals.map(String)).toEqual(bodies);
    expect((await client.command('NOOP')).text).toBe('NOOP done (alice)');
  });

  it('of every kind in CATENATE pass as they are, and the parts between them', async () => {
    const s = await stage();
    const { client, connection } = await s.lease('alice');
    const { status } = await client.command([
      'APPEND INBOX CATENATE (TEXT ',
      literal(bodies[0]!, 'non-sync'),
      ' URL "/INBOX/;UID=1/;SECTION=TEXT" TEXT ',
      literal(bodies[2]!, 'literal8'),
      ' TEXT ',
      literal(bodies[1]!),
      ' TEXT ',
      literal(bodies[3]!, 'non-sync'),
      ')',
    ]);
    expect(status).toBe('OK');
    expect(connection.commands.at(-1)?.literals.map(String)).toEqual([
      bodies[0],
      bodies[2],
      bodies[1],
      bodies[3],
    ]);
    expect(connection.commands.at(-1)?.args).toContain(' URL "/INBOX/;UID=1/;SECTION=TEXT" TEXT ~{5000}\r\n');
    await s.leave(client);
    await s.lease('bob');
    // What a server makes of such a line before it has read all of it is not known.
    await connection.waitForClose();
  });

  it('of which a later one is refused leave the next line a command', async () => {
    const s = await stage();
    const { client, connection } = await s.lease('alice');
    let marks = 0;
    s.upstream.script.onLiteral = () => (++marks === 3 ? 'refuse' : 'accept');
    await client.send('a APPEND INBOX {2}\r\n');
    await client.expectContinuation();
    await client.send('m1 {2}\r\n');
    await client.expectContinuation();
    await client.send('m2 {2}\r\n');
    expect(await client.readLine()).toBe('a NO [TOOBIG] literal refused');
    expect(await passed(client, connection, 'end NOOP\r\n')).toBe('end NOOP\r\n');
    expect(stored(s, 'alice')).toHaveLength(3);
  });

  it('of which a later one is more than LITERAL- allows end the session, and nothing is stored', async () => {
    const s = await stage({ upstream: { capabilitiesAfterLogin: ['IMAP4rev1', 'LITERAL-'] } });
    const { client, connection } = await s.lease('alice');
    await client.send(`a APPEND INBOX {2+}\r\nm1 {4097+}\r\n${bodyOf(4_097)}\r\n`);
    expect((await client.waitForClose()).unread).toMatch(/^\* BYE .*\r\n$/);
    await connection.waitForClose();
    expect(stored(s, 'alice')).toHaveLength(3);
    expect(s.count('DELETE')).toBe(0);
  });
});

describe('a literal that the server refuses', () => {
  it.each([
    ['NO [OVERQUOTA] full {10}', true],
    ['BAD what? {3+}', false],
    ['NO', true],
  ])('by %j instead of its continuation makes the next bytes commands', async (answer, isKept) => {
    const s = await stage();
    const bob = await s.lease('bob');
    const { client, connection } = await s.lease('alice');
    s.upstream.script.onLiteral = (_mark, { tag }, at) => {
      at.send(`* 3 EXISTS\r\n${tag} ${answer}\r\n`);
      return 'refused';
    };
    await client.send('a APPEND INBOX {8}\r\n');
    expect((await client.finish('a')).untagged).toEqual(['* 3 EXISTS']);
    s.upstream.script.onLiteral = undefined;
    expect(await passed(client, connection, 'end NOOP\r\n')).toBe('end NOOP\r\n');
    expect(stored(s, 'alice')).toHaveLength(3);
    await s.leave(client);
    if (isKept) await s.untilPool({ idle: 1, leased: 1, resetting: 0 });
    else await connection.waitForClose();
    expect((await s.lease('alice')).connection === connection).toBe(isKept);
    expect((await bob.client.command('NOOP')).text).toBe('NOOP done (bob)');
  });

  it('and answers a second time by its continuation ends the session', async () => {
    const s = await stage();
    const { client, connection } = await s.lease('alice');
    s.upstream.script.onLiteral = (_mark, { tag }, at) => {
      at.send(`${tag} NO [TOOBIG] no\r\n+ go ahead after all\r\n`);
      return 'silent';
    };
    await client.send('a APPEND INBOX {8}\r\n');
    expect(await client.readLine()).toBe('a NO [TOOBIG] no');
    expect((await client.waitForClose()).unread).toMatch(/^\+ go ahead after all\r\n\* BYE .*\r\n$/);
    await connection.waitForClose();
    expect((await s.lease('alice')).connection).not.toBe(connection);
  });

  it('late, while the client has sent it already, has it read as commands by both sides', async () => {
    const s = await stage();
    const { client, connection } = await s.lease('alice');
    const gate = makeGate();
    s.upstream.script.onLiteral = async () => {
      await gate.opened;
      return 'refuse' as const;
    };
    const bytes = connection.received.length;
    await client.send('a APPEND INBOX {16}\r\nb NOOP\r\nc NOOP\r\n\r\nd CAPABILITY\r\nend NOOP\r\n');
    await connection.waitUntil(() => connection.received.length > bytes);
    expect(connection.received.subarray(bytes).toString()).toBe('a APPEND INBOX {16}\r\n');
    gate.open();
    await client.waitFor(/^end OK .*\r\n/m);
    const seen = client.received.toString('latin1');
    expect(seen.match(/^(?:[abcd]|end|\*) (?:OK|NO|BAD) /gm)?.slice(1)).toEqual(
      ['a NO', 'b OK', 'c OK', '* BAD', 'd OK', 'end OK'].map((start) => `${start} `),
    );
    expect(stored(s, 'alice')).toHaveLength(3);
  });
});

describe('what looks like a literal and is none', () => {
  it.each([
    'SELECT "{5}"',
    'SELECT "{5+}"',
    'LIST "" "{10+}" RETURN (CHILDREN)',
    'STATUS "x{3}" (MESSAGES)',
    'CREATE {5}x',
    'SELECT "{5}" ',
  ])('inside a line stays inside its line: %s', async (text) => {
    const s = await stage();
    const { client, connection } = await s.lease('alice');
    expect(await passed(client, connection, `a ${text}\r\nend NOOP\r\n`)).toBe(`a ${text}\r\nend NOOP\r\n`);
  });

  it.each([
    'OK [ALERT] {10}',
    'NO {4+}',
    'BAD ~{4}',
    'OK [APPENDUID 1 4] {99999999999999999999}',
    'OK {',
    'OK }',
  ])('at the end of a status line is text: %s', async (status) => {
    const s = await stage();
    const { client, connection } = await s.lease('alice');
    s.upstream.once('CHECK', (command, at) => {
      at.send(`* ${status}\r\n${command.tag} ${status}\r\n`);
    });
    await client.send('a CHECK\r\nend NOOP\r\n');
    expect(await client.waitFor(/^end OK .*\r\n/m)).toMatch(/^end OK/);
    expect(client.received.toString('latin1')).toContain(`* ${status}\r\na ${status}\r\nend OK `);
    expect(connection.isOpen).toBe(true);
  });
});
