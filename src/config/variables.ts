/**
 * Owns the table of environment variables that this version acts on: parsing, defaults, `--help` and the
 * documentation all come from here. (Longer than other files because it is one table.)
 */
import { addresses } from './parsers/addresses.js';
import { choice } from './parsers/choice.js';
import { duration } from './parsers/duration.js';
import { flag } from './parsers/flag.js';
import { host, hostAndPort, hostName } from './parsers/host.js';
import { integer } from './parsers/integer.js';
import { listen } from './parsers/listen.js';
import { networks } from './parsers/networks.js';
import { readableFile } from './parsers/readable-file.js';
import { upstreamPort } from './parsers/upstream-port.js';
import type { Variable } from './variable.js';

const count = { min: 1, max: 1_000_000 };
const countOrZero = { min: 0, max: 1_000_000 };

/** Every variable that this version acts on, by name, in the order of the documentation. */
export const variables = {
  UPSTREAM_HOST: {
    group: 'Upstream',
    parse: host,
    doc: 'Host name or address of the IMAP server.',
  },
  UPSTREAM_PORT: {
    group: 'Upstream',
    parse: upstreamPort,
    default: undefined,
    defaultNote: '993, or 143 unless UPSTREAM_TLS is implicit',
    doc: 'Port of the IMAP server.',
  },
  UPSTREAM_TLS: {
    group: 'Upstream',
    parse: choice('implicit', 'starttls', 'off'),
    default: 'implicit',
    doc: 'How the connection to the IMAP server is encrypted: from the start, by STARTTLS (required), or not at all.',
  },
  UPSTREAM_TLS_VERIFY: {
    group: 'Upstream',
    parse: flag,
    default: 'true',
    doc: 'Whether the chain and the host name of the IMAP server’s certificate must be right.',
  },
  UPSTREAM_TLS_CA_FILE: {
    group: 'Upstream',
    parse: readableFile,
    default: undefined,
    defaultNote: 'the certificate authorities of Node.js',
    doc: 'PEM file with the certificate authorities that may sign the IMAP server’s certificate.',
  },
  UPSTREAM_TLS_SERVERNAME: {
    group: 'Upstream',
    parse: hostName,
    default: undefined,
    defaultNote: 'UPSTREAM_HOST',
    doc: 'Host name that is asked for (SNI) and expected in the IMAP server’s certificate.',
  },
  UPSTREAM_TLS_CERT_FILE: {
    group: 'Upstream',
    parse: readableFile,
    default: undefined,
    defaultNote: 'none',
    doc: 'PEM file with the client certificate to show to the IMAP server.',
  },
  UPSTREAM_TLS_KEY_FILE: {
    group: 'Upstream',
    parse: readableFile,
    default: undefined,
    defaultNote: 'none',
    doc: 'PEM file with the key of UPSTREAM_TLS_CERT_FILE.',
  },
  UPSTREAM_SOURCE_ADDRESSES: {
    group: 'Upstream',
    parse: addresses,
    default: undefined,
    defaultNote: 'the system chooses',
    doc: 'Local addresses that connections to the IMAP server leave from, least used first, with commas between: each has ephemeral ports of its own, which it then shares with all other destinations.',
  },
  UPSTREAM_CONNECT_TIMEOUT: {
    group: 'Upstream',
    parse: duration({ zero: 'refused' }),
    default: '10s',
    doc: 'One deadline for everything from the DNS look-up to the IMAP server’s greeting.',
  },
  UPSTREAM_LOGIN_TIMEOUT: {
    group: 'Upstream',
    parse: duration({ zero: 'refused' }),
    default: '40s',
    doc: 'Deadline for the login alone; servers delay the answer to a wrong password.',
  },
  UPSTREAM_CLIENT_ADDRESS: {
    group: 'Upstream',
    parse: choice('off', 'id'),
    default: 'off',
    doc: 'Whether the client’s address is sent to the IMAP server before each login, by ID (x-originating-ip); a connection that is reused keeps the address of its first client.',
  },
  LISTEN: {
    group: 'Clients',
    parse: listen,
    default: 'imap://127.0.0.1:1143',
    doc: 'Where to accept clients: imap://host:port, imaps://host:port and unix:/path?mode=0660&group=www-data, with commas between; proxy=v1, v2 or any behind the ? of one of them wants a PROXY header first.',
  },
  TLS_CERT_FILE: {
    group: 'Clients',
    parse: readableFile,
    default: undefined,
    defaultNote: 'none',
    doc: 'PEM file with the certificate that clients are shown, and those of the authorities between it and the root; with TLS_KEY_FILE it makes STARTTLS possible on imap:// listeners, and both are read again when they change.',
  },
  TLS_KEY_FILE: {
    group: 'Clients',
    parse: readableFile,
    default: undefined,
    defaultNote: 'none',
    doc: 'PEM file with the key of TLS_CERT_FILE.',
  },
  TLS_MIN_VERSION: {
    group: 'Clients',
    parse: choice('TLSv1.2', 'TLSv1.3'),
    default: 'TLSv1.2',
    doc: 'The oldest version of TLS that clients may use.',
  },
  PLAINTEXT_NETWORKS: {
    group: 'Clients',
    parse: networks,
    default: 'loopback',
    doc: 'Networks whose clients may log in without TLS: addresses, networks, loopback, none, with commas between.',
  },
  PROXY_TRUSTED: {
    group: 'Clients',
    parse: networks,
    default: 'loopback',
    doc: 'Networks whose PROXY headers are believed, on listeners with proxy=; others can not connect there, and Unix sockets always can.',
  },
  CLIENT_MAX_CONNECTIONS: {
    group: 'Clients',
    parse: integer(count),
    default: '5000',
    doc: 'Client connections in all.',
  },
  CLIENT_LOGIN_TIMEOUT: {
    group: 'Clients',
    parse: duration({ zero: 'refused' }),
    default: '60s',
    doc: 'How long a client may take to log in.',
  },
  CLIENT_INACTIVITY_TIMEOUT: {
    group: 'Clients',
    parse: duration({ zero: 'refused' }),
    default: '30m',
    doc: 'How long a logged-in client may be silent; RFC 9051 §5.4 asks for at least 30 minutes.',
  },
  MAILBOX_CACHE_TTL: {
    group: 'Pool',
    parse: duration({ zero: 'allowed' }),
    default: '5m',
    zero: 'closed at release',
    doc: 'How long an upstream connection may sit idle before it is closed.',
  },
  UPSTREAM_MAX_CONNECTIONS: {
    group: 'Pool',
    parse: integer(count),
    default: '1000',
    doc: 'Upstream connections in all; logins that check unknown credentials come on top, at most 32.',
  },
  UPSTREAM_MAX_CONNECTIONS_PER_USER: {
    group: 'Pool',
    parse: integer(count),
    default: '8',
    defaultNote: '8, or UPSTREAM_MAX_CONNECTIONS if that is less',
    doc: 'Upstream connections per identity; servers usually allow 10 to 20.',
  },
  UPSTREAM_RESERVED_PER_USER: {
    group: 'Pool',
    parse: integer(countOrZero),
    default: '1',
    defaultNote: '1, or 0 if UPSTREAM_MAX_CONNECTIONS_PER_USER is 1',
    zero: 'none',
    doc: 'How many of the connections per identity are not for sessions that are in IDLE or quiet for more than a minute.',
  },
  UPSTREAM_MAX_CONNECTION_RATE: {
    group: 'Pool',
    parse: integer(countOrZero),
    default: '0',
    zero: 'no limit',
    doc: 'How many times a minute, in all, a connection to the IMAP server may be attempted.',
  },
  UPSTREAM_MAX_LEASES_PER_CONNECTION: {
    group: 'Pool',
    parse: integer(countOrZero),
    default: '0',
    zero: 'no limit',
    doc: 'How many clients one upstream connection serves before it is retired.',
  },
  UPSTREAM_MAX_AGE: {
    group: 'Pool',
    parse: duration({ zero: 'allowed' }),
    default: '1h',
    zero: 'no limit',
    doc: 'How old an upstream connection may get before it is retired (with 10 % jitter).',
  },
  PROBE_AFTER: {
    group: 'Pool',
    parse: duration({ zero: 'allowed' }),
    default: '30s',
    zero: 'always asked',
    doc: 'How long an idle upstream connection is trusted; after that it has to answer a NOOP before it is lent.',
  },
  KEEPALIVE_INTERVAL: {
    group: 'Pool',
    parse: duration({ zero: 'allowed' }),
    default: '4m',
    zero: 'off',
    doc: 'How often an idle upstream connection has to answer a NOOP; that also keeps others from dropping it as unused.',
  },
  ACQUIRE_TIMEOUT: {
    group: 'Pool',
    parse: duration({ zero: 'allowed' }),
    default: '15s',
    zero: 'fail at once',
    doc: 'How long a client waits for an upstream connection when the pool is full.',
  },
  ACQUIRE_MAX_WAITING: {
    group: 'Pool',
    parse: integer(countOrZero),
    default: '1000',
    zero: 'fail at once',
    doc: 'How many clients, in all, may wait for an upstream connection.',
  },
  RELEASE_TIMEOUT: {
    group: 'Pool',
    parse: duration({ zero: 'allowed' }),
    default: '5s',
    zero: 'discard at once',
    doc: 'How long the answers to a vanished client’s commands are waited for before its connection is discarded.',
  },
  AUTH_CACHE_TTL: {
    group: 'Credentials',
    parse: duration({ zero: 'allowed' }),
    default: '5m',
    zero: 'every login goes upstream',
    doc: 'How long a verified credential is known; a changed password’s old one still works for so long.',
  },
  AUTH_CACHE_MAX: {
    group: 'Credentials',
    parse: integer(count),
    default: '10000',
    doc: 'How many verified credentials are known at once.',
  },
  AUTH_FAILURE_TTL: {
    group: 'Credentials',
    parse: duration({ zero: 'allowed' }),
    default: '15s',
    zero: 'off',
    doc: 'How long the same wrong credential is refused from memory, without asking the IMAP server.',
  },
  ADMIN_LISTEN: {
    group: 'Operation',
    parse: hostAndPort,
    default: '127.0.0.1:9143',
    doc: 'Where the admin HTTP server listens.',
  },
  DRAIN_TIMEOUT: {
    group: 'Operation',
    parse: duration({ zero: 'allowed' }),
    default: '30s',
    zero: 'at once',
    doc: 'How long sessions may go on after the signal to stop.',
  },
  LOG_LEVEL: {
    group: 'Operation',
    parse: choice('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    default: 'info',
    doc: 'The least important level that is logged.',
  },
  LOG_FORMAT: {
    group: 'Operation',
    parse: choice('json', 'pretty'),
    default: 'json',
    doc: 'One JSON object per line, or lines for human readers.',
  },
} as const satisfies Readonly<Record<string, Variable>>;

/** The name of a variable that this version acts on. */
export type VariableName = keyof typeof variables;

/** The parsed values, by name; undefined only where the table allows a variable to be left out. */
export type Values = {
  readonly [Name in VariableName]: (typeof variables)[Name] extends { readonly default: undefined }
    ? ReturnType<(typeof variables)[Name]['parse']> | undefined
    : ReturnType<(typeof variables)[Name]['parse']>;
};
