// How clients log in, and what the upstream sees of it.

import { mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeGate } from '../support/gate.js';
import { literal } from '../support/literal.js';
import type { Literal } from '../support/literal.js';
import { startProxy } from '../support/proxy.js';
import { RawClient } from '../support/raw-client.js';
import type { CommandParts, CommandResult } from '../support/raw-client.js';
import type { Hook, ScriptedUpstreamOptions } from '../support/scripted-upstream.js';
import { plain, useStages } from './stage.js';
import type { Stage } from './stage.js';

const stage = useStages();

const UPSTREAM_WORDS = '[AUTHENTICATIONFAILED] wrong user name or password';

/** AUTHENTICATE with the answers to its challenges, one by one. */
async function authenticate(
  client: RawClient,
  mechanism: string,
  ...answers: string[]
): Promise<CommandResult> {
  const tag = await client.begin(`AUTHENTICATE ${mechanism}`);
  for (const answer of answers) {
    await client.expectContinuation();
    await client.send(`${answer}\r\n`);
  }
  return client.finish(tag);
}

async function expectMailOf(client: RawClient, user: string): Promise<void> {
  expect((await client.command('LIST "" "of-*"')).status).toBe('OK');
  expect((await client.command('SELECT INBOX')).status).toBe('OK');
  const { literals } = await client.command('UID FETCH 1:* (BODY.PEEK[])');
  expect(literals.length).toBeGreaterThan(0);
  expect(literals.every((body) => body.includes(`mark-of-${user} `))).toBe(true);
}

/** Tries until the upstream is asked again; says how often it was refused in the meantime. */
async function untilLoggedIn(client: RawClient, login: string): Promise<number> {
  for (let refused = 0; ; refused += 1) {
    const { status, text } = await client.command(login);
    if (status === 'OK') return refused;
    expect(text).toMatch(/^\[[A-Z]+\] /);
    expect(refused, text).toBeLessThan(2_000);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Logs in at short intervals until the upstream is asked again. */
async function untilAsked(stage: Stage, client: RawClient, parts: CommandParts): Promise<CommandResult> {
  const before = stage.attempts;
  let result: CommandResult | undefined;
  await stage.proxy.until(async () => {
    result = await client.command(parts);
    return stage.attempts > before;
  }, 'another attempt upstream');
  return result!;
}

const base64 = (text: string | Buffer): string => Buffer.from(text).toString('base64');

// Every byte that a password may have, but CR, LF and NUL; it also ends like the marker of a literal.
const byteRange = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, at) => from + at);
const oddPassword = Buffer.concat([
  Buffer.from([...byteRange(1, 9), 0x0b, 0x0c, ...byteRange(0x0e, 0xff)]),
  Buffer.from('{10}'),
]);
const quotedOddPassword = Buffer.from(
  `"${oddPassword.toString('latin1').replace(/["\\]/g, '\\$&')}"`,
  'latin1',
);
const sevenBitPassword = 'a "quoted\\" pass {3}';

