// ENABLE on pooled connections: each set of extensions has connections of its own, and nobody else ever gets them.

import { describe, expect, it } from 'vitest';
import { makeGate } from '../support/gate.js';
import type { CommandResult, RawClient } from '../support/raw-client.js';
import type { UpstreamConnection } from '../support/scripted-upstream.js';
import { useStages } from './stage.js';
import type { Stage } from './stage.js';

const stage = useStages();

const FETCH = 'UID FETCH 1:* (FLAGS)';

async function ok(client: RawClient, text: string): Promise<CommandResult> {
  const result = await client.command(text);
  expect(result, text).toMatchObject({ status: 'OK' });
  return result;
}

/** LOGOUT, and the connection is idle or closed by then. */
async function leave(s: Stage, client: RawClient, sessions = 0): Promise<void> {
  await s.leave(client);
  await s.untilSessions(sessions);
  await s.untilPool({ resetting: 0, closing: 0 });
}

/** One whole session, while this many others stay; gives the answers to the commands. */
async function session(
  s: Stage,
  user: string,
  texts: string | string[],
  others = 0,
): Promise<CommandResult[]> {
  const client = await s.logIn(user);
  const results: CommandResult[] = [];
  for (const text of [texts].flat()) results.push(await client.command(text));
  await leave(s, client, others);
  return results;
}

/** The connection on which the server got this verb last. */
function lastWith(s: Stage, verb: string): UpstreamConnection {
  const found = s.upstream.connections.findLast(({ verbs }) => verbs.includes(verb));
  if (found === undefined) throw new Error(`no upstream connection got ${verb}`);
  return found;
}

/** A session that enables nothing sees nothing of what others have enabled. */
async function expectPlain(s: Stage, user = 'alice', others = 0): Promise<UpstreamConnection> {
  const client = await s.logIn(user);
  await ok(client, 'SELECT INBOX');
  expect((await ok(client, FETCH)).untagged).toHaveLength(3);
  await ok(client, 'STORE 1 +FLAGS (\\Deleted)');
  await ok(client, 'STORE 1 -FLAGS (\\Deleted)');
  expect(client.received.toString('latin1')).not.toMatch(/MODSEQ|VANISHED|ENABLED/);
  const connection = lastWith(s, 'UID FETCH');
  expect([...connection.enabled]).toEqual([]);
  expect(connection.user).toBe(user);
  await leave(s, client, others);
  return connection;
}

/** Whether MODSEQ is enabled, as the client sees it. */
async function seesModseq(client: RawClient): Promise<boolean> {
  await ok(client, 'SELECT INBOX');
  const { untagged } = await ok(client, FETCH);
  expect(untagged).toHaveLength(3);
  return untagged.every((line) => line.includes('MODSEQ'));
}

