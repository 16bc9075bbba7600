// Logins by tokens: XOAUTH2 and OAUTHBEARER, right and wrong, and what the server says against them.

import { ImapFlow } from 'imapflow';
import { describe, expect, it } from 'vitest';
import type { RawClient } from '../support/raw-client.js';
import type { CommandResult } from '../support/raw-client.js';
import type { Hook } from '../support/scripted-upstream.js';
import { plain, useStages } from './stage.js';
import type { Stage } from './stage.js';

const stage = useStages();

type Mechanism = 'XOAUTH2' | 'OAUTHBEARER';
const mechanisms: Mechanism[] = ['XOAUTH2', 'OAUTHBEARER'];

const base64 = (text: string): string => Buffer.from(text).toString('base64');

function messageOf(mechanism: Mechanism, user: string, token: string): string {
  const head =
    mechanism === 'XOAUTH2'
      ? `user=${user}`
      : `n,a=${user.replaceAll('=', '=3D').replaceAll(',', '=2C')},\x01host=proxy.example\x01port=143`;
  return base64(`${head}\x01auth=Bearer ${token}\x01\x01`);
}

const atOnce = (
  client: RawClient,
  mechanism: Mechanism,
  user: string,
  token: string,
): Promise<CommandResult> => client.command(`AUTHENTICATE ${mechanism} ${messageOf(mechanism, user, token)}`);

async function inTwoSteps(
  client: RawClient,
  mechanism: Mechanism,
  user: string,
  token: string,
): Promise<CommandResult> {
  const tag = await client.begin(`authenticate ${mechanism.toLowerCase()}`);
  expect((await client.expectContinuation()).text).toBe('');
  await client.send(`${messageOf(mechanism, user, token)}\r\n`);
  return client.finish(tag);
}

async function expectMailOf(client: RawClient, user: string): Promise<void> {
  expect((await client.command('SELECT INBOX')).status).toBe('OK');
  const { literals } = await client.command('UID FETCH 1:* (BODY.PEEK[])');
  expect(literals.length).toBeGreaterThan(0);
  expect(literals.every((body) => body.includes(`mark-of-${user} `))).toBe(true);
}

/** What servers say: JSON, and longer than the head of a line. */
const CHALLENGE = base64(
  JSON.stringify({
    status: 'invalid_token',
    scope: 'https://mail.example/ '.repeat(8),
    'openid-configuration': 'https://example.com/.well-known/openid-configuration',
  }),
);
const WORDS = '[AUTHENTICATIONFAILED] the token has expired';

/** Says what is wrong with any token, waits, and says NO; keeps what it was answered. */
function refusing(answers: string[], words = WORDS): Hook {
  return async (command, connection) => {
    if (!command.args.includes(' ')) {
      connection.send('+ \r\n');
      await connection.readLine();
    }
    connection.send(`+ ${CHALLENGE}\r\n`);
    answers.push(await connection.readLine());
    connection.no(command, words);
  };
}

/** AUTHENTICATE up to the tagged reply; the error challenge is answered. */
async function refused(
  client: RawClient,
  mechanism: Mechanism,
  token: string,
  answer = '',
): Promise<{ challenge: string; result: CommandResult }> {
  const tag = await client.begin(`AUTHENTICATE ${mechanism} ${messageOf(mechanism, 'alice', token)}`);
  const { text: challenge } = await client.expectContinuation();
  await client.send(`${answer}\r\n`);
  return { challenge, result: await client.finish(tag) };
}

async function leaveIdle(s: Stage, client: RawClient): Promise<void> {
  await s.leave(client);
  await s.untilPool({ leased: 0, resetting: 0 });
}