describe('the forms of a login', () => {
  const forms: [name: string, run: (client: RawClient) => Promise<CommandResult>][] = [
    ['atoms', (client) => client.command('LOGIN alice secret')],
    ['lower case', (client) => client.command('login alice secret')],
    ['quoted strings', (client) => client.command('LOGIN "alice" "secret"')],
    ['sync literals', (client) => client.command(['LOGIN ', literal('alice'), ' ', literal('secret')])],
    [
      'non-sync literals',
      (client) =>
        client.command(['LOGIN ', literal('alice', 'non-sync'), ' ', literal('secret', 'non-sync')]),
    ],
    ['an atom and a literal', (client) => client.command(['LOGIN alice ', literal('secret')])],
    [
      'PLAIN with an initial response',
      (client) => client.command(`AUTHENTICATE PLAIN ${plain('alice', 'secret')}`),
    ],
    ['PLAIN without', (client) => authenticate(client, 'PLAIN', plain('alice', 'secret'))],
    ['PLAIN in lower case', (client) => authenticate(client, 'plain', plain('alice', 'secret'))],
    [
      'AUTH=LOGIN with an initial response',
      (client) => authenticate(client, `LOGIN ${base64('alice')}`, base64('secret')),
    ],
    ['AUTH=LOGIN without', (client) => authenticate(client, 'LOGIN', base64('alice'), base64('secret'))],
  ];
  it.each(forms)('logs in by %s, and the same user comes back warm by an atom', async (_name, run) => {
    const s = await stage();
    const bob = await s.logIn('bob');
    const client = await s.connect();
    const result = await run(client);
    expect(result.status).toBe('OK');
    expect(result.text).toMatch(/^\[CAPABILITY IMAP4rev1 [^\]]*UNSELECT[^\]]*\]/);
    await expectMailOf(client, 'alice');
    await s.leave(client);
    await s.untilPool({ idle: 1 });
    await expectMailOf(await s.logIn('alice'), 'alice');
    await expectMailOf(bob, 'bob');
    expect(s.upstream.loginAttempts.map(({ user }) => user)).toEqual(['bob', 'alice']);
  });

  const upstreams: [name: string, upstream: ScriptedUpstreamOptions, verb: string][] = [
    ['PLAIN with SASL-IR', {}, 'PLAIN'],
    ['PLAIN without SASL-IR', { capabilitiesBeforeLogin: ['IMAP4rev1', 'AUTH=PLAIN'] }, 'PLAIN'],
    ['LOGIN, since PLAIN is not offered', { capabilitiesBeforeLogin: ['IMAP4rev1'] }, 'LOGIN'],
    [
      'PLAIN, since LOGIN is disabled',
      { capabilitiesBeforeLogin: ['IMAP4rev1', 'LOGINDISABLED', 'AUTH=PLAIN'] },
      'PLAIN',
    ],
  ];
  it.each(upstreams)('passes every byte of a password on by %s', async (_name, upstream, mechanism) => {
    const s = await stage({ upstream: { ...upstream, users: { alice: oddPassword, bob: 'secret' } } });
    s.secrets.add(oddPassword.toString('utf8'));
    const ways: [string, (client: RawClient) => Promise<CommandResult>][] = [
      ['quoted', (client) => client.command(Buffer.concat([Buffer.from('LOGIN alice '), quotedOddPassword]))],
      ['literal', (client) => client.command(['LOGIN alice ', literal(oddPassword)])],
      ['PLAIN', (client) => client.command(`AUTHENTICATE PLAIN ${plain('alice', oddPassword)}`)],
      ['AUTH=LOGIN', (client) => authenticate(client, 'LOGIN', base64('alice'), base64(oddPassword))],
    ];
    for (const [name, run] of ways) {
      const client = await s.connect();
      expect(await run(client), name).toMatchObject({ status: 'OK' });
      await s.leave(client);
    }
    expect(s.upstream.loginAttempts).toHaveLength(1);
    expect(s.upstream.loginAttempts[0]).toMatchObject({ mechanism, user: 'alice', isAccepted: true });
    expect(s.upstream.loginAttempts[0]?.secret).toEqual(oddPassword);
  });

  it('quotes what can be quoted when it has to use LOGIN', async () => {
    const s = await stage({
      upstream: { capabilitiesBeforeLogin: ['IMAP4rev1'], users: { alice: sevenBitPassword } },
    });
    const client = await s.connect();
    expect((await client.command(['LOGIN alice ', literal(sevenBitPassword)])).status).toBe('OK');
    expect(s.upstream.loginAttempts[0]?.secret.toString()).toBe(sevenBitPassword);
    const [login] = (await s.connectionOf()).commands.filter(({ verb }) => verb === 'LOGIN');
    expect(login?.literals).toEqual([]);
  });

  it('takes a password that ends in a brace as an atom', async () => {
    const s = await stage({ upstream: { users: { alice: 'se}' } } });
    const client = await s.connect();
    expect(await client.command('LOGIN alice se}')).toMatchObject({ status: 'OK' });
  });

  it('takes an empty password for a wrong one', async () => {
    const s = await stage();
    const client = await s.connect();
    expect(await client.command('LOGIN alice ""')).toMatchObject({ status: 'NO', text: UPSTREAM_WORDS });
    expect(await client.command(['LOGIN bob ', literal('')])).toMatchObject({ status: 'NO' });
    expect(s.upstream.loginAttempts.map(({ secret }) => secret.length)).toEqual([0, 0]);
  });

  it('tells a server that offers no way for these credentials from a wrong password', async () => {
    const s = await stage({ upstream: { capabilitiesBeforeLogin: ['IMAP4rev1', 'LOGINDISABLED'] } });
    const client = await s.connect();
    expect((await client.command('LOGIN alice secret')).text).toMatch(/^\[UNAVAILABLE\]/);
    s.upstream.script.capabilitiesBeforeLogin = ['IMAP4rev1', 'AUTH=PLAIN'];
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');
  });

  it('reads the capabilities after the login, however the upstream tells them', async () => {
    for (const loginCapabilities of ['code', 'untagged', 'none'] as const) {
      const s = await stage({ upstream: { loginCapabilities } });
      const client = await s.connect();
      const { text } = await client.command('LOGIN alice secret');
      expect(text, loginCapabilities).toMatch(
        /^\[CAPABILITY IMAP4rev1 .*UNSELECT.*NOTIFY CHILDREN\] Logged in$/,
      );
      expect(text).not.toMatch(/STARTTLS|AUTH=|COMPRESS/);
    }
  });
});

