// What each kind of command leaves behind where the server says yes to it: what goes upstream, and who gets the connection next.

import { describe, expect, it } from 'vitest';
import type { RawClient } from '../support/raw-client.js';
import type { Hook } from '../support/scripted-upstream.js';
import { useStages } from './stage.js';
import type { Stage } from './stage.js';

const stage = useStages();

/** The barrier by which the connection is proven clean; `retired` means that it is closed instead. */
type Fate = 'NOOP' | 'UNSELECT' | 'retired';

interface Row {
  /** The commands of the client, each with the status of its answer. */
  readonly commands: readonly (readonly [text: string, status: string])[];
  /** Verbs that the server answers as it doesn't by default. */
  readonly hooks?: Readonly<Record<string, Hook>>;
  readonly fate: Fate;
}

/** No client but the one that asked for it may ever see this. */
const mark = 'left-behind';
const accept: Hook = (command, connection) => {
  connection.ok(command);
};
const refuse: Hook = (command, connection) => {
  connection.no(command);
};

const rows: readonly Row[] = [
  ...[
    'NOTIFY SET (selected (MessageNew))',
    'NOTIFY NONE',
    'notify none',
    'LANGUAGE de',
    'LANGUAGE',
    'COMPARATOR "i;ascii-casemap"',
    'comparator',
    'XSTATE on',
    'X-GM-LABELS a',
    'CANCELUPDATE "a"',
    'SUPERSELECT INBOX',
    'UID SUPERFETCH 1',
  ].map((text): Row => {
    const verb = /^(?:UID )?\S+/.exec(text.toUpperCase())?.[0] ?? '';
    return { commands: [[text, 'OK']], hooks: { [verb]: accept }, fate: 'retired' };
  }),
  // A server that refuses may have begun all the same.
  { commands: [['LANGUAGE xx', 'NO']], hooks: { LANGUAGE: refuse }, fate: 'retired' },
  { commands: [['NOTIFY SET STATUS', 'NO']], hooks: { NOTIFY: refuse }, fate: 'retired' },
  {
    commands: [
      ['SELECT INBOX', 'OK'],
      ['SEARCH RETURN (SAVE) ALL', 'OK'],
      ['FETCH $ FLAGS', 'OK'],
    ],
    fate: 'UNSELECT',
  },
  {
    commands: [
      ['EXAMINE INBOX', 'OK'],
      ['UID SEARCH RETURN (SAVE COUNT) ALL', 'OK'],
    ],
    fate: 'UNSELECT',
  },
  {
    commands: [
      ['SELECT INBOX', 'OK'],
      ['SEARCH RETURN (CONTEXT UPDATE COUNT) ALL', 'OK'],
    ],
    hooks: {
      // The context lives as long as the mailbox is selected, and says so until the very end of it.
      UNSELECT: (_command, connection) => {
        connection.send(`* ESEARCH (TAG "${mark}") UID ADDTO (0 1)\r\n`);
        return 'default';
      },
    },
    fate: 'UNSELECT',
  },
  {
    commands: [
      ['SELECT INBOX', 'OK'],
      ['SORT RETURN (UPDATE) (DATE) UTF-8 ALL', 'OK'],
    ],
    hooks: { SORT: accept },
    fate: 'UNSELECT',
  },
  {
    commands: [
      ['SELECT INBOX', 'OK'],
      ['EXAMINE nowhere', 'NO'],
    ],
    fate: 'NOOP',
  },
  {
    commands: [
      ['EXAMINE INBOX', 'OK'],
      ['SELECT nowhere', 'NO'],
      ['SELECT Archive', 'OK'],
    ],
    fate: 'UNSELECT',
  },
  {
    commands: [
      ['SELECT INBOX', 'OK'],
      ['close', 'OK'],
    ],
    fate: 'NOOP',
  },
  {
    commands: [
      ['select INBOX', 'OK'],
      ['unselect', 'OK'],
    ],
    fate: 'NOOP',
  },
  {
    commands: [
      ['SELECT INBOX', 'OK'],
      ['CLOSE', 'NO'],
    ],
    hooks: { CLOSE: refuse },
    fate: 'UNSELECT',
  },
  {
    commands: [
      ['SELECT INBOX', 'OK'],
      ['UNSELECT', 'OK'],
      ['EXAMINE Archive', 'OK'],
    ],
    fate: 'UNSELECT',
  },
];

