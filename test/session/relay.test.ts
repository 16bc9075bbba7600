// What passes between a logged-in client and its upstream connection, byte by byte, and what the proxy answers itself.

import { describe, expect, it } from 'vitest';
import { makeGate } from '../support/gate.js';
import { literal } from '../support/literal.js';
import type { RawClient } from '../support/raw-client.js';
import type { UpstreamConnection } from '../support/scripted-upstream.js';
import { plain, useStages } from './stage.js';
import type { Stage } from './stage.js';

const stage = useStages();

const MEGABYTE = 1_048_576;
/** Every byte there is, NUL included, and everything that looks like protocol. */
const trap = Buffer.concat([
  Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
  Buffer.from(
    '\r\na LOGOUT\r\nx OK [CAPABILITY COMPRESS=DEFLATE] done\r\n* BYE bye\r\n+ go\r\n* CAPABILITY STARTTLS\r\n* 1 FETCH {5}\r\n)\n{7+}\r\n',
  ),
]);

/** A round trip of another user: everything that was on the way in this process has been read by then. */
async function barrier(s: Stage, client: RawClient, rounds = 1): Promise<void> {
  for (let n = 0; n < rounds; n++) expect((await client.command('NOOP')).status).toBe('OK');
  expect(s.upstream.openConnections.length).toBeGreaterThan(0);
}

/** Answers the next command with this verb by exactly these bytes; `TAG` in them is its tag. */
function script(s: Stage, verb: string, bytes: string | Buffer): void {
  s.upstream.once(verb, (command, connection) => {
    const text = Buffer.isBuffer(bytes) ? bytes.toString('latin1') : bytes;
    connection.send(Buffer.from(text.replaceAll('TAG', command.tag), 'latin1'));
  });
}

async function expectReused(s: Stage, connection: UpstreamConnection): Promise<void> {
  await s.untilSessions(1);
  await s.proxy.until(async () => (await s.connections('idle')) === 1, 'an idle connection');
  expect((await s.lease('alice')).connection).toBe(connection);
}

async function expectDiscarded(s: Stage, connection: UpstreamConnection): Promise<void> {
  await connection.waitForClose();
  expect((await s.lease('alice')).connection).not.toBe(connection);
}

describe('capabilities', () => {
  const given =
    'IMAP4rev1 STARTTLS AUTH=PLAIN auth=x LOGINDISABLED COMPRESS=DEFLATE compress=Lz4 LOGIN-REFERRALS UNAUTHENTICATE XIMAPPROXY XPROXYREUSE UNSELECT LITERAL+ SASL-IR AUTHX XSTARTTLS';
  const passed = 'IMAP4rev1 UNSELECT LITERAL+ SASL-IR AUTHX XSTARTTLS';

  it.each(['whole', 'bytewise'] as const)('are filtered wherever they appear: %s', async (writeMode) => {
    const s = await stage();
    const { client } = await s.lease('alice');
    await s.lease('bob');
    s.upstream.script.writeMode = writeMode;
    const places: [bytes: string, expected: string][] = [
      [`* CAPABILITY ${given}\r\nTAG OK done\r\n`, `* CAPABILITY ${passed}\r\nTAG OK done\r\n`],
      [`* capability ${given}\r\nTAG OK done\r\n`, `* capability ${passed}\r\nTAG OK done\r\n`],
      [
        `* OK [CAPABILITY ${given}] hi\r\nTAG OK done\r\n`,
        `* OK [CAPABILITY ${passed}] hi\r\nTAG OK done\r\n`,
      ],
      [`* ok [capability ${given}]\r\nTAG OK done\r\n`, `* ok [capability ${passed}]\r\nTAG OK done\r\n`],
      [`* NO [CAPABILITY ${given}] hi\r\nTAG NO no\r\n`, `* NO [CAPABILITY ${passed}] hi\r\nTAG NO no\r\n`],
      [`TAG OK [CAPABILITY ${given}] done\r\n`, `TAG OK [CAPABILITY ${passed}] done\r\n`],
      [`TAG NO [CAPABILITY ${given}] no\r\n`, `TAG NO [CAPABILITY ${passed}] no\r\n`],
      [
        `* 1 EXISTS\r\n* CAPABILITY ${given}\r\n* 2 EXISTS\r\nTAG OK done\r\n* OK [CAPABILITY ${given}] x\r\n`,
        `* 1 EXISTS\r\n* CAPABILITY ${passed}\r\n* 2 EXISTS\r\nTAG OK done\r\n* OK [CAPABILITY ${passed}] x\r\n`,
      ],
      [`* CAPABILITY\r\nTAG OK done\r\n`, `* CAPABILITY\r\nTAG OK done\r\n`],
      [`* CAPABILITY ${given}\r\nTAG OK done\r\n`, `* CAPABILITY ${passed}\r\nTAG OK done\r\n`],
    ];
    for (const [bytes, expected] of places) {
      script(s, 'CHECK', bytes);
      const tag = await client.begin('CHECK');
      const wanted = expected.replaceAll('TAG', tag);
      expect((await client.readBytes(wanted.length)).toString('latin1')).toBe(wanted);
    }
    s.upstream.script.writeMode = 'whole';
    expect((await client.command('CAPABILITY')).untagged).toEqual([`* CAPABILITY ${passed}`]);
    expect(s.count('CAPABILITY')).toBe(0);
  });

  it('are filtered behind the longest tag that is forwarded', async () => {
    const s = await stage();
    const { client } = await s.lease('alice');
    s.upstream.on('NOOP', (command, connection) => {
      connection.send(`${command.tag} OK [CAPABILITY ${given}] done\r\n`);
    });
    let forwarded = 0;
    for (const length of [50, 64, 80, 90, 100, 105, 110, 115, 120, 125, 200]) {
      const tag = 'T'.repeat(length);
      await client.send(`${tag} NOOP\r\n`);
      const line = await client.readLine();
      // A tag that is too long for the reader of heads is refused here.
      if (line.includes(' BAD ')) continue;
      expect(line).toBe(`${tag} OK [CAPABILITY ${passed}] done`);
      forwarded += 1;
    }
    expect(forwarded).toBeGreaterThan(1);
  });

  it('in texts and mail are not touched', async () => {
    const s = await stage();
    const { client } = await s.lease('alice');
    const text = [
      `* OK see [CAPABILITY ${given}]`,
      `* OK [ALERT] [CAPABILITY ${given}]`,
      `* CAPABILITYX ${given}`,
      `* 1 FETCH (BODY[] {${trap.length}}`,
      `${trap.toString('latin1')})`,
      `TAG OK see [CAPABILITY ${given}]`,
    ].join('\r\n');
    script(s, 'CHECK', `${text}\r\n`);
    const tag = await client.begin('CHECK');
    const wanted = `${text}\r\n`.replaceAll('TAG', tag);
    expect((await client.readBytes(wanted.length)).toString('latin1')).toBe(wanted);
    expect((await client.command('CAPABILITY')).untagged[0]).toContain('QRESYNC');
  });
});