describe('authorization identities', () => {
  it('passes them upstream, and keeps what they may see apart', async () => {
    const s = await stage({
      upstream: { users: { admin: 'master', alice: 'secret', bob: 'secret' }, masterUsers: ['admin'] },
    });
    for (const round of [1, 2]) {
      for (const [user, message] of [
        ['alice', plain('admin', 'master', 'alice')],
        ['bob', plain('admin', 'master', 'bob')],
        ['alice', plain('alice', 'secret')],
      ] as const) {
        const client = await s.connect();
        expect((await client.command(`AUTHENTICATE PLAIN ${message}`)).status).toBe('OK');
        await expectMailOf(client, user);
        await s.leave(client);
        await s.untilPool({ leased: 0, resetting: 0 });
      }
      expect(s.attempts, `round ${round}`).toBe(3);
    }
    expect(s.upstream.loginAttempts.map((attempt) => [attempt.user, attempt.authorizationUser])).toEqual([
      ['admin', 'alice'],
      ['admin', 'bob'],
      ['alice', ''],
    ]);
  });

  it('asks again for one that differs only in the authorization identity', async () => {
    const s = await stage({ upstream: { users: { admin: 'master', alice: 'secret' } } });
    const client = await s.connect();
    expect((await client.command(`AUTHENTICATE PLAIN ${plain('admin', 'master')}`)).status).toBe('OK');
    const other = await s.connect();
    expect(await other.command(`AUTHENTICATE PLAIN ${plain('admin', 'master', 'alice')}`)).toMatchObject({
      status: 'NO',
      text: UPSTREAM_WORDS,
    });
  });

  // mutt and mbsync name their user in both places.
  it('takes the own name as none: one identity, and one credential', async () => {
    const s = await stage();
    const ways: readonly ((user: string) => string)[] = [
      (user) => `LOGIN ${user} secret`,
      (user) => `AUTHENTICATE PLAIN ${plain(user, 'secret', user)}`,
    ];
    for (const [user, order] of [
      ['alice', ways],
      ['bob', ways.toReversed()],
    ] as const) {
      for (const logIn of [...order, ...order]) {
        const client = await s.connect();
        expect((await client.command(logIn(user))).status).toBe('OK');
        await expectMailOf(client, user);
        await s.leave(client);
        await s.untilPool({ leased: 0, resetting: 0 });
      }
    }
    expect(s.upstream.loginAttempts.map((attempt) => [attempt.user, attempt.authorizationUser])).toEqual([
      ['alice', ''],
      ['bob', ''],
    ]);
    expect(await s.metric('pools')).toBe(2);
  });

  it('lets those in who name themselves where only LOGIN is offered', async () => {
    const s = await stage({ upstream: { capabilitiesBeforeLogin: ['IMAP4rev1'] } });
    for (const user of ['alice', 'bob']) {
      const client = await s.connect();
      const { status } = await client.command(`AUTHENTICATE PLAIN ${plain(user, 'secret', user)}`);
      expect(status).toBe('OK');
      await expectMailOf(client, user);
    }
    expect(s.upstream.loginAttempts.map(({ mechanism }) => mechanism)).toEqual(['LOGIN', 'LOGIN']);
  });

  it('does not send one where only LOGIN is offered, which could not carry it', async () => {
    const s = await stage({ upstream: { capabilitiesBeforeLogin: ['IMAP4rev1'] } });
    const client = await s.connect();
    expect((await client.command(`AUTHENTICATE PLAIN ${plain('alice', 'secret', 'bob')}`)).text).toMatch(
      /^\[UNAVAILABLE\]/,
    );
    expect(s.attempts).toBe(0);
  });
});

describe('SASL exchanges that fail', () => {
  it('cancels by *, and goes on', async () => {
    const s = await stage();
    const client = await s.connect();
    for (const [mechanism, ...answers] of [
      ['PLAIN', '*'],
      ['LOGIN', '*'],
      ['LOGIN', base64('alice'), '*'],
    ] as [string, ...string[]][])
      expect(await authenticate(client, mechanism, ...answers)).toMatchObject({ status: 'BAD' });
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');
    expect(s.attempts).toBe(1);
  });

  it.each([
    ['no base64', 'PLAIN !!!!'],
    ['base64 without its padding', 'PLAIN AGFsaWNlAHNlY3JldA'],
    ['no NUL', `PLAIN ${base64('alice secret')}`],
    ['one NUL', `PLAIN ${base64('alice\0secret')}`],
    ['a NUL in the password', `PLAIN ${base64('\0alice\0sec\0ret')}`],
    ['no user name', `PLAIN ${base64('\0\0secret')}`],
    ['a line break in the user name', `PLAIN ${base64('\0ali\r\nce\0secret')}`],
    ['a line break in the authorization identity', `PLAIN ${base64('a\nb\0alice\0secret')}`],
    ['an empty initial response', 'PLAIN ='],
    ['an argument too many', `PLAIN ${plain('alice', 'secret')} x`],
    ['no mechanism', ''],
  ])('answers BAD to %s, and goes on', async (_name, args) => {
    const s = await stage();
    const client = await s.connect();
    expect(await client.command(`AUTHENTICATE ${args}`)).toMatchObject({ status: 'BAD', untagged: [] });
    expect((await client.command('NOOP')).status).toBe('OK');
    expect(s.attempts).toBe(0);
  });

  it('answers BAD to bad base64 behind a challenge', async () => {
    const s = await stage();
    const client = await s.connect();
    expect(await authenticate(client, 'PLAIN', 'AGF*')).toMatchObject({ status: 'BAD' });
    expect(await authenticate(client, 'LOGIN', base64('alice'), 'c2VjcmV0=')).toMatchObject({
      status: 'BAD',
    });
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');
    expect(s.attempts).toBe(1);
  });

  it('says NO to a mechanism that it does not have', async () => {
    const s = await stage();
    const client = await s.connect();
    expect((await client.command('AUTHENTICATE GSSAPI')).text).toMatch(/^\[CANNOT\]/);
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');
  });
});

