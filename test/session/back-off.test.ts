// An upstream that is too busy for somebody is left alone for a while, and its own words are said again meanwhile.

import { describe, expect, it } from 'vitest';
import type { CommandResult } from '../support/raw-client.js';
import type { Hook } from '../support/scripted-upstream.js';
import { makeGate } from '../support/gate.js';
import { useStages } from './stage.js';
import type { Stage } from './stage.js';

const stage = useStages();

/** The proxy's own words where the server had none. */
const BUSY = '[UNAVAILABLE] The mail server is busy; try again later';
const always = { AUTH_FAILURE_TTL: '0' };

async function logIn(s: Stage, login = 'LOGIN alice secret'): Promise<CommandResult> {
  const client = await s.connect();
  const result = await client.command(login);
  client.destroy();
  return result;
}

async function untilLoggedIn(s: Stage, login?: string): Promise<void> {
  await s.proxy.until(async () => (await logIn(s, login)).status === 'OK', 'a login that is accepted');
}

const refuse =
  (words: string): Hook =>
  (command, connection) => {
    connection.send(`${command.tag} NO ${words}\r\n`);
  };

describe('a login that the server is too busy for', () => {
  const rows: [name: string, hook: Hook, first: string, again: string][] = [
    ['NO [LIMIT]', refuse('[LIMIT] too many'), '[LIMIT] too many', '[LIMIT] too many'],
    ['NO [INUSE]', refuse('[INUSE] locked'), '[INUSE] locked', '[INUSE] locked'],
    ['NO [UNAVAILABLE]', refuse('[UNAVAILABLE] backend'), '[UNAVAILABLE] backend', '[UNAVAILABLE] backend'],
    ['NO [CONTACTADMIN]', refuse('[CONTACTADMIN] x'), '[CONTACTADMIN] x', '[CONTACTADMIN] x'],
    ['BAD', (command, at) => at.bad(command), BUSY, BUSY],
    ['BYE', (_command, at) => at.end('* BYE too many\r\n'), BUSY, BUSY],
    [
      'no answer in time',
      () => undefined,
      '[UNAVAILABLE] The mail server did not answer in time; try again later',
      BUSY,
    ],
  ];
  it.each(rows)('%s: says it again without asking, to this user only', async (_name, hook, first, again) => {
    const s = await stage({ environment: { ...always, UPSTREAM_LOGIN_TIMEOUT: '150ms' } });
    s.upstream.once('AUTHENTICATE', hook);
    expect(await logIn(s)).toMatchObject({ status: 'NO', text: first });
    const started = performance.now();
    for (const password of ['secret', 'secret', 'another'])
      expect(await logIn(s, `LOGIN alice ${password}`)).toMatchObject({ status: 'NO', text: again });
    expect(performance.now() - started).toBeLessThan(350);
    expect(s.count('AUTHENTICATE')).toBe(1);
    const bob = await s.lease('bob');
    expect((await bob.client.command('LIST "" "*"')).untagged).toContain('* LIST () "/" of-bob');
    await untilLoggedIn(s);
    expect(s.count('AUTHENTICATE')).toBe(3);
    expect((await s.lease('alice')).connection.user).toBe('alice');
  });

  it('is made once after the delay, whoever else wants to know', async () => {
    const s = await stage({ environment: always });
    s.upstream.once('AUTHENTICATE', refuse('[LIMIT] too many'));
    expect((await logIn(s)).text).toBe('[LIMIT] too many');
    const gate = makeGate();
    s.upstream.once('AUTHENTICATE', async () => {
      await gate.opened;
      return 'default';
    });
    const first = await s.connect();
    let answer: CommandResult | undefined;
    await s.proxy.until(async () => {
      const tag = await first.begin('LOGIN alice secret');
      await s.proxy.until(() => first.unread.includes(tag) || s.count('AUTHENTICATE') === 2, 'an answer');
      if (s.count('AUTHENTICATE') === 2) return true;
      answer = await first.finish(tag);
      return false;
    }, 'the attempt behind the delay');
    expect(answer?.text).toBe('[LIMIT] too many');
    for (let n = 0; n < 5; n++)
      expect((await logIn(s, `LOGIN alice guess${n}`)).text).toBe('[LIMIT] too many');
    expect(s.count('AUTHENTICATE')).toBe(2);
    gate.open();
    await first.waitFor(/^t\d+ OK /m);
    // Nothing is held against the name any more.
    expect((await logIn(s, 'LOGIN alice guess')).text).toBe(
      '[AUTHENTICATIONFAILED] wrong user name or password',
    );
    expect(s.count('AUTHENTICATE')).toBe(3);
  });

  it('waits twice as long after each further refusal', async () => {
    const s = await stage({ environment: always });
    const times: number[] = [];
    s.upstream.on('AUTHENTICATE', (command, connection) => {
      times.push(performance.now());
      refuse('[LIMIT] too many')(command, connection);
    });
    await s.proxy.until(
      async () => {
        expect((await logIn(s)).text).toBe('[LIMIT] too many');
        return times.length === 4;
      },
      'four attempts',
      8_000,
    );
    const gaps = times.slice(1).map((time, at) => time - (times[at] ?? 0));
    const bounds = [
      [400, 600],
      [800, 1_200],
      [1_600, 2_400],
    ];
    for (const [at, [least = 0, most = 0]] of bounds.entries()) {
      expect(gaps[at]).toBeGreaterThanOrEqual(least - 5);
      // The poll, and a machine that has other things to do.
      expect(gaps[at]).toBeLessThanOrEqual(most + 150);
    }
  });

  it('begins with the short delay again after a success', async () => {
    const s = await stage({ environment: { ...always, MAILBOX_CACHE_TTL: '0', AUTH_CACHE_TTL: '0' } });
    for (let n = 0; n < 3; n++) {
      s.upstream.once('AUTHENTICATE', refuse('[LIMIT] too many'));
      expect((await logIn(s)).text).toBe('[LIMIT] too many');
      const started = performance.now();
      await untilLoggedIn(s);
      expect(performance.now() - started).toBeLessThan(800);
    }
  });
});

