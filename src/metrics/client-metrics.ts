/** Owns the metrics of the downstream side: connections, logins, commands and bytes of mail clients. */

import type { SessionState } from '../downstream/session.js';
import type { ProxyError } from '../errors.js';
import type { LoginOutcome } from '../identity.js';
import { LOGIN_FAILURE_REASON, LOGIN_FAILURE_REASONS } from './error-reasons.js';
import type { LoginFailureReason } from './error-reasons.js';
import type { DurationSeries, MetricRegistry } from './registry.js';
import { recordOf } from './series.js';
import type { Series } from './series.js';

const SESSION_STATES = ['login', 'waiting', 'active', 'idle', 'closing'] as const satisfies SessionState[];

const REJECT_REASONS = [
  'max_clients',
  'max_per_source',
  'percent_per_source',
  'pressure',
  'draining',
  'proxy_header',
  'tls',
] as const;
/** Why an accepted socket was turned away before it became a session. */
export type ClientRejectReason = (typeof REJECT_REASONS)[number];

const LOGIN_OUTCOMES = ['cached', 'upstream'] as const satisfies LoginOutcome[];

const LOGIN_BUCKETS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30];

/** All verbs that have no row of their own. */
const OTHER_COMMAND = 'other';

export interface ClientMetricsOptions {
  readonly listeners: readonly string[];
  /** Every verb that is counted by name. */
  readonly commands: readonly string[];
  readonly maxClients: number;
  /** How many sessions of each listener are in each state. */
  readonly sessions: () => ReadonlyMap<string, Readonly<Record<SessionState, number>>>;
}

export class ClientMetrics {
  readonly #accepted: ReadonlyMap<string, Series>;
  readonly #rejected: Readonly<Record<ClientRejectReason, Series>>;
  readonly #logins: Readonly<Record<LoginOutcome, Series>>;
  readonly #loginFailures: Readonly<Record<LoginFailureReason, Series>>;
  readonly #loginDuration: Readonly<Record<LoginOutcome, DurationSeries>>;
  readonly #commands: ReadonlyMap<string, Series>;
  readonly #received: Series;
  readonly #sent: Series;

  constructor(registry: MetricRegistry, options: ClientMetricsOptions) {
    this.#accepted = registry
      .counter('client_connections_accepted_total', 'Client connections that became a session.', ['listener'])
      .mapBy('listener', options.listeners);
    this.#rejected = registry
      .counter('client_connections_rejected_total', 'Client connections turned away at once.', ['reason'])
      .by('reason', REJECT_REASONS);
    this.#logins = registry
      .counter('client_logins_total', 'Logins that succeeded, by who checked them.', ['outcome'])
      .by('outcome', LOGIN_OUTCOMES);
    this.#loginFailures = registry
      .counter('client_login_failures_total', 'Logins that were refused.', ['reason'])
      .by('reason', LOGIN_FAILURE_REASONS);
    const duration = registry.duration(
      'client_login_duration_seconds',
      'From the credentials to the answer, of logins that succeeded.',
      LOGIN_BUCKETS_SECONDS,
      ['outcome'],
    );
    this.#loginDuration = recordOf(LOGIN_OUTCOMES, (outcome) => duration.with({ outcome }));
    this.#commands = registry
      .counter('client_commands_total', 'Commands of logged-in clients.', ['command'])
      .mapBy('command', [...options.commands, OTHER_COMMAND]);
    this.#received = registry
      .counter('client_received_bytes_total', 'Bytes received from clients whose session has ended.')
      .with();
    this.#sent = registry
      .counter('client_sent_bytes_total', 'Bytes sent to clients whose session has ended.')
      .with();
    registry.gauge('client_connections_limit', 'CLIENT_MAX_CONNECTIONS.').with().value = options.maxClients;
    this.#gaugeSessions(registry, options);
  }

  accepted(listener: string): void {
    this.#accepted.get(listener)?.add();
  }

  rejected(reason: ClientRejectReason): void {
    this.#rejected[reason].add();
  }

  login(outcome: LoginOutcome, durationMs: number): void {
    this.#logins[outcome].add();
    this.#loginDuration[outcome].observeMs(durationMs);
  }

  loginFailed(error: ProxyError): void {
    const reason = LOGIN_FAILURE_REASON[error.code];
    if (reason !== undefined) this.#loginFailures[reason].add();
  }

  command(verb: string): void {
    (this.#commands.get(verb) ?? this.#commands.get(OTHER_COMMAND))?.add();
  }

  sessionClosed(bytesReceived: number, bytesSent: number): void {
    this.#received.add(bytesReceived);
    this.#sent.add(bytesSent);
  }

  #gaugeSessions(registry: MetricRegistry, { listeners, sessions }: ClientMetricsOptions): void {
    const family = registry.gauge('client_connections', 'Sessions, by what they do now.', [
      'listener',
      'state',
    ]);
    const gauges = new Map(
      [...new Set(listeners)].map((listener) => [listener, family.by('state', SESSION_STATES, { listener })]),
    );
    registry.beforeScrape(() => {
      const counts = sessions();
      for (const [listener, states] of gauges)
        for (const state of SESSION_STATES) states[state].value = counts.get(listener)?.[state] ?? 0;
    });
  }
}
