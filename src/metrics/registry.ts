/** Owns prom-client: a registry of our own, filled at each scrape from plain numbers that cost nothing to bump. */

import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

import { OpenFiles } from './open-files.js';
import { SeriesFamily } from './series.js';
import type { Labels } from './series.js';

const PREFIX = 'imapbouncer_';

/** Default metrics that walk every handle or descriptor: 40 ms of a blocked loop at 16,000 sockets. */
const EXPENSIVE_METRICS = [
  'nodejs_active_handles',
  'nodejs_active_handles_total',
  'nodejs_active_requests',
  'nodejs_active_requests_total',
  'nodejs_active_resources',
  'nodejs_active_resources_total',
  'process_open_fds',
];

/** One series of a histogram of durations. */
export interface DurationSeries {
  observeMs(durationMs: number): void;
}

export interface DurationFamily {
  /** The series with these labels, with no observation yet; to be asked for once. */
  with(labels?: Labels): DurationSeries;
}

/** What a scrape gets. */
export interface Exposition {
  readonly contentType: string;
  readonly body: string;
}

/** Names get the prefix `imapbouncer_`; nothing is shared with another registry. */
export class MetricRegistry {
  readonly #registry = new Registry();
  readonly #refreshers: (() => void)[] = [];

  counter(name: string, help: string, labelNames: readonly string[] = []): SeriesFamily {
    const family = new SeriesFamily();
    new Counter({
      name: PREFIX + name,
      help,
      labelNames,
      registers: [this.#registry],
      collect() {
        this.reset();
        family.each((labels, value) => {
          // A reset gives a series without labels the value 0.
          if (Number.isNaN(value)) this.remove(labels);
          else this.inc(labels, value);
        });
      },
    });
    return family;
  }

  gauge(name: string, help: string, labelNames: readonly string[] = []): SeriesFamily {
    const family = new SeriesFamily();
    new Gauge({
      name: PREFIX + name,
      help,
      labelNames,
      registers: [this.#registry],
      collect() {
        family.each((labels, value) => {
          if (Number.isNaN(value)) this.remove(labels);
          else this.set(labels, value);
        });
      },
    });
    return family;
  }

  /** @param bucketsSeconds - upper bounds, ascending */
  duration(
    name: string,
    help: string,
    bucketsSeconds: readonly number[],
    labelNames: readonly string[] = [],
  ): DurationFamily {
    const histogram = new Histogram({
      name: PREFIX + name,
      help,
      labelNames,
      buckets: [...bucketsSeconds],
      registers: [this.#registry],
    });
    return {
      with: (labels = {}) => {
        histogram.zero(labels);
        const series = histogram.labels(labels);
        return { observeMs: (durationMs) => series.observe(durationMs / 1_000) };
      },
    };
  }

  /** prom-client's own metrics of the process, less those that cost time at each scrape. */
  addProcessMetrics(): void {
    collectDefaultMetrics({ register: this.#registry });
    for (const name of EXPENSIVE_METRICS) this.#registry.removeSingleMetric(name);
    const openFiles = new OpenFiles();
    new Gauge({
      name: 'process_open_fds',
      help: 'Number of open file descriptors, at most a minute old.',
      registers: [this.#registry],
      async collect() {
        const count = await openFiles.count();
        if (count === undefined) this.remove();
        else this.set(count);
      },
    });
  }

  /** Has `refresh` called before each scrape, to set gauges from a snapshot. */
  beforeScrape(refresh: () => void): void {
    this.#refreshers.push(refresh);
  }

  /** @throws whatever a refresher throws */
  async expose(): Promise<Exposition> {
    for (const refresh of this.#refreshers) refresh();
    return { contentType: this.#registry.contentType, body: await this.#registry.metrics() };
  }
}
