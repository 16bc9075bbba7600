/** Owns the metrics of the upstream side: connections that are opened and closed, and their bytes. */

import type { ProxyError } from '../errors.js';
import type { CloseInitiator, ConnectionEnd } from '../upstream/connection.js';
import { CONNECT_FAILURE_REASON, CONNECT_FAILURE_REASONS } from './error-reasons.js';
import type { ConnectFailureReason } from './error-reasons.js';
import type { DurationSeries, MetricRegistry } from './registry.js';
import { recordOf } from './series.js';
import type { Series } from './series.js';

const CLOSE_REASONS = [
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
] as const;
type CloseReasonLabel = (typeof CLOSE_REASONS)[number];

const INITIATORS = ['local', 'remote'] as const satisfies CloseInitiator[];

const CONNECT_BUCKETS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30];

export interface UpstreamMetricsOptions {
  /** host:port as configured. */
  readonly upstream: string;
  readonly maxConnections: number;
}

export class UpstreamMetrics {
  readonly #connects: Series;
  readonly #opened: Series;
  readonly #failures: Readonly<Record<ConnectFailureReason, Series>>;
  readonly #duration: DurationSeries;
  readonly #closed: Readonly<Record<CloseInitiator, Readonly<Record<CloseReasonLabel, Series>>>>;
  readonly #received: Series;
  readonly #sent: Series;

  constructor(registry: MetricRegistry, { upstream, maxConnections }: UpstreamMetricsOptions) {
    const labels = { upstream };
    const counter = (name: string, help: string): Series =>
      registry.counter(name, help, ['upstream']).with(labels);
    this.#connects = counter('upstream_connects_total', 'Attempts to open a connection and log in.');
    this.#opened = counter('upstream_connections_opened_total', 'Connections that logged in.');
    this.#failures = registry
      .counter('upstream_connect_failures_total', 'Attempts that failed.', ['upstream', 'reason'])
      .by('reason', CONNECT_FAILURE_REASONS, labels);
    this.#duration = registry
      .duration(
        'upstream_connect_duration_seconds',
        'From DNS to the OK of the login.',
        CONNECT_BUCKETS_SECONDS,
        ['upstream'],
      )
      .with(labels);
    const closed = registry.counter(
      'upstream_connections_closed_total',
      'Connections that ended; local is what leaves TIME_WAIT on this host.',
      ['upstream', 'reason', 'initiator'],
    );
    this.#closed = recordOf(INITIATORS, (initiator) =>
      closed.by('reason', CLOSE_REASONS, { ...labels, initiator }),
    );
    this.#received = counter(
      'upstream_received_bytes_total',
      'Bytes received on connections that have ended.',
    );
    this.#sent = counter('upstream_sent_bytes_total', 'Bytes sent on connections that have ended.');
    registry.gauge('upstream_connections_limit', 'UPSTREAM_MAX_CONNECTIONS.').with().value = maxConnections;
  }

  connectStarted(): void {
    this.#connects.add();
  }

  opened(durationMs: number): void {
    this.#opened.add();
    this.#duration.observeMs(durationMs);
  }

  connectFailed(error: ProxyError): void {
    this.#failures[CONNECT_FAILURE_REASON[error.code]].add();
  }

  closed(end: ConnectionEnd, bytesReceived: number, bytesSent: number): void {
    this.#closed[end.initiator][end.reason].add();
    this.#received.add(bytesReceived);
    this.#sent.add(bytesSent);
  }
}
