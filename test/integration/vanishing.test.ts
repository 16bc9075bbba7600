// Clients that vanish in every state: the next client of the same user gets a clean session, and nothing is half done.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWithDovecot } from '../support/describe-with-dovecot.js';
import { type Dovecot, startDovecot } from '../support/dovecot.js';
import type { TestProxy } from '../support/proxy.js';
import type { RawClient } from '../support/raw-client.js';
import { logOut, plainly, readBodies, useStage } from '../support/stage.js';

/** More than the buffers between server and client hold. */
const largeBytes = 25_000_000;

/** Brings a connected client into a state; its tags begin with `old`. */
type Approach = (client: RawClient, user: string) => Promise<void>;

const logIn = (user: string): string => `old0 LOGIN ${user} secret\r\n`;

const loggedIn: Approach = async (client, user) => {
  await client.send(logIn(user));
  await client.waitFor(/old0 OK .*\r\n/);
};

const selected: Approach = async (client, user) => {
  await loggedIn(client, user);
  await client.send('old1 SELECT INBOX\r\n');
  await client.waitFor(/old1 OK .*\r\n/);
};

const states: Readonly<Record<string, Approach>> = {
  'after the greeting': () => Promise.resolve(),
  'with half a LOGIN sent': (client, user) => client.send(`old0 LOGIN ${user} "sec`),
  'with its LOGIN unanswered': (client, user) => client.send(logIn(user)),
  'logged in': loggedIn,
  selected,
  'inside a command line': async (client, user) => {
    await selected(client, user);
    await client.send('old2 FETCH 1 (BODY.PEEK[');
  },
  'with one command unanswered': async (client, user) => {
    await selected(client, user);
    await client.send('old2 FETCH 1:* BODY.PEEK[]\r\n');
  },
  'in the middle of a large FETCH': async (client, user) => {
    await loggedIn(client, user);
    await client.send('old1 SELECT Large\r\nold2 FETCH 1 BODY.PEEK[]\r\n');
    await client.waitFor(/\* 1 FETCH \(BODY\[\] \{\d+\}\r\n/);
    client.pause();
  },
  'with 300 commands pipelined': async (client, user) => {
    await selected(client, user);
    const rest = Array.from(
      { length: 300 },
      (_, n) => `old${String(n + 2)} FETCH 1:* (FLAGS BODY.PEEK[])\r\n`,
    );
    await client.send(rest.join(''));
  },
  'with everything pipelined behind LOGIN': (client, user) =>
    client.send(`${logIn(user)}old1 SELECT Large\r\nold2 FETCH 1 BODY.PEEK[]\r\nold3 NOOP\r\n`),
  'with an APPEND announced': async (client, user) => {
    await selected(client, user);
    await client.send('old2 APPEND INBOX {3000}\r\n');
  },
  'with an APPEND allowed': async (client, user) => {
    await selected(client, user);
    await client.send('old2 APPEND INBOX {3000}\r\n');
    await client.expectContinuation();
  },
  'in the middle of a synchronizing literal': async (client, user) => {
    await selected(client, user);
    await client.send('old2 APPEND INBOX {3000}\r\n');
    await client.expectContinuation();
    await client.send(`Subject: half\r\n\r\nold half of a mail${'.'.repeat(1_000)}`);
  },
  'in the middle of a non-synchronizing literal': async (client, user) => {
    await selected(client, user);
    await client.send(`old2 APPEND INBOX {3000+}\r\nSubject: half\r\n\r\nold half${'.'.repeat(1_000)}`);
  },
  'behind a whole literal and before the line end': async (client, user) => {
    await selected(client, user);
    await client.send(`old2 APPEND INBOX {22+}\r\nSubject: old\r\n\r\nwhole`);
  },
  'in the middle of a MULTIAPPEND': async (client, user) => {
    await selected(client, user);
    await client.send(
      `old2 APPEND INBOX {21+}\r\nSubject: old\r\n\r\nwhole {3000+}\r\nSubject: half\r\n\r\n`,
    );
  },
  'in IDLE': async (client, user) => {
    await selected(client, user);
    await client.send('old2 IDLE\r\n');
    await client.expectContinuation();
  },
  'with IDLE unanswered': async (client, user) => {
    await selected(client, user);
    await client.send('old2 IDLE\r\n');
  },
  'in IDLE with half a DONE sent': async (client, user) => {
    await selected(client, user);
    await client.send('old2 IDLE\r\n');
    await client.expectContinuation();
    await client.send('DON');
  },
  'with SEARCH RETURN (SAVE) and ENABLE done': async (client, user) => {
    await selected(client, user);
    await client.send('old2 SEARCH RETURN (SAVE) ALL\r\nold3 ENABLE QRESYNC\r\n');
    await client.waitFor(/old3 OK .*\r\n/);
  },
};

const exits: Readonly<Record<string, (client: RawClient) => void>> = {
  RST: (client) => client.reset(),
  // It goes on reading: a half-close is not vanishing, so all answers come first.
  FIN: (client) => {
    client.end();
    client.resume();
  },
  'a closed socket': (client) => client.destroy(),
};

describeWithDovecot('a client that vanishes in front of Dovecot', () => {
  const stage = useStage();
  let dovecot: Dovecot;

  beforeAll(async () => {
    dovecot = await startDovecot();
    for (const user of ['alice', 'bob']) {
      const body = `mark-of-${user} old-large `.repeat(largeBytes / 20);
      await dovecot.deliver(user, 'Large', `Subject: large\r\n\r\n${body}`);
    }
  }, 30_000);

  afterAll(async () => {
    await dovecot.stop();
  });

  /** What a client of its own sees in a fixed order; the same for every user but for the name. */
  async function inspect(client: RawClient, user: string): Promise<string> {
    await client.send(
      `new0 LOGIN ${user} secret\r\nnew1 FETCH 1 FLAGS\r\nnew2 SELECT INBOX\r\n` +
        'new3 UID FETCH 1:* (FLAGS BODY.PEEK[])\r\nnew4 STATUS Large (MESSAGES)\r\nnew5 LOGOUT\r\n',
    );
    await client.waitForClose(10_000);
    return client.received
      .toString('latin1')
      .replace(/^.*\r\n/, '')
      .replace(/\[CAPABILITY [^\]]*\]/, '[]')
      .replaceAll(/ \(\d\.\d{3} \+ [^)]*secs\)/g, '')
      .replaceAll(/\* OK \[HIGHESTMODSEQ .*\r\n/g, '');
  }

  async function expectCleanSessions(proxy: TestProxy, expected: ReadonlyMap<string, string>): Promise<void> {
    for (const [user, transcript] of expected) {
      for (const round of ['next', 'second']) {
        const seen = await inspect(await stage.connect(proxy), user);
        expect(seen, `the ${round} session of ${user}`).toBe(transcript);
      }
    }
    await proxy.until(
      async () =>
        (await proxy.metric('imapbouncer_upstream_connections', { state: 'leased' })) === 0 &&
        (await proxy.metric('imapbouncer_upstream_connections', { state: 'resetting' })) === 0,
      'no lease to be left',
    );
  }

  async function expectedTranscripts(): Promise<Map<string, string>> {
    const transcripts = new Map<string, string>();
    for (const user of ['alice', 'bob']) {
      // The first look takes \Recent away.
      await inspect(await stage.connect({ port: dovecot.port }), user);
      transcripts.set(user, await inspect(await stage.connect({ port: dovecot.port }), user));
    }
    return transcripts;
  }

  describe.each(Object.entries(exits))('by %s', (_exit, leave) => {
    it.each(Object.entries(states))('%s leaves a clean session behind', async (_state, approach) => {
      const expected = await expectedTranscripts();
      // One connection a user, so that the next client has to wait for just this one, or for its end.
      const proxy = await stage.proxy(plainly(dovecot), { UPSTREAM_MAX_CONNECTIONS_PER_USER: '1' });
      const bob = await stage.logIn(proxy, 'bob');
      await bob.command('SELECT INBOX');
      const victim = await stage.connect(proxy);
      await approach(victim, 'alice');
      leave(victim);
      const next = await inspect(await stage.connect(proxy), 'alice');
      expect(next).toBe(expected.get('alice'));
      expect((await bob.command('FETCH 1 BODY.PEEK[]')).literals.join('')).toContain('mark-of-bob ');
      await logOut(bob);
      await expectCleanSessions(proxy, expected);
    });

    it.each(Object.entries(states))('%s on a warm connection, too', async (_state, approach) => {
      const expected = await expectedTranscripts();
      const proxy = await stage.proxy(plainly(dovecot), { UPSTREAM_MAX_CONNECTIONS_PER_USER: '1' });
      for (const user of ['alice', 'bob'])
        expect(await inspect(await stage.connect(proxy), user)).toBe(expected.get(user));
      const victims = await Promise.all(['alice', 'bob', 'alice'].map(() => stage.connect(proxy)));
      await approach(victims[0]!, 'alice');
      await approach(victims[1]!, 'bob');
      victims.slice(0, 2).forEach(leave);
      await expectCleanSessions(proxy, expected);
    });
  });

  it('gets all answers after its FIN, and then the end', async () => {
    const proxy = await stage.proxy(plainly(dovecot));
    for (const user of ['alice', 'bob']) {
      const client = await stage.connect({ port: proxy.port, allowHalfOpen: true });
      client.end(`a LOGIN ${user} secret\r\nb SELECT Large\r\nc FETCH 1 BODY.PEEK[]\r\nd NOOP\r\n`);
      const { unread, how } = await client.waitForClose(20_000);
      expect(how).toBe('ended');
      expect(unread.length).toBeGreaterThan(largeBytes);
      expect(unread.match(/^[a-d] (?:OK|NO|BAD)/gm)).toEqual(['a OK', 'b OK', 'c OK', 'd OK']);
      expect(unread).toContain(`mark-of-${user} `);
    }
  });

  it('costs the next client no login, wherever the connection can be proven clean', async () => {
    const proxy = await stage.proxy(plainly(dovecot), { UPSTREAM_MAX_CONNECTIONS_PER_USER: '1' });
    const before = await dovecot.countLogins('alice');
    for (const state of [
      'logged in',
      'selected',
      'in IDLE',
      'with one command unanswered',
      'with 300 commands pipelined',
    ]) {
      const client = await stage.connect(proxy);
      await states[state]!(client, 'alice');
      client.reset();
      await client.closed;
      const next = await stage.logIn(proxy, 'alice');
      expect((await readBodies(next))[0]).toContain('mark-of-alice ');
      await logOut(next);
    }
    expect((await dovecot.countLogins('alice')) - before).toBe(1);
  });
});
