// A pooled connection that was dead already: the client's first command gets another one, and nobody need know.

import { describe, expect, it } from 'vitest';
import { makeGate } from '../support/gate.js';
import type { RawClient } from '../support/raw-client.js';
import type { ParsedCommand, UpstreamConnection } from '../support/scripted-upstream.js';
import { useStages } from './stage.js';
import type { Stage } from './stage.js';

const stage = useStages();

type Death = (connection: UpstreamConnection) => void;

const deaths: [name: string, die: Death][] = [
  ['FIN', (at) => at.end()],
  ['RST', (at) => at.reset()],
  ['BYE and FIN', (at) => at.end('* BYE idle for too long\r\n')],
  ['BYE alone', (at) => at.send('* BYE idle for too long\r\n')],
];

/** Lets the first of these commands kill its connection; all others are answered as the scripted server does. */
function killFirst(s: Stage, verb: string, die: Death = (at) => at.end()): void {
  let isFirst = true;
  s.upstream.on(verb, (command, connection) => {
    if (!isFirst) return answerByDefault(command, connection);
    isFirst = false;
    die(connection);
    return undefined;
  });
}

/** The scripted server has no quota of its own. */
function answerByDefault(command: ParsedCommand, connection: UpstreamConnection): 'default' | undefined {
  if (!command.verb.startsWith('GETQUOTA')) return 'default';
  connection.send(`* QUOTA "" (STORAGE 1 ${connection.user === 'alice' ? 111 : 222})\r\n`);
  connection.ok(command);
  return undefined;
}

function timesOf(connection: UpstreamConnection | undefined, verb: string): number {
  return connection?.verbs.filter((seen) => seen === verb).length ?? 0;
}

/** A stage with an idle connection of alice, and bob, who is none of this. */
async function scene(options: Parameters<typeof stage>[0] = {}): Promise<{
  s: Stage;
  old: UpstreamConnection;
  bob: RawClient;
}> {
  const s = await stage(options);
  const { client: bob } = await s.lease('bob');
  const old = await s.warm('alice');
  return { s, old, bob };
}