describe('bytes from the upstream', () => {
  const answers: [name: string, bytes: string][] = [
    [
      'every byte in a literal',
      `* 1 FETCH (BODY[] {${trap.length}}\r\n${trap.toString('latin1')})\r\nTAG OK done\r\n`,
    ],
    ['a literal8', `* 1 FETCH (BINARY[] ~{${trap.length}}\r\n${trap.toString('latin1')})\r\nTAG OK done\r\n`],
    ['an empty literal', '* 1 FETCH (BODY[] {0}\r\n BODY[1] {0}\r\n)\r\nTAG OK done\r\n'],
    [
      'many literals',
      `* LIST () "/" {3}\r\n{5}\r\n${'* 1 FETCH (X {2}\r\n\r\n Y {1}\r\n+)\r\n'.repeat(50)}TAG OK done\r\n`,
    ],
    ['8-bit and NUL in lines', '* LIST () "/" "\x00\x80\xff"\r\n* OK \x00\xe9\r\nTAG OK \xff\r\n'],
    ['marks in texts', '* OK you have {10}\r\n* NO {5}\r\n* BAD {3+}\r\nTAG NO sorry {20}\r\n'],
    ['bare line feeds', '* 1 EXISTS\n* 2 RECENT\nTAG OK done\n'],
    ['lower case', '* ok hi\r\n* 5 exists\r\nTAG no way\r\n'],
    ['statuses without a text', '* OK\r\nTAG OK\r\n'],
    ['an atom that ends in a brace', '* LIST () "/" foo}\r\n* LIST () "/" }}\r\nTAG OK done\r\n'],
    ['an atom of digits and a brace', '* LIST () "/" 10}\r\nTAG OK done\r\n'],
    ['vendors’ responses', '* X-GM-THING (1 2)\r\n* JMAPACCESS "https://x/{y}"\r\nTAG OK done\r\n'],
    [
      'lines of 127 to 153 bytes',
      `${Array.from({ length: 27 }, (_, at) => `* OK ${'y'.repeat(120 + at)}\r\n`).join('')}TAG OK done\r\n`,
    ],
    [
      'marks at every place around the held-back end of a long line',
      `${Array.from({ length: 30 }, (_, at) => `* 1 FETCH (${'z'.repeat(110 + at)} {4}\r\n\r\n* )\r\n`).join('')}TAG OK done\r\n`,
    ],
  ];
  const modes = ['whole', 'bytewise'] as const;
  it.each(answers.flatMap(([name, bytes]) => modes.map((mode) => ({ name, bytes, mode }))))(
    'pass untouched: $name, $mode',
    async ({ bytes, mode }) => {
      const s = await stage();
      const bob = await s.logIn('bob');
      const { client, connection } = await s.lease('alice');
      s.upstream.script.writeMode = mode;
      script(s, 'CHECK', bytes);
      const tag = await client.begin('CHECK');
      const wanted = bytes.replaceAll('TAG', tag);
      expect((await client.readBytes(wanted.length)).toString('latin1')).toBe(wanted);
      s.upstream.script.writeMode = 'whole';
      await s.leave(client);
      await s.leave(bob);
      await s.untilPool({ idle: 2 });
      expect(connection.isOpen).toBe(true);
    },
  );

  it('pass untouched: one line of 4 MB', async () => {
    const s = await stage();
    const { client } = await s.lease('alice');
    const line = `* SEARCH${' 123456789'.repeat(420_000)}\r\n`;
    script(s, 'SEARCH', `${line}TAG OK done\r\n`);
    const result = await client.command('SEARCH ALL', 10_000);
    expect(result.status).toBe('OK');
    expect(result.untagged).toEqual([line.trimEnd()]);
  });

  it('pass untouched: a literal of 64 MB, with another user’s mail at the same time', async () => {
    const s = await stage();
    const { client } = await s.lease('alice');
    const bob = await s.lease('bob');
    const body = Buffer.alloc(64 * MEGABYTE, trap);
    s.upstream.store.add('alice', 'INBOX', body);
    await client.command('SELECT INBOX');
    await bob.client.command('SELECT INBOX');
    const fetch = client.command('UID FETCH 4 BODY.PEEK[]', 20_000);
    const others = await bob.client.command('UID FETCH 1:* BODY.PEEK[]');
    expect(others.literals.every((text) => text.includes('mark-of-bob '))).toBe(true);
    const { literals, status } = await fetch;
    expect(status).toBe('OK');
    expect(literals[0]?.equals(body)).toBe(true);
  });
});

