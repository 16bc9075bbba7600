// What the doctor says of a real Dovecot, and what `--check` is as a command: exit codes, standard input, nothing secret.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWithDovecot } from '../support/describe-with-dovecot.js';
import { diagnose } from '../support/doctor.js';
import type { DiagnoseOptions, Diagnosis } from '../support/doctor.js';
import { startDovecot } from '../support/dovecot.js';
import type { Dovecot } from '../support/dovecot.js';

const asAlice = { args: ['--user', 'alice', '--password-stdin'], password: 'secret' };

function secured(dovecot: Dovecot, tls: string, more: Readonly<Record<string, string>> = {}) {
  return {
    target: { host: 'localhost', port: tls === 'implicit' ? dovecot.tlsPort : dovecot.port },
    environment: { UPSTREAM_TLS: tls, UPSTREAM_TLS_CA_FILE: dovecot.caFile, ...more },
  };
}

function look(
  dovecot: Dovecot,
  tls: string,
  more?: Readonly<Record<string, string>>,
  options: DiagnoseOptions = {},
): Promise<Diagnosis> {
  const { target, environment } = secured(dovecot, tls, more);
  return diagnose(target, { ...options, environment });
}

describeWithDovecot('the doctor in front of Dovecot', () => {
  let dovecots: Record<'valid' | 'wrong-host' | 'expired', Dovecot>;

  beforeAll(async () => {
    const [valid, wrongHost, expired] = await Promise.all([
      startDovecot(),
      startDovecot({ certificate: 'wrong-host' }),
      startDovecot({ certificate: 'expired' }),
    ]);
    dovecots = { valid, 'wrong-host': wrongHost, expired };
  });

  afterAll(async () => {
    await Promise.all(Object.values(dovecots).map((dovecot) => dovecot.stop()));
  });

  it.each(['off', 'starttls', 'implicit'])('is fine with UPSTREAM_TLS=%s, and logs in', async (tls) => {
    const { valid } = dovecots;
    const before = await valid.countLogouts('alice');
    const found = await look(valid, tls, {}, asAlice);
    expect(found.marked('PROBLEM')).toEqual([]);
    expect(found.code).toBe(0);
    expect(found.about('greeting')).toEqual(['ok: OK, by Dovecot']);
    expect(found.about('login')[0]).toMatch(/^ok: the user is logged in after/);
    expect(found.about('UNSELECT')[0]).toMatch(/^note: UNSELECT; a used connection is made clean by it/);
    expect(found.about('TLS')[0]).toMatch(tls === 'off' ? /^note: off/ : /^ok: TLSv1\.3 with TLS_\w+$/);
    if (tls !== 'off')
      expect(found.about('certificate')).toEqual([
        expect.stringMatching(
          /^ok: CN=test server, for localhost, .*issued by CN=Test CA, (?:29|30) days left; verified$/,
        ),
      ]);
    await valid.log.waitFor(/imap\(alice\).*Logged out/, before + 1);
  });

  describe.each(['starttls', 'implicit'])('with UPSTREAM_TLS=%s', (tls) => {
    it('finds a certificate that has expired', async () => {
      const found = await look(dovecots.expired, tls);
      expect(found.code).toBe(1);
      expect(found.marked('PROBLEM')).toHaveLength(1);
      expect(found.about('TLS').at(-1)).toMatch(
        /^PROBLEM: .* expired on Feb {1,2}1 .* 2020 GMT, \d+ days ago; renew it/,
      );
    });

    it('finds a certificate of another host', async () => {
      const found = await look(dovecots['wrong-host'], tls);
      expect(found.code).toBe(1);
      expect(found.about('TLS').at(-1)).toMatch(
        /^PROBLEM: .* is for elsewhere\.example and not for localhost; set UPSTREAM_HOST .* or UPSTREAM_TLS_SERVERNAME/,
      );
      const named = await look(dovecots['wrong-host'], tls, { UPSTREAM_TLS_SERVERNAME: 'elsewhere.example' });
      expect(named.code).toBe(0);
    });

    it('finds a certificate that nobody vouches for, and shows whose it is', async () => {
      const found = await look(dovecots.valid, tls, { UPSTREAM_TLS_CA_FILE: '' });
      expect(found.code).toBe(1);
      const [shown, problem] = found.about('TLS');
      expect(shown).toMatch(/^note: the certificate, not verified: CN=test server, for localhost/);
      expect(problem).toMatch(
        /^PROBLEM: .* signed by CN=Test CA, which is not known here; .*UPSTREAM_TLS_CA_FILE/,
      );
      const other = await look(dovecots.valid, tls, { UPSTREAM_TLS_CA_FILE: dovecots.expired.caFile });
      expect(other.about('TLS').at(-1)).toContain('is not in UPSTREAM_TLS_CA_FILE');
    });

    it('warns where nothing is verified', async () => {
      const found = await look(dovecots.expired, tls, { UPSTREAM_TLS_VERIFY: 'false' });
      expect(found.code).toBe(0);
      expect(found.about('certificate')[0]).toMatch(
        /^warning: .*not verified, and it would be refused \(CERT_HAS_EXPIRED\)/,
      );
    });
  });

  it('tells the port that speaks TLS from the one that does not', async () => {
    const { valid } = dovecots;
    const plain = await diagnose(
      { host: 'localhost', port: valid.port },
      { environment: { UPSTREAM_TLS: 'implicit' } },
    );
    expect(plain.about('TLS')[0]).toMatch(/does not speak TLS from the start; set UPSTREAM_TLS=starttls/);
    const inTls = await diagnose(
      { host: 'localhost', port: valid.tlsPort },
      { environment: { UPSTREAM_TLS: 'off', UPSTREAM_CONNECT_TIMEOUT: '500ms' } },
    );
    expect(inTls.about('greeting')[0]).toMatch(/stays silent .*set UPSTREAM_TLS=implicit/);
    expect([plain.code, inTls.code]).toEqual([1, 1]);
  });

  it('finds a wrong password, and tries no other', async () => {
    const before = await dovecots.valid.log.countFailedLogins('alice');
    const found = await look(dovecots.valid, 'implicit', {}, { ...asAlice, password: 'not-hers\n' });
    expect(found.code).toBe(1);
    expect(found.about('login')[0]).toMatch(/^PROBLEM: the server refuses this user or this password/);
    expect((await dovecots.valid.log.countFailedLogins('alice')) - before).toBe(1);
  });

  it('finds that a wrong login costs the others nothing where the penalty is off', async () => {
    const found = await look(
      dovecots.valid,
      'off',
      {},
      { ...asAlice, args: [...asAlice.args, '--wrong-login'] },
    );
    expect(found.code).toBe(0);
    expect(found.about('one wrong login')[1]).toMatch(/^ok: .*slows down nobody else$/);
  });

  it('finds the penalty that is on in a stock Dovecot, even in login_trusted_networks', async () => {
    const stock = await startDovecot({ hasLoginPenalty: true });
    try {
      const found = await look(stock, 'off', {}, { ...asAlice, args: [...asAlice.args, '--wrong-login'] });
      expect(found.code).toBe(0);
      expect(found.marked('warning')).toEqual([
        expect.stringMatching(
          /the user's own login took \d\.\d s, before it .* slows down the logins of all others/,
        ),
      ]);
      expect(found.about('one wrong login').at(-1)).toContain('service anvil');
    } finally {
      await stock.stop();
    }
  });
});

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** The program as its own process, from its sources. */
async function run(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  input = '',
): Promise<Ended> {
  const file = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
  const child = spawn(
    process.execPath,
    ['--import', file('scripts/typescript-loader.mjs'), file('src/main.ts'), ...args],
    {
      env: {
        PATH: process.env['PATH'],
        LISTEN: 'imap://127.0.0.1:0',
        ADMIN_LISTEN: '127.0.0.1:0',
        ...environment,
      },
    },
  );
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  // The program may end before it has read its input.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output: Buffer.concat(chunks).toString() };
}