describe('ENABLE as the first command', () => {
  it.each(['whole', 'bytewise'] as const)(
    'is answered byte by byte as this server answered it, and asked once: %s',
    async (writeMode) => {
      const s = await stage();
      s.upstream.script.writeMode = writeMode;
      s.upstream.on('ENABLE', (command, connection) => {
        connection.enabled.add('CONDSTORE');
        connection.send(
          `* enabled CONDSTORE  x-odd\r\n* ENABLED\r\n${command.tag} ok [X y] since Tuesday\r\n`,
        );
      });
      for (let n = 1; n <= 4; n++) {
        const client = await s.logIn('alice');
        await client.send(`Tag.${n} ENABLE CONDSTORE\r\n`);
        const expected = `* enabled CONDSTORE  x-odd\r\n* ENABLED\r\nTag.${n} ok [X y] since Tuesday\r\n`;
        expect((await client.readBytes(expected.length)).toString('latin1')).toBe(expected);
        expect(await seesModseq(client)).toBe(true);
        await leave(s, client);
      }
      expect(s.attempts).toBe(1);
      expect(s.count('ENABLE')).toBe(1);
      expect(await s.metric('leases_total')).toBe(4);
      expect(await s.metric('lease_reuses_total')).toBe(3);
      expect(await s.metric('lease_swaps_total')).toBe(0);
    },
  );

  it('gives nobody else the connection: neither plain clients nor those of another set', async () => {
    const s = await stage();
    await session(s, 'alice', 'ENABLE CONDSTORE');
    const condstore = await s.connectionOf('alice');
    const plain = await expectPlain(s);
    expect(plain).not.toBe(condstore);
    await session(s, 'alice', 'ENABLE QRESYNC');
    // It was idle, plain, and is of the other set from now on.
    expect(lastWith(s, 'ENABLE')).toBe(plain);
    expect([...condstore.enabled]).toEqual(['CONDSTORE']);
    const other = await expectPlain(s);
    expect(other).not.toBe(plain);
    expect(other).not.toBe(condstore);
    expect(s.attempts).toBe(3);
    for (let n = 0; n < 3; n++) {
      await session(s, 'alice', ['ENABLE CONDSTORE', 'SELECT INBOX']);
      expect(condstore.isOpen && condstore.verbs.includes('SELECT')).toBe(true);
      await session(s, 'alice', ['ENABLE QRESYNC', 'EXAMINE INBOX']);
      expect(lastWith(s, 'EXAMINE')).toBe(plain);
      expect(await expectPlain(s)).toBe(other);
    }
    expect(s.attempts).toBe(3);
    expect(s.count('ENABLE')).toBe(2);
  });

  it('never shares a set between two users', async () => {
    const s = await stage();
    for (let n = 0; n < 3; n++) {
      for (const user of ['alice', 'bob']) {
        const client = await s.logIn(user);
        expect((await ok(client, 'ENABLE QRESYNC')).text).toBe(`ENABLE done (${user})`);
        expect((await ok(client, 'LIST "" "*"')).untagged).toContain(`* LIST () "/" of-${user}`);
        await ok(client, 'SELECT INBOX');
        const { literals } = await ok(client, 'UID FETCH 1:* (BODY.PEEK[])');
        expect(literals).toHaveLength(3);
        expect(literals.every((body) => body.includes(`mark-of-${user} `))).toBe(true);
        await leave(s, client);
      }
    }
    expect(s.attempts).toBe(2);
    expect(s.count('ENABLE')).toBe(2);
  });

  it('takes one set for the same names in any order and case, and QRESYNC for CONDSTORE, too', async () => {
    const s = await stage();
    const texts = ['ENABLE QRESYNC', 'ENABLE CONDSTORE QRESYNC', 'ENABLE QRESYNC CONDSTORE'];
    const answers: CommandResult[] = [];
    for (const text of texts) answers.push(...(await session(s, 'alice', text)));
    expect(answers.map(({ untagged }) => untagged[0])).toEqual([
      '* ENABLED QRESYNC',
      '* ENABLED CONDSTORE QRESYNC',
      '* ENABLED QRESYNC CONDSTORE',
    ]);
    // Each was asked once, since the server's answer need not be the same.
    const { attempts } = s;
    expect(s.count('ENABLE')).toBe(3);
    for (const [at, text] of texts.entries()) {
      const [again] = await session(s, 'alice', text.toLowerCase());
      expect(again?.untagged).toEqual(answers[at]?.untagged);
    }
    expect(s.count('ENABLE')).toBe(3);
    expect(s.attempts).toBe(attempts);
    expect(new Set(s.upstream.openConnections.map(({ enabled }) => [...enabled].sort().join()))).toEqual(
      new Set(['CONDSTORE,QRESYNC']),
    );
  });

  it('has its remembered answer without what clients may not see', async () => {
    const s = await stage();
    s.upstream.on('ENABLE', (command, connection) => {
      connection.enabled.add('CONDSTORE');
      connection.send('* ENABLED CONDSTORE\r\n');
      connection.send(
        `${command.tag} OK [CAPABILITY IMAP4rev1 STARTTLS UNSELECT COMPRESS=DEFLATE AUTH=PLAIN XNEW] ok\r\n`,
      );
    });
    for (let n = 0; n < 3; n++) {
      const client = await s.logIn('alice');
      expect((await ok(client, 'ENABLE CONDSTORE')).text).toBe('[CAPABILITY IMAP4rev1 UNSELECT XNEW] ok');
      expect((await ok(client, 'CAPABILITY')).untagged).toEqual(['* CAPABILITY IMAP4rev1 UNSELECT XNEW']);
      await leave(s, client);
    }
    expect(s.attempts).toBe(1);
  });

  it('waits for its turn when the pool is full, and both kinds of clients share one connection’s room', async () => {
    const s = await stage({ environment: { UPSTREAM_MAX_CONNECTIONS_PER_USER: '1' } });
    const first = await s.logIn('alice');
    expect(await seesModseq(first)).toBe(false);
    const second = await s.logIn('alice');
    const enabled = second.command('ENABLE CONDSTORE');
    await s.untilWaiting(1);
    await s.leave(first);
    expect((await enabled).untagged).toEqual(['* ENABLED CONDSTORE']);
    expect(await seesModseq(second)).toBe(true);
    await leave(s, second);
    for (let n = 0; n < 3; n++) {
      await expectPlain(s);
      const client = await s.logIn('alice');
      await ok(client, 'ENABLE CONDSTORE');
      expect(await seesModseq(client)).toBe(true);
      await leave(s, client);
    }
  });

  it('is kept for its set when the client vanishes before the answer', async () => {
    const s = await stage();
    await s.lease('bob');
    await s.warm('alice');
    const gate = makeGate();
    s.upstream.once('ENABLE', async () => {
      await gate.opened;
      return 'default';
    });
    const gone = await s.logIn('alice');
    await gone.send('a ENABLE CONDSTORE\r\n');
    await (await s.connectionOf('alice')).waitForCommand('ENABLE');
    gone.reset();
    await s.untilSessions(1);
    gate.open();
    await s.untilPool({ idle: 1, leased: 1, resetting: 0 });
    const client = await s.logIn('alice');
    expect((await ok(client, 'ENABLE CONDSTORE')).untagged).toEqual(['* ENABLED CONDSTORE']);
    expect(await seesModseq(client)).toBe(true);
    await leave(s, client, 1);
    expect(s.count('ENABLE')).toBe(1);
    expect(s.attempts).toBe(2);
  });

  it('sees its mail news as they are: VANISHED for QRESYNC, EXPUNGE for the others', async () => {
    const s = await stage();
    for (const [text, seen] of [
      ['ENABLE QRESYNC', '* VANISHED 1'],
      ['NOOP', '* 1 EXPUNGE'],
    ] as const) {
      const client = await s.logIn('alice');
      await ok(client, text);
      await ok(client, 'SELECT INBOX');
      await ok(client, 'STORE 1 +FLAGS (\\Deleted)');
      expect((await ok(client, 'EXPUNGE')).untagged).toEqual([seen]);
      await leave(s, client);
    }
  });
});