const commands: [text: string, verb: string, answer: RegExp][] = [
  ['NOOP', 'NOOP', /^x OK NOOP done \(alice\)\r\n$/],
  ['LIST "" "of-*"', 'LIST', /^x OK LIST done \(alice\)\r\n$/],
  ['LIST "" "*"', 'LIST', /^(?:\* LIST .*\r\n)*\* LIST \(\) "\/" of-alice\r\nx OK .*\r\n$/],
  ['LSUB "" "*"', 'LSUB', /^(?:\* LSUB .*\r\n){3}x OK .*\r\n$/],
  ['STATUS INBOX (MESSAGES)', 'STATUS', /^\* STATUS INBOX \(MESSAGES 3 .*\r\nx OK .*\(alice\)\r\n$/],
  ['STATUS INBOX (HIGHESTMODSEQ)', 'STATUS', /^\* STATUS INBOX \(.* HIGHESTMODSEQ 77\)\r\nx OK .*\r\n$/],
  ['EXAMINE INBOX', 'EXAMINE', /^\* FLAGS .*\r\n\* 3 EXISTS\r\n(?:\* .*\r\n)*x OK \[READ-ONLY\] .*\r\n$/],
  ['SELECT INBOX', 'SELECT', /^\* FLAGS .*\r\n\* 3 EXISTS\r\n(?:\* .*\r\n)*x OK \[READ-WRITE\] .*\r\n$/],
  [
    'SELECT {5+}\r\nINBOX',
    'SELECT',
    /^\* FLAGS .*\r\n\* 3 EXISTS\r\n(?:\* .*\r\n)*x OK \[READ-WRITE\] .*\r\n$/,
  ],
  ['SELECT nowhere', 'SELECT', /^x NO \[NONEXISTENT\] .*\r\n$/],
  ['GETQUOTA ""', 'GETQUOTA', /^\* QUOTA "" \(STORAGE 1 111\)\r\nx OK .*\r\n$/],
  ['GETQUOTAROOT INBOX', 'GETQUOTAROOT', /^\* QUOTA "" \(STORAGE 1 111\)\r\nx OK .*\r\n$/],
  ['NAMESPACE', 'NAMESPACE', /^\* NAMESPACE .*Shared by alice.*\r\nx OK .*\r\n$/],
  ['ENABLE CONDSTORE', 'ENABLE', /^\* ENABLED CONDSTORE\r\nx OK ENABLE done \(alice\)\r\n$/],
];

const cases = commands.flatMap(([text, verb, answer]) =>
  deaths.map(([name, die]) => ({ text, verb, answer, name, die })),
);

describe('a pooled connection that dies of the first command', () => {
  it.each(cases)('is replaced unseen: $text, $name', async ({ text, verb, answer, die }) => {
    const { s, old, bob } = await scene();
    const before = timesOf(old, verb);
    killFirst(s, verb, die);
    const client = await s.logIn('alice');
    const start = client.received.length;
    await client.send(`x ${text}\r\n`);
    await client.waitFor(/^x (?:OK|NO|BAD) .*\r\n/m);
    expect(client.received.subarray(start).toString('latin1')).toMatch(answer);
    expect(timesOf(old, verb) - before).toBe(1);
    const next = await s.connectionOf('alice', 2);
    expect(timesOf(next, verb)).toBe(1);
    await old.waitForClose();
    // The session goes on there, and so does the next one.
    expect((await client.command('NOOP')).text).toBe('NOOP done (alice)');
    await s.leave(client);
    await s.untilPool({ leased: 1, resetting: 0, closing: 0 });
    expect(s.attempts).toBe(3);
    expect((await bob.command('NOOP')).text).toBe('NOOP done (bob)');
    expect(s.logged('upstream connection failed')).toBe(0);
  });

  it('is counted as a swap, and as no second lease', async () => {
    const { s } = await scene();
    const [leases, swaps] = [await s.metric('leases_total'), await s.metric('lease_swaps_total')];
    killFirst(s, 'LIST');
    const client = await s.logIn('alice');
    expect((await client.command('LIST "" "*"')).status).toBe('OK');
    expect(await s.metric('leases_total')).toBe(leases + 1);
    expect(await s.metric('lease_swaps_total')).toBe(swaps + 1);
  });

  it('is replaced by another idle one, if there is one, without a login', async () => {
    const { s } = await scene();
    const pair = [await s.lease('alice'), await s.lease('alice')];
    for (const { client } of pair) await s.leave(client);
    await s.untilPool({ idle: 2 });
    const { attempts } = s;
    killFirst(s, 'LIST');
    const client = await s.logIn('alice');
    expect((await client.command('LIST "" "*"')).untagged).toContain('* LIST () "/" of-alice');
    expect(s.attempts).toBe(attempts);
  });

  it('leaves the new connection no cleaner than what was said on it', async () => {
    const { s, old } = await scene();
    killFirst(s, 'SELECT');
    const client = await s.logIn('alice');
    expect((await client.command('SELECT INBOX (QRESYNC (1 77))')).status).toBe('OK');
    const enabled = await s.connectionOf('alice', 2);
    expect([...enabled.enabled]).toEqual(['CONDSTORE']);
    expect(old.isOpen).toBe(false);
    await s.leave(client);
    await s.untilPool({ leased: 1, resetting: 0, closing: 0 });
    const next = await s.logIn('alice');
    await next.command('SELECT INBOX');
    await next.command('FETCH 1 (FLAGS)');
    expect(next.received.toString('latin1')).not.toContain('MODSEQ');
    expect(enabled.isOpen).toBe(false);
  });

  it('serves what is pipelined behind the command: an answer of our own, and LOGOUT', async () => {
    for (const behind of [
      'b LOGOUT\r\n',
      'b CAPABILITY\r\nc LOGOUT\r\n',
      'b ID NIL\r\nc NOOP\r\nd LOGOUT\r\n',
    ]) {
      const { s } = await scene();
      killFirst(s, 'STATUS');
      const client = await s.logIn('alice');
      await client.send(`a STATUS INBOX (MESSAGES)\r\n${behind}`);
      const { unread } = await client.waitForClose();
      const tags = unread.split('\r\n').filter((line) => /^[a-d] OK /.test(line));
      expect(tags.map((line) => line.slice(0, 1)).join('')).toBe(
        'a' + [...behind.matchAll(/^([b-d]) /gm)].map(([, tag]) => tag).join(''),
      );
      expect(unread.match(/\* STATUS/g)).toHaveLength(1);
      expect(unread).not.toMatch(/BYE \[/);
      await s.strike();
    }
  });

  it.each(['FIN', 'more commands'] as const)('serves %s that comes while it is replaced', async (what) => {
    const { s } = await scene();
    const gate = makeGate();
    s.upstream.script.greeting = async () => {
      await gate.opened;
      return '* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] slow';
    };
    killFirst(s, 'LIST');
    const client = await s.logIn('alice');
    await client.send('a LIST "" "of-alice"\r\n');
    await s.untilPool({ connecting: 1 });
    if (what === 'FIN') client.end();
    else await client.send('b STATUS INBOX (MESSAGES)\r\nc SELECT INBOX\r\nd LOGOUT\r\n');
    gate.open();
    const { unread } = await client.waitForClose();
    expect(unread).toMatch(/^\* LIST \(\) "\/" of-alice\r\na OK LIST done \(alice\)\r\n/);
    if (what === 'FIN') expect(unread.split('\r\n')).toHaveLength(3);
    else expect(unread).toMatch(/\r\nb OK .*\r\n[^]*\r\nc OK .*\r\n\* BYE .*\r\nd OK .*\r\n$/);
    await s.untilPool({ idle: 1, leased: 1 });
  });

  it('runs nothing for a client that vanishes meanwhile, and keeps the new connection', async () => {
    const { s } = await scene();
    const gate = makeGate();
    s.upstream.script.greeting = async () => {
      await gate.opened;
      return '* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] slow';
    };
    killFirst(s, 'LIST');
    const client = await s.logIn('alice');
    await client.send('a LIST "" "*"\r\n');
    await s.untilPool({ connecting: 1 });
    client.reset();
    await s.untilSessions(1);
    gate.open();
    await s.untilPool({ idle: 1, leased: 1, connecting: 0 });
    const next = await s.connectionOf('alice', 2);
    expect(next.verbs).not.toContain('LIST');
    expect((await s.lease('alice')).connection).toBe(next);
  });

  it('keeps what is enabled: the new connection has it before it gets the command', async () => {
    const { s } = await scene();
    const first = await s.logIn('alice');
    await first.command('ENABLE CONDSTORE');
    await s.leave(first);
    await s.untilPool({ idle: 1, leased: 1, resetting: 0 });
    killFirst(s, 'SELECT');
    const client = await s.logIn('alice');
    await client.command('ENABLE CONDSTORE');
    expect((await client.command('SELECT INBOX')).untagged.join()).toContain('HIGHESTMODSEQ');
    const next = await s.connectionOf('alice', 2);
    expect(next.verbs.filter((verb) => verb !== 'ID' && verb !== 'CAPABILITY')).toEqual([
      'AUTHENTICATE',
      'ENABLE',
      'SELECT',
    ]);
    await s.leave(client);
    await s.untilPool({ idle: 1, leased: 1, resetting: 0 });
    const plain = await s.logIn('alice');
    await plain.command('SELECT INBOX');
    expect(plain.received.toString('latin1')).not.toContain('MODSEQ');
  });

  it('ends the session if what is enabled can not be had again', async () => {
    const { s } = await scene();
    const first = await s.logIn('alice');
    await first.command('ENABLE CONDSTORE');
    await s.leave(first);
    await s.untilPool({ idle: 1, leased: 1, resetting: 0 });
    killFirst(s, 'SELECT');
    const client = await s.logIn('alice');
    await client.command('ENABLE CONDSTORE');
    s.upstream.on('ENABLE', (command, connection) => connection.no(command));
    await client.send('a SELECT INBOX\r\n');
    expect((await client.waitForClose()).unread).toMatch(/^\* BYE \[UNAVAILABLE\] .*\r\n$/);
  });

  it('passes a refused ENABLE on again', async () => {
    const { s } = await scene({ upstream: { capabilitiesAfterLogin: ['IMAP4rev1', 'UNSELECT'] } });
    let enables = 0;
    s.upstream.on('ENABLE', (command, connection) => {
      enables += 1;
      if (enables === 1) connection.end();
      else connection.bad(command, 'no such command');
    });
    const client = await s.logIn('alice');
    expect(await client.command('ENABLE CONDSTORE')).toMatchObject({ status: 'BAD' });
    expect((await client.command('NOOP')).text).toBe('NOOP done (alice)');
    expect(enables).toBe(2);
  });
});

describe('when the upstream is down by then', () => {
  it('refuses the command, and the session goes on', async () => {
    const { s } = await scene();
    killFirst(s, 'LIST', (at) => {
      s.upstream.stopListening();
      at.end();
    });
    const client = await s.logIn('alice');
    expect(await client.command('LIST "" "*"')).toMatchObject({
      status: 'NO',
      text: '[UNAVAILABLE] The mail server refuses connections; try again later',
      untagged: [],
    });
    expect((await client.command('CAPABILITY')).status).toBe('OK');
    expect((await client.command('LIST "" "*"')).status).toBe('NO');
    await s.upstream.listen();
    expect((await client.command('LIST "" "*"')).untagged).toContain('* LIST () "/" of-alice');
    await s.leave(client);
  });

  it.each([
    ['LOGOUT behind it', 'b LOGOUT\r\n', /^a NO \[UNAVAILABLE\] .*\r\n\* BYE .*\r\nb OK .*\r\n$/],
    ['FIN behind it', '', /^a NO \[UNAVAILABLE\] .*\r\n$/],
  ])('ends the session in good order: %s', async (_name, behind, expected) => {
    const { s } = await scene();
    killFirst(s, 'LIST', (at) => {
      s.upstream.stopListening();
      at.end();
    });
    const client = await s.logIn('alice');
    if (behind === '') client.end('a LIST "" "*"\r\n');
    else await client.send(`a LIST "" "*"\r\n${behind}`);
    expect((await client.waitForClose(3_000)).unread).toMatch(expected);
  });

  it('ends the session if the password was changed meanwhile', async () => {
    const { s } = await scene();
    killFirst(s, 'LIST', (at) => {
      s.upstream.script.users['alice'] = 'changed';
      at.end();
    });
    s.secrets.add('changed');
    const client = await s.logIn('alice');
    await client.send('a LIST "" "*"\r\n');
    expect((await client.waitForClose()).unread).toMatch(/^\* BYE \[AUTHENTICATIONFAILED\] .*\r\n$/);
  });
});

describe('the client is told of the loss', () => {
  const lost = /\* BYE \[UNAVAILABLE\] The connection to the mail server was lost\r\n$/;

  it.each([
    ['APPEND', 'APPEND INBOX {3+}\r\nabc'],
    ['CREATE', 'CREATE new'],
    ['DELETE', 'DELETE Archive'],
    ['RENAME', 'RENAME Archive Old'],
    ['SUBSCRIBE', 'SUBSCRIBE Archive'],
    ['UNSUBSCRIBE', 'UNSUBSCRIBE Archive'],
    ['SETQUOTA', 'SETQUOTA "" (STORAGE 5)'],
    ['SETACL', 'SETACL INBOX bob lr'],
    ['GETACL', 'GETACL INBOX'],
    ['SETMETADATA', 'SETMETADATA "" (/private/x NIL)'],
    ['NOTIFY', 'NOTIFY NONE'],
    ['FETCH', 'FETCH 1 BODY[]'],
    ['UID FETCH', 'UID FETCH 1 FLAGS'],
    ['STORE', 'STORE 1 FLAGS (\\Seen)'],
    ['UID STORE', 'UID STORE 1 FLAGS (\\Seen)'],
    ['COPY', 'COPY 1 Archive'],
    ['UID COPY', 'UID COPY 1 Archive'],
    ['MOVE', 'MOVE 1 Archive'],
    ['UID MOVE', 'UID MOVE 1 Archive'],
    ['SEARCH', 'SEARCH ALL'],
    ['UID SEARCH', 'UID SEARCH ALL'],
    ['EXPUNGE', 'EXPUNGE'],
    ['UID EXPUNGE', 'UID EXPUNGE 1'],
    ['CLOSE', 'CLOSE'],
    ['UNSELECT', 'UNSELECT'],
    ['CHECK', 'CHECK'],
    ['IDLE', 'IDLE'],
    ['XUNKNOWN', 'XUNKNOWN'],
  ])('when the command may not be run twice: %s', async (verb, text) => {
    const { s, old, bob } = await scene();
    const before = timesOf(old, verb);
    killFirst(s, verb);
    const client = await s.logIn('alice');
    await client.send(`a ${text}\r\n`);
    expect((await client.waitForClose()).unread).toMatch(new RegExp(`^${lost.source}`));
    expect(timesOf(old, verb)).toBe(before + 1);
    expect(s.attempts).toBe(2);
    expect((await bob.command('NOOP')).text).toBe('NOOP done (bob)');
  });

  it.each([
    ['two commands', 'a LIST "" "*"\r\nb NOOP\r\n'],
    ['two commands of which one may not be run twice', 'a LIST "" "*"\r\nb CREATE x\r\n'],
    ['a command and the beginning of another', `a LIST "" "*"\r\nb LIST "" "${'y'.repeat(300)}`],
    ['a command with a literal that waits for +', 'a LIST "" {1}\r\n'],
  ])('when more was sent: %s', async (_name, bytes) => {
    const { s, old } = await scene();
    const gate = makeGate();
    s.upstream.script.onLiteral = (_mark, _head, connection) => {
      connection.end();
      return 'silent';
    };
    s.upstream.on('LIST', async (_command, connection) => {
      await gate.opened;
      connection.end();
    });
    const client = await s.logIn('alice');
    await client.send(bytes);
    const sent = bytes.trimEnd().slice(-3);
    await old
      .waitUntil(() => old.received.toString('latin1').includes(sent) || !old.isOpen)
      .then(() => {
        gate.open();
      });
    expect((await client.waitForClose()).unread).toMatch(lost);
    expect(s.attempts).toBe(2);
  });

  it.each([
    ['an untagged response', '* 4 EXISTS\r\n'],
    ['half a response', `* LIST () "/" ${'x'.repeat(300)}`],
    ['an untagged response and BYE later', '* LIST () "/" x\r\n'],
  ])('when the server has said something: %s', async (name, bytes) => {
    const { s } = await scene();
    const gate = makeGate();
    s.upstream.on('LIST', async (_command, connection) => {
      connection.send(bytes);
      await gate.opened;
      connection.end(name.includes('BYE') ? '* BYE enough\r\n' : undefined);
    });
    const client = await s.logIn('alice');
    await client.send('a LIST "" "*"\r\n');
    await client.waitFor(/\* (?:4 EXISTS|LIST)/);
    gate.open();
    const { unread } = await client.waitForClose();
    expect(unread).not.toMatch(/^a /m);
    if (!name.startsWith('half')) expect(unread).toMatch(/\* BYE .*\r\n$/);
    expect(s.attempts).toBe(2);
  });

  it('when the connection was opened for it', async () => {
    const s = await stage();
    await s.lease('bob');
    for (const user of ['alice', 'user1']) {
      s.upstream.once('LIST', (_command, connection) => connection.end());
      const client = await s.logIn(user);
      await client.send('a LIST "" "*"\r\n');
      expect((await client.waitForClose()).unread).toMatch(lost);
    }
    expect(s.attempts).toBe(3);
  });

  it('when the second connection dies, too', async () => {
    const { s } = await scene();
    const pair = [await s.lease('alice'), await s.lease('alice')];
    for (const { client } of pair) await s.leave(client);
    await s.untilPool({ idle: 2 });
    s.upstream.on('LIST', (_command, connection) => connection.end());
    const client = await s.logIn('alice');
    await client.send('a LIST "" "*"\r\n');
    expect((await client.waitForClose()).unread).toMatch(lost);
    expect(s.count('LIST')).toBe(2);
  });

  it('when it is not the first command of the session there', async () => {
    const { s } = await scene();
    const client = await s.logIn('alice');
    expect((await client.command('NOOP')).status).toBe('OK');
    killFirst(s, 'LIST');
    await client.send('a LIST "" "*"\r\n');
    expect((await client.waitForClose()).unread).toMatch(lost);
    expect(s.attempts).toBe(2);
  });
});

describe('a server that says BYE and answers all the same', () => {
  it.each(['* BYE soon\r\na OK done\r\n', '* LIST () "/" x\r\n* BYE soon\r\na OK done\r\n'])(
    'is heard once: %j',
    async (bytes) => {
      const { s } = await scene();
      s.upstream.once('LIST', (_command, connection) => connection.end(bytes));
      const client = await s.logIn('alice');
      await client.send('a LIST "" "of-alice"\r\n');
      await client.waitFor(/^a (?:OK|NO) .*\r\n|\* BYE \[/m, 3_000);
      const answers = client.received.toString('latin1').match(/^a (?:OK|NO) /gm) ?? [];
      expect(answers.length).toBeLessThanOrEqual(1);
    },
  );
});