describe('wrong passwords', () => {
  it('cost one attempt, give the upstream’s own words, and are refused from memory when they come again', async () => {
    const s = await stage();
    s.secrets.add('wrong-one').add(plain('alice', 'wrong-one')).add(base64('wrong-one'));
    const bob = await s.logIn('bob');
    const client = await s.connect();
    expect(await client.command('LOGIN alice wrong-one')).toMatchObject({
      status: 'NO',
      text: UPSTREAM_WORDS,
    });
    expect(s.attempts).toBe(2);
    for (const parts of ['LOGIN "alice" "wrong-one"', `AUTHENTICATE PLAIN ${plain('alice', 'wrong-one')}`])
      expect(await client.command(parts)).toMatchObject({ status: 'NO', text: UPSTREAM_WORDS });
    expect(s.attempts).toBe(2);
    expect((await client.command('LOGIN alice wrong-two')).status).toBe('NO');
    expect(s.attempts).toBe(3);
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');
    expect(s.attempts).toBe(4);
    await expectMailOf(client, 'alice');
    await expectMailOf(bob, 'bob');
    await s.upstream.waitForOpenConnections(2);
  });

  it.each([
    ['without a code', 'No such user: héhé', 'NO', 'No such user: h\xc3\xa9h\xc3\xa9'],
    ['with EXPIRED', '[EXPIRED] change it', 'NO', '[EXPIRED] change it'],
    ['with AUTHORIZATIONFAILED', '[AUTHORIZATIONFAILED] not yours', 'NO', '[AUTHORIZATIONFAILED] not yours'],
    ['with a lower-case code', '[authenticationfailed] no', 'NO', '[authenticationfailed] no'],
  ])('are known by a NO %s, whose text passes', async (_name, words, status, text) => {
    const s = await stage();
    s.upstream.once('AUTHENTICATE', (command, connection) => {
      connection.no(command, words);
    });
    const client = await s.connect();
    expect(await client.command('LOGIN alice secret')).toMatchObject({ status, text });
    expect(await client.command('LOGIN alice secret')).toMatchObject({ status, text });
    expect(s.count('AUTHENTICATE')).toBe(1);
  });

  it('are asked about again when they were refused long enough ago', async () => {
    const s = await stage({ environment: { AUTH_FAILURE_TTL: '150ms' } });
    const client = await s.connect();
    await client.command('LOGIN alice wrong');
    s.upstream.script.users['alice'] = 'wrong';
    s.secrets.clear();
    expect(await untilAsked(s, client, 'LOGIN alice wrong')).toMatchObject({ status: 'OK' });
  });

  it('are asked about each time with AUTH_FAILURE_TTL=0', async () => {
    const s = await stage({ environment: { AUTH_FAILURE_TTL: '0' } });
    const client = await s.connect();
    await client.command('LOGIN alice wrong');
    await client.command('LOGIN alice wrong');
    expect(s.attempts).toBe(2);
  });

  it('do not evict the user’s warm connections', async () => {
    const s = await stage();
    const { client, connection } = await s.lease('alice');
    await s.leave(client);
    await s.untilPool({ idle: 1 });
    const guesser = await s.connect();
    for (const password of ['wrong1', 'wrong2', 'wrong3']) await guesser.command(`LOGIN alice ${password}`);
    await s.upstream.waitForOpenConnections(1);
    expect((await s.lease('alice')).connection).toBe(connection);
    expect(s.attempts).toBe(4);
  });

  it('do not disturb a session of the same user, nor its credentials', async () => {
    const s = await stage();
    const { client, connection } = await s.lease('alice');
    await (await s.connect()).command('LOGIN alice wrong');
    expect((await client.command('NOOP')).text).toBe('NOOP done (alice)');
    await s.leave(client);
    await s.untilPool({ idle: 1 });
    expect((await s.lease('alice')).connection).toBe(connection);
    expect(s.attempts).toBe(2);
  });

  it('end their upstream connection by LOGOUT, and the server closes first', async () => {
    const s = await stage();
    await (await s.connect()).command('LOGIN alice wrong');
    const { connection } = await s.upstream.waitForLoginAttempts(1);
    expect(await connection.waitForClose()).toEqual({ by: 'server', how: 'ended' });
    expect(connection.verbs.at(-1)).toBe('LOGOUT');
  });

  it('leave no trace of themselves when a key could be glued together otherwise', async () => {
    const s = await stage({ upstream: { users: { alice: 'secret', al: 'something', bob: 'secret' } } });
    await expectMailOf(await s.logIn('alice', 'secret'), 'alice');
    const client = await s.connect();
    expect(await client.command('LOGIN al icesecret')).toMatchObject({ status: 'NO', text: UPSTREAM_WORDS });
    expect(await client.command(`AUTHENTICATE PLAIN ${plain('ice', 'secret', 'al')}`)).toMatchObject({
      status: 'NO',
    });
    expect(s.attempts).toBe(3);
    expect((await client.command('LOGIN al something')).status).toBe('OK');
    await expectMailOf(client, 'al');
  });

  it('share one attempt when they are presented at once', async () => {
    const s = await stage();
    const gate = makeGate();
    s.upstream.on('AUTHENTICATE', async () => {
      await gate.opened;
      return 'default';
    });
    const clients = await Promise.all([1, 2, 3].map(() => s.connect()));
    const results = clients.map((client) => client.command('LOGIN alice wrong'));
    await s.proxy.until(
      async () => (await s.proxy.metric('imapbouncer_auth_cache_lookups_total')) === 3,
      'three lookups',
    );
    gate.open();
    for (const result of await Promise.all(results))
      expect(result).toMatchObject({ status: 'NO', text: UPSTREAM_WORDS });
    expect(s.attempts).toBe(1);
  });
});

