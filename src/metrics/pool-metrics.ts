/** Owns the metrics of the pools: leases, who waits for one, resets, and what the pooled connections do now. */

import type { ProxyError } from '../errors.js';
import type { PoolEviction, PoolSnapshot } from '../pool/pool-options.js';
import type { ResetOutcome } from '../upstream/reset.js';
import { LEASE_REJECTION_REASON, LEASE_REJECTION_REASONS } from './error-reasons.js';
import type { LeaseRejectionReason } from './error-reasons.js';
import type { DurationSeries, MetricRegistry } from './registry.js';
import type { Series } from './series.js';

const CONNECTION_STATES = ['connecting', 'idle', 'leased', 'resetting', 'probing', 'closing'] as const;

const POOL_EVICTIONS = ['idle', 'room', 'credentials', 'admin'] as const satisfies PoolEviction[];

const WAIT_BUCKETS_SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 15, 30, 60];
/** A webmail's request takes milliseconds, an IDLE takes hours. */
const LEASE_BUCKETS_SECONDS = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 1_800, 3_600];

export interface PoolMetricsOptions {
  /** host:port as configured. */
  readonly upstream: string;
  readonly maxWaiters: number;
  readonly snapshot: () => PoolSnapshot;
}

export class PoolMetrics {
  readonly #leases: Series;
  readonly #reuses: Series;
  readonly #swaps: Series;
  readonly #wait: DurationSeries;
  readonly #held: DurationSeries;
  readonly #timeouts: Series;
  readonly #rejections: Readonly<Record<LeaseRejectionReason, Series>>;
  readonly #resets: Series;
  readonly #resetFailures: Series;
  readonly #probes: Series;
  readonly #probeFailures: Series;
  readonly #created: Series;
  readonly #evicted: Readonly<Record<PoolEviction, Series>>;

  constructor(registry: MetricRegistry, options: PoolMetricsOptions) {
    const labels = { upstream: options.upstream };
    const counter = (name: string, help: string): Series =>
      registry.counter(name, help, ['upstream']).with(labels);
    const duration = (name: string, help: string, buckets: readonly number[]): DurationSeries =>
      registry.duration(name, help, buckets, ['upstream']).with(labels);
    this.#leases = counter('leases_total', 'Leases that were granted.');
    this.#reuses = counter('lease_reuses_total', 'Leases of a connection that another session had used.');
    this.#swaps = counter('lease_swaps_total', 'Sessions that went on with another connection.');
    this.#wait = duration('lease_wait_duration_seconds', 'Time spent in the queue.', WAIT_BUCKETS_SECONDS);
    this.#held = duration('lease_duration_seconds', 'From lease to release.', LEASE_BUCKETS_SECONDS);
    this.#timeouts = counter('lease_timeouts_total', 'Waits that ended at ACQUIRE_TIMEOUT.');
    this.#rejections = registry
      .counter('lease_rejections_total', 'Leases that were refused without a wait.', ['upstream', 'reason'])
      .by('reason', LEASE_REJECTION_REASONS, labels);
    this.#resets = counter('session_resets_total', 'Resets of a connection that a session gave back.');
    this.#resetFailures = counter('session_reset_failures_total', 'Resets that proved nothing.');
    this.#probes = counter('session_probes_total', 'Idle connections that were asked whether they live.');
    this.#probeFailures = counter('session_probe_failures_total', 'Idle connections that did not answer.');
    this.#created = registry.counter('pools_created_total', 'Pools that were made for an identity.').with();
    this.#evicted = registry
      .counter('pools_evicted_total', 'Pools that were forgotten with their last connection.', ['reason'])
      .by('reason', POOL_EVICTIONS);
    this.#gauges(registry, options);
  }

  /** @param waitedMs - in the queue, the login of a new connection not counted */
  leased(isReuse: boolean, waitedMs: number): void {
    this.#leases.add();
    if (isReuse) this.#reuses.add();
    this.#wait.observeMs(waitedMs);
  }

  swapped(): void {
    this.#swaps.add();
  }

  leaseEnded(heldMs: number): void {
    this.#held.observeMs(heldMs);
  }

  leaseRejected(error: ProxyError): void {
    // The server's words may stand for a wait that ended.
    const hasWaited =
      error.cause instanceof Error && 'code' in error.cause && error.cause.code === 'lease_timeout';
    const reason = hasWaited ? 'timeout' : LEASE_REJECTION_REASON[error.code];
    if (reason === undefined) return;
    (reason === 'timeout' ? this.#timeouts : this.#rejections[reason]).add();
  }

  reset(outcome: ResetOutcome): void {
    this.#resets.add();
    if (outcome !== 'clean') this.#resetFailures.add();
  }

  probed(isAlive: boolean): void {
    this.#probes.add();
    if (!isAlive) this.#probeFailures.add();
  }

  poolCreated(): void {
    this.#created.add();
  }

  poolEvicted(reason: PoolEviction): void {
    this.#evicted[reason].add();
  }

  #gauges(registry: MetricRegistry, { upstream, maxWaiters, snapshot }: PoolMetricsOptions): void {
    const labels = { upstream };
    const gauge = (name: string, help: string): Series =>
      registry.gauge(name, help, ['upstream']).with(labels);
    const pools = registry.gauge('pools', 'Identities that have a pool.').with();
    const connections = registry
      .gauge('upstream_connections', 'Connections, by what they do now.', ['upstream', 'state'])
      .by('state', CONNECTION_STATES, labels);
    const waiters = gauge('lease_waiters', 'Sessions that wait for a lease.');
    const longestWait = gauge('lease_longest_wait_seconds', 'How long the first of them has waited.');
    const quiet = gauge('leases_quiet', 'Leases of sessions in IDLE, or quiet for more than a minute.');
    gauge('lease_waiters_limit', 'ACQUIRE_MAX_WAITING.').value = maxWaiters;
    registry.beforeScrape(() => {
      const now = snapshot();
      for (const state of CONNECTION_STATES) connections[state].value = now[state];
      pools.value = now.pools;
      quiet.value = now.quiet;
      waiters.value = now.waiting;
      longestWait.value = now.longestWaitMs / 1_000;
    });
  }
}
