/** Owns the view of the ports towards one upstream: how many are taken, how short they are, and what would spare them. */

import { isLoopbackAddress } from '../loopback.js';
import { OwnPorts } from './own-ports.js';
import type { PortCloser } from './own-ports.js';
import { timeWaitMsOf, usedShare } from './port-budget.js';
import type { PortBudget } from './port-budget.js';
import type { PortFacts } from './port-facts.js';
import { PortPressure } from './port-pressure.js';
import type { PortPressureLevel } from './port-pressure.js';
import { PortWatch } from './port-watch.js';
import type { PortSnapshot } from './port-watch.js';
import type { RemoteEndpoint } from './socket-tally.js';
import type { TableReading } from './socket-table.js';
import { TtlAdviser } from './ttl-adviser.js';
import type { TtlAdvice } from './ttl-adviser.js';

/** How often the advice is looked at, and how often the same warning is given at most; milliseconds. */
const ADVICE_INTERVAL_MS = 60_000;
const WARNING_INTERVAL_MS = 600_000;
/** A server has a few addresses; one that changes them all the time must not fill the memory. */
const MAX_ENDPOINTS = 64;

export interface PortsOptions {
  readonly facts: PortFacts;
  /** Undefined where the range is not known. */
  readonly budget: PortBudget | undefined;
  readonly mailboxCacheTtlMs: number;
  readonly now: () => number;
  /** Counts the system's sockets towards these endpoints; undefined where there is no such table. */
  readonly readTable:
    ((endpoints: readonly RemoteEndpoint[], signal: AbortSignal) => Promise<TableReading>) | undefined;
  /** MAILBOX_CACHE_TTL and the churn that was seen will use up the ports. */
  readonly onExhausting: (advice: TtlAdvice, limit: number) => void;
  readonly onPressure: (level: PortPressureLevel, snapshot: PortSnapshot) => void;
}

/** What `/api/ports` shows. */
export interface PortReport {
  readonly limit: number | undefined;
  readonly sustainableConnectionsPerSecond: number | undefined;
  readonly timeWaitSeconds: number;
  readonly used: PortSnapshot;
  readonly pressure: PortPressureLevel;
  readonly locallyClosedShare: number;
  readonly advice: TtlAdvice;
}

/**
 * Whoever opens connections tells of each: {@link opening}, then {@link established} and once {@link closed}, or
 * {@link failed}. The caller must stop what it has started.
 */
