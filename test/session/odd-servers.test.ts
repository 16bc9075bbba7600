// Servers that write IMAP in other ways than most: greetings, logins, answers and capabilities, and what is read in them.

import { describe, expect, it } from 'vitest';
import { literal } from '../support/literal.js';
import type { RawClient } from '../support/raw-client.js';
import type { Hook, Script, UpstreamConnection } from '../support/scripted-upstream.js';
import { useStages } from './stage.js';
import type { Stage } from './stage.js';

const stage = useStages();

const before = 'IMAP4rev1 SASL-IR AUTH=PLAIN';

/** Sends pieces, each in a packet of its own. */
async function inPieces(connection: UpstreamConnection, pieces: readonly string[]): Promise<void> {
  for (const piece of pieces) {
    connection.send(piece);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function expectMail(client: RawClient, user: string): Promise<void> {
  expect((await client.command('SELECT INBOX')).status).toBe('OK');
  const { literals } = await client.command('UID FETCH 1:* BODY.PEEK[]');
  expect(literals).toHaveLength(3);
  expect(literals.every((body) => body.includes(`mark-of-${user} `))).toBe(true);
}

/** Two users log in, read their mail and leave; their connections are kept. */
async function expectService(s: Stage): Promise<void> {
  for (const user of ['alice', 'bob']) {
    const client = await s.logIn(user);
    await expectMail(client, user);
    await s.leave(client);
  }
  await s.untilPool({ idle: 2, resetting: 0 });
}

describe('a greeting', () => {
  const greetings: readonly (readonly [name: string, pieces: readonly string[]])[] = [
    ['in two packets', ['* OK [CAPABILITY IMAP4', 'rev1 SASL-IR AUTH=PLAIN] hello\r\n']],
    ['cut before its line feed', [`* OK [CAPABILITY ${before}] hello\r`, '\n']],
    ['cut behind its star', ['*', ` OK [CAPABILITY ${before}] hello\r\n`]],
    ['without CR', [`* OK [CAPABILITY ${before}] hello\n`]],
    ['in lower case', [`* ok [capability ${before}] hello\r\n`]],
    ['without capabilities', ['* OK hello\r\n']],
    ['without a text', ['* OK\r\n']],
    ['with capabilities behind it', [`* OK hello\r\n* CAPABILITY ${before}\r\n`]],
    ['with an alert behind it', [`* OK [CAPABILITY ${before}] hello\r\n* OK [ALERT] down at noon {10}\r\n`]],
    ['with an alert in a packet behind it', [`* OK [CAPABILITY ${before}] hi\r\n`, '* OK [ALERT] noon\r\n']],
    ['with text in UTF-8', [`* OK [CAPABILITY ${before}] grüß dich\r\n`]],
  ];
  it.each(greetings)('%s lets users in', async (_name, pieces) => {
    const s = await stage({
      upstream: {
        capabilitiesBeforeLogin: before.split(' '),
        greeting: async (connection) => {
          await inPieces(connection, pieces);
          return undefined;
        },
      },
    });
    await expectService(s);
    expect(s.attempts).toBe(2);
  });

  it.each([
    ['PREAUTH', '* PREAUTH [CAPABILITY IMAP4rev1] you are alice\r\n'],
    ['preauth', '* preauth you are alice\r\n'],
    ['BYE', '* BYE [UNAVAILABLE] try later\r\n'],
    ['a continuation first', `+ wait\r\n* OK [CAPABILITY ${before}] hello\r\n`],
    ['a reply of many lines', '220-mail.example.org ESMTP\r\n220 ready\r\n'],
    ['HTTP', 'HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n'],
    ['a tagged OK', 'a OK hello\r\n'],
    ['something unknown', '* HELLO there\r\n'],
    ['NUL and 8-bit bytes', '\0\0\xff\xfe\r\n\0'],
    ['an empty line', '\r\n'],
    ['half a line', '* OK [CAPABILITY IMAP4rev1'],
    ['a literal', '* OK {5}\r\nhello\r\n'],
    ['data', '* 1 EXISTS\r\n'],
  ])('that is %s sends no password, and is over in time', async (_name, bytes) => {
    const s = await stage({
      environment: { UPSTREAM_CONNECT_TIMEOUT: '400ms' },
      upstream: {
        greeting: (connection) => {
          connection.send(Buffer.from(bytes, 'latin1'));
          if (bytes.includes('BYE')) connection.end();
          return undefined;
        },
      },
    });
    const client = await s.connect();
    for (const user of ['alice', 'bob']) {
      const { status, text } = await client.command(`LOGIN ${user} secret`);
      // A server that says OK late, or with a literal behind it, may be let through, as long as it checks the password.
      if (status === 'NO') expect(text).toMatch(/^\[UNAVAILABLE\] /);
      else expect(s.attempts).toBe(1);
      if (status === 'OK') return;
    }
    expect(s.attempts).toBe(0);
    expect(s.upstream.connections.every(({ verbs }) => !/LOGIN|AUTH/.test(verbs.join()))).toBe(true);
    s.upstream.script.greeting = undefined;
    await s.proxy.until(() => s.upstream.openConnections.length === 0, 'no connection');
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');
    await expectMail(client, 'alice');
  });
});

describe('a login', () => {
  const after = 'IMAP4rev1 LITERAL+ UNSELECT XAFTER';
  const shown = `* CAPABILITY ${after}`;
  const answers: readonly (readonly [
    name: string,
    answer: (tag: string) => readonly string[],
    asked: number,
  ])[] = [
    ['in lower case', (tag) => [`${tag} ok [capability ${after}] in\r\n`], 0],
    ['without CR', (tag) => [`${tag} OK [CAPABILITY ${after}] in\n`], 0],
    ['in two packets', (tag) => [`${tag} OK [CAPABIL`, `ITY ${after}] in\r\n`], 0],
    ['with an alert before it', (tag) => [`* OK [ALERT] {5}\r\n${tag} OK [CAPABILITY ${after}] in\r\n`], 0],
    ['with an alert behind it', (tag) => [`${tag} OK [CAPABILITY ${after}] in\r\n* OK [ALERT] hi\r\n`], 0],
    ['with capabilities before it', (tag) => [`* CAPABILITY ${after}\r\n${tag} OK in\r\n`], 1],
    ['with capabilities behind it', (tag) => [`${tag} OK in\r\n* CAPABILITY ${after}\r\n`], 1],
    ['with others before it', (tag) => [`* CAPABILITY X\r\n${tag} OK [CAPABILITY ${after}] in\r\n`], 0],
    ['with more spaces', (tag) => [`${tag} OK  [CAPABILITY ${after}]  in\r\n`], 0],
    ['with none at all', (tag) => [`${tag} OK in\r\n`], 1],
    ['without a text', (tag) => [`${tag} OK\r\n`], 1],
  ];
  it.each(answers)('that is answered %s shows the capabilities of after it', async (_name, answer, asked) => {
    const s = await stage({ upstream: { capabilitiesAfterLogin: after.split(' ') } });
    s.upstream.on('AUTHENTICATE', async (command, connection) => {
      connection.user = Buffer.from(command.args.slice('PLAIN '.length), 'base64').toString().includes('bob')
        ? 'bob'
        : 'alice';
      await inPieces(connection, answer(command.tag));
    });
    const client = await s.connect();
    expect((await client.command('LOGIN alice secret')).text).toBe(`[CAPABILITY ${after}] Logged in`);
    expect(s.count('CAPABILITY')).toBe(asked);
    expect((await client.command('CAPABILITY')).untagged).toEqual([shown]);
    await expectMail(client, 'alice');
    expect((await client.command(['APPEND INBOX ', literal('plus', 'non-sync')])).status).toBe('OK');
    expect(client.received.toString('latin1')).not.toContain('ALERT');
    await s.leave(client);
    await expectMail(await s.logIn('bob'), 'bob');
  });
});

describe('an answer', () => {
  const oddities: readonly (readonly [name: string, write: Hook])[] = [
    ['in lower case', (command, at) => at.send(`${command.tag} ok done\r\n`)],
    ['without CR', (command, at) => at.send(`* 1 RECENT\n${command.tag} OK done\n`)],
    ['without a text', (command, at) => at.send(`${command.tag} OK\r\n`)],
    ['with more spaces behind the status', (command, at) => at.send(`${command.tag} OK   done\r\n`)],
    ['behind an alert', (command, at) => at.send(`* OK [ALERT] {3}\r\n${command.tag} OK done\r\n`)],
    ['before its untagged data', (command, at) => at.send(`${command.tag} OK done\r\n* 1 RECENT\r\n`)],
    ['byte by byte', (command, at) => inPieces(at, `${command.tag} OK x\r\n`.split(''))],
  ];
  const verbs = ['NOOP', 'UNSELECT'] as const;
  it.each(oddities.flatMap(([name, write]) => verbs.map((verb) => ({ name, write, verb }))))(
    '$name to the barrier, $verb, proves a connection clean',
    async ({ write, verb }) => {
      const s = await stage();
      const bob = await s.lease('bob');
      const { client, connection } = await s.lease('alice');
      if (verb === 'UNSELECT') await client.command('SELECT INBOX');
      s.upstream.once(verb, write);
      client.end();
      await s.untilPool({ idle: 1, leased: 1, resetting: 0 });
      const next = await s.lease('alice');
      expect(next.connection).toBe(connection);
      expect(next.client.received.toString('latin1')).not.toMatch(/ALERT|RECENT|done\r/);
      expect((await bob.client.command('NOOP')).untagged).toEqual([]);
    },
  );

  it.each(oddities)('%s passes as it is', async (_name, write) => {
    const s = await stage();
    const { client } = await s.lease('alice');
    s.upstream.once('CHECK', write);
    await client.send('a CHECK\r\n');
    expect(await client.waitFor(/^a ok.*\r?\n/im)).toMatch(/^a ok/i);
    expect((await client.command('NOOP')).text).toBe('NOOP done (alice)');
  });

  it('with more spaces before the status is none of the grammar: the session ends, nothing is kept', async () => {
    const s = await stage();
    const { client, connection } = await s.lease('alice');
    s.upstream.once('CHECK', (command, at) => {
      at.send(`${command.tag}  OK done\r\n`);
    });
    await client.begin('CHECK');
    expect((await client.waitForClose()).unread).toMatch(/^\* BYE \[UNAVAILABLE\] .*\r\n$/);
    await connection.waitForClose();
    expect((await s.lease('alice')).connection).not.toBe(connection);
  });
});

describe('capabilities that change', () => {
  const withNone: Partial<Script> = { capabilitiesAfterLogin: ['IMAP4rev1'] };
  const tell: readonly (readonly [name: string, line: (names: string) => string])[] = [
    ['untagged', (names) => `* CAPABILITY ${names}\r\n`],
    ['in the code of an untagged OK', (names) => `* OK [CAPABILITY ${names}] new\r\n`],
    ['in a code behind more spaces', (names) => `* OK  [CAPABILITY ${names}] new\r\n`],
  ];

  it.each(tell)(
    '%s, while a client is there, decide which literals pass, and how a mailbox is left',
    async (_name, line) => {
      const s = await stage({ upstream: withNone });
      const { client, connection } = await s.lease('alice');
      expect((await client.command(['APPEND INBOX ', literal('x', 'non-sync')])).status).toBe('BAD');
      s.upstream.script.capabilitiesAfterLogin = ['IMAP4rev1', 'LITERAL+', 'UNSELECT'];
      connection.send(line('IMAP4rev1 LITERAL+ UNSELECT STARTTLS COMPRESS=DEFLATE'));
      await client.waitFor(/UNSELECT.*\r\n/);
      expect(client.received.toString('latin1')).not.toMatch(/STARTTLS|COMPRESS/);
      expect((await client.command('CAPABILITY')).untagged).toEqual([
        '* CAPABILITY IMAP4rev1 LITERAL+ UNSELECT',
      ]);
      expect((await client.command(['APPEND INBOX ', literal('x', 'non-sync')])).status).toBe('OK');
      await client.command('SELECT INBOX');
      s.upstream.script.capabilitiesAfterLogin = ['IMAP4rev1'];
      connection.send(line('IMAP4rev1'));
      await client.waitFor(/CAPABILITY IMAP4rev1\]?.*\r\n/);
      expect((await client.command(['APPEND INBOX ', literal('x', 'non-sync')])).status).toBe('BAD');
      await s.leave(client);
      await s.untilPool({ idle: 1, resetting: 0 });
      expect(connection.verbs.at(-1)).toBe('EXAMINE');
      expect((await s.lease('alice')).connection).toBe(connection);
    },
  );

  it('in the code of a tagged OK are filtered, and count at once', async () => {
    const s = await stage({ upstream: withNone });
    const { client } = await s.lease('alice');
    s.upstream.once('SELECT', (command, at) => {
      at.send(`${command.tag} OK [CAPABILITY IMAP4rev1 LITERAL+ AUTH=PLAIN] selected\r\n`);
    });
    s.upstream.script.capabilitiesAfterLogin = ['IMAP4rev1', 'LITERAL+'];
    expect((await client.command('SELECT INBOX')).text).toBe('[CAPABILITY IMAP4rev1 LITERAL+] selected');
    expect((await client.command(['APPEND INBOX ', literal('x', 'non-sync')])).status).toBe('OK');
  });

  it('are those of one connection: another one of the same user has its own', async () => {
    const s = await stage();
    const first = await s.lease('alice');
    const second = await s.lease('alice');
    first.connection.send('* CAPABILITY IMAP4rev1 XFIRST\r\n');
    await first.client.waitFor(/XFIRST\r\n/);
    expect((await first.client.command('CAPABILITY')).untagged).toEqual(['* CAPABILITY IMAP4rev1 XFIRST']);
    expect((await second.client.command('CAPABILITY')).untagged[0]).not.toContain('XFIRST');
  });
});