describe('bytes from the client', () => {
  const literals = [
    ['a sync literal', 'sync'],
    ['a non-sync literal', 'non-sync'],
    ['a literal8', 'literal8'],
  ] as const;
  it.each(literals)('pass untouched in %s', async (_name, kind) => {
    const s = await stage();
    const { client, connection } = await s.lease('alice');
    const bob = await s.lease('bob');
    expect(await client.command(['APPEND INBOX (\\Seen) ', literal(trap, kind)])).toMatchObject({
      status: 'OK',
    });
    expect(s.upstream.store.mailbox('alice', 'INBOX')?.messages.at(-1)?.body.equals(trap)).toBe(true);
    expect(s.upstream.store.mailbox('bob', 'INBOX')?.messages).toHaveLength(3);
    await s.leave(client);
    await bob.client.command('NOOP');
    await expectReused(s, connection);
  });

  it('pass untouched byte by byte, with a server that answers byte by byte', async () => {
    const s = await stage();
    const { client, connection } = await s.lease('alice');
    s.upstream.script.writeMode = 'bytewise';
    const bytes = Buffer.concat([
      Buffer.from(`a LIST {0+}\r\n "of-*"\r\nb APPEND {5+}\r\nINBOX {${trap.length}+}\r\n`),
      trap,
      Buffer.from('\r\nc NOOP\r\nd SELECT {5+}\r\nINBOX (X-UNKNOWN)\r\ne IDLE\r\nDONE\r\nf LOGOUT\r\n'),
    ]);
    const start = connection.received.length;
    for (const byte of bytes) await client.send(Buffer.from([byte]));
    const { unread } = await client.waitForClose();
    expect(unread.match(/^[a-f] \w+/gm)).toEqual(['a OK', 'b OK', 'c OK', 'd OK', 'e OK', 'f OK']);
    const forwarded = connection.received.subarray(start, start + bytes.length - 'f LOGOUT\r\n'.length);
    expect(forwarded.equals(bytes.subarray(0, -'f LOGOUT\r\n'.length))).toBe(true);
    expect(s.upstream.store.mailbox('alice', 'INBOX')?.messages.at(-1)?.body.equals(trap)).toBe(true);
  });

  it('pass untouched: one line of 4 MB', async () => {
    const s = await stage();
    const { client, connection } = await s.lease('alice');
    await client.command('SELECT INBOX');
    const set = Array.from({ length: 600_000 }, (_, at) => at + 1).join(',');
    expect((await client.command(`UID FETCH ${set} FLAGS`, 10_000)).status).toBe('OK');
    expect(connection.commands.at(-1)?.args).toBe(`${set} FLAGS`);
  });

  it('pass untouched: an APPEND of 30 MB', async () => {
    const s = await stage();
    const { client } = await s.lease('alice');
    const body = Buffer.alloc(30 * MEGABYTE, trap);
    for (const kind of ['sync', 'non-sync'] as const) {
      expect((await client.command(['APPEND INBOX ', literal(body, kind)], 20_000)).status).toBe('OK');
      expect(s.upstream.store.mailbox('alice', 'INBOX')?.messages.at(-1)?.body.equals(body)).toBe(true);
    }
  });

  it('pass in pipelines of 1,000 commands, answered in order', async () => {
    const s = await stage();
    const { client } = await s.lease('alice');
    const numbers = Array.from({ length: 1_000 }, (_, at) => at);
    await client.send(numbers.map((n) => `p${n} ${n % 100 === 99 ? 'CAPABILITY' : 'NOOP'}\r\n`).join(''));
    for (const n of numbers) {
      if (n % 100 === 99) expect(await client.readLine()).toMatch(/^\* CAPABILITY /);
      expect(await client.readLine()).toMatch(new RegExp(`^p${n} OK `));
    }
    expect(s.count('CAPABILITY')).toBe(0);
  });

  it('pass with one tag for several commands', async () => {
    const s = await stage();
    const { client, connection } = await s.lease('alice');
    await client.send('x NOOP\r\nx LIST "" "of-*"\r\nx STATUS INBOX (MESSAGES)\r\nx CAPABILITY\r\n');
    const texts: string[] = [];
    for (let n = 0; n < 6; n++) texts.push(await client.readLine());
    expect(texts.filter((text) => text.startsWith('x OK'))).toHaveLength(4);
    await s.leave(client);
    await s.untilPool({ idle: 1 });
    expect((await s.lease()).connection).toBe(connection);
  });

  it.each([
    '\r\n',
    'tag\r\n',
    '* NOOP\r\n',
    'a+b NOOP\r\n',
    'a  NOOP\r\n',
    ' a NOOP\r\n',
    'a NO\x00OP\r\n',
    'a NO\xe9P\r\n',
  ])('that are no command get BAD and are not forwarded: %j', async (line) => {
    const s = await stage();
    const { client, connection } = await s.lease('alice');
    const before = connection.received.length;
    await client.send(Buffer.from(line, 'latin1'));
    expect(await client.readLine()).toMatch(/^(\*|tag|a) BAD /);
    expect(connection.received.length).toBe(before);
    expect((await client.command('NOOP')).text).toBe('NOOP done (alice)');
  });
});

