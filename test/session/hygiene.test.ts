// What the next client of the same user finds after a client has left, in every state and in every way.

import { describe, expect, it } from 'vitest';
import { makeGate } from '../support/gate.js';
import type { Gate } from '../support/gate.js';
import type { RawClient } from '../support/raw-client.js';
import type { Script, UpstreamConnection } from '../support/scripted-upstream.js';
import { useStages } from './stage.js';
import type { Stage } from './stage.js';

const stage = useStages();

type Way = 'LOGOUT' | 'FIN' | 'RST';

/**
 * What the upstream sees between two clients: nothing, since nothing was sent on the connection; the reset by this
 * command; or the end of the connection.
 */
/** `apart`: the connection is kept, and only for those who want the same enabled. */
type Seen = 'nothing' | 'NOOP' | 'UNSELECT' | 'EXAMINE' | 'discard' | 'apart';

interface Row {
  readonly name: string;
  readonly script?: Partial<Script>;
  /** Brings the client into its state. Answers that the script holds back wait for the gate. */
  run(scene: Scene): Promise<void>;
  readonly seen: Seen;
  /** Where the ways differ. */
  readonly seenBy?: Partial<Record<Way, Seen>>;
  /** Where the state leaves room for it. @defaultValue all three */
  readonly ways?: readonly Way[];
  /** What the client gets in the end, for those that stay to read it. */
  readonly gets?: RegExp;
}

interface Scene {
  readonly stage: Stage;
  readonly client: RawClient;
  readonly connection: UpstreamConnection;
  /** Opened when the client has left. */
  readonly gate: Gate;
}

const all: readonly Way[] = ['LOGOUT', 'FIN', 'RST'];
const late = '* 77 EXISTS\r\n* LIST () "/" late\r\n';

/** Holds the answers to this verb back, and sends untagged data with them. */
function hold({ stage: s, gate }: Scene, verb: string, before = late): void {
  s.upstream.once(verb, async (_command, connection) => {
    await gate.opened;
    connection.send(before);
    return 'default';
  });
}

async function expectOk(client: RawClient, ...texts: string[]): Promise<void> {
  for (const text of texts) expect(await client.command(text), text).toMatchObject({ status: 'OK' });
}

/** Sends a command and waits until the upstream has it. */
async function sendAndWait({ client, connection }: Scene, bytes: string, verb: string): Promise<void> {
  const nth = connection.verbs.filter((seen) => seen === verb).length + 1;
  await client.send(bytes);
  await connection.waitForCommand(verb, { nth });
}

/** Sends bytes and waits until the upstream has received their end, however far it has read them. */
async function sendBytes({ client, connection }: Scene, bytes: string): Promise<void> {
  await client.send(bytes);
  await connection.waitUntil(() => connection.received.toString('latin1').endsWith(bytes.slice(-4)));
}