describe.each(mechanisms)('%s', (mechanism) => {
  it('is advertised', async () => {
    const s = await stage();
    const client = await s.connect();
    expect((await client.command('CAPABILITY')).untagged[0]).toContain(` AUTH=${mechanism}`);
    await client.command('LOGIN alice secret');
    expect((await client.command('CAPABILITY')).untagged[0]).not.toContain('AUTH=');
  });

  it.each([
    ['with an initial response', atOnce],
    ['without', inTwoSteps],
  ])('logs in %s, by the same mechanism upstream', async (_how, run) => {
    const s = await stage({ upstream: { users: { alice: 'tok-of-alice', bob: 'secret' } } });
    s.secrets.add(messageOf(mechanism, 'alice', 'tok-of-alice'));
    const client = await s.connect();
    expect(await run(client, mechanism, 'alice', 'tok-of-alice')).toMatchObject({ status: 'OK' });
    await expectMailOf(client, 'alice');
    expect(s.upstream.loginAttempts).toMatchObject([
      { mechanism, user: 'alice', authorizationUser: '', isAccepted: true },
    ]);
    await leaveIdle(s, client);
    const again = await s.connect();
    expect(await run(again, mechanism, 'alice', 'tok-of-alice')).toMatchObject({ status: 'OK' });
    await expectMailOf(again, 'alice');
    expect(s.attempts).toBe(1);
  });

  it('goes upstream by the other mechanism, where the server has that alone', async () => {
    const other = mechanism === 'XOAUTH2' ? 'OAUTHBEARER' : 'XOAUTH2';
    const user = 'a,b=c@example.com';
    const s = await stage({
      upstream: { capabilitiesBeforeLogin: ['IMAP4rev1', `AUTH=${other}`], users: { [user]: 'token' } },
    });
    const client = await s.connect();
    expect(await atOnce(client, mechanism, user, 'token')).toMatchObject({ status: 'OK' });
    await expectMailOf(client, user);
    expect(s.upstream.loginAttempts).toMatchObject([{ mechanism: other, user, isAccepted: true }]);
  });

  it('is refused in clear words where the server takes no tokens, which is not its fault', async () => {
    const s = await stage({ upstream: { capabilitiesBeforeLogin: ['IMAP4rev1', 'SASL-IR', 'AUTH=PLAIN'] } });
    const client = await s.connect();
    expect(await atOnce(client, mechanism, 'alice', 'secret')).toMatchObject({
      status: 'NO',
      text: '[CANNOT] The mail server takes no tokens: it offers neither OAUTHBEARER nor XOAUTH2',
    });
    expect(s.attempts).toBe(0);
    expect(await s.metric('client_login_failures_total', { reason: 'protocol' })).toBe(1);
    const readyz = await fetch(`http://127.0.0.1:${String(s.proxy.app.admin.port)}/readyz`);
    expect(readyz.status).toBe(200);
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');
  });

  it.each([
    ['an initial response', 'IMAP4rev1 SASL-IR'],
    ['a challenge first', 'IMAP4rev1'],
  ])('passes on what the server says against a token, behind %s', async (_how, capabilities) => {
    const s = await stage({
      upstream: { capabilitiesBeforeLogin: [...capabilities.split(' '), `AUTH=${mechanism}`] },
    });
    s.secrets.add('expired-token').add(messageOf(mechanism, 'alice', 'expired-token'));
    const answers: string[] = [];
    s.upstream.on('AUTHENTICATE', refusing(answers));
    const client = await s.connect();
    const { challenge, result } = await refused(client, mechanism, 'expired-token', 'AQ==');
    expect(challenge).toBe(CHALLENGE);
    expect(result).toMatchObject({ status: 'NO', text: WORDS, untagged: [] });
    expect(answers).toEqual([mechanism === 'XOAUTH2' ? '' : 'AQ==']);
    expect(await s.metric('client_login_failures_total', { reason: 'credentials' })).toBe(1);
    // From memory: the same words, and no attempt.
    const again = await refused(await s.connect(), mechanism, 'expired-token');
    expect(again).toMatchObject({ challenge: CHALLENGE, result: { status: 'NO', text: WORDS } });
    expect(s.count('AUTHENTICATE')).toBe(1);
    expect((await client.command('NOOP')).status).toBe('OK');
    expect(s.proxy.logText()).not.toContain(CHALLENGE);
  });

  it('passes on a challenge that comes byte by byte', async () => {
    const s = await stage({ upstream: { writeMode: 'bytewise' } });
    s.upstream.on('AUTHENTICATE', refusing([]));
    const { challenge } = await refused(await s.connect(), mechanism, 'expired-token');
    expect(challenge).toBe(CHALLENGE);
  });

  it('says NO without a challenge where the server has none', async () => {
    const s = await stage();
    const client = await s.connect();
    expect(await atOnce(client, mechanism, 'alice', 'wrong-token')).toMatchObject({
      status: 'NO',
      text: '[AUTHENTICATIONFAILED] wrong user name or password',
      untagged: [],
    });
  });

  it('keeps a challenge to itself that is no base64, and says NO', async () => {
    const s = await stage();
    s.upstream.once('AUTHENTICATE', async (command, connection) => {
      connection.send('+ {"status":"401"}\r\n');
      await connection.readLine();
      connection.no(command, WORDS);
    });
    const client = await s.connect();
    expect(await atOnce(client, mechanism, 'alice', 'wrong-token')).toMatchObject({
      status: 'NO',
      text: WORDS,
      untagged: [],
    });
  });

  it('gives up on a server that never stops asking', async () => {
    const s = await stage();
    s.upstream.once('AUTHENTICATE', async (_command, connection) => {
      for (let n = 0; n < 3; n += 1) {
        connection.send(`+ ${CHALLENGE}\r\n`);
        await connection.readLine();
      }
    });
    const client = await s.connect();
    expect((await atOnce(client, mechanism, 'alice', 'token')).text).toMatch(/^\[UNAVAILABLE\]/);
  });

  it.each([
    ['cancels', '*', /^BAD AUTHENTICATE cancelled$/],
    ['says anything', 'what?', /^NO \[AUTHENTICATIONFAILED\]/],
  ])('lets a client that %s behind the challenge go on', async (_how, answer, expected) => {
    const s = await stage();
    const release = s.upstream.on('AUTHENTICATE', refusing([]));
    const client = await s.connect();
    const { result } = await refused(client, mechanism, 'expired-token', answer);
    expect(`${result.status} ${result.text}`).toMatch(expected);
    release();
    expect(await atOnce(client, mechanism, 'alice', 'secret')).toMatchObject({ status: 'OK' });
  });

  it('does not wait for ever for the answer to a challenge', async () => {
    const s = await stage({ environment: { CLIENT_LOGIN_TIMEOUT: '300ms' } });
    s.upstream.on('AUTHENTICATE', refusing([]));
    const client = await s.connect();
    await client.begin(`AUTHENTICATE ${mechanism} ${messageOf(mechanism, 'alice', 'expired')}`);
    await client.expectContinuation();
    expect((await client.waitForClose()).unread).toBe('* BYE No login in time\r\n');
  });

  it('tells a busy server from a wrong token', async () => {
    const s = await stage();
    s.upstream.once('AUTHENTICATE', refusing([], '[UNAVAILABLE] the token server is away'));
    const client = await s.connect();
    const { challenge, result } = await refused(client, mechanism, 'secret');
    expect(challenge).toBe(CHALLENGE);
    expect(result.text).toBe('[UNAVAILABLE] the token server is away');
    expect(await s.metric('client_login_failures_total', { reason: 'limit' })).toBe(1);
  });

  it.each([
    ['a line break in the user name', 'ali\r\nce', 'token'],
    ['a NUL in the user name', 'ali\0ce', 'token'],
    ['a SOH in the user name', 'ali\x01ce', 'token'],
    ['a line break in the token', 'alice', 'to\r\nken'],
    ['a NUL in the token', 'alice', 'to\0ken'],
    ['no user name', '', 'token'],
    ['no token', 'alice', ''],
  ])('with %s is BAD, and nothing is sent upstream', async (_what, user, token) => {
    const s = await stage();
    const client = await s.connect();
    expect(await atOnce(client, mechanism, user, token)).toMatchObject({ status: 'BAD', untagged: [] });
    expect(await inTwoSteps(client, mechanism, user, token)).toMatchObject({ status: 'BAD' });
    expect(s.count('AUTHENTICATE')).toBe(0);
    expect((await client.command('NOOP')).status).toBe('OK');
  });

  it('with a token of ten kilobytes passes', async () => {
    const token = 'abcdefgh'.repeat(1_280);
    const s = await stage({ upstream: { users: { alice: token } } });
    const client = await s.connect();
    expect(await atOnce(client, mechanism, 'alice', token)).toMatchObject({ status: 'OK' });
  });
});