describe('answers', () => {
  it('come through out of order, and the proxy’s own wait for them', async () => {
    const s = await stage();
    const { client } = await s.lease('alice');
    const gate = makeGate();
    s.upstream.once('STATUS', async () => {
      await gate.opened;
      return 'default';
    });
    await client.send('a STATUS INBOX (MESSAGES)\r\nb NOOP\r\nc CAPABILITY\r\nd NOOP\r\n');
    expect(await client.readLine()).toMatch(/^b OK/);
    await barrier(s, await s.logIn('bob'));
    expect(client.unread).toBe('');
    gate.open();
    expect((await client.finish('a')).untagged).toHaveLength(1);
    expect((await client.finish('c')).untagged[0]).toMatch(/^\* CAPABILITY /);
    expect((await client.finish('d')).text).toBe('NOOP done (alice)');
  });

  it('come through before a continuation, which belongs to the command that waits for it', async () => {
    const s = await stage();
    const { client } = await s.lease('alice');
    s.upstream.script.onLiteral = (_mark, _head, connection) => {
      connection.send('* 5 EXISTS\r\n* OK [ALERT] low on space {10}\r\n* LIST () "/" {3}\r\n+ x\r\n');
      return 'accept' as const;
    };
    await client.send(`a APPEND INBOX {${trap.length}}\r\n`);
    expect((await client.expectContinuation()).untagged).toEqual([
      '* 5 EXISTS',
      '* OK [ALERT] low on space {10}',
      '* LIST () "/" {3}\r\n+ x',
    ]);
    await client.send(Buffer.concat([trap, Buffer.from('\r\n')]));
    expect((await client.finish('a')).status).toBe('OK');
    expect(s.upstream.store.mailbox('alice', 'INBOX')?.messages.at(-1)?.body.equals(trap)).toBe(true);
  });

  it('to an earlier command may come between a literal’s mark and its continuation', async () => {
    const s = await stage();
    const { client } = await s.lease('alice');
    const gate = makeGate();
    s.upstream.once('NOOP', async () => {
      await gate.opened;
      return 'default';
    });
    s.upstream.script.onLiteral = async (_mark, _head, connection) => {
      gate.open();
      await connection.waitUntil(() => true);
      return 'accept' as const;
    };
    await client.send('x NOOP\r\nx APPEND INBOX {3}\r\nabc\r\nx NOOP\r\n');
    await client.waitFor(/x OK NOOP.*\r\n/);
    await client.finish('x');
    await client.finish('x');
    expect(s.upstream.store.mailbox('alice', 'INBOX')?.messages.at(-1)?.body.toString()).toBe('abc');
  });

  it('that refuse a literal make the next bytes commands', async () => {
    const s = await stage();
    const { client, connection } = await s.lease('alice');
    s.upstream.script.onLiteral = () => 'refuse';
    for (const text of ['APPEND INBOX {100}', 'LIST {2}', 'SELECT {5}']) {
      await client.send(`a ${text}\r\n`);
      expect(await client.readLine()).toBe('a NO [TOOBIG] literal refused');
      expect((await client.command('NOOP')).text).toBe('NOOP done (alice)');
      expect((await client.command('CAPABILITY')).status).toBe('OK');
    }
    // A client that doesn't wait has its bytes taken as commands by both sides.
    await client.send('b APPEND INBOX {9}\r\nc NOOP\r\n\r\nd NOOP\r\n');
    expect(await client.readLine()).toMatch(/^b NO/);
    expect(await client.readLine()).toMatch(/^c OK/);
    expect(await client.readLine()).toMatch(/^\* BAD/);
    expect(await client.readLine()).toMatch(/^d OK/);
    s.upstream.script.onLiteral = undefined;
    await s.leave(client);
    await s.untilPool({ idle: 1 });
    expect((await s.lease()).connection).toBe(connection);
  });

  it('may refuse a command before its literal is complete', async () => {
    const s = await stage();
    const { client } = await s.lease('alice');
    s.upstream.script.onLiteral = (_mark, head, connection) => {
      connection.send(`${head.tag} NO [TRYCREATE] no such mailbox\r\n`);
      return 'accept' as const;
    };
    s.upstream.on('APPEND', () => undefined);
    await client.send('a APPEND Nowhere {10+}\r\nb LOG');
    expect(await client.readLine()).toBe('a NO [TRYCREATE] no such mailbox');
    await client.send('OUT\r\n\r\nc NOOP\r\n');
    expect((await client.finish('c')).text).toBe('NOOP done (alice)');
    expect(client.hasEnded).toBe(false);
  });
});