const rows: readonly Row[] = [
  { name: 'after login only', run: async () => undefined, seen: 'NOOP' },
  { name: 'selected', run: ({ client }) => expectOk(client, 'SELECT INBOX'), seen: 'UNSELECT' },
  { name: 'examined', run: ({ client }) => expectOk(client, 'EXAMINE INBOX'), seen: 'UNSELECT' },
  {
    name: 'selected twice',
    run: ({ client }) => expectOk(client, 'SELECT INBOX', 'EXAMINE Archive'),
    seen: 'UNSELECT',
  },
  { name: 'closed', run: ({ client }) => expectOk(client, 'EXAMINE INBOX', 'CLOSE'), seen: 'NOOP' },
  { name: 'unselected', run: ({ client }) => expectOk(client, 'SELECT INBOX', 'UNSELECT'), seen: 'NOOP' },
  {
    name: 'after a failed SELECT',
    run: async ({ client }) => {
      await expectOk(client, 'SELECT INBOX');
      expect((await client.command('SELECT nowhere')).status).toBe('NO');
    },
    seen: 'NOOP',
  },
  {
    name: 'after a SELECT that got BAD',
    run: async ({ client, stage: s }) => {
      await expectOk(client, 'SELECT INBOX');
      s.upstream.once('SELECT', (command, connection) => connection.bad(command));
      expect((await client.command('SELECT')).status).toBe('BAD');
    },
    // What a server made of a line that it did not understand is not known.
    seen: 'discard',
  },
  {
    name: 'selected, and the server has no UNSELECT',
    script: { capabilitiesAfterLogin: ['IMAP4rev1', 'LITERAL+'] },
    run: ({ client }) => expectOk(client, 'SELECT INBOX'),
    seen: 'EXAMINE',
  },
  {
    name: 'selected, and UNSELECT gets no answer',
    run: async ({ client, stage: s }) => {
      await expectOk(client, 'SELECT INBOX');
      s.upstream.on('UNSELECT', () => undefined);
    },
    seen: 'discard',
  },
  {
    name: 'selected, and UNSELECT is refused',
    run: async ({ client, stage: s }) => {
      await expectOk(client, 'SELECT INBOX');
      s.upstream.on('UNSELECT', (command, connection) => connection.bad(command));
    },
    seen: 'discard',
  },
  {
    name: 'selected without UNSELECT, and the random name exists',
    script: { capabilitiesAfterLogin: ['IMAP4rev1', 'LITERAL+'] },
    run: async ({ client, stage: s }) => {
      await expectOk(client, 'SELECT INBOX');
      s.upstream.on('EXAMINE', (command, connection) => connection.ok(command));
    },
    seen: 'discard',
  },
  {
    name: 'selected, and the server closes in the reset',
    run: async ({ client, stage: s }) => {
      await expectOk(client, 'SELECT INBOX');
      s.upstream.on('UNSELECT', (_command, connection) => connection.end('* BYE enough\r\n'));
    },
    seen: 'discard',
  },
  {
    name: 'selected, and the reset’s answer comes behind late output',
    run: async (scene) => {
      await expectOk(scene.client, 'SELECT INBOX');
      scene.stage.upstream.once('UNSELECT', (_command, connection) => {
        connection.send(`${late}* 1 FETCH (BODY[] {5}\r\nlate!)\r\n`);
        return 'default';
      });
    },
    seen: 'UNSELECT',
  },
  {
    name: 'a SELECT runs',
    run: async (scene) => {
      hold(scene, 'SELECT');
      await sendAndWait(scene, 'a SELECT INBOX\r\n', 'SELECT');
    },
    seen: 'UNSELECT',
  },
  {
    name: 'a SELECT runs that fails',
    run: async (scene) => {
      await expectOk(scene.client, 'SELECT INBOX');
      hold(scene, 'SELECT');
      await sendAndWait(scene, 'a SELECT nowhere\r\n', 'SELECT');
    },
    seen: 'NOOP',
  },
  {
    name: 'a FETCH runs',
    run: async (scene) => {
      await expectOk(scene.client, 'EXAMINE INBOX');
      hold(scene, 'FETCH');
      await sendAndWait(scene, 'a FETCH 1:* BODY.PEEK[]\r\n', 'FETCH');
    },
    seen: 'UNSELECT',
  },
  {
    name: 'in an answer’s literal',
    run: async (scene) => {
      const { client, gate, stage: s } = scene;
      await expectOk(client, 'EXAMINE INBOX');
      s.upstream.once('FETCH', async (command, connection) => {
        connection.send('* 1 FETCH (BODY[] {300}\r\nhalf');
        await gate.opened;
        connection.send(`${'x OK late\r\n* BYE late\r\n'.padEnd(296, 'z')})\r\n`);
        connection.ok(command);
      });
      await client.send('a FETCH 1 BODY.PEEK[]\r\n');
      await client.waitFor(/half/);
    },
    seen: 'UNSELECT',
  },
  {
    name: 'in an answer’s long line',
    run: async (scene) => {
      const { client, gate, stage: s } = scene;
      await expectOk(client, 'EXAMINE INBOX');
      s.upstream.once('SEARCH', async (command, connection) => {
        connection.send(`* SEARCH${' 1'.repeat(300)}`);
        await gate.opened;
        connection.send(' 2 3\r\n');
        connection.ok(command);
      });
      await client.send('a SEARCH ALL\r\n');
      await client.waitFor(/SEARCH( 1)+/);
    },
    seen: 'UNSELECT',
  },
  {
    name: 'an answer that never comes',
    ways: ['RST'],
    run: async (scene) => {
      scene.stage.upstream.once('STATUS', () => undefined);
      await sendAndWait(scene, 'a STATUS INBOX (MESSAGES)\r\n', 'STATUS');
    },
    seen: 'discard',
  },
  {
    name: 'many commands run, under one tag and out of order',
    run: async (scene) => {
      hold(scene, 'STATUS');
      await sendAndWait(scene, 'x STATUS INBOX (MESSAGES)\r\nx NOOP\r\ny NOOP\r\nx LIST "" "*"\r\n', 'LIST');
    },
    seen: 'NOOP',
  },
  {
    name: 'IDLE runs',
    ways: ['FIN', 'RST'],
    run: async ({ client }) => {
      await client.send('a IDLE\r\n');
      await client.expectContinuation();
    },
    seen: 'NOOP',
  },
  {
    name: 'IDLE runs in a mailbox, and the server has news when it ends',
    ways: ['FIN', 'RST'],
    run: async ({ client, stage: s }) => {
      await expectOk(client, 'EXAMINE INBOX');
      s.upstream.once('IDLE', async (command, connection) => {
        connection.send('+ idling\r\n');
        await connection.readLine();
        connection.send(late);
        connection.ok(command);
      });
      await client.send('a IDLE\r\n');
      await client.expectContinuation();
    },
    seen: 'UNSELECT',
  },
  {
    name: 'IDLE is not accepted yet',
    ways: ['FIN', 'RST'],
    run: async (scene) => {
      hold(scene, 'IDLE');
      await sendAndWait(scene, 'a IDLE\r\n', 'IDLE');
    },
    seen: 'NOOP',
  },
  {
    name: 'IDLE is refused late',
    run: async (scene) => {
      const { gate, stage: s } = scene;
      s.upstream.once('IDLE', async (command, connection) => {
        await gate.opened;
        connection.no(command);
      });
      await sendAndWait(scene, 'a IDLE\r\n', 'IDLE');
    },
    seen: 'NOOP',
  },
  {
    name: 'IDLE’s DONE is sent and not answered',
    run: async (scene) => {
      const { client, gate, stage: s } = scene;
      let isDone = false;
      s.upstream.once('IDLE', async (command, connection) => {
        connection.send('+ idling\r\n');
        await connection.readLine();
        isDone = true;
        await gate.opened;
        connection.send(late);
        connection.ok(command);
      });
      await client.send('a IDLE\r\n');
      await client.expectContinuation();
      await client.send('DONE\r\n');
      await s.proxy.until(() => isDone, 'DONE at the upstream');
    },
    seen: 'NOOP',
  },
  {
    name: 'half a short line',
    ways: ['FIN', 'RST'],
    run: async (scene) => scene.client.send('a DELETE Arch'),
    seen: 'NOOP',
  },
  {
    name: 'half a long line',
    ways: ['FIN', 'RST'],
    run: async (scene) => {
      const { client, connection } = scene;
      await client.send(`a SEARCH TEXT "${'DELETE Archive '.repeat(20)}`);
      await connection.waitUntil(() => connection.received.toString('latin1').includes('DELETE Archive'));
    },
    seen: 'discard',
  },
  {
    name: 'half a non-sync literal',
    ways: ['FIN', 'RST'],
    run: (scene) => sendBytes(scene, 'a APPEND INBOX {100+}\r\nhalf a mail'),
    seen: 'discard',
  },
  {
    name: 'a whole literal without the end of its command',
    ways: ['FIN', 'RST'],
    run: (scene) => sendBytes(scene, 'a APPEND INBOX {4+}\r\nmail'),
    seen: 'discard',
  },
  {
    name: 'half a sync literal',
    ways: ['FIN', 'RST'],
    run: async (scene) => {
      await scene.client.send('a APPEND INBOX {100}\r\n');
      await scene.client.expectContinuation();
      await sendBytes(scene, 'half a mail');
    },
    seen: 'discard',
  },
  {
    name: 'a sync literal that is accepted and not sent',
    ways: ['FIN', 'RST'],
    run: async ({ client }) => {
      await client.send('a APPEND INBOX {100}\r\n');
      await client.expectContinuation();
    },
    seen: 'discard',
  },
  {
    name: 'a sync literal that is not accepted yet',
    ways: ['FIN', 'RST'],
    run: async (scene) => {
      const { gate, stage: s } = scene;
      s.upstream.script.onLiteral = async () => {
        await gate.opened;
        s.upstream.script.onLiteral = undefined;
        return 'accept' as const;
      };
      await sendBytes(scene, 'a APPEND INBOX {100}\r\n');
    },
    seen: 'discard',
  },
  {
    name: 'a sync literal that is refused late',
    ways: ['LOGOUT', 'FIN', 'RST'],
    run: async (scene) => {
      const { gate, stage: s } = scene;
      s.upstream.script.onLiteral = async () => {
        await gate.opened;
        s.upstream.script.onLiteral = undefined;
        return 'refuse' as const;
      };
      await sendBytes(scene, 'a APPEND INBOX {100}\r\n');
    },
    seen: 'NOOP',
    // Whether the server has begun to read the literal is not known when the client goes.
    seenBy: { RST: 'discard' },
  },
  {
    name: 'a literal is refused and what follows are commands',
    run: async (scene) => {
      scene.stage.upstream.script.onLiteral = () => 'refuse';
      await scene.client.send('a APPEND INBOX {9}\r\nb NOOP\r\n');
      await scene.client.finish('b');
    },
    seen: 'NOOP',
  },
  {
    name: 'a pipeline runs, with a command that the proxy answers in it',
    run: async (scene) => {
      hold(scene, 'STATUS');
      await sendAndWait(scene, 'a STATUS INBOX (MESSAGES)\r\nb CAPABILITY\r\nc LSUB "" "*"\r\n', 'STATUS');
    },
    seen: 'NOOP',
  },
  { name: 'after ENABLE', run: ({ client }) => expectOk(client, 'ENABLE QRESYNC'), seen: 'apart' },
  {
    name: 'after ENABLE twice',
    run: async ({ client }) => {
      await expectOk(client, 'ENABLE CONDSTORE');
      await expectOk(client, 'ENABLE QRESYNC');
    },
    seen: 'discard',
  },
  {
    name: 'after ENABLE behind SELECT',
    run: async ({ client }) => {
      await expectOk(client, 'SELECT INBOX');
      await expectOk(client, 'ENABLE CONDSTORE');
    },
    seen: 'discard',
  },
  {
    name: 'after ENABLE that was refused',
    run: async ({ client, stage: s }) => {
      s.upstream.once('ENABLE', (command, connection) => connection.bad(command));
      expect((await client.command('ENABLE')).status).toBe('BAD');
    },
    seen: 'discard',
  },
  {
    name: 'after ENABLED came by itself',
    run: async ({ client, stage: s }) => {
      s.upstream.once('STATUS', (_command, connection) => {
        connection.send('* ENABLED CONDSTORE\r\n');
        return 'default';
      });
      await expectOk(client, 'STATUS INBOX (MESSAGES)');
    },
    seen: 'discard',
  },
  {
    name: 'after NOTIFY',
    run: ({ client }) => expectOk(client, 'NOTIFY SET (personal (MessageNew))'),
    seen: 'discard',
  },
  { name: 'after NOTIFY NONE', run: ({ client }) => expectOk(client, 'NOTIFY NONE'), seen: 'discard' },
  ...[
    'SELECT INBOX (CONDSTORE)',
    'EXAMINE INBOX (condstore)',
    'SELECT INBOX (QRESYNC (1 2))',
    'STATUS INBOX (HIGHESTMODSEQ)',
    'LIST "" "*" RETURN (STATUS (HIGHESTMODSEQ))',
    'ESEARCH IN (personal) RETURN (COUNT) MODSEQ 5',
  ].map((text): Row => ({
    name: `after ${text}`,
    run: async ({ client, stage: s }) => {
      s.upstream.once('ESEARCH', (command, connection) => connection.ok(command));
      await expectOk(client, text);
    },
    // The others only may enable CONDSTORE.
    seen: /^(?:SELECT INBOX \(COND|EXAMINE|STATUS)/.test(text) ? 'apart' : 'discard',
  })),
  ...[
    'FETCH 1 (FLAGS MODSEQ)',
    'UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1)',
    'STORE 1 (UNCHANGEDSINCE 1) FLAGS ()',
    'SEARCH MODSEQ 1',
    'UID SORT (DATE) UTF-8 MODSEQ 1',
  ].map((text): Row => ({
    name: `after ${text}`,
    run: async ({ client, stage: s }) => {
      s.upstream.once('UID SORT', (command, connection) => connection.ok(command));
      await expectOk(client, 'EXAMINE INBOX', text);
    },
    seen: 'discard',
  })),
  {
    name: 'after MODSEQ at the held-back end of a long line',
    run: ({ client }) => expectOk(client, 'EXAMINE INBOX', `FETCH 1 (${'FLAGS '.repeat(200)}MODSEQ)`),
    seen: 'discard',
  },
  {
    name: 'after an unknown command',
    run: async ({ client }) => {
      expect((await client.command('XSTATE on')).status).toBe('BAD');
    },
    seen: 'discard',
  },
  {
    name: 'after LANGUAGE',
    run: async ({ client }) => {
      expect((await client.command('LANGUAGE de')).status).toBe('BAD');
    },
    seen: 'discard',
  },
  {
    name: 'after three bad commands',
    run: async ({ client }) => {
      for (const text of ['FETCH 1 FLAGS', 'UNSELECT', 'CLOSE'])
        expect((await client.command(text)).status).toBe('BAD');
    },
    seen: 'discard',
  },
  {
    name: 'after COMPRESS, STARTTLS and LOGIN were refused',
    run: async ({ client }) => {
      for (const text of ['COMPRESS DEFLATE', 'STARTTLS', 'LOGIN bob secret', 'UNAUTHENTICATE'])
        expect((await client.command(text)).status).toBe('BAD');
    },
    seen: 'NOOP',
  },
  {
    name: 'after a line with a bare line feed',
    run: async ({ client }) => {
      await client.send('a NOOP\n');
      await client.finish('a');
    },
    seen: 'discard',
  },
  {
    name: 'after literals that are glued to an atom or have leading zeros',
    run: async ({ client, stage: s }) => {
      s.upstream.once('LIST', (command, connection) => connection.bad(command));
      await client.send('a LIST {007+}\r\nb NOOP\r\n"*"\r\n');
      await client.waitFor(/a BAD.*\r\n/);
    },
    seen: 'discard',
    // The server took the second command for the literal's content: nobody who waits for its answer gets one.
    ways: ['RST'],
  },
  {
    name: 'after commands that were hidden behind an error',
    // Dovecot 2.3 skips the line that it can't parse and runs the literal's lines as commands; the hidden APPEND
    // swallows a command that the proxy has seen, so that there is an answer for each tag.
    run: async ({ client, stage: s }) => {
      const { script } = s.upstream;
      const offered = script.capabilitiesAfterLogin;
      script.capabilitiesAfterLogin = [];
      s.upstream.once('SEARCH', (command, connection) => {
        script.capabilitiesAfterLogin = offered;
        connection.bad(command);
      });
      const hidden = 'a SELECT INBOX\r\na APPEND nowhere {10+}\r\n';
      await client.send(
        `a SEARCH SUBJECT " {${hidden.length}+}\r\n${hidden}\r\na NOOP\r\na NOOP\r\na NOOP\r\n`,
      );
      await client.waitFor(/a BAD SEARCH[^]*a OK .*selected[^]*a NO .*\r\na OK NOOP.*\r\n/);
    },
    seen: 'discard',
  },
  {
    name: 'after commands that were hidden in a literal',
    run: async ({ client }) => {
      const hidden = 'b SELECT INBOX\r\nc ENABLE CONDSTORE\r\n';
      await client.send(`a NOOP {${hidden.length}+}\r\n${hidden}\r\n`);
      expect(await client.readLine()).toMatch(/^a BAD/);
    },
    seen: 'NOOP',
  },
  {
    name: 'while a hidden literal is being skipped',
    ways: ['FIN', 'RST'],
    run: ({ client }) => client.send('a NOOP {1000+}\r\nb SELECT INBOX\r\n'),
    seen: 'NOOP',
  },
  {
    name: 'while one tag runs twice and the answers cross',
    // By the tag alone nobody can tell which command was refused: it may be selected.
    run: async ({ client, stage: s }) => {
      s.upstream.once('CREATE', async (command, connection) => {
        await connection.waitUntil(() => connection.selected !== undefined);
        connection.no(command);
      });
      await client.send('x CREATE INBOX\r\nx SELECT INBOX\r\n');
      await client.waitFor(/x OK .*\r\nx NO .*\r\n/);
    },
    seen: 'EXAMINE',
  },
];

/** All that a client can see of the state that it gets; the same on every clean connection. */
async function transcript(client: RawClient): Promise<string> {
  const texts = [
    'NOOP',
    'CAPABILITY',
    'FETCH 1:* FLAGS',
    'LIST "" "*"',
    'STATUS INBOX (MESSAGES)',
    'SELECT INBOX',
    'UID FETCH 1:* (FLAGS BODY.PEEK[])',
    'UID SEARCH ALL',
    'UNSELECT',
    'STATUS Archive (MESSAGES)',
    'LOGOUT',
  ];
  const results: string[] = [];
  for (const [at, text] of texts.entries()) {
    await client.send(`n${at} ${text}\r\n`);
    results.push((await client.finish(`n${at}`)).raw.toString('latin1'));
  }
  results.push((await client.waitForClose()).unread);
  return results.join('');
}

async function freshTranscript(script: Partial<Script> = {}): Promise<string> {
  const s = await stage({ upstream: script });
  return transcript(await s.logIn('alice'));
}

async function leave({ client, gate, stage: s }: Scene, way: Way): Promise<void> {
  if (way === 'RST') {
    client.reset();
    await s.untilSessions(1);
    gate.open();
    return;
  }
  if (way === 'FIN') client.end();
  else await client.send('bye LOGOUT\r\n');
  gate.open();
  const { unread } = await client.waitForClose();
  if (way === 'LOGOUT') expect(unread).toMatch(/\* BYE .*\r\nbye OK .*\r\n$/);
}

const cases = rows.flatMap((row) =>
  (row.ways ?? all).map((way) => ({ name: row.name, way, row, seen: row.seenBy?.[way] ?? row.seen })),
);

describe('the next client of the same user', () => {
  it.each(cases)('starts afresh: $name, $way → $seen', async ({ row, way, seen }) => {
    const expected = await freshTranscript(row.script);
    const s = await stage({
      upstream: row.script ?? {},
      environment: { RELEASE_TIMEOUT: seen === 'discard' ? '200ms' : '5s' },
    });
    const bob = await s.lease('bob');
    await expectOk(bob.client, 'SELECT INBOX');
    const bobsBytes = bob.client.received.length;
    const { client, connection } = await s.lease('alice');
    const scene: Scene = { stage: s, client, connection, gate: makeGate() };
    await row.run(scene);
    const before = connection.commands.length;
    await leave(scene, way);
    await s.untilSessions(1);
    if (seen === 'discard') {
      await connection.waitForClose();
    } else if (seen === 'apart') {
      await s.untilPool({ idle: 1, leased: 1, resetting: 0 });
    } else {
      await s.untilPool({ idle: 1, leased: 1, resetting: 0 });
      const commands = connection.commands.slice(before);
      expect(commands.map(({ verb }) => verb).at(-1)).toBe(seen);
      expect(commands.at(-1)?.tag).toMatch(/^P[0-9a-f-]{36}$/);
    }
    // The script is a correct server again.
    for (const verb of ['UNSELECT', 'EXAMINE']) s.upstream.on(verb, () => 'default');
    s.upstream.script.onLiteral = undefined;

    const next = await s.logIn('alice');
    expect(await transcript(next)).toBe(expected);
    const isLost = seen === 'discard' || seen === 'apart';
    const last = await s.connectionOf('alice', isLost ? 2 : 1);
    if (isLost) expect(last).not.toBe(connection);
    else expect(last).toBe(connection);
    if (seen === 'apart') expect(connection.isOpen).toBe(true);
    expect([...last.enabled]).toEqual([]);
    expect(last.notify).toBeUndefined();

    expect(bob.client.received.length).toBe(bobsBytes);
    const { literals } = await bob.client.command('UID FETCH 1:* BODY.PEEK[]');
    expect(literals).toHaveLength(3);
    expect(literals.every((body) => body.includes('mark-of-bob '))).toBe(true);
  });

  it.each(all)('starts afresh when nothing was sent, and the server sees nothing: %s', async (way) => {
    const expected = await freshTranscript();
    const s = await stage();
    await s.lease('bob');
    const client = await s.logIn('alice');
    const connection = await s.connectionOf('alice');
    const bytes = connection.received.length;
    await leave({ stage: s, client, connection, gate: makeGate() }, way);
    await s.untilPool({ idle: 1, leased: 1 });
    expect(connection.received.length).toBe(bytes);
    expect(await transcript(await s.logIn('alice'))).toBe(expected);
    expect(s.attempts).toBe(2);
  });

  it('never gets what comes late, however long it takes', async () => {
    const expected = await freshTranscript();
    const s = await stage();
    await s.lease('bob');
    const { client, connection } = await s.lease('alice');
    await expectOk(client, 'SELECT INBOX');
    const gate = makeGate();
    s.upstream.once('FETCH', async (command, at) => {
      await gate.opened;
      at.send('* 1 FETCH (BODY[] {12}\r\nlate secret!)\r\n');
      at.ok(command);
    });
    await client.send('n0 FETCH 1 BODY[]\r\n');
    await connection.waitForCommand('FETCH');
    client.reset();
    await s.untilPool({ resetting: 1 });
    // The connection is still being drained: the next client gets another one, and the late answer goes nowhere.
    const next = await s.logIn('alice');
    const text = transcript(next);
    await s.connectionOf('alice', 2);
    gate.open();
    expect(await text).toBe(expected);
    // A transcript has a command that gets BAD, so what it ran on is not kept.
    await s.untilPool({ idle: 1, resetting: 0 });
    expect(connection.selected).toBeUndefined();
    expect(await transcript(await s.logIn('alice'))).toBe(expected);
    expect(s.attempts).toBe(3);
    expect(await transcript(await s.logIn('alice'))).toBe(expected);
    expect(s.attempts).toBe(4);
  });

  it('gets a fresh connection when RELEASE_TIMEOUT=0 and something runs', async () => {
    const s = await stage({ environment: { RELEASE_TIMEOUT: '0' } });
    const bob = await s.lease('bob');
    const { client, connection } = await s.lease('alice');
    s.upstream.once('STATUS', () => undefined);
    await client.send('a STATUS INBOX (MESSAGES)\r\n');
    await connection.waitForCommand('STATUS');
    client.reset();
    await connection.waitForClose();
    expect((await s.lease('alice')).connection).not.toBe(connection);
    expect((await bob.client.command('NOOP')).text).toBe('NOOP done (bob)');
  });

  it('gets a clean connection a hundred times in a row, whatever the others do', async () => {
    const s = await stage();
    const bob = await s.lease('bob');
    const expected = await freshTranscript();
    const leavers: ((client: RawClient) => Promise<void>)[] = [
      (client) => client.send('a SELECT INBOX\r\nb FETCH 1:* BODY.PEEK[]\r\n'),
      (client) => client.send('a IDLE\r\n'),
      (client) => client.send('a APPEND INBOX {100+}\r\nx LOGOUT\r\n'),
      (client) => client.send('a EXAMINE INBOX\r\nb IDLE\r\nDONE\r\nc UID FETCH 1'),
      (client) => client.send('a ENABLE CONDSTORE\r\nb STATUS INBOX (HIGHESTMODSEQ)\r\n'),
    ];
    for (let n = 0; n < 20; n++) {
      for (const act of leavers) {
        const client = await s.logIn('alice');
        await act(client);
        if (n % 2 === 0) client.reset();
        else client.destroy();
      }
      await s.untilSessions(1);
      expect(await transcript(await s.logIn('alice')), `round ${n}`).toBe(expected);
    }
    expect((await bob.client.command('NOOP')).text).toBe('NOOP done (bob)');
  });
});