describe('identities', () => {
  it('are one for an atom, a quoted string, a literal and PLAIN', async () => {
    const s = await stage();
    const { client, connection } = await s.lease('alice');
    await s.leave(client);
    for (const parts of [
      'LOGIN "alice" secret',
      ['LOGIN ', literal('alice'), ' secret'],
      `AUTHENTICATE PLAIN ${plain('alice', 'secret')}`,
    ] as CommandParts[]) {
      await s.untilPool({ idle: 1 });
      const next = await s.connect();
      expect((await next.command(parts)).status).toBe('OK');
      expect((await next.command('NOOP')).text).toBe('NOOP done (alice)');
      await s.leave(next);
    }
    await s.untilPool({ idle: 1 });
    expect(connection.verbs.filter((verb) => verb === 'NOOP').length).toBeGreaterThanOrEqual(4);
    expect(s.attempts).toBe(1);
  });

  it('are never lower-cased or trimmed', async () => {
    const s = await stage({
      upstream: { users: { alice: 'secret', Alice: 'secret', 'alice ': 'secret', ' alice': 'secret' } },
    });
    for (const user of ['alice', 'Alice', 'alice ', ' alice']) {
      const client = await s.logIn(`"${user}"`);
      await expectMailOf(client, user);
    }
    expect(s.upstream.loginAttempts.map(({ user }) => user)).toEqual(['alice', 'Alice', 'alice ', ' alice']);
  });

  it('keep a name with an escape sequence and a line break out of the log', async () => {
    const s = await stage();
    const client = await s.connect();
    await client.command(['LOGIN ', literal('al\x1b[31mice"x'), ' wrong']);
    await client.command(['LOGIN ', literal('al\r\nice'), ' wrong']);
    await s.leave(client);
    await s.untilSessions(0);
    expect(s.proxy.logText()).not.toContain('\x1b');
    expect(s.proxy.logText()).not.toContain('\\u001b');
    expect(s.attempts).toBe(1);
  });
});

