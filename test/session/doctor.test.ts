// What the doctor says of servers that no real one stands for: odd, silent, hostile, or gone.

import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { ConfigError } from '../../src/config/config-error.js';
import { diagnose } from '../support/doctor.js';
import type { DiagnoseOptions, Diagnosis } from '../support/doctor.js';
import { startScriptedUpstream } from '../support/scripted-upstream.js';
import type {
  ScriptedUpstream,
  ScriptedUpstreamOptions,
  UpstreamConnection,
} from '../support/scripted-upstream.js';

const upstreams: ScriptedUpstream[] = [];
afterEach(async () => {
  for (const upstream of upstreams.splice(0)) {
    await upstream.waitForOpenConnections(0);
    await upstream.close();
  }
});

async function start(options?: ScriptedUpstreamOptions): Promise<ScriptedUpstream> {
  const upstream = await startScriptedUpstream(options);
  upstreams.push(upstream);
  return upstream;
}

async function look(upstream: ScriptedUpstreamOptions, options?: DiagnoseOptions): Promise<Diagnosis> {
  return diagnose(await start(upstream), options);
}

function hangUp(connection: UpstreamConnection): undefined {
  connection.end();
}

function drip(connection: UpstreamConnection): undefined {
  connection.send('* OK hel');
}

const asAlice = { args: ['--user', 'alice', '--password-stdin'], password: 'secret' };
const quickly = { environment: { UPSTREAM_CONNECT_TIMEOUT: '300ms', UPSTREAM_LOGIN_TIMEOUT: '300ms' } };

describe('a server that is as it should be', () => {
  it('is fine, with one line for each thing, without any login', async () => {
    const upstream = await start();
    const found = await diagnose(upstream);
    expect(found.code).toBe(0);
    expect(found.lines.at(-1)).toBe('Fine: nothing here makes logins fail.');
    expect(found.about('DNS')).toEqual(['ok: 127.0.0.1 is an address']);
    expect(found.about('TCP')).toEqual([`ok: connected to 127.0.0.1 port ${String(upstream.port)}`]);
    expect(found.about('TLS')).toEqual(['note: off, which on this machine is all right']);
    expect(found.about('greeting')).toEqual(['ok: OK, by scripted']);
    expect(found.about('round trip')).toEqual([
      expect.stringMatching(/^ok: [\d.]+ ms \(median of 5 NOOPs\)$/),
    ]);
    expect(found.about('capabilities before login')[0]).toContain('SASL-IR ID ENABLE IDLE AUTH=PLAIN');
    expect(found.about('UNSELECT')).toEqual(['note: not shown before login']);
    expect(found.about('one wrong login')[0]).toContain('--wrong-login tries one');
    expect(upstream.loginAttempts).toEqual([]);
  });

  it('is left by LOGOUT, and closes first', async () => {
    const upstream = await start();
    await diagnose(upstream);
    expect(upstream.connections).toHaveLength(1);
    expect(upstream.connections[0]?.verbs.filter((verb) => verb === 'NOOP')).toHaveLength(5);
    expect(upstream.connections[0]?.verbs.at(-1)).toBe('LOGOUT');
    expect(await upstream.connections[0]?.closed).toEqual({ by: 'server', how: 'ended' });
  });

  it('shows after a login what it keeps to itself before', async () => {
    const upstream = await start();
    const found = await diagnose(upstream, asAlice);
    expect(found.code).toBe(0);
    expect(found.about('login')[0]).toMatch(/^ok: the user is logged in after [\d.]+ ms$/);
    expect(found.about('capabilities after login')[0]).toContain(' UNSELECT ');
    expect(found.about('UNSELECT')[0]).toMatch(/^note: UNSELECT; a used connection is made clean by it/);
    expect(found.about('COMPRESS')[0]).toContain('clients are not told of it');
    expect(upstream.loginAttempts).toHaveLength(1);
    expect(await upstream.connections[0]?.closed).toMatchObject({ by: 'server' });
  });

  it('without UNSELECT is fine too', async () => {
    const found = await look({ capabilitiesAfterLogin: ['IMAP4rev1'] }, asAlice);
    expect(found.code).toBe(0);
    expect(found.about('UNSELECT')[0]).toContain('EXAMINE of a name that does not exist');
    expect(found.about('literals')[0]).toContain('gets BAD');
  });
});