describe('IDLE', () => {
  it('passes news at once, and ends by DONE with what is pipelined behind it', async () => {
    const s = await stage();
    const { client, connection } = await s.lease('alice');
    const bob = await s.lease('bob');
    for (const done of ['DONE\r\nx NOOP\r\n', 'done\r\nx NOOP\r\n']) {
      const tag = await client.begin('IDLE');
      await client.expectContinuation();
      expect(await s.sessions({ state: 'idle' })).toBe(2);
      connection.send('* 9 EXISTS\r\n');
      expect(await client.readLine()).toBe('* 9 EXISTS');
      await barrier(s, bob.client);
      await client.send(done);
      expect((await client.finish(tag)).status).toBe('OK');
      expect((await client.finish('x')).status).toBe('OK');
    }
    await client.send('a IDLE\r\nDONE\r\nb NOOP\r\n');
    expect((await client.finish('a')).status).toBe('OK');
    expect((await client.finish('b')).status).toBe('OK');
  });

  it('that is refused leaves the next line a command', async () => {
    const s = await stage();
    const { client } = await s.lease('alice');
    for (const status of ['NO', 'BAD']) {
      script(s, 'IDLE', `TAG ${status} not now\r\n`);
      expect((await client.command('IDLE')).status).toBe(status);
      expect((await client.command('NOOP')).text).toBe('NOOP done (alice)');
    }
  });

  it('that the server ends leaves the next line a command', async () => {
    const s = await stage();
    const { client } = await s.lease('alice');
    script(s, 'IDLE', '+ idling\r\n* 3 EXISTS\r\nTAG OK enough\r\n');
    const tag = await client.begin('IDLE');
    expect((await client.finish(tag)).status).toBe('OK');
    expect((await client.command('NOOP')).text).toBe('NOOP done (alice)');
  });

  it('has any line for its end, LOGOUT too', async () => {
    const s = await stage();
    const { client, connection } = await s.lease('alice');
    const tag = await client.begin('IDLE');
    await client.expectContinuation();
    await client.send('x LOGOUT\r\n');
    expect((await client.finish(tag)).status).toBe('BAD');
    expect((await client.command('NOOP')).text).toBe('NOOP done (alice)');
    expect(connection.verbs).not.toContain('LOGOUT');
  });
});

describe('a literal where there can be none', () => {
  const hidden = 'b SELECT INBOX\r\nc STORE 1:* +FLAGS (\\Deleted)\r\nd EXPUNGE\r\n';
  it.each([
    'NOOP',
    'CHECK',
    'CLOSE',
    'UNSELECT',
    'EXPUNGE',
    'NAMESPACE',
    'IDLE',
    'ENABLE',
    'XYZZY',
    'UID EXPUNGE 1',
  ])('hides no commands behind %s', async (verb) => {
    const s = await stage();
    const { client, connection } = await s.lease('alice');
    const before = connection.commands.length;
    await client.send(`a ${verb} {${hidden.length}+}\r\n${hidden}\r\n`);
    expect(await client.readLine()).toMatch(/^a BAD /);
    expect((await client.command('NOOP')).untagged).toEqual([]);
    expect(connection.verbs.slice(before)).toEqual(['NOOP']);
  });

  it.each([
    ['no LITERAL+', ['IMAP4rev1', 'UNSELECT'], 1],
    ['LITERAL-, over its limit', ['IMAP4rev1', 'LITERAL-'], 4_097],
    ['IMAP4rev2, over its limit', ['IMAP4rev2'], 4_097],
  ])('hides no commands from a server with %s', async (_name, capabilitiesAfterLogin, least) => {
    const s = await stage({ upstream: { capabilitiesAfterLogin } });
    const { client, connection } = await s.lease('alice');
    const text = hidden.padEnd(Math.max(least, hidden.length), 'x NOOP\r\n');
    const before = connection.commands.length;
    await client.send(`a APPEND INBOX {${text.length}+}\r\n${text}\r\n`);
    expect(await client.readLine()).toMatch(/^a BAD /);
    expect((await client.command('NOOP')).untagged).toEqual([]);
    expect(connection.verbs.slice(before)).toEqual(['NOOP']);
    expect((await client.command(['APPEND INBOX ', literal(text)])).status).toBe('OK');
  });

  it('of 4096 bytes passes to a server with LITERAL-', async () => {
    const s = await stage({ upstream: { capabilitiesAfterLogin: ['IMAP4rev1', 'LITERAL-'] } });
    const { client } = await s.lease('alice');
    expect((await client.command(['APPEND INBOX ', literal('x'.repeat(4_096), 'non-sync')])).status).toBe(
      'OK',
    );
  });

  it('in the middle of a command ends the session', async () => {
    const s = await stage({ upstream: { capabilitiesAfterLogin: ['IMAP4rev1', 'LITERAL-'] } });
    const { client, connection } = await s.lease('alice');
    await client.send(`a APPEND {5+}\r\nINBOX {5000+}\r\n${hidden}`);
    expect((await client.waitForClose()).unread).toMatch(/^\* BYE /);
    await expectDiscarded(s, connection);
    expect(s.count('EXPUNGE')).toBe(0);
  });

  it('that is too long to be skipped ends the session', async () => {
    const s = await stage();
    const { client } = await s.lease('alice');
    await client.send(`a NOOP {2000000+}\r\n${'x'.repeat(1_100_000)}`);
    expect((await client.waitForClose()).unread).toMatch(/^\* BYE \[TOOBIG\]/);
  });

  it('that the server does not read as one, for an error before it, costs the connection', async () => {
    // Dovecot skips a line that it can't parse, and reads the literal's bytes as commands.
    const s = await stage();
    const { client, connection } = await s.lease('alice');
    const text = 'a NOOP\r\n';
    s.upstream.script.capabilitiesAfterLogin = ['IMAP4rev1', 'UNSELECT'];
    await client.send(`a SEARCH SUBJECT " {${text.length}+}\r\n${text}\r\n`);
    await client.waitForClose();
    await connection.waitForClose();
  });

  it('and waits is the server’s business: its answer makes the next line a command', async () => {
    const s = await stage();
    const { client } = await s.lease('alice');
    await client.send(`a NOOP {${hidden.length}}\r\n`);
    expect(await client.readLine()).toMatch(/^a OK/);
    expect((await client.command('NOOP')).text).toBe('NOOP done (alice)');
  });
});

