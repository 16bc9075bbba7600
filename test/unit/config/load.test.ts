import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConfigError } from '../../../src/config/config-error.js';
import { contractNames, plannedNames } from '../../../src/config/contract.js';
import { loadConfig } from '../../../src/config/load.js';
import { variables } from '../../../src/config/variables.js';

const base = { UPSTREAM_HOST: 'imap.example.org' };

function problemsOf(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

let folder = '';
const file = (name: string) => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'imapbouncer-'));
  for (const name of ['ca.pem', 'cert.pem', 'key.pem']) writeFileSync(file(name), 'x');
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe('defaults', () => {
  test('are the documented ones when only the upstream is named', () => {
    expect(loadConfig(base)).toEqual({
      upstream: {
        host: 'imap.example.org',
        port: 993,
        tls: 'implicit',
        tlsVerify: true,
        connectTimeoutMs: 10_000,
        loginTimeoutMs: 40_000,
        clientAddress: 'off',
        sourceAddresses: [],
      },
      listeners: [{ kind: 'tcp', isTls: false, host: '127.0.0.1', port: 1143 }],
      plaintextNetworks: ['127.0.0.0/8', '::1/128'],
      proxyTrusted: ['127.0.0.0/8', '::1/128'],
      admin: { host: '127.0.0.1', port: 9143 },
      pool: {
        mailboxCacheTtlMs: 300_000,
        maxConnections: 1000,
        maxConnectionsPerUser: 8,
        reservedPerUser: 1,
        maxConnectionRatePerMinute: 0,
        maxLeasesPerConnection: 0,
        maxAgeMs: 3_600_000,
        probeAfterMs: 30_000,
        keepaliveIntervalMs: 240_000,
        acquireTimeoutMs: 15_000,
        acquireMaxWaiting: 1000,
        releaseTimeoutMs: 5000,
      },
      auth: { cacheTtlMs: 300_000, cacheMax: 10_000, failureTtlMs: 15_000 },
      client: { maxConnections: 5000, loginTimeoutMs: 60_000, inactivityTimeoutMs: 1_800_000 },
      drainTimeoutMs: 30_000,
      log: { level: 'info', format: 'json' },
      unsupported: [],
    });
  });

  test.each([
    ['implicit', 993],
    ['starttls', 143],
    ['off', 143],
  ])('give UPSTREAM_TLS=%s the port %d', (tls, port) => {
    expect(loadConfig({ ...base, UPSTREAM_TLS: tls }).upstream.port).toBe(port);
    expect(loadConfig({ ...base, UPSTREAM_TLS: tls, UPSTREAM_PORT: '1430' }).upstream.port).toBe(1430);
  });

  test('stand for a variable that is set to nothing', () => {
    const config = loadConfig({ ...base, UPSTREAM_PORT: '', MAILBOX_CACHE_TTL: '', LISTEN: '' });
    expect(config).toEqual(loadConfig(base));
  });

  test('do not depend on NODE_ENV', () => {
    for (const NODE_ENV of ['development', 'production', 'test']) {
      expect(loadConfig({ ...base, NODE_ENV })).toEqual(loadConfig(base));
    }
  });

  test('let the connections per user follow a lower total', () => {
    const { pool } = loadConfig({ ...base, UPSTREAM_MAX_CONNECTIONS: '3' });
    expect(pool).toMatchObject({ maxConnections: 3, maxConnectionsPerUser: 3 });
  });

  test.each(['UPSTREAM_MAX_CONNECTIONS', 'UPSTREAM_MAX_CONNECTIONS_PER_USER'])(
    'reserve nothing of the one connection that %s leaves to a user',
    (name) => {
      const { pool } = loadConfig({ ...base, [name]: '1' });
      expect(pool).toMatchObject({ maxConnectionsPerUser: 1, reservedPerUser: 0 });
    },
  );
});

