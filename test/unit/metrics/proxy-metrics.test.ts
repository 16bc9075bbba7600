import { describe, expect, test } from 'vitest';
import { ERRORS, ProxyError } from '../../../src/errors.js';
import type { ErrorCode } from '../../../src/errors.js';
import { ProxyMetrics } from '../../../src/metrics/proxy-metrics.js';
import type { MetricSnapshots, ProxyMetricsOptions } from '../../../src/metrics/proxy-metrics.js';
import type { PortMetricSnapshots } from '../../../src/metrics/port-metrics.js';
import type { PoolSnapshot } from '../../../src/pool/pool-options.js';
import { known } from '../../../src/ports/port-facts.js';
import type { PortFacts } from '../../../src/ports/port-facts.js';
import { changes, parseExposition } from './samples.js';
import type { Exposed } from './samples.js';

const UPSTREAM = 'mail.example:993';
const U = `upstream="${UPSTREAM}"`;

const EMPTY_POOLS: PoolSnapshot = {
  pools: 0,
  connecting: 0,
  idle: 0,
  leased: 0,
  resetting: 0,
  probing: 0,
  quiet: 0,
  closing: 0,
  waiting: 0,
  longestWaitMs: 0,
};

const PORT_FACTS: PortFacts = {
  range: known({ lowest: 32_768, highest: 60_999, reservedCount: 0 }, 'a test'),
  timeWaitMs: known(60_000, 'a test'),
  maxTimeWaitSockets: known(131_072, 'a test'),
  timeWaitReuse: known('never', 'a test'),
};

const NO_PORTS: PortMetricSnapshots = {
  ports: () => ({ open: 0, timeWait: 0, source: 'own', ageMs: undefined, durationMs: 0, failures: 0 }),
  pressure: () => 'none',
  sockets: () => ({ inUse: 0, orphan: 0, timeWait: 0, alloc: 0, timeWaitOverflows: 0 }),
  recommendedTtlMs: () => 0,
};

function metricsWith(
  snapshots: Partial<MetricSnapshots> = {},
  options: Partial<ProxyMetricsOptions> = {},
): ProxyMetrics {
  return new ProxyMetrics({
    upstream: UPSTREAM,
    listeners: ['tcp', 'unix', 'tcp'],
    commands: ['FETCH', 'UID FETCH', 'NOOP'],
    limits: { clients: 5000, upstreamConnections: 1000, waiters: 100 },
    mailboxCacheTtlMs: 300_000,
    portFacts: PORT_FACTS,
    portBudget: { limit: 28_232, sustainablePerSecond: 470 },
    version: '1.2.3',
    revision: 'abc',
    ...options,
    snapshots: {
      sessions: () => new Map(),
      pools: () => EMPTY_POOLS,
      authCacheEntries: () => 0,
      ports: NO_PORTS,
      state: () => 'running',
      ...snapshots,
    },
  });
}

async function scrape(metrics: ProxyMetrics): Promise<Exposed> {
  return parseExposition((await metrics.expose()).body);
}

/** The label sets of one metric, as they are written. */
function labelSets(exposed: Exposed, name: string): string[] {
  return [...exposed.samples.keys()]
    .filter((key) => key === name || key.startsWith(`${name}{`))
    .map((key) => key.slice(name.length))
    .sort();
}

function ofUs(exposed: Exposed): Exposed {
  const isOurs = ([name]: [string, unknown]): boolean => name.startsWith('imapbouncer_');
  return {
    types: new Map([...exposed.types].filter(isOurs)),
    samples: new Map([...exposed.samples].filter(isOurs)),
  };
}