describe('how passwords would be sent', () => {
  it.each([
    ['IMAP4rev1 AUTH=PLAIN SASL-IR', 'PLAIN', 'one round trip'],
    ['IMAP4rev1 AUTH=PLAIN', 'PLAIN', 'two round trips'],
    ['IMAP4rev1', 'LOGIN', 'LOGIN, since AUTH=PLAIN is not offered'],
    ['IMAP4rev1 LOGINDISABLED AUTH=PLAIN SASL-IR', 'PLAIN', 'one round trip'],
  ])('is foretold for %s, as it is done then', async (capabilities, mechanism, words) => {
    const upstream = await start({ capabilitiesBeforeLogin: capabilities.split(' ') });
    const found = await diagnose(upstream, asAlice);
    expect(found.about('passwords')[0]).toContain(words);
    expect(found.code).toBe(0);
    expect(upstream.loginAttempts.map((attempt) => attempt.mechanism)).toEqual([mechanism]);
  });

  it.each([
    ['', 'let the server offer AUTH=PLAIN, or LOGIN, on this port'],
    [' STARTTLS', 'it wants TLS first: set UPSTREAM_TLS=starttls'],
  ])('is a problem where there is no way%s', async (more, advice) => {
    const upstream = await start({
      capabilitiesBeforeLogin: `IMAP4rev1 LOGINDISABLED AUTH=GSSAPI${more}`.split(' '),
    });
    const found = await diagnose(upstream, asAlice);
    expect(found.code).toBe(1);
    expect(found.marked('PROBLEM')).toEqual([
      `PROBLEM  passwords: the server takes none: it says LOGINDISABLED and offers no AUTH=PLAIN; ${advice}`,
    ]);
    expect(upstream.loginAttempts).toEqual([]);
  });
});