describe('ENABLE behind other commands', () => {
  it.each(['NOOP', 'LIST "" "*"', 'STATUS INBOX (MESSAGES)'])(
    'converts the connection behind %s if there is none of the set',
    async (text) => {
      const s = await stage();
      const bob = await s.lease('bob');
      const client = await s.logIn('alice');
      await ok(client, text);
      expect((await ok(client, 'ENABLE CONDSTORE')).untagged).toEqual(['* ENABLED CONDSTORE']);
      expect(await seesModseq(client)).toBe(true);
      await leave(s, client, 1);
      expect(s.attempts).toBe(2);
      expect(await s.metric('lease_swaps_total')).toBe(0);
      const [again] = await session(s, 'alice', 'ENABLE CONDSTORE', 1);
      expect(again?.untagged).toEqual(['* ENABLED CONDSTORE']);
      expect(s.count('ENABLE')).toBe(1);
      expect((await bob.client.command('NOOP')).text).toBe('NOOP done (bob)');
    },
  );

  it.each(['NOOP', 'LIST "" "*"', 'SELECT INBOX\r\nu UNSELECT'])(
    'swaps to a connection of the set behind %j, and gives the other one back',
    async (text) => {
      const s = await stage();
      await session(s, 'alice', 'ENABLE CONDSTORE');
      const enabled = await s.connectionOf('alice');
      const plain = await expectPlain(s);
      const client = await s.logIn('alice');
      await client.send(`x ${text}\r\n`);
      await client.finish(text.includes('UNSELECT') ? 'u' : 'x');
      await ok(client, 'ENABLE CONDSTORE');
      await s.untilPool({ idle: 1, leased: 1, resetting: 0 });
      expect(await seesModseq(client)).toBe(true);
      expect(lastWith(s, 'SELECT')).toBeDefined();
      expect(enabled.verbs).toContain('SELECT');
      expect(await s.metric('lease_swaps_total')).toBe(1);
      const other = await s.logIn('alice');
      expect(await seesModseq(other)).toBe(false);
      await leave(s, other, 1);
      await leave(s, client);
      expect(plain.isOpen && enabled.isOpen).toBe(true);
      expect(s.attempts).toBe(2);
      expect(s.count('ENABLE')).toBe(1);
    },
  );

  it.each([
    ['SELECT', ['SELECT INBOX', 'ENABLE CONDSTORE']],
    ['another ENABLE', ['ENABLE CONDSTORE', 'ENABLE QRESYNC']],
    ['the same ENABLE', ['ENABLE CONDSTORE', 'ENABLE CONDSTORE']],
  ])('is passed on behind %s, and the connection is retired', async (_name, texts) => {
    const s = await stage();
    const client = await s.logIn('alice');
    for (const text of texts) await ok(client, text);
    const connection = await s.connectionOf('alice');
    expect(connection.commands.findLast(({ verb }) => verb === 'ENABLE')?.tag).toBe(`t${texts.length + 1}`);
    expect(await seesModseq(client)).toBe(true);
    await leave(s, client);
    await connection.waitForClose();
    expect(await s.closedFor('dirty')).toBe(1);
    await expectPlain(s);
  });

  it('keeps the order of a pipeline, and what comes behind it runs with it', async () => {
    const s = await stage();
    for (let n = 0; n < 3; n++) {
      const client = await s.logIn('alice');
      await client.send(
        'a NOOP\r\nb NOOP\r\nc ENABLE CONDSTORE\r\nd SELECT INBOX\r\ne UID FETCH 1 (FLAGS)\r\nf CAPABILITY\r\n',
      );
      const { raw } = await client.finish('f');
      const lines = raw.toString('latin1').split('\r\n');
      const tags = lines.filter((line) => /^[a-f] OK /.test(line)).map((line) => line.slice(0, 1));
      expect(tags.join('')).toBe('abcdef');
      expect(lines[2]).toBe('* ENABLED CONDSTORE');
      expect(lines.some((line) => line.startsWith('* 1 FETCH') && line.includes('MODSEQ (1)'))).toBe(true);
      await leave(s, client);
    }
    expect(s.count('ENABLE')).toBe(1);
  });
});