const TYPES: Record<string, readonly string[]> = {
  counter: [
    'client_connections_accepted_total',
    'client_connections_rejected_total',
    'client_logins_total',
    'client_login_failures_total',
    'client_commands_total',
    'client_received_bytes_total',
    'client_sent_bytes_total',
    'upstream_received_bytes_total',
    'upstream_sent_bytes_total',
    'upstream_connections_opened_total',
    'upstream_connections_closed_total',
    'upstream_connects_total',
    'upstream_connect_failures_total',
    'leases_total',
    'lease_reuses_total',
    'lease_swaps_total',
    'lease_timeouts_total',
    'lease_rejections_total',
    'session_resets_total',
    'session_reset_failures_total',
    'session_probes_total',
    'session_probe_failures_total',
    'pools_created_total',
    'pools_evicted_total',
    'auth_cache_lookups_total',
    'auth_cache_hits_total',
    'auth_failure_cache_hits_total',
    'auth_cache_evictions_total',
    'tcp_time_wait_overflows_total',
    'socket_probe_failures_total',
  ],
  gauge: [
    'client_connections',
    'client_connections_limit',
    'pools',
    'upstream_connections',
    'upstream_connections_limit',
    'lease_waiters',
    'lease_waiters_limit',
    'lease_longest_wait_seconds',
    'leases_quiet',
    'auth_cache_entries',
    'mailbox_cache_ttl_seconds',
    'mailbox_cache_ttl_recommended_seconds',
    'ephemeral_ports_limit',
    'ephemeral_ports_used',
    'ephemeral_ports_sustainable_rate',
    'tcp_time_wait_sockets',
    'tcp_time_wait_sockets_limit',
    'tcp_sockets',
    'tcp_time_wait_seconds',
    'port_pressure',
    'socket_probe_duration_seconds',
    'build_info',
    'state_info',
  ],
  histogram: [
    'client_login_duration_seconds',
    'upstream_connect_duration_seconds',
    'lease_wait_duration_seconds',
    'lease_duration_seconds',
  ],
};

/** What is not 0 before anything has happened. */
const CONSTANTS: Record<string, number> = {
  imapbouncer_client_connections_limit: 5000,
  imapbouncer_upstream_connections_limit: 1000,
  [`imapbouncer_lease_waiters_limit{${U}}`]: 100,
  imapbouncer_mailbox_cache_ttl_seconds: 300,
  [`imapbouncer_ephemeral_ports_limit{${U}}`]: 28_232,
  [`imapbouncer_ephemeral_ports_sustainable_rate{${U}}`]: 470,
  imapbouncer_tcp_time_wait_seconds: 60,
  imapbouncer_tcp_time_wait_sockets_limit: 131_072,
  'imapbouncer_build_info{version="1.2.3",revision="abc"}': 1,
  'imapbouncer_state_info{state="running"}': 1,
};

const LABEL_SETS: Record<string, readonly string[]> = {
  client_connections: ['tcp', 'unix'].flatMap((listener) =>
    ['login', 'waiting', 'active', 'idle', 'closing'].map(
      (state) => `{listener="${listener}",state="${state}"}`,
    ),
  ),
  client_connections_accepted_total: ['{listener="tcp"}', '{listener="unix"}'],
  client_connections_rejected_total: by('reason', [
    'max_clients',
    'max_per_source',
    'percent_per_source',
    'pressure',
    'draining',
    'proxy_header',
    'tls',
  ]),
  client_logins_total: by('outcome', ['cached', 'upstream']),
  client_login_failures_total: by('reason', [
    'credentials',
    'unavailable',
    'limit',
    'timeout',
    'throttled',
    'protocol',
  ]),
  client_login_duration_seconds_count: by('outcome', ['cached', 'upstream']),
  client_commands_total: by('command', ['FETCH', 'UID FETCH', 'NOOP', 'other']),
  client_received_bytes_total: [''],
  pools: [''],
  leases_total: [`{${U}}`],
  lease_wait_duration_seconds_count: [`{${U}}`],
  upstream_connections: byUpstreamAnd('state', [
    'connecting',
    'idle',
    'leased',
    'resetting',
    'probing',
    'closing',
  ]),
  upstream_connect_failures_total: byUpstreamAnd('reason', [
    'ephemeral_ports',
    'refused',
    'timeout',
    'dns',
    'tls',
    'greeting',
    'credentials',
    'limit',
    'throttled',
    'pressure',
    'network',
  ]),
  upstream_connections_closed_total: [
    'idle',
    'age',
    'leases',
    'stale',
    'bye',
    'eof',
    'error',
    'probe',
    'reset',
    'dirty',
    'credentials',
    'evicted',
    'drain',
    'admin',
  ].flatMap((reason) =>
    ['local', 'remote'].map((initiator) => `{${U},initiator="${initiator}",reason="${reason}"}`),
  ),
  lease_rejections_total: byUpstreamAnd('reason', [
    'queue_full',
    'paused',
    'draining',
    'backoff',
    'pressure',
  ]),
  state_info: by('state', ['running', 'draining']),
};

