/** Owns the metrics of ephemeral ports: how many there are, who takes them, and what would spare them. */

import type { PortBudget } from '../ports/port-budget.js';
import type { Fact, PortFacts } from '../ports/port-facts.js';
import type { PortPressureLevel } from '../ports/port-pressure.js';
import type { PortSnapshot } from '../ports/port-watch.js';
import type { SystemSockets } from '../ports/sockstat.js';
import type { MetricRegistry } from './registry.js';
import type { Series } from './series.js';

const PORT_STATES = ['open', 'time_wait'] as const;
const SOCKET_KINDS = ['inuse', 'orphan', 'alloc'] as const;
const PRESSURE_VALUES: Readonly<Record<PortPressureLevel, number>> = { none: 0, medium: 1, high: 2 };

/** A value that nobody knows: its series is left out. */
const UNKNOWN = NaN;

/** Asked once per scrape; all of them together should take far less than 5 ms. */
export interface PortMetricSnapshots {
  ports(): PortSnapshot;
  pressure(): PortPressureLevel;
  sockets(): SystemSockets;
  /** Undefined while there is nothing to advise. */
  recommendedTtlMs(): number | undefined;
}

export interface PortMetricsOptions {
  /** host:port as configured. */
  readonly upstream: string;
  readonly facts: PortFacts;
  /** Undefined where the range is not known. */
  readonly budget: PortBudget | undefined;
  readonly snapshots: PortMetricSnapshots;
}

/** Everything is read at the scrape: there is nothing to be told of in between. */
export class PortMetrics {
  readonly #registry: MetricRegistry;
  readonly #options: PortMetricsOptions;

  constructor(registry: MetricRegistry, options: PortMetricsOptions) {
    this.#registry = registry;
    this.#options = options;
    this.#addLimits();
    this.#addPorts();
    this.#addSockets();
    this.#addAdvice();
  }

  /** What is read once, at the start. */
  #addLimits(): void {
    const { facts, budget } = this.#options;
    this.#upstreamGauge(
      'ephemeral_ports_limit',
      'Local ports for connections to the upstream: the range of the system less reserved ports, for each source address. Linux: ip_local_port_range; Windows: netsh; macOS: sysctl; absent if none says.',
    ).value = budget?.limit ?? UNKNOWN;
    this.#upstreamGauge(
      'ephemeral_ports_sustainable_rate',
      'New connections a second that the ports last for, if all are closed by this side: the limit by the seconds of TIME_WAIT.',
    ).value = budget?.sustainablePerSecond ?? UNKNOWN;
    this.#gauge(
      'tcp_time_wait_seconds',
      'How long TIME_WAIT keeps a port. Linux: fixed; Windows: TcpTimedWaitDelay or its documented default; macOS: twice net.inet.tcp.msl; absent if none says.',
    ).value = valueOf(facts.timeWaitMs) / 1_000;
    this.#gauge(
      'tcp_time_wait_sockets_limit',
      'Linux: tcp_max_tw_buckets, above which TIME_WAIT is cut short; absent elsewhere.',
    ).value = valueOf(facts.maxTimeWaitSockets);
  }

  #addPorts(): void {
    const { upstream, snapshots } = this.#options;
    const used = this.#registry
      .gauge(
        'ephemeral_ports_used',
        'Local ports with a connection to the upstream. Linux: from /proc/net/tcp and tcp6, all processes of the network namespace, corrected by own connections since; elsewhere own connections alone, TIME_WAIT computed.',
        ['upstream', 'state'],
      )
      .by('state', PORT_STATES, { upstream });
    const pressure = this.#gauge(
      'port_pressure',
      'How short ports are: 0 no, 1 medium (from 60 % of the limit), 2 high (from 80 %, and for 10 s after the system had none); each is left 10 points lower.',
    );
    const duration = this.#gauge(
      'socket_probe_duration_seconds',
      'Linux: how long the last reading of /proc/net/tcp and tcp6 took, in the background; absent before the first and elsewhere.',
    );
    const failures = this.#registry
      .counter(
        'socket_probe_failures_total',
        'Readings of /proc/net/tcp and tcp6 that failed or took too long.',
      )
      .with();
    this.#registry.beforeScrape(() => {
      const ports = snapshots.ports();
      used.open.value = ports.open;
      used.time_wait.value = ports.timeWait;
      pressure.value = PRESSURE_VALUES[snapshots.pressure()];
      duration.value = (ports.durationMs ?? UNKNOWN) / 1_000;
      failures.value = ports.failures;
    });
  }

  #addSockets(): void {
    const timeWait = this.#gauge(
      'tcp_time_wait_sockets',
      'Linux: all sockets in TIME_WAIT of this network namespace, to wherever, from /proc/net/sockstat; absent elsewhere.',
    );
    const sockets = this.#registry
      .gauge(
        'tcp_sockets',
        'Linux: TCP sockets from /proc/net/sockstat and sockstat6; inuse is of this network namespace, orphan and alloc of the whole machine; absent elsewhere.',
        ['kind'],
      )
      .by('kind', SOCKET_KINDS);
    const overflows = this.#registry
      .counter(
        'tcp_time_wait_overflows_total',
        'Linux: sockets that skipped TIME_WAIT because too many were in it, from TCPTimeWaitOverflow in /proc/net/netstat; absent elsewhere.',
      )
      .with();
    this.#registry.beforeScrape(() => {
      const system = this.#options.snapshots.sockets();
      timeWait.value = system.timeWait ?? UNKNOWN;
      sockets.inuse.value = system.inUse ?? UNKNOWN;
      sockets.orphan.value = system.orphan ?? UNKNOWN;
      sockets.alloc.value = system.alloc ?? UNKNOWN;
      overflows.value = system.timeWaitOverflows ?? UNKNOWN;
    });
  }

  #addAdvice(): void {
    const recommended = this.#gauge(
      'mailbox_cache_ttl_recommended_seconds',
      'The shortest MAILBOX_CACHE_TTL that spares nearly all logins that any would, and leaves half of the ports free of TIME_WAIT; from the gaps between logins in the last hours, absent while those are few.',
    );
    this.#registry.beforeScrape(() => {
      recommended.value = (this.#options.snapshots.recommendedTtlMs() ?? UNKNOWN) / 1_000;
    });
  }

  #gauge(name: string, help: string): Series {
    return this.#registry.gauge(name, help).with();
  }

  #upstreamGauge(name: string, help: string): Series {
    return this.#registry.gauge(name, help, ['upstream']).with({ upstream: this.#options.upstream });
  }
}

function valueOf(fact: Fact<number>): number {
  return fact.isKnown ? fact.value : UNKNOWN;
}
