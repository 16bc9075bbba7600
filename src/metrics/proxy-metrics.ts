/** Owns what the proxy counts: the one door through which events come in and scrapes go out. */

import type { SessionState } from '../downstream/session.js';
import type { PortBudget } from '../ports/port-budget.js';
import type { PortFacts } from '../ports/port-facts.js';
import type { PoolSnapshot } from '../pool/pool-options.js';
import { AuthMetrics } from './auth-metrics.js';
import { ClientMetrics } from './client-metrics.js';
import { PoolMetrics } from './pool-metrics.js';
import { PortMetrics } from './port-metrics.js';
import type { PortMetricSnapshots } from './port-metrics.js';
import { MetricRegistry } from './registry.js';
import type { Exposition } from './registry.js';
import { UpstreamMetrics } from './upstream-metrics.js';

const PROXY_STATES = ['running', 'draining'] as const;
/** `draining` from the first signal on. */
export type ProxyState = (typeof PROXY_STATES)[number];

/** Asked once per scrape. */
export interface MetricSnapshots {
  /** By listener. */
  sessions(): ReadonlyMap<string, Readonly<Record<SessionState, number>>>;
  pools(): PoolSnapshot;
  authCacheEntries(): number;
  state(): ProxyState;
  readonly ports: PortMetricSnapshots;
}

export interface ProxyMetricsOptions {
  /** host:port as configured. */
  readonly upstream: string;
  readonly listeners: readonly string[];
  /** Every verb that is counted by name; the others are `other`. */
  readonly commands: readonly string[];
  readonly limits: {
    readonly clients: number;
    readonly upstreamConnections: number;
    readonly waiters: number;
  };
  readonly mailboxCacheTtlMs: number;
  readonly portFacts: PortFacts;
  /** Undefined where the range of ports is not known. */
  readonly portBudget: PortBudget | undefined;
  readonly version: string;
  readonly revision: string;
  readonly snapshots: MetricSnapshots;
}

/** Every method of its parts is cheap enough for each event of each session, and none throws. */
export class ProxyMetrics {
  readonly #registry = new MetricRegistry();
  readonly clients: ClientMetrics;
  readonly upstream: UpstreamMetrics;
  readonly pools: PoolMetrics;
  readonly auth: AuthMetrics;

  constructor(options: ProxyMetricsOptions) {
    const { upstream, limits, snapshots } = options;
    this.clients = new ClientMetrics(this.#registry, {
      listeners: options.listeners,
      commands: options.commands,
      maxClients: limits.clients,
      sessions: () => snapshots.sessions(),
    });
    this.upstream = new UpstreamMetrics(this.#registry, {
      upstream,
      maxConnections: limits.upstreamConnections,
    });
    this.pools = new PoolMetrics(this.#registry, {
      upstream,
      maxWaiters: limits.waiters,
      snapshot: () => snapshots.pools(),
    });
    this.auth = new AuthMetrics(this.#registry, () => snapshots.authCacheEntries());
    new PortMetrics(this.#registry, {
      upstream,
      facts: options.portFacts,
      budget: options.portBudget,
      snapshots: snapshots.ports,
    });
    this.#addSelf(options);
    this.#registry.addProcessMetrics();
  }

  /** @throws whatever a snapshot throws */
  expose(): Promise<Exposition> {
    return this.#registry.expose();
  }

  #addSelf({ version, revision, mailboxCacheTtlMs, snapshots }: ProxyMetricsOptions): void {
    const registry = this.#registry;
    registry
      .gauge('build_info', 'Which program this is; always 1.', ['version', 'revision'])
      .with({ version, revision }).value = 1;
    registry.gauge('mailbox_cache_ttl_seconds', 'MAILBOX_CACHE_TTL.').with().value =
      mailboxCacheTtlMs / 1_000;
    const states = registry
      .gauge('state_info', 'What the proxy does; 1 for the state that it is in.', ['state'])
      .by('state', PROXY_STATES);
    registry.beforeScrape(() => {
      const current = snapshots.state();
      for (const state of PROXY_STATES) states[state].value = state === current ? 1 : 0;
    });
  }
}