function by(label: string, values: readonly string[]): string[] {
  return values.map((value) => `{${label}="${value}"}`);
}

function byUpstreamAnd(label: string, values: readonly string[]): string[] {
  return values.map((value) => `{${U},${label}="${value}"}`);
}

describe('a scrape before anything happened', () => {
  test('has every metric with its type, and nothing else under our prefix', async () => {
    const { types } = ofUs(await scrape(metricsWith()));
    const expected = Object.entries(TYPES).flatMap(([type, names]) =>
      names.map((name): [string, string] => [`imapbouncer_${name}`, type]),
    );
    expect([...types].sort()).toEqual(expected.sort());
  });

  test('has 0 in every series but limits and infos', async () => {
    const { samples } = ofUs(await scrape(metricsWith()));
    expect(Object.fromEntries([...samples].filter(([, value]) => value !== 0))).toEqual(CONSTANTS);
  });

  test.each(Object.entries(LABEL_SETS))('has the label sets of %s', async (name, expected) => {
    expect(labelSets(await scrape(metricsWith()), `imapbouncer_${name}`)).toEqual([...expected].sort());
  });

  test('has the usual metrics of the process, without those that walk every handle', async () => {
    const { types, samples } = await scrape(metricsWith());
    expect(types.has('process_cpu_seconds_total')).toBe(true);
    expect(types.has('nodejs_eventloop_lag_p99_seconds')).toBe(true);
    expect([...types.keys()].filter((name) => name.startsWith('nodejs_active_'))).toEqual([]);
    if (process.platform === 'linux') expect(samples.get('process_open_fds')).toBeGreaterThan(2);
  });

  test('says that it is the Prometheus text format', async () => {
    expect((await metricsWith().expose()).contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
  });
});

const local = { reason: 'idle', initiator: 'local' } as const;

const EVENTS: readonly (readonly [
  name: string,
  event: (metrics: ProxyMetrics) => void,
  expected: Record<string, number>,
])[] = [
  [
    'an accepted client',
    (m) => m.clients.accepted('unix'),
    { 'client_connections_accepted_total{listener="unix"}': 1 },
  ],
  [
    'a rejected client',
    (m) => m.clients.rejected('max_clients'),
    { 'client_connections_rejected_total{reason="max_clients"}': 1 },
  ],
  [
    'a login',
    (m) => m.clients.login('cached', 250),
    {
      'client_logins_total{outcome="cached"}': 1,
      'client_login_duration_seconds_count{outcome="cached"}': 1,
      'client_login_duration_seconds_sum{outcome="cached"}': 0.25,
    },
  ],
  ['a command', (m) => m.clients.command('UID FETCH'), { 'client_commands_total{command="UID FETCH"}': 1 }],
  ['an unknown command', (m) => m.clients.command('XYZZY'), { 'client_commands_total{command="other"}': 1 }],
  [
    'a command named like a property',
    (m) => m.clients.command('constructor'),
    {
      'client_commands_total{command="other"}': 1,
    },
  ],
  [
    'the end of a session',
    (m) => m.clients.sessionClosed(7, 9),
    { client_received_bytes_total: 7, client_sent_bytes_total: 9 },
  ],
  [
    'a lease of a new connection',
    (m) => m.pools.leased(false, 0),
    { [`leases_total{${U}}`]: 1, [`lease_wait_duration_seconds_count{${U}}`]: 1 },
  ],
  [
    'a reuse',
    (m) => m.pools.leased(true, 500),
    {
      [`leases_total{${U}}`]: 1,
      [`lease_reuses_total{${U}}`]: 1,
      [`lease_wait_duration_seconds_count{${U}}`]: 1,
      [`lease_wait_duration_seconds_sum{${U}}`]: 0.5,
    },
  ],
  [
    'the end of a lease',
    (m) => m.pools.leaseEnded(2_000),
    { [`lease_duration_seconds_count{${U}}`]: 1, [`lease_duration_seconds_sum{${U}}`]: 2 },
  ],
  ['a clean reset', (m) => m.pools.reset('clean'), { [`session_resets_total{${U}}`]: 1 }],
  [
    'a failed reset',
    (m) => m.pools.reset('timeout'),
    { [`session_resets_total{${U}}`]: 1, [`session_reset_failures_total{${U}}`]: 1 },
  ],
  ['an attempt to connect', (m) => m.upstream.connectStarted(), { [`upstream_connects_total{${U}}`]: 1 }],
  [
    'an opened connection',
    (m) => m.upstream.opened(1_000),
    {
      [`upstream_connections_opened_total{${U}}`]: 1,
      [`upstream_connect_duration_seconds_count{${U}}`]: 1,
      [`upstream_connect_duration_seconds_sum{${U}}`]: 1,
    },
  ],
  [
    'a closed connection',
    (m) => m.upstream.closed(local, 11, 13),
    {
      [`upstream_connections_closed_total{${U},initiator="local",reason="idle"}`]: 1,
      [`upstream_received_bytes_total{${U}}`]: 11,
      [`upstream_sent_bytes_total{${U}}`]: 13,
    },
  ],
  [
    'a known credential',
    (m) => m.auth.lookedUp('hit'),
    { auth_cache_lookups_total: 1, auth_cache_hits_total: 1 },
  ],
  ['an unknown credential', (m) => m.auth.lookedUp('miss'), { auth_cache_lookups_total: 1 }],
  [
    'a credential known to be wrong',
    (m) => m.auth.lookedUp('refused'),
    { auth_cache_lookups_total: 1, auth_failure_cache_hits_total: 1 },
  ],
];

describe('events', () => {
  test.each(EVENTS)('%s bumps its own series and no other', async (_name, event, expected) => {
    const metrics = metricsWith();
    const before = ofUs(await scrape(metrics));
    event(metrics);
    const prefixed = Object.entries(expected).map(([key, value]) => [`imapbouncer_${key}`, value]);
    expect(changes(before, ofUs(await scrape(metrics)))).toEqual(Object.fromEntries(prefixed));
  });

  test('keep counting from scrape to scrape', async () => {
    const metrics = metricsWith();
    for (let scrapes = 0; scrapes < 3; scrapes += 1) {
      metrics.clients.command('NOOP');
      await metrics.expose();
    }
    const { samples } = await scrape(metrics);
    expect(samples.get('imapbouncer_client_commands_total{command="NOOP"}')).toBe(3);
  });

  test('of one proxy are not seen by another', async () => {
    const [one, other] = [metricsWith(), metricsWith()];
    one.upstream.connectStarted();
    expect((await scrape(other)).samples.get(`imapbouncer_upstream_connects_total{${U}}`)).toBe(0);
  });
});

/** [login failure, connect failure, lease rejection or `timeout`]; undefined is not counted. */
const REASONS: Record<ErrorCode, readonly [string | undefined, string, string | undefined]> = {
  ephemeral_ports: ['unavailable', 'ephemeral_ports', undefined],
  refused: ['unavailable', 'refused', undefined],
  timeout: ['timeout', 'timeout', undefined],
  dns: ['unavailable', 'dns', undefined],
  tls: ['unavailable', 'tls', undefined],
  greeting: ['unavailable', 'greeting', undefined],
  mechanism: ['protocol', 'greeting', undefined],
  credentials: ['credentials', 'credentials', undefined],
  limit: ['limit', 'limit', undefined],
  throttled: ['throttled', 'throttled', 'timeout'],
  network: ['unavailable', 'network', undefined],
  lease_timeout: ['timeout', 'network', 'timeout'],
  queue_full: ['limit', 'network', 'queue_full'],
  draining: ['unavailable', 'network', 'draining'],
  pressure: ['unavailable', 'pressure', 'pressure'],
  backoff: ['limit', 'limit', 'backoff'],
  upstream_lost: ['unavailable', 'network', undefined],
  upstream_protocol: ['protocol', 'network', undefined],
  cancelled: [undefined, 'network', undefined],
};

describe('errors', () => {
  const codes = Object.keys(ERRORS) as ErrorCode[];

  test.each(codes)('%s is counted under its reasons', async (code) => {
    const metrics = metricsWith();
    const before = ofUs(await scrape(metrics));
    const error = new ProxyError(code);
    metrics.clients.loginFailed(error);
    metrics.upstream.connectFailed(error);
    metrics.pools.leaseRejected(error);
    const [login, connect, lease] = REASONS[code];
    const leaseKey =
      lease === 'timeout'
        ? `imapbouncer_lease_timeouts_total{${U}}`
        : `imapbouncer_lease_rejections_total{${U},reason="${lease}"}`;
    expect(changes(before, ofUs(await scrape(metrics)))).toEqual({
      ...(login === undefined ? {} : { [`imapbouncer_client_login_failures_total{reason="${login}"}`]: 1 }),
      [`imapbouncer_upstream_connect_failures_total{${U},reason="${connect}"}`]: 1,
      ...(lease === undefined ? {} : { [leaseKey]: 1 }),
    });
  });
});

describe('label sets', () => {
  test('stay as they were, whatever clients and servers do', async () => {
    const metrics = metricsWith();
    const before = await scrape(metrics);
    for (const [, event] of EVENTS) event(metrics);
    for (let i = 0; i < 100; i += 1) {
      metrics.clients.command(`X${i}`);
      metrics.clients.accepted(`listener-${i}`);
    }
    expect([...ofUs(await scrape(metrics)).samples.keys()]).toEqual([...ofUs(before).samples.keys()]);
  });
});

describe('gauges', () => {
  test('show the snapshots of the moment of the scrape', async () => {
    let pools: PoolSnapshot = EMPTY_POOLS;
    let sessions = new Map<string, Record<'login' | 'waiting' | 'active' | 'idle' | 'closing', number>>();
    let entries = 0;
    let state: 'running' | 'draining' = 'running';
    const metrics = metricsWith({
      pools: () => pools,
      sessions: () => sessions,
      authCacheEntries: () => entries,
      state: () => state,
    });
    const before = ofUs(await scrape(metrics));
    pools = {
      pools: 1,
      connecting: 2,
      idle: 3,
      leased: 4,
      resetting: 5,
      probing: 9,
      quiet: 10,
      closing: 6,
      waiting: 7,
      longestWaitMs: 1_500,
    };
    sessions = new Map([['unix', { login: 1, waiting: 2, active: 3, idle: 4, closing: 5 }]]);
    entries = 8;
    state = 'draining';
    expect(changes(before, ofUs(await scrape(metrics)))).toEqual({
      imapbouncer_pools: 1,
      [`imapbouncer_upstream_connections{${U},state="connecting"}`]: 2,
      [`imapbouncer_upstream_connections{${U},state="idle"}`]: 3,
      [`imapbouncer_upstream_connections{${U},state="leased"}`]: 4,
      [`imapbouncer_upstream_connections{${U},state="resetting"}`]: 5,
      [`imapbouncer_upstream_connections{${U},state="closing"}`]: 6,
      [`imapbouncer_upstream_connections{${U},state="probing"}`]: 9,
      [`imapbouncer_leases_quiet{${U}}`]: 10,
      [`imapbouncer_lease_waiters{${U}}`]: 7,
      [`imapbouncer_lease_longest_wait_seconds{${U}}`]: 1.5,
      'imapbouncer_client_connections{listener="unix",state="login"}': 1,
      'imapbouncer_client_connections{listener="unix",state="waiting"}': 2,
      'imapbouncer_client_connections{listener="unix",state="active"}': 3,
      'imapbouncer_client_connections{listener="unix",state="idle"}': 4,
      'imapbouncer_client_connections{listener="unix",state="closing"}': 5,
      imapbouncer_auth_cache_entries: 8,
      'imapbouncer_state_info{state="running"}': -1,
      'imapbouncer_state_info{state="draining"}': 1,
    });
  });

  test('ask for each snapshot once per scrape', async () => {
    let asked = 0;
    const metrics = metricsWith({
      pools: () => {
        asked += 1;
        return EMPTY_POOLS;
      },
    });
    await metrics.expose();
    expect(asked).toBe(1);
  });

  test('fail the scrape, and no later one, if a snapshot can not be taken', async () => {
    let isBroken = true;
    const metrics = metricsWith({
      authCacheEntries: () => {
        if (isBroken) throw new Error('broken');
        return 0;
      },
    });
    await expect(metrics.expose()).rejects.toThrow('broken');
    isBroken = false;
    await expect(metrics.expose()).resolves.toBeDefined();
  });
});
