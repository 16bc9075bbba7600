/** Owns the putting together of everything; the only file that sees all of it. */

import { performance } from 'node:perf_hooks';

import { openAdminServer } from './admin/server.js';
import type { AdminSources } from './admin/routes.js';
import type { AdminServer } from './admin/server.js';
import { assemblePool } from './assemble-pool.js';
import { ClientTls } from './client-tls.js';
import type { Config } from './config/config.js';
import { dialOptionsOf } from './dial-options.js';
import type { Entrance } from './downstream/arrival.js';
import { SessionRegistry } from './downstream/session-registry.js';
import type { SessionRegistryOptions } from './downstream/session-registry.js';
import { clientTlsEvents, eventsFor, healthEvents, portEvents } from './events.js';
import type { Logger } from './log.js';
import { ProxyMetrics } from './metrics/proxy-metrics.js';
import type { MetricSnapshots, ProxyState } from './metrics/proxy-metrics.js';
import { hostPort } from './net/host-port.js';
import { openListener } from './net/listener.js';
import type { Listener } from './net/listener.js';
import { NetworkList } from './net/networks.js';
import { portBudget } from './ports/port-budget.js';
import type { PortBudget } from './ports/port-budget.js';
import type { PortFacts } from './ports/port-facts.js';
import { Ports } from './ports/ports.js';
import { readPortFacts } from './ports/read-port-facts.js';
import { readSocketTable } from './ports/socket-table.js';
import { readSystemSockets } from './ports/sockstat.js';
import { Upstream } from './upstream/connect.js';
import { HealthCheck } from './upstream/health-check.js';
import { SourceAddresses } from './upstream/source-addresses.js';
import { KNOWN_VERBS } from './wire/verbs.js';

const READINESS_INTERVAL_MS = 10_000;
/** A client that sent FIN may still read, so what it left running gets longer than what a vanished one did. */
const HALF_CLOSE_FACTOR = 6;
const MIN_HALF_CLOSE_MS = 1_000;
/** How often credentials that are out of date are let go of. */
const PURGE_INTERVAL_MS = 60_000;
/** For the server to close first, behind the last reset. */
const CLOSE_GRACE_MS = 2_000;

export interface AppOptions {
  readonly config: Config;
  readonly logger: Logger;
  readonly version: string;
  readonly revision: string;
}

/** A running proxy. */
export interface App {
  /** In the order of LISTEN. */
  readonly listeners: readonly Listener[];
  readonly admin: AdminServer;
  /** Shows clients another certificate if its files have changed; undefined where there is no TLS towards clients. */
  readonly renewCertificate: (() => Promise<void>) | undefined;
  /** Accepts nobody any more, lets sessions finish until DRAIN_TIMEOUT, then closes everything. */
  drain(): Promise<void>;
  /** The same without letting sessions finish. Only the first of both counts; the other one waits for it. */
  stop(): Promise<void>;
}

/**
 * Starts the proxy. It does not wait for the upstream: logins are refused until that is there.
 *
 * @throws Error if a listener can't be opened or a TLS file can't be read; nothing is left open then
 */
export async function startApp(options: AppOptions): Promise<App> {
  const { config, logger } = options;
  const now = (): number => performance.now();
  const dialOptions = await dialOptionsOf(config);
  const clientTls =
    config.clientTls === undefined
      ? undefined
      : await ClientTls.open(config.clientTls, clientTlsEvents(logger));
  const upstreamName = hostPort(config.upstream.host, config.upstream.port);
  let state: ProxyState = 'running';
  const portFacts = await readPortFacts();
  const budget = portBudget(portFacts, config.upstream.sourceAddresses.length);
  const ports = new Ports({
    facts: portFacts,
    budget,
    mailboxCacheTtlMs: config.pool.mailboxCacheTtlMs,
    now,
    readTable:
      process.platform === 'linux'
        ? (endpoints, signal) => readSocketTable({ endpoints, signal })
        : undefined,
    ...portEvents(logger),
  });

  const metrics = metricsOf(options, portFacts, budget, {
    sessions: () => sessions.countStates(),
    pools: () => pools.snapshot,
    authCacheEntries: () => cache.size,
    state: () => state,
    ports: {
      ports: () => ports.snapshot,
      pressure: () => ports.pressure,
      sockets: () => readSystemSockets(),
      recommendedTtlMs: () => ports.recommendedTtlMs,
    },
  });
  const health = new HealthCheck({
    probe: () => upstream.probe(),
    intervalMs: READINESS_INTERVAL_MS,
    ...healthEvents(logger, upstreamName),
  });
  const events = eventsFor({ logger, metrics, health, ports, upstreamName });
  const upstream: Upstream = new Upstream({
    ...dialOptions,
    loginTimeoutMs: config.upstream.loginTimeoutMs,
    sources: new SourceAddresses(config.upstream.sourceAddresses),
    now,
    events: events.upstream,
    reportFault: events.onFault,
  });
  const { authenticator, pools, cache, rate } = assemblePool({
    config,
    upstreamName,
    connect: (credentials, address) =>
      upstream.connect(credentials, config.upstream.clientAddress === 'id' ? address : undefined),
    pressure: () => ports.pressure,
    events: events.pool,
    onEvicted: events.onCredentialEvicted,
    onLookup: events.onCredentialLookup,
    now,
  });
  const sessions = sessionsOf(config, {
    now,
    reportFault: events.onFault,
    serverId: () => upstream.serverId,
    authenticate: async (credentials, presenter) => {
      const login = await authenticator.authenticate(credentials, presenter);
      return { ...login, capabilities: login.capabilities.forClients };
    },
    tls: clientTls?.server,
    events: events.session,
  });

  const sources: AdminSources = {
    metrics: () => metrics.expose(),
    ports: () => ports.report,
    readiness: () => (state === 'draining' ? { isReady: false, reason: 'draining' } : health.readiness),
  };
  const { admin, listeners } = await listen(options, sources, sessions, events.onFault).catch(
    (error: unknown) => {
      clientTls?.close();
      throw error;
    },
  );
  health.start();
  ports.start();
  const purging = setInterval(() => {
    cache.purge();
  }, PURGE_INTERVAL_MS).unref();

  let ending: Promise<void> | undefined;
  const end = async (drainTimeoutMs: number): Promise<void> => {
    state = 'draining';
    health.stop();
    const closing = listeners.map((listener) => listener.close());
    await sessions.drain(drainTimeoutMs);
    await pools.drain(config.pool.releaseTimeoutMs + CLOSE_GRACE_MS);
    await upstream.close();
    await ports.stop();
    rate.dispose();
    clearInterval(purging);
    clientTls?.close();
    await Promise.all(closing);
    await admin.close();
  };
  return {
    listeners,
    admin,
    renewCertificate: clientTls === undefined ? undefined : () => clientTls.check(),
    drain: () => (ending ??= end(config.drainTimeoutMs)),
    stop: () => (ending ??= end(0)),
  };
}