describe('every variable', () => {
  test('reaches its field', () => {
    const config = loadConfig({
      UPSTREAM_HOST: '[2001:db8::1]',
      UPSTREAM_PORT: '1993',
      UPSTREAM_TLS: 'starttls',
      UPSTREAM_TLS_VERIFY: 'false',
      UPSTREAM_TLS_CA_FILE: file('ca.pem'),
      UPSTREAM_TLS_SERVERNAME: 'mail.example.org',
      UPSTREAM_TLS_CERT_FILE: file('cert.pem'),
      UPSTREAM_TLS_KEY_FILE: file('key.pem'),
      UPSTREAM_CONNECT_TIMEOUT: '1s',
      UPSTREAM_LOGIN_TIMEOUT: '2s',
      UPSTREAM_CLIENT_ADDRESS: 'id',
      LISTEN: 'imap://[::1]:0,imaps://[::1]:0?proxy=v2,unix:/run/imap.sock?mode=0660&group=mail&proxy=v1',
      TLS_CERT_FILE: file('cert.pem'),
      TLS_KEY_FILE: file('key.pem'),
      TLS_MIN_VERSION: 'TLSv1.3',
      PLAINTEXT_NETWORKS: '10.0.0.0/8',
      PROXY_TRUSTED: '10.1.0.0/16',
      ADMIN_LISTEN: '[::1]:0',
      MAILBOX_CACHE_TTL: '3s',
      AUTH_CACHE_TTL: '4s',
      AUTH_CACHE_MAX: '5',
      AUTH_FAILURE_TTL: '6s',
      ACQUIRE_TIMEOUT: '7s',
      ACQUIRE_MAX_WAITING: '8',
      RELEASE_TIMEOUT: '9s',
      UPSTREAM_MAX_CONNECTIONS: '20',
      UPSTREAM_MAX_CONNECTIONS_PER_USER: '10',
      UPSTREAM_RESERVED_PER_USER: '9',
      UPSTREAM_MAX_CONNECTION_RATE: '17',
      UPSTREAM_MAX_LEASES_PER_CONNECTION: '11',
      UPSTREAM_MAX_AGE: '12s',
      PROBE_AFTER: '18s',
      KEEPALIVE_INTERVAL: '19s',
      UPSTREAM_SOURCE_ADDRESSES: '192.0.2.1, 2001:db8::2',
      CLIENT_MAX_CONNECTIONS: '13',
      CLIENT_LOGIN_TIMEOUT: '14s',
      CLIENT_INACTIVITY_TIMEOUT: '15s',
      DRAIN_TIMEOUT: '16s',
      LOG_LEVEL: 'debug',
      LOG_FORMAT: 'pretty',
    } satisfies Record<keyof typeof variables, string>);

    expect(config).toEqual({
      upstream: {
        host: '2001:db8::1',
        port: 1993,
        tls: 'starttls',
        tlsVerify: false,
        tlsCaFile: file('ca.pem'),
        tlsServername: 'mail.example.org',
        tlsCertFile: file('cert.pem'),
        tlsKeyFile: file('key.pem'),
        connectTimeoutMs: 1000,
        loginTimeoutMs: 2000,
        clientAddress: 'id',
        sourceAddresses: ['192.0.2.1', '2001:db8::2'],
      },
      clientTls: { certFile: file('cert.pem'), keyFile: file('key.pem'), minVersion: 'TLSv1.3' },
      listeners: [
        { kind: 'tcp', isTls: false, host: '::1', port: 0 },
        { kind: 'tcp', isTls: true, host: '::1', port: 0, proxy: 'v2' },
        { kind: 'unix', path: '/run/imap.sock', mode: 0o660, group: 'mail', proxy: 'v1' },
      ],
      plaintextNetworks: ['10.0.0.0/8'],
      proxyTrusted: ['10.1.0.0/16'],
      admin: { host: '::1', port: 0 },
      pool: {
        mailboxCacheTtlMs: 3000,
        maxConnections: 20,
        maxConnectionsPerUser: 10,
        reservedPerUser: 9,
        maxConnectionRatePerMinute: 17,
        maxLeasesPerConnection: 11,
        maxAgeMs: 12_000,
        probeAfterMs: 18_000,
        keepaliveIntervalMs: 19_000,
        acquireTimeoutMs: 7000,
        acquireMaxWaiting: 8,
        releaseTimeoutMs: 9000,
      },
      auth: { cacheTtlMs: 4000, cacheMax: 5, failureTtlMs: 6000 },
      client: { maxConnections: 13, loginTimeoutMs: 14_000, inactivityTimeoutMs: 15_000 },
      drainTimeoutMs: 16_000,
      log: { level: 'debug', format: 'pretty' },
      unsupported: [],
    });
  });

  const namesWithZero = Object.entries(variables).flatMap(([name, row]) => ('zero' in row ? [name] : []));

  test.each(namesWithZero)('with a meaning for 0 takes 0: %s', (name) => {
    expect(problemsOf({ ...base, [name]: '0' })).toEqual([]);
  });

  test('has one line of documentation that ends in a full stop', () => {
    for (const [name, row] of Object.entries(variables)) {
      expect(row.doc, name).toMatch(/^[A-Z][^\n]*\.$/);
    }
  });

  test('is in the contract exactly once', () => {
    expect(new Set(contractNames).size).toBe(contractNames.length);
  });
});