describe('LOGOUT', () => {
  it('in a literal or in mail is none', async () => {
    const s = await stage();
    const { client } = await s.lease('alice');
    const text = 'x LOGOUT\r\ny LOGOUT\r\n';
    for (const kind of ['sync', 'non-sync'] as const)
      expect((await client.command(['APPEND INBOX ', literal(text, kind)])).status).toBe('OK');
    await client.command('SELECT INBOX');
    expect((await client.command('UID FETCH 4:5 BODY[]')).literals.map(String)).toEqual([text, text]);
    expect((await client.command('LOGOUTX')).status).toBe('BAD');
    expect((await client.command('XLOGOUT')).status).toBe('BAD');
    expect(client.hasEnded).toBe(false);
  });

  it('waits for every answer before it, and is never forwarded', async () => {
    const s = await stage();
    const { client, connection } = await s.lease('alice');
    const bob = await s.lease('bob');
    const gate = makeGate();
    s.upstream.once('FETCH', async (command, at) => {
      at.send(`* 1 FETCH (BODY[] {${trap.length}}\r\n`);
      await gate.opened;
      at.send(trap);
      at.send(')\r\n');
      at.ok(command);
    });
    await client.command('SELECT INBOX');
    await client.send('a FETCH 1 BODY[]\r\nc LOGOUT\r\nd NOOP\r\n');
    await client.waitFor(/BODY\[\] \{\d+\}\r\n/);
    await barrier(s, bob.client);
    expect(client.unread).not.toMatch(/BYE/);
    gate.open();
    const { unread } = await client.waitForClose();
    expect(unread.endsWith('* BYE Logging out\r\nc OK Logout completed.\r\n')).toBe(true);
    expect(unread).toContain(trap.toString('latin1'));
    expect(unread).toMatch(/a OK FETCH/);
    expect(connection.verbs).not.toContain('LOGOUT');
  });

  it('is answered in any spelling, with or without a lease', async () => {
    const s = await stage();
    for (const word of ['LOGOUT', 'logout', 'LogOut ']) {
      const { client } = await s.lease('alice');
      await client.send(`a ${word}\r\n`);
      expect((await client.waitForClose()).unread).toBe('* BYE Logging out\r\na OK Logout completed.\r\n');
      await s.untilPool({ leased: 0, resetting: 0 });
      const quiet = await s.logIn('alice');
      await quiet.send(`a ${word}\n`);
      expect((await quiet.waitForClose()).unread).toBe('* BYE Logging out\r\na OK Logout completed.\r\n');
      await s.untilPool({ leased: 0, resetting: 0 });
    }
  });
});

describe('commands that would change the identity or the layer', () => {
  it.each([
    ['LOGIN bob secret'],
    ['LOGIN {3+}\r\nbob {6+}\r\nsecret'],
    ['LOGIN {3}'],
    [`AUTHENTICATE PLAIN ${plain('bob', 'secret')}`],
    ['AUTHENTICATE PLAIN'],
    ['STARTTLS'],
    ['COMPRESS DEFLATE'],
    ['UNAUTHENTICATE'],
    ['unauthenticate'],
  ])('are BAD after login, and never forwarded: %s', async (text) => {
    const s = await stage();
    const { client, connection } = await s.lease('alice');
    const before = connection.received.length;
    await client.send(`a ${text}\r\n`);
    expect(await client.readLine()).toMatch(/^a BAD /);
    expect(connection.received.length).toBe(before);
    expect((await client.command('LIST "" "of-*"')).text).toBe('LIST done (alice)');
    await s.leave(client);
    await s.untilPool({ idle: 1 });
    expect((await s.lease('alice')).connection).toBe(connection);
  });
});

describe('a client that sends FIN', () => {
  it('gets every answer, then FIN', async () => {
    const s = await stage();
    const gate = makeGate();
    const client = await s.connect({ port: s.proxy.port, allowHalfOpen: true });
    await client.command('LOGIN alice secret');
    s.upstream.once('STATUS', async () => {
      await gate.opened;
      return 'default';
    });
    client.end(
      'a STATUS INBOX (MESSAGES)\r\nb CAPABILITY\r\nc NOOP\r\nd APPEND INBOX {3+}\r\nabc\r\ne NOOP\r\nf NO',
    );
    await s.proxy.until(() => s.count('STATUS') === 1, 'the STATUS');
    gate.open();
    const { unread } = await client.waitForClose();
    expect(unread.match(/^[a-f] \w+/gm)).toEqual(['a OK', 'b OK', 'c OK', 'd OK', 'e OK']);
    expect(s.upstream.store.mailbox('alice', 'INBOX')?.messages).toHaveLength(4);
  });

  it('inside a literal: the connection is discarded, and nothing is stored', async () => {
    const s = await stage();
    for (const mark of ['{10+}', '{10}']) {
      const { client, connection } = await s.lease('alice');
      await client.send(`a APPEND INBOX ${mark}\r\n`);
      if (mark === '{10}') await client.expectContinuation();
      client.end('abc');
      await client.waitForClose();
      expect(await connection.waitForClose()).toMatchObject({ by: 'client' });
      expect((await s.lease('alice')).connection).not.toBe(connection);
    }
    expect(s.upstream.store.mailbox('alice', 'INBOX')?.messages).toHaveLength(3);
  });

  it('inside a literal: the complete commands before it get their answers first', async () => {
    const s = await stage();
    await s.logIn('alice');
    const client = await s.connect({ port: s.proxy.port, allowHalfOpen: true });
    await client.command('LOGIN alice secret');
    const gate = makeGate();
    s.upstream.once('STATUS', async () => {
      await gate.opened;
      return 'default';
    });
    client.end('a STATUS INBOX (MESSAGES)\r\nb APPEND INBOX {10+}\r\nabc');
    await s.proxy.until(() => s.count('STATUS') === 1, 'the STATUS');
    await barrier(s, await s.logIn('bob'));
    gate.open();
    expect((await client.waitForClose()).unread).toMatch(/^\* STATUS INBOX .*\r\na OK STATUS/);
  });

  it.each(['before', 'after'] as const)(
    'in IDLE, %s the continuation: DONE is sent, and the end is clean',
    async (when) => {
      const s = await stage();
      await s.logIn('bob');
      const { connection } = await s.lease('alice').then(async ({ client, connection }) => {
        await s.leave(client);
        return { connection };
      });
      await s.untilPool({ idle: 1 });
      const client = await s.connect({ port: s.proxy.port, allowHalfOpen: true });
      await client.command('LOGIN alice secret');
      const gate = makeGate();
      s.upstream.once('IDLE', async () => {
        if (when === 'before') await gate.opened;
        return 'default';
      });
      await client.send('a IDLE\r\n');
      if (when === 'after') await client.expectContinuation();
      else await connection.waitForCommand('IDLE');
      client.end();
      gate.open();
      expect((await client.waitForClose()).unread).toMatch(/a OK IDLE/);
      await s.untilPool({ idle: 1 });
      expect((await s.lease('alice')).connection).toBe(connection);
    },
  );
});