describe('ENABLE that the server does not grant', () => {
  it.each(['NO', 'BAD'] as const)(
    'is answered %s in its own words each time, and nothing is kept',
    async (status) => {
      const s = await stage();
      const staying = await s.lease('alice');
      s.upstream.on('ENABLE', (command, connection) => {
        connection.send(`${command.tag} ${status} [X] not for you\r\n`);
      });
      for (let n = 1; n <= 3; n++) {
        const client = await s.logIn('alice');
        expect(await client.command('ENABLE CONDSTORE')).toMatchObject({
          status,
          text: '[X] not for you',
          untagged: [],
        });
        const connection = lastWith(s, 'ENABLE');
        expect((await client.command('NOOP')).text).toBe('NOOP done (alice)');
        await leave(s, client, 1);
        await connection.waitForClose();
        // The proxy has asked itself only once.
        expect(s.count('ENABLE')).toBe(n + 1);
        expect(await s.closedFor('dirty')).toBe(n);
      }
      expect((await staying.client.command('NOOP')).text).toBe('NOOP done (alice)');
      expect(staying.connection.verbs).not.toContain('ENABLE');
    },
  );

  it('goes to a server without the capability once, as the client sent it', async () => {
    const s = await stage({ upstream: { capabilitiesAfterLogin: ['IMAP4rev1', 'UNSELECT', 'CONDSTORE'] } });
    s.upstream.on('ENABLE', (command, connection) => connection.bad(command, 'no such command'));
    const client = await s.logIn('alice');
    expect(await client.command('ENABLE CONDSTORE')).toMatchObject({ status: 'BAD' });
    const connection = await s.connectionOf('alice');
    expect(
      connection.commands.filter(({ verb }) => verb === 'ENABLE').map(({ raw }) => raw.toString()),
    ).toEqual(['t2 ENABLE CONDSTORE\r\n']);
    await leave(s, client);
    await connection.waitForClose();
    await expectPlain(s);
  });

  it('is forwarded and retired, or refused here, where its line is odd', async () => {
    const s = await stage();
    const cases: [line: string, outcome: 'set' | 'retired' | 'refused'][] = [
      ['ENABLE', 'retired'],
      ['ENABLE ', 'retired'],
      ['ENABLE "CONDSTORE"', 'retired'],
      ['ENABLE CONDSTORE  QRESYNC', 'retired'],
      ['ENABLE (CONDSTORE)', 'retired'],
      [`ENABLE ${Array.from({ length: 17 }, (_, n) => `X${n}`).join(' ')}`, 'retired'],
      [`ENABLE ${'X'.repeat(65)}`, 'retired'],
      [`ENABLE ${['A', 'B', 'C'].map((name) => name.repeat(63)).join(' ')}`, 'set'],
      ['ENABLE {9+}\r\nCONDSTORE', 'refused'],
    ];
    for (const [line, outcome] of cases) {
      const client = await s.logIn('alice');
      await ok(client, 'NOOP');
      const connection = lastWith(s, 'NOOP');
      const { length } = connection.verbs;
      const tag = await client.begin(line);
      await client.finish(tag);
      expect((await client.command('NOOP')).text, line).toBe('NOOP done (alice)');
      const enables = connection.commands.slice(length).filter(({ verb }) => verb === 'ENABLE');
      expect(
        enables.map((command) => command.tag === tag),
        line,
      ).toEqual({ set: [false], retired: [true], refused: [] }[outcome]);
      await leave(s, client);
      if (outcome === 'retired') await connection.waitForClose();
      else expect(connection.isOpen, line).toBe(true);
      await expectPlain(s);
    }
  });

  it('is passed on where the names of too many sets would have to be remembered', async () => {
    const s = await stage({ environment: { UPSTREAM_MAX_CONNECTIONS_PER_USER: '3' } });
    for (let n = 0; n < 20; n++) {
      const [result] = await session(s, 'alice', `ENABLE X-${n}`);
      expect(result).toMatchObject({ status: 'OK', untagged: ['* ENABLED'] });
    }
    await expectPlain(s);
    await s.proxy.until(() => s.upstream.openConnections.length <= 3, 'as many connections as are allowed');
  });

  it.each([
    ['FIN', (at: UpstreamConnection) => at.end()],
    ['RST', (at: UpstreamConnection) => at.reset()],
    ['BYE', (at: UpstreamConnection) => at.end('* BYE enough\r\n')],
  ] as const)(
    'is not taken for refused when its connection dies by %s, and is asked again',
    async (_name, die) => {
      const s = await stage();
      await s.warm('alice');
      const staying = await s.lease('alice');
      await ok(staying.client, 'SELECT INBOX');
      await s.warm('alice');
      s.upstream.once('ENABLE', (_command, connection) => {
        die(connection);
      });
      const [first] = await session(s, 'alice', 'ENABLE CONDSTORE', 1);
      expect(first).toMatchObject({ status: 'OK', untagged: ['* ENABLED CONDSTORE'] });
      const [second] = await session(s, 'alice', 'ENABLE CONDSTORE', 1);
      expect(second).toEqual({ ...first, raw: second?.raw });
      const { attempts } = s;
      const enables = s.count('ENABLE');
      for (let n = 0; n < 3; n++) await session(s, 'alice', 'ENABLE CONDSTORE', 1);
      expect(s.attempts, 'logins of later sessions').toBe(attempts);
      expect(s.count('ENABLE'), 'ENABLEs of later sessions').toBe(enables);
      expect((await staying.client.command('NOOP')).text).toBe('NOOP done (alice)');
    },
  );

  it('is asked on another connection where it gets no answer for five seconds', async () => {
    const s = await stage();
    const deaf = await s.warm('alice');
    await s.lease('bob');
    s.upstream.once('ENABLE', () => undefined);
    const client = await s.logIn('alice');
    expect(await client.command('ENABLE CONDSTORE', 8_000)).toMatchObject({
      status: 'OK',
      untagged: ['* ENABLED CONDSTORE'],
    });
    expect(await seesModseq(client)).toBe(true);
    await deaf.waitForClose();
    await leave(s, client, 1);
    await expectPlain(s, 'alice', 1);
  });

  it('does not wait for a server that says BYE to it and stays', async () => {
    const s = await stage();
    await s.warm('alice');
    s.upstream.once('ENABLE', (_command, connection) => connection.send('* BYE enough\r\n'));
    const client = await s.logIn('alice');
    expect(await client.command('ENABLE CONDSTORE', 3_000)).toMatchObject({
      status: 'OK',
      untagged: ['* ENABLED CONDSTORE'],
    });
    expect(await seesModseq(client)).toBe(true);
  });
});