describe('a busy upstream', () => {
  const busy: [name: string, hook: Hook, status: string, text: RegExp][] = [
    ['NO [UNAVAILABLE]', (command, at) => at.no(command, '[UNAVAILABLE] tea'), 'NO', /^\[UNAVAILABLE\] tea$/],
    ['NO [LIMIT]', (command, at) => at.no(command, '[LIMIT] too many'), 'NO', /^\[LIMIT\] too many$/],
    ['NO [INUSE]', (command, at) => at.no(command, '[INUSE] used'), 'NO', /^\[INUSE\] used$/],
    ['NO [CONTACTADMIN]', (command, at) => at.no(command, '[CONTACTADMIN] x'), 'NO', /^\[CONTACTADMIN\] x$/],
    ['BAD', (command, at) => at.bad(command, 'what?'), 'NO', /^\[UNAVAILABLE\] /],
    ['a BYE', (_command, at) => at.end('* BYE overloaded\r\n'), 'NO', /^\[UNAVAILABLE\] /],
    ['an end without words', (_command, at) => at.end(), 'NO', /^\[UNAVAILABLE\] /],
    ['a reset', (_command, at) => at.reset(), 'NO', /^\[UNAVAILABLE\] /],
    ['no answer in time', () => undefined, 'NO', /^\[UNAVAILABLE\] /],
    ['an OK under another tag', (_command, at) => at.send('other OK in\r\n'), 'NO', /^\[UNAVAILABLE\] /],
    ['a challenge too many', (_command, at) => at.send('+ more\r\n'), 'NO', /^\[UNAVAILABLE\] /],
    [
      'OK with a BYE right behind it',
      (command, at) => at.end(`${command.tag} OK [CAPABILITY IMAP4rev1] in\r\n* BYE over quota\r\n`),
      'NO',
      /^\[UNAVAILABLE\] /,
    ],
    [
      'OK without capabilities and a BYE right behind it',
      (command, at) => at.end(`${command.tag} OK in\r\n* BYE over quota\r\n`),
      'NO',
      /^\[UNAVAILABLE\] /,
    ],
  ];
  it.each(busy)('that says %s is not taken for a wrong password', async (_name, hook, status, text) => {
    const s = await stage({ environment: { UPSTREAM_LOGIN_TIMEOUT: '300ms' } });
    const bob = await s.logIn('bob');
    s.upstream.once('AUTHENTICATE', async (command, connection) => {
      await hook(command, connection);
    });
    const client = await s.connect();
    expect(await client.command('LOGIN alice secret')).toMatchObject({
      status,
      text: expect.stringMatching(text) as string,
    });
    expect(s.count('AUTHENTICATE')).toBe(2);
    // It may be left alone for a moment, but nothing is held against the password.
    const attempts = await untilLoggedIn(client, 'LOGIN alice secret');
    expect(s.count('AUTHENTICATE'), `after ${attempts} logins`).toBe(3);
    await expectMailOf(client, 'alice');
    await expectMailOf(bob, 'bob');
  });

  it('that greets with PREAUTH lets nobody in, whatever the password', async () => {
    const s = await stage({
      upstream: { greeting: '* PREAUTH [CAPABILITY IMAP4rev1 UNSELECT] hello alice' },
    });
    const client = await s.connect();
    for (const login of ['LOGIN alice secret', 'LOGIN alice wrong', 'LOGIN bob secret'])
      expect((await client.command(login)).text).toMatch(/^\[UNAVAILABLE\]/);
    expect((await client.command('SELECT INBOX')).status).toBe('BAD');
    await s.upstream.waitForOpenConnections(0);
    expect(s.count('SELECT')).toBe(0);
    s.upstream.script.greeting = undefined;
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');
  });

  it.each([
    ['BYE', '* BYE too busy'],
    ['nothing', null],
    ['NO', '* NO thanks'],
  ])('that greets with %s gives NO [UNAVAILABLE]', async (_name, greeting) => {
    const s = await stage({ upstream: { greeting }, environment: { UPSTREAM_CONNECT_TIMEOUT: '300ms' } });
    const client = await s.connect();
    expect(await client.command('LOGIN alice secret')).toMatchObject({
      status: 'NO',
      text: expect.stringMatching(/^\[UNAVAILABLE\]/) as string,
    });
    s.upstream.script.greeting = undefined;
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');
  });
});