describe('problems', () => {
  test('are all reported at once, one line each', () => {
    const env = {
      UPSTREAM_PORT: 'imaps',
      UPSTREAM_TLS: 'ssl',
      UPSTREAM_TLS_KEY_FILE: file('key.pem'),
      UPSTREAM_MAX_CONNECTIONS: '4',
      UPSTREAM_MAX_CONNECTIONS_PER_USER: '5',
      MAILBOX_CACHE_TLT: '5m',
      AUTH_CACHE_TTL: '5 minutes',
    };
    expect(problemsOf(env)).toEqual([
      'MAILBOX_CACHE_TLT is not a variable of ImapBouncer; did you mean MAILBOX_CACHE_TTL?',
      'UPSTREAM_HOST is not set; it is required: Host name or address of the IMAP server.',
      'UPSTREAM_PORT is "imaps"; it must be a whole number from 1 to 65535.',
      'UPSTREAM_TLS is "ssl"; it must be implicit, starttls or off.',
      'AUTH_CACHE_TTL is "5 minutes"; it must be a duration: a number of seconds, or a number with a unit (500ms, 30s, 5m, 1h).',
      'UPSTREAM_MAX_CONNECTIONS_PER_USER is 5; it must be at most UPSTREAM_MAX_CONNECTIONS, which is 4.',
      'UPSTREAM_TLS_CERT_FILE is not set; UPSTREAM_TLS_KEY_FILE needs the certificate that belongs to it.',
    ]);
    expect(() => loadConfig(env)).toThrow(problemsOf(env).join('\n'));
  });

  test('explain the variable that Kubernetes sets', () => {
    const [problem = ''] = problemsOf({ ...base, UPSTREAM_PORT: 'tcp://10.0.0.7:993' });
    expect(problem).toMatch(
      /^UPSTREAM_PORT is "tcp:\/\/10\.0\.0\.7:993"; Kubernetes sets this for a service/,
    );
  });

  test('stay on one line whatever the value holds', () => {
    const [problem = ''] = problemsOf({ ...base, UPSTREAM_TLS: `a\nb\u001b[31m${'c'.repeat(5000)}` });
    expect(problem).toContain(String.raw`"a\nb\u001b[31mccc`);
    expect(problem).not.toMatch(/\p{Cc}/u);
    expect(problem.length).toBeLessThan(400);
  });

  test('include a certificate without its key', () => {
    expect(problemsOf({ ...base, UPSTREAM_TLS_CERT_FILE: file('cert.pem') })).toEqual([
      'UPSTREAM_TLS_KEY_FILE is not set; UPSTREAM_TLS_CERT_FILE needs the key that belongs to it.',
    ]);
  });

  test.each([
    [{ UPSTREAM_MAX_CONNECTIONS_PER_USER: '4' }, 4],
    [{ UPSTREAM_MAX_CONNECTIONS: '3' }, 3],
    [{}, 8],
  ])('include a reserve that leaves no connection to quiet sessions: %j', (env, perUser) => {
    const sentence = `UPSTREAM_RESERVED_PER_USER is ${perUser}; it must be less than UPSTREAM_MAX_CONNECTIONS_PER_USER, which is ${perUser}.`;
    expect(problemsOf({ ...base, ...env, UPSTREAM_RESERVED_PER_USER: String(perUser) })).toEqual([sentence]);
    expect(problemsOf({ ...base, ...env, UPSTREAM_RESERVED_PER_USER: String(perUser - 1) })).toEqual([]);
  });

  test('do not repeat themselves: a file that is missing is one problem', () => {
    const env = {
      ...base,
      UPSTREAM_TLS_CERT_FILE: file('cert.pem'),
      UPSTREAM_TLS_KEY_FILE: file('missing.pem'),
    };
    expect(problemsOf(env)).toEqual([
      `UPSTREAM_TLS_KEY_FILE is "${file('missing.pem')}"; it must name a file that can be read (ENOENT).`,
    ]);
  });

  test('include a listener with TLS and no certificate for it', () => {
    const LISTEN = 'imap://127.0.0.1:1143,imaps://0.0.0.0:993';
    const [TLS_CERT_FILE, TLS_KEY_FILE] = [file('cert.pem'), file('key.pem')];
    expect(problemsOf({ ...base, LISTEN })).toEqual([
      'TLS_CERT_FILE and TLS_KEY_FILE are not set; LISTEN has an imaps:// listener, which needs both.',
    ]);
    expect(problemsOf({ ...base, LISTEN, TLS_CERT_FILE, TLS_KEY_FILE })).toEqual([]);
    expect(problemsOf({ ...base, LISTEN, TLS_KEY_FILE })).toEqual([
      'TLS_CERT_FILE is not set; TLS_KEY_FILE needs the certificate that belongs to it.',
    ]);
  });

  test('include a listener for PROXY headers of nobody', () => {
    const LISTEN = 'imap://127.0.0.1:1143?proxy=any';
    expect(problemsOf({ ...base, LISTEN, PROXY_TRUSTED: 'none' })).toEqual([
      'PROXY_TRUSTED is none; LISTEN has a listener with proxy=, where nobody could connect.',
    ]);
    expect(problemsOf({ ...base, LISTEN: 'unix:/a?proxy=any', PROXY_TRUSTED: 'none' })).toEqual([]);
  });

  test('include a certificate for clients without its key', () => {
    expect(problemsOf({ ...base, TLS_CERT_FILE: file('cert.pem') })).toEqual([
      'TLS_KEY_FILE is not set; TLS_CERT_FILE needs the key that belongs to it.',
    ]);
  });
});

describe('other names', () => {
  test('of the contract are listed as unsupported, without a look at their values', () => {
    const env = Object.fromEntries(plannedNames.map((name) => [name, 'anything']));
    expect(loadConfig({ ...base, ...env }).unsupported).toEqual(plannedNames);
    expect(loadConfig({ ...base, TARPIT_INTERVAL: '' }).unsupported).toEqual([]);
  });

  test('of systemd are known', () => {
    expect(problemsOf({ ...base, LISTEN_FDS: '1', LISTEN_PID: '7', LISTEN_FDNAMES: 'imap' })).toEqual([]);
  });

  test('of anybody else are ignored', () => {
    expect(problemsOf({ ...base, HOME: '/root', TERM: 'xterm', LISTENER: 'x', SSL_CERT_FILE: '/x' })).toEqual(
      [],
    );
  });
});