describe('what a session has enabled', () => {
  it.each(['ENDED', 'RST', 'BYE'] as const)(
    'is never missing on the connection that it goes on with: %s between two commands',
    async (how) => {
      const s = await stage();
      await session(s, 'alice', 'ENABLE CONDSTORE');
      const connection = await s.connectionOf('alice');
      const client = await s.logIn('alice');
      await ok(client, 'ENABLE CONDSTORE');
      if (how === 'ENDED') connection.end();
      else if (how === 'RST') connection.reset();
      else connection.end('* BYE enough\r\n');
      await connection.waitForClose();
      await s.lease('bob');
      const tag = await client.begin('SELECT INBOX');
      const { raw } = await client.finish(tag).catch(() => ({ raw: client.received }));
      // Either the session ends, or what was enabled still is.
      expect(raw.toString('latin1')).toMatch(/HIGHESTMODSEQ|\* BYE \[UNAVAILABLE\]/);
    },
  );

  it('is never missing when more is enabled after a loss', async () => {
    const s = await stage();
    await session(s, 'alice', 'ENABLE CONDSTORE');
    const connection = await s.connectionOf('alice');
    const client = await s.logIn('alice');
    await ok(client, 'ENABLE CONDSTORE');
    connection.end();
    await connection.waitForClose();
    await s.lease('bob');
    const tag = await client.begin('ENABLE UTF8=ACCEPT');
    const { raw } = await client.finish(tag).catch(() => ({ raw: client.received }));
    // The answer is the one to this request.
    expect(raw.toString('latin1')).toMatch(/^\* ENABLED\r\n|\* BYE \[UNAVAILABLE\]/m);
    if (!client.isClosed) expect(await seesModseq(client)).toBe(true);
  });

  it('is never missing after the upstream was down for a command', async () => {
    const s = await stage();
    await session(s, 'alice', 'ENABLE CONDSTORE');
    const client = await s.logIn('alice');
    await ok(client, 'ENABLE CONDSTORE');
    s.upstream.stopListening();
    s.upstream.once('LIST', (_command, connection) => connection.end());
    expect(await client.command('LIST "" "*"')).toMatchObject({ status: 'NO' });
    await s.upstream.listen();
    const tag = await client.begin('SELECT INBOX');
    const { raw } = await client.finish(tag).catch(() => ({ raw: client.received }));
    expect(raw.toString('latin1')).toMatch(/HIGHESTMODSEQ|\* BYE \[UNAVAILABLE\]/);
  });
});