const ways = ['LOGOUT', 'FIN', 'RST'] as const;

async function leave(s: Stage, client: RawClient, way: (typeof ways)[number]): Promise<void> {
  if (way === 'LOGOUT') await s.leave(client);
  else if (way === 'FIN') {
    client.end();
    await client.waitForClose();
  } else client.reset();
  await s.untilSessions(1);
}

const cases = rows.flatMap((row) =>
  ways.map((way) => ({ ...row, way, name: row.commands.map(([text]) => text).join(' / ') })),
);

describe('what a client has done', () => {
  it.each(cases)('$name, $way → $fate', async ({ commands, hooks = {}, fate, way }) => {
    const s = await stage();
    const bob = await s.lease('bob');
    const bobsBytes = bob.client.received.length;
    const { client, connection } = await s.lease('alice');
    for (const [verb, hook] of Object.entries(hooks)) s.upstream.on(verb, hook);
    const sent = connection.commands.length;
    for (const [text, status] of commands) expect(await client.command(text), text).toMatchObject({ status });
    expect(connection.commands.slice(sent).map(({ verb, args }) => [verb, args].join(' ').trim())).toEqual(
      commands.map(([text]) => text.replace(/^(?:UID )?\S+/i, (verb) => verb.toUpperCase())),
    );
    await leave(s, client, way);
    if (fate === 'retired') {
      await connection.waitForClose();
      expect(await s.closedFor('dirty')).toBe(1);
      expect(connection.verbs.at(-1)).toBe('LOGOUT');
    } else {
      await s.untilPool({ idle: 1, leased: 1, resetting: 0 });
      expect(connection.verbs.slice(sent + commands.length)).toEqual([fate]);
    }
    const next = await s.lease('alice');
    expect(next.connection === connection).toBe(fate !== 'retired');
    expect(next.connection.selected).toBeUndefined();
    expect(next.connection.notify).toBeUndefined();
    expect((await next.client.command('FETCH 1 FLAGS')).status).toBe('BAD');
    expect(next.client.received.toString('latin1')).not.toContain(mark);
    expect(bob.client.received.length).toBe(bobsBytes);
  });

  it('is not seen where the mailbox was left in one pipeline with what follows', async () => {
    const s = await stage();
    const bob = await s.lease('bob');
    const { client, connection } = await s.lease('alice');
    await client.send('a SELECT INBOX\r\nb CLOSE\r\nc EXAMINE Archive\r\nd UNSELECT\r\ne LOGOUT\r\n');
    expect((await client.waitForClose()).unread.match(/^[a-e] \w+/gm)).toEqual(
      ['a', 'b', 'c', 'd', 'e'].map((tag) => `${tag} OK`),
    );
    await s.untilPool({ idle: 1, leased: 1, resetting: 0 });
    expect(connection.verbs.at(-1)).toBe('NOOP');
    expect((await s.lease('alice')).connection).toBe(connection);
    expect((await bob.client.command('NOOP')).text).toBe('NOOP done (bob)');
  });
});

describe('late news of what the client before had asked for', () => {
  it.each([
    ['NOTIFY SET (personal (MessageNew))', `* STATUS ${mark} (MESSAGES 9)`],
    ['LANGUAGE de', `* LANGUAGE (${mark})`],
  ])('end with the connection: %s', async (text, news) => {
    const s = await stage();
    s.upstream.on('LANGUAGE', accept);
    const { client, connection } = await s.lease('alice');
    expect((await client.command(text)).status).toBe('OK');
    connection.send(`${news}\r\n`);
    expect(await client.readLine()).toBe(news);
    client.reset();
    connection.send(`${news}\r\n`);
    await connection.waitForClose();
    for (const user of ['alice', 'bob']) {
      const next = await s.lease(user);
      expect(next.client.received.toString('latin1')).not.toContain(mark);
    }
  });
});