describe('a new token', () => {
  it('is checked once, and leads to the same pool', async () => {
    const s = await stage({ upstream: { users: { alice: 'token-one', bob: 'secret' } } });
    const client = await s.connect();
    await atOnce(client, 'XOAUTH2', 'alice', 'token-one');
    await expectMailOf(client, 'alice');
    await leaveIdle(s, client);
    s.upstream.script.users['alice'] = 'token-two';
    for (const round of [1, 2]) {
      const next = await s.connect();
      expect(await atOnce(next, 'OAUTHBEARER', 'alice', 'token-two'), `round ${round}`).toMatchObject({
        status: 'OK',
      });
      await expectMailOf(next, 'alice');
      await leaveIdle(s, next);
    }
    expect(s.attempts).toBe(2);
    expect(await s.metric('pools')).toBe(1);
    // The connection of the first one has made way: a user who is warm has no more of them for a new token.
    expect(await s.metric('upstream_connections', { state: 'idle' })).toBe(1);
    // The first one is known until its time is over, as an old password is.
    const old = await s.connect();
    expect(await atOnce(old, 'XOAUTH2', 'alice', 'token-one')).toMatchObject({ status: 'OK' });
    expect(s.attempts).toBe(2);
  });

  it('is not taken for the password with the same bytes, nor for another user’s', async () => {
    const s = await stage();
    const client = await s.connect();
    await client.command('LOGIN alice secret');
    const second = await s.connect();
    expect(await atOnce(second, 'XOAUTH2', 'alice', 'secret')).toMatchObject({ status: 'OK' });
    const third = await s.connect();
    expect(await atOnce(third, 'XOAUTH2', 'bob', 'secret')).toMatchObject({ status: 'OK' });
    expect(s.upstream.loginAttempts.map(({ mechanism, user }) => `${mechanism} ${user}`)).toEqual([
      'PLAIN alice',
      'XOAUTH2 alice',
      'XOAUTH2 bob',
    ]);
    await expectMailOf(second, 'alice');
    await expectMailOf(third, 'bob');
  });

  it('of a user who may act as others is no way to do so', async () => {
    const s = await stage({ upstream: { masterUsers: ['alice'] } });
    const client = await s.connect();
    expect((await client.command(`AUTHENTICATE PLAIN ${plain('alice', 'secret', 'bob')}`)).status).toBe('OK');
    const other = await s.connect();
    await atOnce(other, 'OAUTHBEARER', 'alice', 'secret');
    await expectMailOf(client, 'bob');
    await expectMailOf(other, 'alice');
  });
});