describe('commands that enable CONDSTORE', () => {
  it.each([
    'SELECT INBOX (CONDSTORE)',
    'EXAMINE "INBOX" (condstore)',
    'select INBOX (CONDSTORE)',
    'STATUS INBOX (MESSAGES HIGHESTMODSEQ)',
    'STATUS INBOX (HIGHESTMODSEQ)',
  ])('find a connection of their set, and no plain client gets it: %s', async (text) => {
    const s = await stage();
    for (let n = 0; n < 3; n++) {
      const client = await s.logIn('alice');
      const { untagged } = await ok(client, text);
      expect(untagged.join()).toContain('HIGHESTMODSEQ 77');
      expect(untagged.join()).not.toContain('ENABLED');
      await leave(s, client);
    }
    expect(s.attempts).toBe(1);
    expect(s.count('ENABLE')).toBe(1);
    const enabled = await s.connectionOf('alice');
    expect(await expectPlain(s)).not.toBe(enabled);
    await session(s, 'alice', 'ENABLE CONDSTORE');
    expect(s.attempts).toBe(2);
    expect(enabled.isOpen).toBe(true);
  });

  it.each([
    'SELECT CONDSTORE',
    'SELECT "CONDSTORE"',
    'EXAMINE CONDSTORE',
    'SELECT "x (CONDSTORE)"',
    'STATUS HIGHESTMODSEQ (MESSAGES)',
    'STATUS "HIGHESTMODSEQ" (MESSAGES)',
    'LIST "" "(CONDSTORE)"',
    'SELECT {9+}\r\nCONDSTORE',
  ])('are not mailboxes of that name: %j', async (text) => {
    const s = await stage();
    const names = s.upstream.store.mailboxes('alice');
    const inbox = names.get('INBOX');
    if (inbox === undefined) throw new Error('no INBOX');
    for (const name of ['CONDSTORE', 'HIGHESTMODSEQ', 'x (CONDSTORE)']) names.set(name, { ...inbox, name });
    for (let n = 0; n < 2; n++) {
      const client = await s.logIn('alice');
      await ok(client, text);
      if (/^(?:SELECT|EXAMINE)/.test(text)) expect((await ok(client, FETCH)).untagged).toHaveLength(3);
      expect(client.received.toString('latin1')).not.toMatch(/[^T]MODSEQ \(|HIGHESTMODSEQ 77/);
      await leave(s, client);
      await expectPlain(s);
    }
  });

  it('leave nothing behind where the server has no ENABLE', async () => {
    const s = await stage({ upstream: { capabilitiesAfterLogin: ['IMAP4rev1', 'UNSELECT', 'CONDSTORE'] } });
    for (const text of ['SELECT INBOX (CONDSTORE)', 'STATUS INBOX (HIGHESTMODSEQ)']) {
      const [result] = await session(s, 'alice', text);
      expect(result?.untagged.join()).toContain('HIGHESTMODSEQ 77');
      await expectPlain(s);
    }
    expect(s.count('ENABLE')).toBe(0);
  });
});

describe('NAMESPACE', () => {
  it('is remembered for each set apart', async () => {
    const s = await stage({
      upstream: { capabilitiesAfterLogin: ['IMAP4rev1', 'ENABLE', 'UNSELECT', 'NAMESPACE', 'UTF8=ACCEPT'] },
    });
    s.upstream.on('NAMESPACE', (command, connection) => {
      const name = connection.enabled.has('UTF8=ACCEPT') ? 'Öffentlich' : '&ANY-ffentlich';
      connection.send(`* NAMESPACE (("${name} of ${connection.user ?? ''}" "/")) NIL NIL\r\n`);
      connection.ok(command);
    });
    const utf8 = Buffer.from('Öffentlich').toString('latin1');
    for (let n = 0; n < 3; n++) {
      for (const user of ['alice', 'bob']) {
        const [, seen] = await session(s, user, ['ENABLE UTF8=ACCEPT', 'NAMESPACE']);
        expect(seen?.untagged).toEqual([`* NAMESPACE (("${utf8} of ${user}" "/")) NIL NIL`]);
        const [plain] = await session(s, user, 'NAMESPACE');
        expect(plain?.untagged).toEqual([`* NAMESPACE (("&ANY-ffentlich of ${user}" "/")) NIL NIL`]);
        const both = await session(s, user, ['NAMESPACE', 'ENABLE UTF8=ACCEPT', 'NAMESPACE']);
        expect(both[0]?.untagged).toEqual(plain?.untagged);
        expect(both[2]?.untagged).toEqual(seen?.untagged);
      }
    }
    expect(s.count('NAMESPACE')).toBe(4);
  });
});

describe('two hundred sessions', () => {
  const clients: [name: string, texts: readonly string[], sees: RegExp][] = [
    [
      'of ImapFlow',
      [
        'ID ("name" "imapflow")',
        'NAMESPACE',
        'ENABLE CONDSTORE UTF8=ACCEPT',
        'LIST "" "*"',
        'SELECT INBOX (CONDSTORE)',
        'UID FETCH 1:* (UID FLAGS MODSEQ)',
      ],
      /MODSEQ \(1\)/,
    ],
    [
      'of a client with QRESYNC',
      ['ENABLE QRESYNC', 'SELECT INBOX (QRESYNC (1 77))', 'UID FETCH 1:* (FLAGS) (CHANGEDSINCE 76 VANISHED)'],
      /VANISHED \(EARLIER\) 41:43/,
    ],
  ];
  it.each(clients)(
    '%s use one connection again and again, and plain clients see none of it',
    async (_name, texts, sees) => {
      const s = await stage();
      s.upstream.script.capabilitiesAfterLogin = [...s.upstream.script.capabilitiesAfterLogin, 'UTF8=ACCEPT'];
      for (let n = 0; n < 200; n++) {
        const client = await s.logIn('alice');
        for (const text of texts) await ok(client, text);
        expect(client.received.toString('latin1')).toMatch(sees);
        await s.leave(client);
        if (n % 20 === 10) {
          await s.untilPool({ leased: 0, resetting: 0 });
          const plain = await s.logIn('alice');
          await ok(plain, 'SELECT INBOX');
          await ok(plain, FETCH);
          expect(plain.received.toString('latin1')).not.toMatch(/MODSEQ|VANISHED/);
          await s.leave(plain);
        }
      }
      const [leases, reuses] = [await s.metric('leases_total'), await s.metric('lease_reuses_total')];
      expect(leases).toBe(210);
      expect(reuses / leases).toBeGreaterThanOrEqual(0.95);
      expect(s.attempts).toBeLessThanOrEqual(4);
    },
  );
});