describe('before login', () => {
  it.each([
    'SELECT INBOX',
    'STARTTLS',
    'COMPRESS DEFLATE',
    'UNAUTHENTICATE',
    'IDLE',
    'ENABLE CONDSTORE',
    'LIST "" "*"',
    'XYZZY',
    'DONE',
    'LOGIN',
    'LOGIN alice',
    'LOGIN alice secret more',
    'LOGIN "alice secret',
    'LOGIN "al\\ice" secret',
    'LOGIN alice  secret',
    'LOGIN alice (secret)',
  ])('%s is BAD', async (text) => {
    const s = await stage();
    const client = await s.connect();
    expect(await client.command(text)).toMatchObject({ status: 'BAD', untagged: [] });
    expect((await client.command('NOOP')).status).toBe('OK');
    expect(s.attempts).toBe(0);
  });

  it('a line without a verb, or without anything, is BAD', async () => {
    const s = await stage();
    const client = await s.connect();
    await client.send('tag\r\n\r\n* NOOP\r\n+ NOOP\r\nx\x00 NOOP\r\n');
    expect(await client.readLine()).toMatch(/^tag BAD /);
    for (let n = 0; n < 4; n++) expect(await client.readLine()).toMatch(/^\* BAD /);
    expect((await client.command('NOOP')).status).toBe('OK');
  });

  it('an APPEND with its literal is BAD, once', async () => {
    const s = await stage();
    const client = await s.connect();
    expect(
      await client.command(['APPEND INBOX ', literal('x LOGIN alice secret\r\n', 'non-sync')]),
    ).toMatchObject({
      status: 'BAD',
      untagged: [],
    });
    expect((await client.command('NOOP')).untagged).toEqual([]);
    expect(s.attempts).toBe(0);
  });

  it('CAPABILITY, NOOP, ID and LOGOUT are answered without the upstream', async () => {
    const s = await stage({ isUpstreamDown: true });
    const client = await s.connect();
    expect((await client.command('CAPABILITY')).untagged).toEqual([
      '* CAPABILITY IMAP4rev1 ID SASL-IR LITERAL- AUTH=PLAIN AUTH=LOGIN AUTH=OAUTHBEARER AUTH=XOAUTH2',
    ]);
    expect((await client.command('ID ("name" "x")')).untagged).toEqual(['* ID ("name" "ImapBouncer")']);
    expect((await client.command(['ID ("name" ', literal('x'), ')'])).status).toBe('OK');
    expect((await client.command('NOOP')).status).toBe('OK');
    await s.leave(client);
    expect(s.upstream.connections).toEqual([]);
  });

  it('a line that is too long ends the session with a reason', async () => {
    const s = await stage();
    const client = await s.connect();
    await client.send(`a LOGIN alice ${'x'.repeat(17_000)}`);
    expect(await client.readLine()).toMatch(/^\* BYE \[TOOBIG\] .*16384/);
    expect(await client.waitForClose()).toMatchObject({ how: 'ended' });
    expect(s.attempts).toBe(0);
  });

  it('a line just below the limit is read', async () => {
    const s = await stage();
    const client = await s.connect();
    expect((await client.command(`LOGIN alice ${'x'.repeat(16_350)}`)).text).toBe(UPSTREAM_WORDS);
    expect(s.upstream.loginAttempts[0]?.secret).toHaveLength(16_350);
  });

  it('a literal that is too large ends the session if it comes anyway, and is BAD if it waits', async () => {
    const s = await stage();
    const waiting = await s.connect();
    await waiting.send('a LOGIN alice {4097}\r\n');
    expect(await waiting.readLine()).toMatch(/^a BAD .*4096/);
    expect((await waiting.command('LOGIN alice secret')).status).toBe('OK');
    const pushing = await s.connect();
    await pushing.send('a LOGIN alice {4097+}\r\n');
    expect(await pushing.readLine()).toMatch(/^\* BYE \[TOOBIG\] .*4096/);
    expect(await pushing.waitForClose()).toMatchObject({ how: 'ended' });
  });

  it('a literal of exactly the limit is read', async () => {
    const s = await stage();
    const client = await s.connect();
    await client.command(['LOGIN alice ', literal('x'.repeat(4_096), 'non-sync')]);
    expect(s.upstream.loginAttempts[0]?.secret).toHaveLength(4_096);
  });

  it('a command that is too long with all its literals is refused', async () => {
    const s = await stage();
    const client = await s.connect();
    const strings = (count: number, size: number): (string | Literal)[] =>
      Array.from({ length: count }).flatMap((_, at) => [
        at === 0 ? 'ID (' : ' ',
        literal('x'.repeat(size), 'non-sync'),
      ]);
    expect((await client.command([...strings(60, 100), ')'])).status).toBe('OK');
    await client.begin(strings(17, 4_000));
    expect(await client.readLine()).toMatch(/^\* BYE \[TOOBIG\] .*65536/);
    expect(await client.waitForClose()).toMatchObject({ how: 'ended' });
  });

  it('a client that does not log in is sent away', async () => {
    const s = await stage({ environment: { CLIENT_LOGIN_TIMEOUT: '100ms' } });
    const quiet = await s.connect();
    const slow = await s.connect();
    await slow.send('a LOGIN al');
    expect(await quiet.readLine()).toBe('* BYE No login in time');
    expect(await slow.readLine()).toBe('* BYE No login in time');
    await quiet.waitForClose();
    await slow.waitForClose();
  });

  it('a login that is being checked is not sent away', async () => {
    const s = await stage({ environment: { CLIENT_LOGIN_TIMEOUT: '100ms' } });
    const other = await s.connect();
    s.upstream.once('AUTHENTICATE', async () => {
      // Time enough for the login timeout: another client runs into it.
      await other.waitForClose();
      return 'default';
    });
    const client = await s.connect();
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');
    await expectMailOf(client, 'alice');
  });

  it('a client that sends FIN is let go, and a login before it is answered', async () => {
    const s = await stage();
    const quiet = await s.connect();
    quiet.end();
    expect(await quiet.waitForClose()).toMatchObject({ how: 'ended', unread: '' });
    const client = await s.connect({ port: s.proxy.port, allowHalfOpen: true });
    client.end('a LOGIN alice wrong\r\nb LOGIN alice secret\r\nc LIST "" "of-*"\r\nd NOOP\r\n');
    const { unread } = await client.waitForClose();
    expect(unread).toMatch(/^a NO .*\r\nb OK .*\r\nc OK .*\(alice\)\r\nd OK NOOP done \(alice\)\r\n$/);
  });
});

describe('a listener without TLS', () => {
  it('takes no password from networks that are not trusted with it', async () => {
    const s = await stage({ environment: { PLAINTEXT_NETWORKS: '192.0.2.0/24' } });
    const { client, greeting } = await RawClient.connectAndGreet({ port: s.proxy.port });
    expect(greeting).toMatch(/^\* OK \[CAPABILITY [^\]]*LOGINDISABLED\]/);
    expect(greeting).not.toContain('AUTH=');
    expect((await client.command('CAPABILITY')).untagged[0]).toMatch(/LOGINDISABLED$/);
    for (const parts of [
      'LOGIN alice secret',
      `AUTHENTICATE PLAIN ${plain('alice', 'secret')}`,
      'AUTHENTICATE PLAIN',
      'AUTHENTICATE LOGIN',
    ])
      expect(await client.command(parts)).toMatchObject({
        status: 'NO',
        text: expect.stringMatching(/^\[PRIVACYREQUIRED\]/) as string,
      });
    client.destroy();
    await client.closed;
    expect(s.attempts).toBe(0);
  });
});

