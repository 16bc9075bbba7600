// What clients do with mail: every byte that they get through the proxy equals what a direct session gets.

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWithDovecot } from '../support/describe-with-dovecot.js';
import { type Dovecot, startDovecot } from '../support/dovecot.js';
import { type LiteralKind, literal } from '../support/literal.js';
import type { RawClient } from '../support/raw-client.js';
import { logOut, plainly, readBodies, useStage } from '../support/stage.js';

const megabytes = (count: number): number => count * 1_048_576;

/** Bytes of every value, with lines that look like IMAP in them. */
function hostileBytes(size: number): Buffer {
  const bait = Buffer.from(
    '\r\nt1 OK done\r\n* BYE bait\r\n+ go on\r\n* 1 FETCH (BODY[] {10}\r\nx LOGOUT\r\n',
  );
  const bytes = randomBytes(size);
  for (let at = 0; at + bait.length < size; at += 100_003) bait.copy(bytes, at);
  return bytes;
}

describeWithDovecot('mail through the proxy', () => {
  const stage = useStage();
  let dovecot: Dovecot;

  beforeAll(async () => {
    dovecot = await startDovecot();
    for (const user of ['alice', 'bob']) {
      const mark = Buffer.from(`mark-of-${user} `);
      const bodies = [
        Buffer.alloc(0),
        Buffer.from('x'),
        Buffer.from(`Subject: 8-bit\r\n\r\n${mark.toString()}`),
        Buffer.concat([Buffer.from('Subject: b\r\n\r\n'), mark, Buffer.from([0, 1, 13, 10, 127, 128, 255])]),
        Buffer.concat([Buffer.from('Subject: large\r\n\r\n'), mark, hostileBytes(megabytes(5))]),
      ];
      for (const body of bodies) await dovecot.deliver(user, 'Odd', body);
    }
  }, 30_000);

  afterAll(async () => {
    await dovecot.stop();
  });

  it('passes literals of 0 bytes, 1 byte and 5 MB on as a direct session gets them', async () => {
    const proxy = await stage.proxy(plainly(dovecot));
    const read = async (client: RawClient): Promise<Buffer[]> => {
      const raw: Buffer[] = [];
      for (const command of [
        'EXAMINE Odd',
        'FETCH 1:* (UID RFC822.SIZE BODY.PEEK[])',
        'FETCH 1:* (BODY.PEEK[HEADER] BODY.PEEK[TEXT])',
        'FETCH 1:* BODY.PEEK[]<0.1>',
        'FETCH 5 BODY.PEEK[]<4000000.1000000>',
        'UID FETCH 1:* BINARY.PEEK[]',
        'FETCH 1:* (ENVELOPE BODYSTRUCTURE)',
      ]) {
        const result = await client.command(command, 20_000);
        expect(result.status).toBe('OK');
        raw.push(withoutTimings(result.raw));
      }
      return raw;
    };
    for (const user of ['alice', 'bob']) {
      const theirs = await read(await stage.logIn({ port: dovecot.port }, user));
      for (const temperature of ['cold', 'warm']) {
        const client = await stage.logIn(proxy, user);
        const ours = await read(client);
        expect(
          ours.map((bytes, n) => bytes.equals(theirs[n]!)),
          `${user}, ${temperature}`,
        ).toEqual(theirs.map(() => true));
        expect(ours[1]!.includes(`mark-of-${user} `)).toBe(true);
        await logOut(client);
      }
    }
  });

  it('stores what is appended by every kind of literal, byte for byte', async () => {
    const proxy = await stage.proxy(plainly(dovecot));
    for (const [user, mark] of [
      ['user1', 'one'],
      ['user2', 'two'],
    ] as const) {
      const client = await stage.logIn(proxy, user);
      const bodies: Buffer[] = [];
      const append = async (kind: LiteralKind, body: Buffer): Promise<void> => {
        bodies.push(body);
        const { status, text } = await client.command(
          ['APPEND INBOX (\\Seen) ', literal(body, kind)],
          20_000,
        );
        expect(`${status} ${text}`).toMatch(/^OK \[APPENDUID /);
      };
      for (const kind of ['sync', 'non-sync', 'literal8'] as const) {
        await append(kind, Buffer.from(`Subject: ${kind}\r\n\r\n${mark}\r\nt9 LOGOUT\r\n`));
        await append(kind, Buffer.from(`x`));
        const noise = hostileBytes(megabytes(1))
          .toString('latin1')
          .replaceAll(/[\0\r\n]/g, '.');
        await append(kind, Buffer.from(`Subject: noise\r\n\r\n${mark}${noise}\r\n`, 'latin1'));
      }
      const direct = await stage.logIn({ port: dovecot.port }, user);
      await direct.command('EXAMINE INBOX');
      const { literals } = await direct.command('UID FETCH 4:* BODY.PEEK[]', 20_000);
      expect(literals.map((body, n) => body.equals(bodies[n]!))).toEqual(bodies.map(() => true));
    }
  });

  it('passes MULTIAPPEND and CATENATE on', async () => {
    const proxy = await stage.proxy(plainly(dovecot));
    for (const user of ['user3', 'user4']) {
      const client = await stage.logIn(proxy, user);
      const mails = ['first', 'second', 'third'].map((word) => `Subject: ${word}\r\n\r\n${user} ${word}\r\n`);
      const multi = await client.command([
        'APPEND INBOX (\\Seen) ',
        literal(mails[0]!),
        ' () "01-Jan-2024 10:00:00 +0000" ',
        literal(mails[1]!, 'non-sync'),
        ' ',
        literal(mails[2]!, 'sync'),
      ]);
      expect(`${multi.status} ${multi.text}`).toMatch(/^OK \[APPENDUID \d+ 4:6\]/);
      const catenated = await client.command([
        'APPEND INBOX CATENATE (TEXT ',
        literal('Subject: put together\r\n\r\n', 'non-sync'),
        ' URL "/INBOX/;UID=1/;SECTION=TEXT" TEXT ',
        literal('the end\r\n'),
        ')',
      ]);
      expect(`${catenated.status} ${catenated.text}`).toMatch(/^OK \[APPENDUID \d+ 7\]/);
      const direct = await stage.logIn({ port: dovecot.port }, user);
      await direct.command('EXAMINE INBOX');
      const { literals } = await direct.command('UID FETCH 4:* BODY.PEEK[]');
      expect(literals.map(String)).toEqual([
        ...mails,
        `Subject: put together\r\n\r\nmark-of-${user} body 1\r\nthe end\r\n`,
      ]);
    }
  });

  it('answers an APPEND to a mailbox that is missing as the server does, and goes on', async () => {
    const proxy = await stage.proxy(plainly(dovecot));
    const client = await stage.logIn(proxy, 'alice');
    const direct = await stage.logIn({ port: dovecot.port }, 'alice');
    for (const kind of ['sync', 'non-sync'] as const) {
      const ask = async (from: RawClient): Promise<string> => {
        const body = 'Subject: lost\r\n\r\nx LOGOUT\r\n';
        await from.send(`a1 APPEND Missing {${String(body.length)}${kind === 'sync' ? '' : '+'}}\r\n`);
        if (kind === 'sync' && (await from.readLine()).startsWith('+')) await from.send(`${body}\r\n`);
        if (kind === 'non-sync') await from.send(`${body}\r\n`);
        await from.send('a2 NOOP\r\n');
        return withoutTimings(Buffer.from(await from.waitFor(/^[^]*a2 OK .*\r\n/))).toString();
      };
      expect(await ask(client)).toBe(await ask(direct));
    }
  });

  it('runs what comes behind LOGIN in the same packet', async () => {
    const proxy = await stage.proxy(plainly(dovecot));
    for (const temperature of ['cold', 'warm']) {
      for (const user of ['user5', 'user6']) {
        const client = await stage.connect(proxy);
        await client.send(
          `a LOGIN ${user} secret\r\nb SELECT INBOX\r\nc FETCH 1:* BODY.PEEK[]\r\n` +
            `d APPEND Trash-${user} {3+}\r\nabc\r\ne NOOP\r\nf LOGOUT\r\n`,
        );
        const { unread, how } = await client.waitForClose();
        expect(how, temperature).toBe('ended');
        expect(unread.match(/^[a-f] \S+/gm)).toEqual(['a OK', 'b OK', 'c OK', 'd NO', 'e OK', 'f OK']);
        expect(new Set(unread.match(/mark-of-\S+/g))).toEqual(new Set([`mark-of-${user}`]));
        expect(unread.indexOf('* BYE')).toBeGreaterThan(unread.indexOf('e OK'));
      }
    }
  });

  it('answers each of 600 commands that come at once', async () => {
    const proxy = await stage.proxy(plainly(dovecot));
    const clients = await Promise.all(['user7', 'user8'].map((user) => stage.logIn(proxy, user)));
    const commands = Array.from({ length: 600 }, (_, n) => {
      const kinds = [
        'NOOP',
        'CAPABILITY',
        'UID FETCH 1:* (FLAGS BODY.PEEK[])',
        'STATUS INBOX {8+}\r\n(UIDNEXT)',
        'ID NIL',
        'LIST "" {1+}\r\n*',
      ];
      const kind = n === 0 ? 'SELECT INBOX' : kinds[n % kinds.length]!;
      return `p${String(n)} ${kind}\r\n`;
    });
    await Promise.all(clients.map((client) => client.send(commands.join(''))));
    for (const [n, client] of clients.entries()) {
      const isDone = (text: string): boolean => (text.match(/^p\d+ /gm) ?? []).length === commands.length;
      await client.waitFor(isDone, 20_000);
      const text = client.unread;
      await client.readBytes(text.length);
      const tagged = [...text.matchAll(/^p(\d+) (OK|NO|BAD)/gm)];
      // Dovecot itself answers STATUS and LIST later than what came behind them.
      const answered = tagged.map(([, tag]) => Number(tag)).toSorted((a, b) => a - b);
      expect(answered).toEqual(commands.map((_, index) => index));
      expect(new Set(text.match(/mark-of-\S+/g))).toEqual(new Set([`mark-of-user${String(7 + n)}`]));
      await logOut(client);
    }
  });

  it('serves two users at once with their own mail', async () => {
    const proxy = await stage.proxy(plainly(dovecot));
    const read = async (user: string): Promise<void> => {
      for (let round = 0; round < 15; round++) {
        const client = await stage.logIn(proxy, user);
        const bodies = [...(await readBodies(client)), ...(await readBodies(client, 'Odd')).slice(2)];
        expect(bodies).toHaveLength(6);
        expect(bodies.every((body) => body.includes(`mark-of-${user} `))).toBe(true);
        await logOut(client);
        client.destroy();
      }
    };
    await Promise.all(['alice', 'bob', 'alice', 'bob'].map(read));
  }, 60_000);

  it('tells idling clients of their own new mail only', async () => {
    const proxy = await stage.proxy(plainly(dovecot));
    for (const round of [4, 5]) {
      const users = ['user9', 'user10'];
      const clients = await Promise.all(users.map((user) => stage.logIn(proxy, user)));
      const tags = await Promise.all(
        clients.map(async (client) => {
          await client.command('SELECT INBOX');
          const tag = await client.begin('IDLE');
          await client.expectContinuation();
          return tag;
        }),
      );
      for (const [n, user] of users.entries()) {
        await dovecot.deliver(user, 'INBOX', `Subject: new\r\n\r\nmark-of-${user} new\r\n`);
        await clients[n]!.waitFor(new RegExp(`\\* ${String(round)} EXISTS\\r\\n`));
        // Only a tagged reply may follow in the other session: nothing was delivered there.
        await clients[n]!.send('DONE\r\n');
        expect((await clients[n]!.finish(tags[n]!)).status).toBe('OK');
        const { literals } = await clients[n]!.command(`FETCH ${String(round)} BODY.PEEK[]`);
        expect(String(literals[0])).toContain(`mark-of-${user} new`);
      }
      await Promise.all(clients.map(logOut));
    }
  });

  it('runs IDLE and DONE that come at once, with commands around them', async () => {
    const proxy = await stage.proxy(plainly(dovecot));
    const client = await stage.logIn(proxy, 'alice');
    await client.send(
      'a SELECT INBOX\r\nb IDLE\r\nDONE\r\nc NOOP\r\nd IDLE\r\nDONE\r\ne CAPABILITY\r\nf IDLE\r\n',
    );
    const text = await client.waitFor(/^[^]*e OK [^]*\+ idling\r\n/);
    expect(text.match(/^(?:[a-f] \S+|\+ idling)/gm)).toEqual([
      'a OK',
      '+ idling',
      'b OK',
      'c OK',
      '+ idling',
      'd OK',
      'e OK',
      '+ idling',
    ]);
    await client.send('DONE\r\ng LOGOUT\r\n');
    expect((await client.waitForClose()).unread).toMatch(/^f OK [^]*\* BYE [^]*g OK /);
  });

  it('lists mailboxes with every name that the server allows', async () => {
    const names = ['plain', 'with space', 'brace}', 'open{5', 'mark{5}', 'R&AOk-sum&AOk-', 'a"b\\c', '[x]'];
    const proxy = await stage.proxy(plainly(dovecot));
    const client = await stage.logIn(proxy, 'user11');
    const direct = await stage.logIn({ port: dovecot.port }, 'user11');
    for (const name of names) {
      expect((await client.command(['CREATE ', literal(name, 'non-sync')])).status, name).toBe('OK');
      const ask = ['LIST "" ', literal(name)];
      const theirs = (await direct.command(ask)).untagged;
      expect(theirs.length, name).toBe(1);
      expect((await client.command(ask)).untagged, name).toEqual(theirs);
      expect((await client.command(['STATUS ', literal(name), ' (MESSAGES)'])).untagged, name).toEqual(
        (await direct.command(['STATUS ', literal(name), ' (MESSAGES)'])).untagged,
      );
      expect((await client.command(['SELECT ', literal(name)])).status, name).toBe('OK');
    }
    expect((await client.command('LIST "" *')).untagged.toSorted()).toEqual(
      (await direct.command('LIST "" *')).untagged.toSorted(),
    );
  });
});

/** Dovecot says at the end of a reply how long it took. */
function withoutTimings(bytes: Buffer): Buffer {
  const tail = bytes
    .subarray(-200)
    .toString('latin1')
    .replaceAll(/ \(\d\.\d{3} \+ .*? secs\)/g, '');
  return Buffer.concat([bytes.subarray(0, -200), Buffer.from(tail, 'latin1')]);
}