describe('a server that greets wrongly', () => {
  it.each<[name: string, upstream: ScriptedUpstreamOptions, topic: string, sentence: RegExp]>([
    [
      'PREAUTH',
      { greeting: '* PREAUTH hello alice' },
      'greeting',
      /greets with PREAUTH, so it checks no password/,
    ],
    [
      'BYE',
      { greeting: '* BYE too many\x1b[31m users' },
      'greeting',
      /greets with BYE \(too many\?\[31m users\); look into its log/,
    ],
    [
      'silence',
      { greeting: null },
      'greeting',
      /accepts connections and stays silent within 0.3 s .*UPSTREAM_TLS=implicit/,
    ],
    [
      'something else than IMAP',
      { greeting: '220 mail.example.org ESMTP' },
      'greeting',
      /^PROBLEM: what 127\.0\.0\.1:\d+ sends within 0\.3 s .* is no IMAP greeting; correct UPSTREAM_HOST/,
    ],
    ['drips', { greeting: drip }, 'greeting', /is no IMAP greeting/],
    [
      'a flood',
      { greeting: `* OK ${'x'.repeat(1_000_000)}` },
      'greeting',
      /sends more than 256 kB before the login, which no IMAP server needs; correct UPSTREAM_HOST/,
    ],
    ['FIN', { greeting: hangUp }, 'greeting', /hangs up without a greeting/],
  ])('with %s is a problem, and gets no password', async (_name, options, topic, sentence) => {
    const upstream = await start(options);
    const found = await diagnose(upstream, { ...asAlice, ...quickly });
    expect(found.code).toBe(1);
    expect(found.marked('PROBLEM')).toHaveLength(1);
    expect(found.about(topic)).toEqual([expect.stringMatching(sentence)]);
    expect(found.lines.at(-1)).toBe('Not fine: 1 problem makes logins fail.');
    expect(found.lines.join('')).not.toContain('\x1b');
    expect(upstream.loginAttempts).toEqual([]);
  });

  it('greets, and then is silent', async () => {
    const upstream = await start();
    upstream.on('NOOP', () => undefined);
    const found = await diagnose(upstream, quickly);
    expect(found.code).toBe(1);
    expect(found.about('round trip')).toEqual([
      'PROBLEM: the server greets, and then fails: NOOP is not answered; look into its log',
    ]);
  });

  it('greets, and then hangs up', async () => {
    const upstream = await start();
    upstream.on('NOOP', (_command, connection) => {
      connection.destroy();
    });
    const found = await diagnose(upstream);
    expect(found.code).toBe(1);
    expect(found.about('round trip')[0]).toContain('hangs up when it gets NOOP');
  });

  it('is not there', async () => {
    const upstream = await start();
    upstream.stopListening();
    const found = await diagnose(upstream);
    expect(found.code).toBe(1);
    expect(found.marked('PROBLEM')).toEqual([
      `PROBLEM  TCP: 127.0.0.1:${String(upstream.port)} refuses connections; start the IMAP server, or correct UPSTREAM_HOST and UPSTREAM_PORT`,
    ]);
  });

  it('has no name', async () => {
    const found = await diagnose({ host: 'no-such-host.invalid', port: 143 });
    expect(found.code).toBe(1);
    expect(found.marked('PROBLEM')).toEqual([
      'PROBLEM  DNS: no-such-host.invalid does not resolve; correct UPSTREAM_HOST, or the DNS of this machine',
    ]);
  });
});

describe('a login that fails', () => {
  it('is a problem, and the password is not in the words of the server', async () => {
    const upstream = await start();
    upstream.on('AUTHENTICATE', (command, connection) => {
      connection.no(command, '[AUTHENTICATIONFAILED] not hush-hush');
    });
    const found = await diagnose(upstream, { ...asAlice, password: 'hush-hush\n' });
    expect(found.code).toBe(1);
    expect(found.lines.join('\n')).not.toContain('hush-hush');
    expect(found.about('login')[0]).toMatch(
      /^PROBLEM: the server refuses this user or this password;.*not \(hidden\)/,
    );
  });

  it.each([
    ['[UNAVAILABLE] busy', /does not say that the password is wrong/],
    ['[LIMIT] too many', /does not say that the password is wrong/],
  ])('for another reason is told from a wrong password: %s', async (words, sentence) => {
    const upstream = await start();
    upstream.on('AUTHENTICATE', (command, connection) => {
      connection.no(command, words);
    });
    const found = await diagnose(upstream, asAlice);
    expect(found.code).toBe(1);
    expect(found.about('login')[0]).toMatch(sentence);
  });

  it('by silence or by hanging up has its own words', async () => {
    const upstream = await start();
    upstream.on('AUTHENTICATE', () => undefined);
    const silent = await diagnose(upstream, { ...asAlice, ...quickly });
    expect(silent.about('login')[0]).toContain('UPSTREAM_LOGIN_TIMEOUT');
    upstream.on('AUTHENTICATE', (_command, connection) => {
      connection.destroy();
    });
    const gone = await diagnose(upstream, asAlice);
    expect(gone.about('login')[0]).toContain('the server hangs up');
    expect([silent.code, gone.code]).toEqual([1, 1]);
  });
});

describe('--wrong-login', () => {
  it('tries one, as somebody who does not exist, and says how long the NO took', async () => {
    const upstream = await start();
    const found = await diagnose(upstream, { args: ['--wrong-login'] });
    expect(found.code).toBe(0);
    expect(upstream.loginAttempts).toHaveLength(1);
    expect(upstream.loginAttempts[0]?.user).toMatch(/^imapbouncer-check-[\da-f-]{36}$/);
    expect(found.lines.join('\n')).not.toContain(String(upstream.loginAttempts[0]?.secret));
    expect(found.about('one wrong login')).toEqual([
      expect.stringMatching(/^note: the NO took [\d.]+ ms \(.*wrong user name or password\)$/),
      expect.stringMatching(
        /login_trusted_networks alone does not lift that.*anvil-auth-penalty \{ mode = 0 \}/,
      ),
    ]);
    expect(await upstream.connections[1]?.closed).toMatchObject({ by: 'server' });
  });

  it('says whether it slows down the right login that follows', async () => {
    const upstream = await start();
    const found = await diagnose(upstream, { ...asAlice, args: [...asAlice.args, '--wrong-login'] });
    expect(found.code).toBe(0);
    expect(upstream.loginAttempts.map(({ isAccepted }) => isAccepted)).toEqual([true, false, true]);
    expect(found.about('one wrong login')[1]).toMatch(/^ok: .*it slows down nobody else$/);
  });

  it('warns where it locks the right user out', async () => {
    const upstream = await start();
    upstream.on('AUTHENTICATE', (command, connection) => {
      if (connection.id < 3) return 'default';
      connection.no(command, '[UNAVAILABLE] come back later');
      return undefined;
    });
    const found = await diagnose(upstream, { ...asAlice, args: [...asAlice.args, '--wrong-login'] });
    expect(found.code).toBe(0);
    expect(found.marked('warning')).toEqual([expect.stringContaining('wrong password locks out the others')]);
  });

  it('warns of a server that gives no plain NO', async () => {
    const upstream = await start();
    upstream.on('AUTHENTICATE', (command, connection) => {
      connection.bad(command, 'what');
    });
    const found = await diagnose(upstream, { args: ['--wrong-login'] });
    expect(found.marked('warning')).toEqual([expect.stringContaining('gave no plain NO')]);
  });

  it('finds a server that lets everybody in', async () => {
    const upstream = await start();
    upstream.on('AUTHENTICATE', (command, connection) => {
      connection.user = 'anybody';
      connection.ok(command, '[CAPABILITY IMAP4rev1] welcome');
    });
    const found = await diagnose(upstream, { args: ['--wrong-login'] });
    expect(found.code).toBe(1);
    expect(found.marked('PROBLEM')[0]).toContain('lets a user in who does not exist');
  });
});

it('ends for a TLS file that is no PEM as a start does, before it asks the server', async () => {
  const upstream = await start();
  const environment = { UPSTREAM_TLS_CA_FILE: fileURLToPath(import.meta.url) };
  await expect(diagnose(upstream, { environment })).rejects.toThrow(ConfigError);
  expect(upstream.connections).toEqual([]);
});

it('warns of settings that do nothing, or not what was meant', async () => {
  const found = await look({}, { environment: { AUTH_CACHE_TTL: '0', COMMAND_RATE_LIMIT: '5' } });
  expect(found.code).toBe(0);
  expect(found.about('configuration')).toEqual([
    'ok: every variable is right by itself',
    'warning: COMMAND_RATE_LIMIT has no effect in this version',
    'warning: AUTH_CACHE_TTL is 0: every login goes upstream, so connections are hardly reused',
  ]);
  expect(found.lines.at(-1)).toBe('Fine: nothing here makes logins fail, 2 warnings.');
});