describe('back-pressure', () => {
  const size = 50 * MEGABYTE;
  /** What kernels may hold on two loopback connections, generously. */
  const kernelBuffers = 20 * MEGABYTE;

  it('stops reading from the server while a client does not read', async () => {
    const s = await stage();
    const { client, connection } = await s.lease('alice');
    const bob = await s.lease('bob');
    s.upstream.store.add('alice', 'INBOX', Buffer.alloc(size, trap));
    await client.command('SELECT INBOX');
    client.pause();
    const tag = await client.begin('UID FETCH 4 BODY.PEEK[]');
    await connection.waitForCommand('UID FETCH');
    await s.proxy.until(() => connection.socket.writableLength > 0, 'the answer on its way');
    await barrier(s, bob.client, 200);
    expect(size - connection.socket.writableLength).toBeLessThan(kernelBuffers);
    client.resume();
    const result = await client.finish(tag, 20_000);
    expect(result.literals[0]?.equals(Buffer.alloc(size, trap))).toBe(true);
  });

  it('stops reading from the client while the server does not read', async () => {
    const s = await stage();
    const { client, connection } = await s.lease('alice');
    const bob = await s.lease('bob');
    connection.socket.pause();
    await client.send(`a APPEND INBOX {${size}+}\r\n`);
    let taken = 0;
    const sends = Array.from({ length: 50 }, () =>
      client.send(Buffer.alloc(MEGABYTE, 'x')).then(() => (taken += MEGABYTE)),
    );
    await barrier(s, bob.client, 200);
    expect(taken).toBeLessThan(kernelBuffers);
    connection.socket.resume();
    await Promise.all(sends);
    await client.send('\r\n');
    expect((await client.finish('a', 20_000)).status).toBe('OK');
    expect(s.upstream.store.mailbox('alice', 'INBOX')?.messages.at(-1)?.body).toHaveLength(size);
  });

  it('lets a connection go whose client left without reading', async () => {
    const s = await stage();
    const bob = await s.lease('bob');
    for (const how of ['destroy', 'reset'] as const) {
      const { client, connection } = await s.lease('alice');
      s.upstream.store.mailboxes('alice').get('INBOX')?.messages.splice(3);
      s.upstream.store.add('alice', 'INBOX', Buffer.alloc(size, trap));
      await client.command('SELECT INBOX');
      client.pause();
      await client.begin('FETCH 4 BODY.PEEK[]');
      await s.proxy.until(() => connection.socket.writableLength > 0, 'the answer on its way');
      await barrier(s, bob.client, 20);
      client[how]();
      await s.untilSessions(1);
      await s.untilPool({ leased: 1, resetting: 0 });
      const next = await s.lease('alice');
      expect(next.client.received.toString('latin1')).not.toMatch(/FETCH/);
      await s.leave(next.client);
      await s.untilPool({ leased: 1, resetting: 0 });
    }
  });
});

describe('an upstream that breaks the protocol', () => {
  const lines: [name: string, bytes: string][] = [
    ['a tag that nobody used', 'zz99 OK done\r\n'],
    ['a tag that was answered', 't1 OK again\r\n'],
    ['a line of no grammar', '\x00\xff\r\n'],
    ['a star alone', '* \r\n'],
    ['an empty line', '\r\n'],
    ['a continuation that nobody waits for', '+ go ahead\r\n'],
    ['a literal mark beyond all numbers', '* LIST () "/" {99999999999999999999}\r\n'],
    ['a non-sync literal', '* LIST () "/" {5+}\r\n'],
  ];
  it.each(lines)('by %s: the client gets BYE, the connection is discarded', async (_name, bytes) => {
    const s = await stage();
    const bob = await s.lease('bob');
    const { client, connection } = await s.lease('alice');
    s.upstream.once('STATUS', (_command, at) => {
      at.send(`* 1 EXISTS\r\n${bytes}* LIST () "/" leak\r\n`);
    });
    await client.begin('STATUS INBOX (MESSAGES)');
    const { unread } = await client.waitForClose();
    expect(unread).toMatch(/^\* 1 EXISTS\r\n(\+ go ahead\r\n(\* LIST .*\r\n)?)?\* BYE .*\r\n$/);
    await expectDiscarded(s, connection);
    expect((await bob.client.command('NOOP')).text).toBe('NOOP done (bob)');
  });

  it.each(lines)('by %s while nothing runs: the same', async (_name, bytes) => {
    const s = await stage();
    const { client, connection } = await s.lease('alice');
    connection.send(bytes);
    const { unread } = await client.waitForClose();
    expect(unread).toMatch(/^(\+ go ahead\r\n)?\* BYE .*\r\n$/);
    await expectDiscarded(s, connection);
  });

  it.each(lines)(
    'by %s behind a literal that came in two parts: no words of the proxy in it',
    async (_name, bytes) => {
      const s = await stage();
      const { client, connection } = await s.lease('alice');
      const bob = await s.lease('bob');
      connection.send('* 1 FETCH (BODY[] {8}\r\nhalf');
      await client.waitFor(/half$/);
      await barrier(s, bob.client);
      connection.send(`half)\r\n${bytes}`);
      expect((await client.waitForClose()).unread).toMatch(/^half\)\r\n(\+ go ahead\r\n)?(\* BYE .*\r\n)?$/);
      await connection.waitForClose();
    },
  );
});