/** With the facts and limits that don't change while the proxy runs. */
function metricsOf(
  { config, version, revision }: AppOptions,
  portFacts: PortFacts,
  budget: PortBudget | undefined,
  snapshots: MetricSnapshots,
): ProxyMetrics {
  return new ProxyMetrics({
    upstream: hostPort(config.upstream.host, config.upstream.port),
    listeners: config.listeners.map(listenerLabel),
    commands: KNOWN_VERBS,
    limits: {
      clients: config.client.maxConnections,
      upstreamConnections: config.pool.maxConnections,
      waiters: config.pool.acquireMaxWaiting,
    },
    mailboxCacheTtlMs: config.pool.mailboxCacheTtlMs,
    portFacts,
    portBudget: budget,
    version,
    revision,
    snapshots,
  });
}

/** With what the configuration says of clients. */
function sessionsOf(
  { client, pool, plaintextNetworks, proxyTrusted }: Config,
  parts: Pick<SessionRegistryOptions, 'now' | 'reportFault' | 'serverId' | 'authenticate' | 'tls' | 'events'>,
): SessionRegistry {
  const plaintext = new NetworkList(plaintextNetworks);
  const trusted = new NetworkList(proxyTrusted);
  return new SessionRegistry({
    ...parts,
    maxSessions: client.maxConnections,
    loginTimeoutMs: client.loginTimeoutMs,
    inactivityTimeoutMs: client.inactivityTimeoutMs,
    halfCloseTimeoutMs: Math.max(MIN_HALF_CLOSE_MS, HALF_CLOSE_FACTOR * pool.releaseTimeoutMs),
    isProxyTrusted: (address) => trusted.has(address),
    isLoginAllowed: (address) => address === undefined || plaintext.has(address),
  });
}

/**
 * Opens the admin server, then the listeners in the order of LISTEN.
 *
 * @throws Error if one can't be opened; none is left open then
 */
async function listen(
  { config, logger }: AppOptions,
  sources: AdminSources,
  sessions: SessionRegistry,
  onError: (error: unknown) => void,
): Promise<Pick<App, 'admin' | 'listeners'>> {
  const admin = await openAdminServer({ ...config.admin, ...sources, onError });
  const listeners: Listener[] = [];
  try {
    for (const address of config.listeners) {
      const entrance = entranceOf(address);
      const listener = await openListener(address, {
        onConnection: (socket) => {
          sessions.accept(socket, entrance);
        },
        onError: (err) => {
          logger.error({ err, listener: entrance.label }, 'a client could not be accepted');
        },
      });
      listeners.push(listener);
      logger.info({ listener: listener.address }, 'listening');
    }
  } catch (error) {
    await Promise.all([admin.close(), ...listeners.map((listener) => listener.close())]);
    throw error;
  }
  return { admin, listeners };
}

/** How a listener is written in LISTEN, without its options: the label of its metrics. */
function listenerLabel(address: Config['listeners'][number]): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  return `${address.isTls ? 'imaps' : 'imap'}://${hostPort(address.host, address.port)}`;
}

function entranceOf(address: Config['listeners'][number]): Entrance {
  const isUnix = address.kind === 'unix';
  return { label: listenerLabel(address), isUnix, isTls: !isUnix && address.isTls, proxy: address.proxy };
}