export class Ports {
  readonly #options: PortsOptions;
  readonly #own: OwnPorts;
  readonly #watch: PortWatch;
  readonly #pressure: PortPressure;
  readonly #adviser: TtlAdviser;
  readonly #endpoints = new Map<string, RemoteEndpoint>();
  readonly #closed: Record<PortCloser, number> = { local: 0, remote: 0 };
  #level: PortPressureLevel = 'none';
  #isStarted = false;
  #warnedAt = -Infinity;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: PortsOptions) {
    const { now, readTable, facts } = options;
    this.#options = options;
    this.#own = new OwnPorts({ timeWaitMs: timeWaitMsOf(facts), now });
    this.#pressure = new PortPressure({ now });
    this.#adviser = new TtlAdviser({ now });
    this.#watch = new PortWatch({
      read:
        readTable === undefined ? undefined : (signal) => readTable([...this.#endpoints.values()], signal),
      own: () => this.#own.use,
      onReading: () => {
        this.#measure();
      },
      now,
    });
  }

  /** To be called once. */
  start(): void {
    this.#isStarted = true;
    if (this.#endpoints.size > 0) this.#watch.start();
    this.#timer = setInterval(() => {
      this.#lookAtAdvice();
    }, ADVICE_INTERVAL_MS).unref();
  }

  /** Resolves when nothing of it runs any more. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#watch.stop();
  }

  /** A connection is being opened. */
  opening(): void {
    this.#own.opened();
  }

  /** It was established, to this endpoint. */
  established(endpoint: RemoteEndpoint): void {
    const key = `${endpoint.address} ${String(endpoint.port)}`;
    if (this.#endpoints.has(key)) return;
    const [oldest] = this.#endpoints.size >= MAX_ENDPOINTS ? this.#endpoints.keys() : [];
    if (oldest !== undefined) this.#endpoints.delete(oldest);
    this.#endpoints.set(key, endpoint);
    // Before there is an endpoint, the table could only say that nothing leads there.
    if (this.#isStarted) this.#watch.start();
  }

  /** It was not established. @param isExhausted - because there was no port for it */
  failed(isExhausted: boolean): void {
    this.#own.closed('remote');
    if (isExhausted) this.#pressure.exhausted();
  }

  /** It has ended. */
  closed(closer: PortCloser): void {
    this.#own.closed(closer);
    this.#closed[closer] += 1;
  }

  /** A session takes a connection of this identity, warm or not. */
  leased(identityKey: string): void {
    this.#adviser.login(identityKey);
  }

  /** It gives back what another session of the identity can use, as far as it is concerned. */
  returned(identityKey: string): void {
    this.#adviser.released(identityKey);
  }

  /** How short ports are, at this moment. */
  get pressure(): PortPressureLevel {
    return this.#measure();
  }

  #measure(): PortPressureLevel {
    const { budget, onPressure } = this.#options;
    const snapshot = this.snapshot;
    const taken = snapshot.open + (this.#countsTimeWait ? snapshot.timeWait : 0);
    const level = this.#pressure.measured(budget === undefined ? undefined : usedShare(taken, budget.limit));
    if (level !== this.#level) {
      this.#level = level;
      onPressure(level, snapshot);
      if (level !== 'none') this.#lookAtAdvice();
    }
    return level;
  }

  get snapshot(): PortSnapshot {
    return this.#watch.snapshot;
  }

  get recommendedTtlMs(): number | undefined {
    return this.#advice.recommendedTtlMs;
  }

  get report(): PortReport {
    const { budget, facts } = this.#options;
    return {
      limit: budget?.limit,
      sustainableConnectionsPerSecond: budget?.sustainablePerSecond,
      timeWaitSeconds: timeWaitMsOf(facts) / 1_000,
      used: this.snapshot,
      pressure: this.pressure,
      locallyClosedShare: this.#locallyClosedShare,
      advice: this.#advice,
    };
  }

  /** Where the system hands out ports in TIME_WAIT again, they are not short. */
  get #countsTimeWait(): boolean {
    const { timeWaitReuse } = this.#options.facts;
    if (!timeWaitReuse.isKnown || timeWaitReuse.value === 'never') return true;
    if (timeWaitReuse.value === 'always') return false;
    const endpoints = [...this.#endpoints.values()];
    return endpoints.length === 0 || !endpoints.every(({ address }) => isLoopbackAddress(address));
  }

  /** All of them until one has ended: the worst is feared where nothing is known. */
  get #locallyClosedShare(): number {
    const { local, remote } = this.#closed;
    return local + remote === 0 ? 1 : local / (local + remote);
  }

  get #advice(): TtlAdvice {
    const { budget, facts, mailboxCacheTtlMs } = this.#options;
    return this.#adviser.advise({
      limit: budget?.limit,
      timeWaitSeconds: timeWaitMsOf(facts) / 1_000,
      locallyClosedShare: this.#locallyClosedShare,
      currentTtlMs: mailboxCacheTtlMs,
    });
  }

  #lookAtAdvice(): void {
    const { budget, now, onExhausting } = this.#options;
    const advice = this.#advice;
    if (budget === undefined || !advice.isExhausting || advice.recommendedTtlMs === undefined) return;
    if (now() - this.#warnedAt < WARNING_INTERVAL_MS) return;
    this.#warnedAt = now();
    onExhausting(advice, budget.limit);
  }
}