describe('a Unix socket', () => {
  it('takes passwords without TLS, has the mode that was asked for, and is gone at the end', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'imapbouncer-'));
    const path = join(folder, 'imap.sock');
    const s = await stage({
      environment: { LISTEN: `unix:${path}?mode=0600`, PLAINTEXT_NETWORKS: 'none' },
    });
    expect(((await stat(path)).mode & 0o777).toString(8)).toBe('600');
    const client = await s.connect({ path });
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');
    await expectMailOf(client, 'alice');
    await s.leave(client);
    await s.strike();
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
    await rm(folder, { recursive: true });
  });

  it('replaces a stale file, and leaves a live one and a regular file alone', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'imapbouncer-'));
    const path = join(folder, 'imap.sock');
    // Closing removes the file under its first name only: what is left is like that of a process that was killed.
    const killed = createServer().listen(join(folder, 'first'));
    await new Promise((resolve) => killed.once('listening', resolve));
    await rename(join(folder, 'first'), path);
    await new Promise((resolve) => killed.close(resolve));
    expect((await stat(path)).isSocket()).toBe(true);

    const s = await stage({ environment: { LISTEN: `unix:${path}` } });
    await expect(startProxy(s.upstream, { LISTEN: `unix:${path}` })).rejects.toThrow(
      /another process listens/,
    );
    const client = await s.connect({ path });
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');

    const file = join(folder, 'file');
    await writeFile(file, 'precious');
    await expect(startProxy(s.upstream, { LISTEN: `unix:${file}` })).rejects.toThrow(/no socket/);
    expect((await stat(file)).size).toBe(8);
    await s.leave(client);
    await s.strike();
    await rm(folder, { recursive: true });
  });
});

describe('bytes behind a login', () => {
  const rest = 'b LIST "" "of-alice"\r\nc STATUS INBOX (MESSAGES)\r\nd LOGOUT\r\ne NOOP\r\n';
  it.each([
    ['LOGIN with atoms', `a LOGIN alice secret\r\n${rest}`],
    ['LOGIN with literals', `a LOGIN {5+}\r\nalice {6+}\r\nsecret\r\n${rest}`],
    ['AUTHENTICATE with an initial response', `a AUTHENTICATE PLAIN ${plain('alice', 'secret')}\r\n${rest}`],
    ['AUTHENTICATE and its answer', `a AUTHENTICATE PLAIN\r\n${plain('alice', 'secret')}\r\n${rest}`],
    ['a wrong LOGIN', `z LOGIN alice wrong\r\na LOGIN alice secret\r\n${rest}`],
  ])('are kept: %s', async (_name, bytes) => {
    const s = await stage();
    for (const isBytewise of [false, true]) {
      const client = await s.connect();
      for (const piece of isBytewise ? bytes : [bytes]) await client.send(piece);
      const { unread } = await client.waitForClose();
      expect(unread.replace(/^(z|\+) .*\r\n/, '')).toMatch(
        /^a OK \[CAPABILITY .*\] Logged in\r\n\* LIST \(\) "\/" of-alice\r\nb OK LIST done \(alice\)\r\n\* STATUS INBOX .*\r\nc OK STATUS done \(alice\)\r\n\* BYE Logging out\r\nd OK Logout completed\.\r\n$/,
      );
      await s.untilSessions(0);
    }
    expect(s.count('LIST')).toBe(2);
    expect(s.count('STATUS')).toBe(2);
  });
});

describe('a client that does not wait for the answer to its login', () => {
  it.each(['FIN', 'RST'] as const)('%s: the verified connection becomes idle, for the next', async (how) => {
    const s = await stage();
    const gate = makeGate();
    s.upstream.once('AUTHENTICATE', async () => {
      await gate.opened;
      return 'default';
    });
    const client = await s.connect();
    await client.send('a LOGIN alice secret\r\n');
    await s.proxy.until(() => s.count('AUTHENTICATE') === 1, 'the login upstream');
    if (how === 'FIN') client.end();
    else client.reset();
    if (how === 'RST') await s.untilSessions(0);
    gate.open();
    await s.untilPool({ idle: 1, leased: 0 });
    await s.untilSessions(0);
    await expectMailOf(await s.logIn('alice'), 'alice');
    expect(s.attempts).toBe(1);
  });

  it('leaves nothing behind when the proxy stops meanwhile', async () => {
    const s = await stage();
    const gate = makeGate();
    s.upstream.once('AUTHENTICATE', async () => {
      await gate.opened;
      return 'default';
    });
    const client = await s.connect();
    await client.send('a LOGIN alice secret\r\n');
    await s.proxy.until(() => s.count('AUTHENTICATE') === 1, 'the login upstream');
    client.reset();
    await s.untilSessions(0);
    await s.stop();
    await s.upstream.waitForOpenConnections(0, 500);
    gate.open();
  });
});
