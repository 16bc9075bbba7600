/** Owns the shape of the configuration that the rest of the program sees, and how the parsed values fill it. */
import { effectiveMaxPerUser } from './cross-checks.js';
import type { HostAndPort } from './parsers/host.js';
import type { ListenAddress } from './parsers/listen.js';
import type { Values } from './variables.js';

/** The whole configuration. Durations are whole milliseconds; what 0 means is said in the table of variables. */
export interface Config {
  readonly upstream: {
    readonly host: string;
    readonly port: number;
    readonly tls: 'implicit' | 'starttls' | 'off';
    readonly tlsVerify: boolean;
    readonly tlsCaFile?: string;
    readonly tlsServername?: string;
    readonly tlsCertFile?: string;
    readonly tlsKeyFile?: string;
    /** Local addresses that connections leave from; none: the system chooses. */
    readonly sourceAddresses: readonly string[];
    readonly connectTimeoutMs: number;
    readonly loginTimeoutMs: number;
    /** How the server is told the client's address. */
    readonly clientAddress: Values['UPSTREAM_CLIENT_ADDRESS'];
  };
  /** TLS towards clients; undefined: there is none. */
  readonly clientTls?: ClientTlsConfig;
  /** At least one. */
  readonly listeners: readonly ListenAddress[];
  /** CIDR networks whose clients may log in without TLS; may be empty. */
  readonly plaintextNetworks: readonly string[];
  /** CIDR networks whose PROXY headers are believed; may be empty. */
  readonly proxyTrusted: readonly string[];
  readonly admin: HostAndPort;
  readonly pool: {
    readonly mailboxCacheTtlMs: number;
    readonly maxConnections: number;
    readonly maxConnectionsPerUser: number;
    /** Always less than `maxConnectionsPerUser`. */
    readonly reservedPerUser: number;
    readonly maxConnectionRatePerMinute: number;
    readonly maxLeasesPerConnection: number;
    readonly maxAgeMs: number;
    readonly probeAfterMs: number;
    readonly keepaliveIntervalMs: number;
    readonly acquireTimeoutMs: number;
    readonly acquireMaxWaiting: number;
    readonly releaseTimeoutMs: number;
  };
  readonly auth: {
    readonly cacheTtlMs: number;
    readonly cacheMax: number;
    readonly failureTtlMs: number;
  };
  readonly client: {
    readonly maxConnections: number;
    readonly loginTimeoutMs: number;
    readonly inactivityTimeoutMs: number;
  };
  readonly drainTimeoutMs: number;
  readonly log: {
    readonly level: Values['LOG_LEVEL'];
    readonly format: Values['LOG_FORMAT'];
  };
  /** Names of the contract that are set although this version doesn't act on them; start-up warns of each. */
  readonly unsupported: readonly string[];
}

/** How clients are spoken to over TLS. */
export interface ClientTlsConfig {
  readonly certFile: string;
  readonly keyFile: string;
  readonly minVersion: Values['TLS_MIN_VERSION'];
}

function upstreamConfig(values: Values): Config['upstream'] {
  const caFile = values.UPSTREAM_TLS_CA_FILE;
  const servername = values.UPSTREAM_TLS_SERVERNAME;
  const certFile = values.UPSTREAM_TLS_CERT_FILE;
  const keyFile = values.UPSTREAM_TLS_KEY_FILE;
  return {
    host: values.UPSTREAM_HOST,
    port: values.UPSTREAM_PORT ?? (values.UPSTREAM_TLS === 'implicit' ? 993 : 143),
    tls: values.UPSTREAM_TLS,
    tlsVerify: values.UPSTREAM_TLS_VERIFY,
    ...(caFile === undefined ? {} : { tlsCaFile: caFile }),
    ...(servername === undefined ? {} : { tlsServername: servername }),
    ...(certFile === undefined ? {} : { tlsCertFile: certFile }),
    ...(keyFile === undefined ? {} : { tlsKeyFile: keyFile }),
    sourceAddresses: values.UPSTREAM_SOURCE_ADDRESSES ?? [],
    connectTimeoutMs: values.UPSTREAM_CONNECT_TIMEOUT,
    loginTimeoutMs: values.UPSTREAM_LOGIN_TIMEOUT,
    clientAddress: values.UPSTREAM_CLIENT_ADDRESS,
  };
}

/** The two files were checked to come together. */
function clientTlsConfig(values: Values): ClientTlsConfig | undefined {
  const { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile, TLS_MIN_VERSION: minVersion } = values;
  return certFile === undefined || keyFile === undefined ? undefined : { certFile, keyFile, minVersion };
}

function poolConfig(values: Values): Config['pool'] {
  const maxConnectionsPerUser = effectiveMaxPerUser(values);
  return {
    mailboxCacheTtlMs: values.MAILBOX_CACHE_TTL,
    maxConnections: values.UPSTREAM_MAX_CONNECTIONS,
    maxConnectionsPerUser,
    // An explicit value that leaves nothing was refused before; the default follows a single connection per user.
    reservedPerUser: Math.min(values.UPSTREAM_RESERVED_PER_USER, maxConnectionsPerUser - 1),
    maxConnectionRatePerMinute: values.UPSTREAM_MAX_CONNECTION_RATE,
    maxLeasesPerConnection: values.UPSTREAM_MAX_LEASES_PER_CONNECTION,
    maxAgeMs: values.UPSTREAM_MAX_AGE,
    probeAfterMs: values.PROBE_AFTER,
    keepaliveIntervalMs: values.KEEPALIVE_INTERVAL,
    acquireTimeoutMs: values.ACQUIRE_TIMEOUT,
    acquireMaxWaiting: values.ACQUIRE_MAX_WAITING,
    releaseTimeoutMs: values.RELEASE_TIMEOUT,
  };
}

/** Builds the configuration from values that were checked together before. */
export function buildConfig(values: Values, unsupported: readonly string[]): Config {
  const clientTls = clientTlsConfig(values);
  return {
    upstream: upstreamConfig(values),
    ...(clientTls === undefined ? {} : { clientTls }),
    listeners: values.LISTEN,
    plaintextNetworks: values.PLAINTEXT_NETWORKS,
    proxyTrusted: values.PROXY_TRUSTED,
    admin: values.ADMIN_LISTEN,
    pool: poolConfig(values),
    auth: {
      cacheTtlMs: values.AUTH_CACHE_TTL,
      cacheMax: values.AUTH_CACHE_MAX,
      failureTtlMs: values.AUTH_FAILURE_TTL,
    },
    client: {
      maxConnections: values.CLIENT_MAX_CONNECTIONS,
      loginTimeoutMs: values.CLIENT_LOGIN_TIMEOUT,
      inactivityTimeoutMs: values.CLIENT_INACTIVITY_TIMEOUT,
    },
    drainTimeoutMs: values.DRAIN_TIMEOUT,
    log: { level: values.LOG_LEVEL, format: values.LOG_FORMAT },
    unsupported,
  };
}