describe('what is there already', () => {
  it('keeps serving while the server refuses more of the same user', async () => {
    const s = await stage();
    const bob = await s.lease('bob');
    const first = await s.lease('alice');
    s.upstream.on('AUTHENTICATE', refuse('[LIMIT] one is enough'));
    const second = await s.logIn('alice');
    const noop = second.command('NOOP');
    await s.untilWaiting(1);
    expect(s.count('AUTHENTICATE')).toBe(3);
    await s.leave(first.client);
    expect((await noop).text).toBe('NOOP done (alice)');
    await s.leave(second);
    await s.untilPool({ idle: 1, leased: 1, resetting: 0 });
    for (let n = 0; n < 5; n++) {
      const { client, connection } = await s.lease('alice');
      expect(connection).toBe(first.connection);
      await s.leave(client);
      await s.untilPool({ idle: 1, leased: 1, resetting: 0 });
    }
    expect((await logIn(s, 'LOGIN alice another')).text).toBe('[LIMIT] one is enough');
    expect(s.count('AUTHENTICATE')).toBe(3);
    expect((await bob.client.command('NOOP')).text).toBe('NOOP done (bob)');
  });

  it('does not have to come back in time: who waits in vain hears the server’s words', async () => {
    const s = await stage({ environment: { ACQUIRE_TIMEOUT: '250ms' } });
    await s.lease('alice');
    s.upstream.on('AUTHENTICATE', refuse('[LIMIT] one is enough'));
    const second = await s.logIn('alice');
    expect(await second.command('NOOP')).toMatchObject({ status: 'NO', text: '[LIMIT] one is enough' });
    expect(s.count('AUTHENTICATE')).toBe(2);
  });
});

describe('is no reason to wait', () => {
  it('a wrong password', async () => {
    const s = await stage({ environment: always });
    for (let n = 1; n <= 3; n++) {
      expect((await logIn(s, 'LOGIN alice wrong')).text).toBe(
        '[AUTHENTICATIONFAILED] wrong user name or password',
      );
      expect(s.attempts).toBe(n);
    }
    expect((await logIn(s)).status).toBe('OK');
  });

  it('a connection that is refused', async () => {
    const s = await stage({ isUpstreamDown: true });
    expect((await logIn(s)).text).toBe('[UNAVAILABLE] The mail server refuses connections; try again later');
    await s.upstream.listen();
    expect((await logIn(s)).status).toBe('OK');
  });

  it.each(['220 smtp.example.org ESMTP', '* BYE closed on Sundays', '* PREAUTH welcome'])(
    'a greeting: %s',
    async (greeting) => {
      const s = await stage({ environment: { UPSTREAM_CONNECT_TIMEOUT: '200ms' } });
      s.upstream.script.greeting = greeting;
      const { text } = await logIn(s);
      expect(text).toMatch(/^\[UNAVAILABLE\] /);
      const seen = s.upstream.connections.length;
      await logIn(s);
      expect(s.upstream.connections.length).toBeGreaterThan(seen);
      s.upstream.script.greeting = undefined;
      expect((await logIn(s)).status).toBe('OK');
    },
  );

  it.each(['FIN', 'RST'])('a connection that ends without a word: %s', async (how) => {
    const s = await stage();
    s.upstream.once('AUTHENTICATE', (_command, connection) => {
      if (how === 'FIN') connection.end();
      else connection.reset();
    });
    expect((await logIn(s)).text).toMatch(/^\[UNAVAILABLE\] /);
    expect((await logIn(s)).status).toBe('OK');
  });
});

describe('the response codes of RFC 5530', () => {
  it.each([
    ['', 'wrong'],
    ['AUTHENTICATIONFAILED', 'wrong'],
    ['authenticationfailed', 'wrong'],
    ['AUTHORIZATIONFAILED', 'wrong'],
    ['EXPIRED', 'wrong'],
    ['UNAVAILABLE', 'busy'],
    ['PRIVACYREQUIRED', 'busy'],
    ['CONTACTADMIN', 'busy'],
    ['NOPERM', 'busy'],
    ['INUSE', 'busy'],
    ['EXPUNGEISSUED', 'busy'],
    ['CORRUPTION', 'busy'],
    ['SERVERBUG', 'busy'],
    ['CLIENTBUG', 'busy'],
    ['CANNOT', 'busy'],
    ['LIMIT', 'busy'],
    ['limit', 'busy'],
    ['OVERQUOTA', 'busy'],
    ['ALREADYEXISTS', 'busy'],
    ['NONEXISTENT', 'busy'],
    ['X-UNHEARD-OF more of it', 'busy'],
  ] as const)('[%s] means that the password is unknown or the server %s', async (code, meaning) => {
    const s = await stage({ environment: always });
    const words = code === '' ? 'no' : `[${code}] no`;
    s.upstream.on('AUTHENTICATE', refuse(words));
    for (let n = 1; n <= 2; n++) {
      expect(await logIn(s)).toMatchObject({ status: 'NO', text: words });
      expect(s.count('AUTHENTICATE')).toBe(meaning === 'wrong' ? n : 1);
    }
    const reason = meaning === 'wrong' ? 'credentials' : 'limit';
    expect(s.proxy.logLines.filter(({ msg }) => msg === 'login failed')[0]).toMatchObject({ reason });
  });
});