describe('imapbouncer', () => {
  it('exits with 78 for a TLS file that is no PEM, before it listens', async () => {
    const UPSTREAM_TLS_CA_FILE = fileURLToPath(import.meta.url);
    const { code, output } = await run([], { UPSTREAM_HOST: '127.0.0.1', UPSTREAM_TLS_CA_FILE });
    expect(output).toBe(
      `imapbouncer: UPSTREAM_TLS_CA_FILE is "${UPSTREAM_TLS_CA_FILE}"; it must hold the certificates of authorities in PEM (there is no certificate in it).\n`,
    );
    expect(code).toBe(78);
  });

  it.each([[['hunter2']], [['--version', 'hunter2']]])(
    'refuses %j with exit code 64, and does not repeat it',
    async (args) => {
      expect(await run(args, {})).toEqual({
        code: 64,
        output: 'imapbouncer: unknown argument; see --help\n',
      });
    },
  );
});

describe('imapbouncer --check', () => {
  it('names every mistake of the environment, and exits with 78', async () => {
    const { code, output } = await run(['--check'], { MAILBOX_CACHE_TLT: '1m', UPSTREAM_TLS: 'maybe' });
    expect(code).toBe(78);
    expect(output).toMatch(/did you mean MAILBOX_CACHE_TTL\?/);
    expect(output).toMatch(/UPSTREAM_TLS is "maybe"/);
    expect(output).toMatch(/UPSTREAM_HOST is not set/);
  });

  it.each([
    [['--check', '--user', 'alice'], '', /--user needs --password-stdin/],
    [['--check', '--password=hunter2'], '', /has an argument that it does not know/],
    [
      ['--check', '--user', 'alice', '--password-stdin'],
      '',
      /standard input must hold one line with the password/,
    ],
  ])('refuses %j with exit code 64', async (args, input, sentence) => {
    const { code, output } = await run(args, { UPSTREAM_HOST: '127.0.0.1' }, input);
    expect(code).toBe(64);
    expect(output).toMatch(sentence);
    expect(output).not.toContain('hunter2');
  });

  it('exits with 1 where logins would fail', async () => {
    const { code, output } = await run(['--check'], { UPSTREAM_HOST: '127.0.0.1', UPSTREAM_PORT: '1' });
    expect(code).toBe(1);
    expect(output).toMatch(/^PROBLEM {2}TCP: 127\.0\.0\.1:1 refuses connections;/m);
    expect(output.endsWith('\nNot fine: 1 problem makes logins fail.\n')).toBe(true);
  });
});

describeWithDovecot('imapbouncer --check in front of Dovecot', () => {
  it('exits with 0 after a login with the password from standard input', async () => {
    const dovecot = await startDovecot({ users: { carol: 'hush-hush' } });
    try {
      const environment = {
        UPSTREAM_HOST: dovecot.host,
        UPSTREAM_PORT: String(dovecot.port),
        UPSTREAM_TLS: 'off',
      };
      const { code, output } = await run(
        ['--check', '--user', 'carol', '--password-stdin'],
        environment,
        'hush-hush\n',
      );
      expect(output).toMatch(/^ok {7}login: the user is logged in/m);
      expect(output).toMatch(/\nFine: nothing here makes logins fail\.\n$/);
      expect(output).not.toContain('hush-hush');
      expect(code).toBe(0);
    } finally {
      await dovecot.stop();
    }
  });
});