describe('an upstream that dies', () => {
  const ways = ['end', 'reset'] as const;
  const states: [name: string, text: string | undefined, bytes: string, expected: RegExp][] = [
    ['while nothing runs', undefined, '', /^\* BYE \[UNAVAILABLE\] .*\r\n$/],
    ['before an answer', 'STATUS INBOX (MESSAGES)', '', /^\* BYE \[UNAVAILABLE\] .*\r\n$/],
    [
      'between two responses',
      'STATUS INBOX (MESSAGES)',
      '* 1 EXISTS\r\n',
      /^\* 1 EXISTS\r\n\* BYE \[UNAVAILABLE\] .*\r\n$/,
    ],
    ['in a short line', 'STATUS INBOX (MESSAGES)', '* 1 EXI', /^\* BYE \[UNAVAILABLE\] .*\r\n$/],
    [
      'in a long line',
      'STATUS INBOX (MESSAGES)',
      `* SEARCH${' 123'.repeat(100)}`,
      /^\* SEARCH( 123)+[ 123]*$/,
    ],
    [
      'in a literal',
      'STATUS INBOX (MESSAGES)',
      '* 1 FETCH (BODY[] {100}\r\nhalf',
      /^\* 1 FETCH \(BODY\[\] \{100\}\r\nhalf$/,
    ],
    [
      'behind a literal',
      'STATUS INBOX (MESSAGES)',
      '* 1 FETCH (BODY[] {4}\r\nhalf',
      /^\* 1 FETCH \(BODY\[\] \{4\}\r\nhalf$/,
    ],
    ['with a BYE', 'STATUS INBOX (MESSAGES)', '* BYE maintenance\r\n', /^\* BYE maintenance\r\n$/],
    [
      'with a BYE behind an answer',
      'STATUS INBOX (MESSAGES)',
      't2 OK x\r\n* BYE now\r\n',
      /^t2 OK x\r\n\* BYE now\r\n$/,
    ],
    [
      'in a capability list',
      'STATUS INBOX (MESSAGES)',
      `* CAPABILITY${' X'.repeat(200)}`,
      /^(\* BYE .*\r\n)?$/,
    ],
    ['before a continuation', 'APPEND INBOX {10}', '', /^\* BYE \[UNAVAILABLE\] .*\r\n$/],
    [
      'in IDLE',
      'IDLE',
      '+ idling\r\n* 3 EXISTS\r\n',
      /^\+ idling\r\n\* 3 EXISTS\r\n\* BYE \[UNAVAILABLE\] .*\r\n$/,
    ],
  ];
  it.each(
    states.flatMap(([name, text, bytes, expected]) =>
      ways.map((way) => ({ name, text, bytes, expected, way })),
    ),
  )('$name ($way)', async ({ text, bytes, expected, way }) => {
    const s = await stage();
    const bob = await s.lease('bob');
    const { client, connection } = await s.lease('alice');
    const die = async (at: UpstreamConnection): Promise<void> => {
      at.send(bytes);
      if (way === 'end') {
        at.end();
        return;
      }
      // What was sent must have arrived before the RST throws it away.
      await barrier(s, bob.client, 5);
      at.reset();
    };
    s.upstream.script.onLiteral = async (_mark, _head, at) => {
      await die(at);
      return 'silent' as const;
    };
    s.upstream.on('STATUS', (_command, at) => die(at));
    s.upstream.on('IDLE', (_command, at) => die(at));
    if (text === undefined) await die(connection);
    else await client.send(`t2 ${text}\r\n`);
    const { unread } = await client.waitForClose();
    expect(unread).toMatch(expected);
    s.upstream.script.onLiteral = undefined;
    await s.untilPool({ leased: 1, closing: 0 });
    expect((await s.lease('alice')).connection).not.toBe(connection);
    expect((await bob.client.command('NOOP')).text).toBe('NOOP done (bob)');
  });
});

describe('a client that is quiet', () => {
  it('is told so after CLIENT_INACTIVITY_TIMEOUT, and its connection is clean', async () => {
    const s = await stage({ environment: { CLIENT_INACTIVITY_TIMEOUT: '300ms' } });
    const { client, connection } = await s.lease('alice');
    await client.command('SELECT INBOX');
    expect((await client.waitForClose()).unread).toMatch(/^\* BYE .*idle for too long\r\n$/);
    await s.untilPool({ idle: 1 });
    expect(connection.selected).toBeUndefined();
    expect((await s.lease('alice')).connection).toBe(connection);
  });
});