describe('a server that believes tokens, and not the names beside them', () => {
  const tokenOwners = { 'token-of-alice': 'alice', 'token-of-mallory': 'bob' };

  it('never leads one user to a connection of another who claims his name', async () => {
    const s = await stage({ upstream: { tokenOwners } });
    for (const round of [1, 2, 3]) {
      for (const [token, user] of [
        ['token-of-alice', 'alice'],
        ['token-of-mallory', 'bob'],
      ] as const) {
        const clients = [await s.connect(), await s.connect()];
        for (const client of clients) {
          expect((await atOnce(client, 'XOAUTH2', 'alice', token)).status, `round ${round}`).toBe('OK');
          await expectMailOf(client, user);
        }
        for (const client of clients) await s.leave(client);
        await s.untilPool({ leased: 0, resetting: 0 });
      }
    }
    expect(await s.metric('pools')).toBe(1);
  });

  it('leads nobody with a password there, and nobody with a token to what a password opened', async () => {
    const s = await stage({ upstream: { tokenOwners } });
    for (const round of [1, 2]) {
      const mallory = await s.connect();
      await atOnce(mallory, 'OAUTHBEARER', 'alice', 'token-of-mallory');
      await expectMailOf(mallory, 'bob');
      await leaveIdle(s, mallory);
      const alice = await s.connect();
      expect((await alice.command('LOGIN alice secret')).status, `round ${round}`).toBe('OK');
      await expectMailOf(alice, 'alice');
      await leaveIdle(s, alice);
    }
  });

  it('enables nothing for one on a connection of the other', async () => {
    const s = await stage({ upstream: { tokenOwners } });
    for (const [token, user] of [
      ['token-of-alice', 'alice'],
      ['token-of-mallory', 'bob'],
      ['token-of-alice', 'alice'],
      ['token-of-mallory', 'bob'],
    ] as const) {
      const client = await s.connect();
      await atOnce(client, 'XOAUTH2', 'alice', token);
      expect((await client.command('ENABLE CONDSTORE')).status).toBe('OK');
      await expectMailOf(client, user);
      await leaveIdle(s, client);
    }
  });
});

describe('ImapFlow with an access token', () => {
  const connectFlow = (s: Stage, accessToken: string): ImapFlow =>
    new ImapFlow({
      host: '127.0.0.1',
      port: s.proxy.port,
      secure: false,
      doSTARTTLS: false,
      auth: { user: 'alice', accessToken },
      logger: false,
    });

  it('reads mail', async () => {
    const s = await stage({ upstream: { users: { alice: 'flow-token' } } });
    const flow = connectFlow(s, 'flow-token');
    await flow.connect();
    const lock = await flow.getMailboxLock('INBOX');
    const message = await flow.fetchOne('1', { source: true });
    lock.release();
    await flow.logout();
    expect(message ? String(message.source) : '').toContain('mark-of-alice ');
    expect(s.upstream.loginAttempts[0]).toMatchObject({ user: 'alice', isAccepted: true });
    expect(['XOAUTH2', 'OAUTHBEARER']).toContain(s.upstream.loginAttempts[0]?.mechanism);
  });

  it('is told what is wrong with its token', async () => {
    const s = await stage();
    s.upstream.on('AUTHENTICATE', refusing([]));
    const flow = connectFlow(s, 'expired-token');
    const error: unknown = await flow.connect().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ authenticationFailed: true, oauthError: { status: 'invalid_token' } });
    flow.close();
  });
});
