import { performance } from 'node:perf_hooks';
import { describe, expect, test } from 'vitest';
import { PortMetrics } from '../../../src/metrics/port-metrics.js';
import type { PortMetricsOptions, PortMetricSnapshots } from '../../../src/metrics/port-metrics.js';
import { MetricRegistry } from '../../../src/metrics/registry.js';
import { known, unknown } from '../../../src/ports/port-facts.js';
import type { PortFacts } from '../../../src/ports/port-facts.js';
import { PORT_PRESSURE_LEVELS } from '../../../src/ports/port-pressure.js';
import { readSystemSockets } from '../../../src/ports/sockstat.js';
import type { SystemSockets } from '../../../src/ports/sockstat.js';
import { TtlAdviser } from '../../../src/ports/ttl-adviser.js';
import { parseExposition } from './samples.js';
import type { Exposed } from './samples.js';

const UPSTREAM = 'mail.example:993';
const U = `upstream="${UPSTREAM}"`;

const FACTS: PortFacts = {
  range: known({ lowest: 32_768, highest: 60_999, reservedCount: 0 }, 'a test'),
  timeWaitMs: known(60_000, 'a test'),
  maxTimeWaitSockets: known(131_072, 'a test'),
  timeWaitReuse: known('never', 'a test'),
};

const SOCKETS: SystemSockets = {
  inUse: 368,
  orphan: 3,
  timeWait: 21_760,
  alloc: 655,
  timeWaitOverflows: 4_711,
};

const SNAPSHOTS: PortMetricSnapshots = {
  ports: () => ({ open: 120, timeWait: 20_000, source: 'system', ageMs: 900, durationMs: 45, failures: 2 }),
  pressure: () => 'medium',
  sockets: () => SOCKETS,
  recommendedTtlMs: () => 60_000,
};

const NOTHING = unknown('a test');
const NO_FACTS: PortFacts = {
  range: NOTHING,
  timeWaitMs: NOTHING,
  maxTimeWaitSockets: NOTHING,
  timeWaitReuse: NOTHING,
};
const NO_SOCKETS: SystemSockets = {
  inUse: undefined,
  orphan: undefined,
  timeWait: undefined,
  alloc: undefined,
  timeWaitOverflows: undefined,
};

function registryWith(
  snapshots: Partial<PortMetricSnapshots> = {},
  options: Partial<PortMetricsOptions> = {},
): MetricRegistry {
  const registry = new MetricRegistry();
  new PortMetrics(registry, {
    upstream: UPSTREAM,
    facts: FACTS,
    budget: { limit: 28_232, sustainablePerSecond: 470.5 },
    ...options,
    snapshots: { ...SNAPSHOTS, ...snapshots },
  });
  return registry;
}

async function scrape(registry: MetricRegistry): Promise<Exposed> {
  return parseExposition((await registry.expose()).body);
}

describe('port metrics', () => {
  test('show what is known', async () => {
    const { samples } = await scrape(registryWith());
    expect(Object.fromEntries(samples)).toEqual({
      [`imapbouncer_ephemeral_ports_limit{${U}}`]: 28_232,
      [`imapbouncer_ephemeral_ports_sustainable_rate{${U}}`]: 470.5,
      [`imapbouncer_ephemeral_ports_used{${U},state="open"}`]: 120,
      [`imapbouncer_ephemeral_ports_used{${U},state="time_wait"}`]: 20_000,
      imapbouncer_port_pressure: 1,
      imapbouncer_socket_probe_duration_seconds: 0.045,
      imapbouncer_socket_probe_failures_total: 2,
      imapbouncer_tcp_time_wait_seconds: 60,
      imapbouncer_tcp_time_wait_sockets: 21_760,
      imapbouncer_tcp_time_wait_sockets_limit: 131_072,
      'imapbouncer_tcp_sockets{kind="inuse"}': 368,
      'imapbouncer_tcp_sockets{kind="orphan"}': 3,
      'imapbouncer_tcp_sockets{kind="alloc"}': 655,
      imapbouncer_tcp_time_wait_overflows_total: 4_711,
      imapbouncer_mailbox_cache_ttl_recommended_seconds: 60,
    });
  });

  test('leave out what nobody knows, and keep own accounting', async () => {
    const registry = registryWith(
      {
        ports: () => ({
          open: 3,
          timeWait: 4,
          source: 'own',
          ageMs: undefined,
          durationMs: undefined,
          failures: 0,
        }),
        pressure: () => 'none',
        sockets: () => NO_SOCKETS,
        recommendedTtlMs: () => undefined,
      },
      { facts: NO_FACTS, budget: undefined },
    );
    expect(Object.fromEntries((await scrape(registry)).samples)).toEqual({
      [`imapbouncer_ephemeral_ports_used{${U},state="open"}`]: 3,
      [`imapbouncer_ephemeral_ports_used{${U},state="time_wait"}`]: 4,
      imapbouncer_port_pressure: 0,
      imapbouncer_socket_probe_failures_total: 0,
    });
  });

  test('come and go with what is known', async () => {
    let sockets = SOCKETS;
    let recommendedTtlMs: number | undefined;
    const registry = registryWith({
      sockets: () => sockets,
      recommendedTtlMs: () => recommendedTtlMs,
    });
    const names = [
      'imapbouncer_tcp_time_wait_sockets',
      'imapbouncer_tcp_time_wait_overflows_total',
      'imapbouncer_tcp_sockets{kind="alloc"}',
      'imapbouncer_mailbox_cache_ttl_recommended_seconds',
    ];
    const values = async (): Promise<(number | undefined)[]> => {
      const { samples } = await scrape(registry);
      return names.map((name) => samples.get(name));
    };
    expect(await values()).toEqual([21_760, 4_711, 655, undefined]);
    sockets = NO_SOCKETS;
    recommendedTtlMs = 0;
    expect(await values()).toEqual([undefined, undefined, undefined, 0]);
    sockets = SOCKETS;
    recommendedTtlMs = undefined;
    expect(await values()).toEqual([21_760, 4_711, 655, undefined]);
  });

  test.each(PORT_PRESSURE_LEVELS.map((level, value) => [level, value] as const))(
    'write the pressure %s as %d',
    async (level, value) => {
      const { samples } = await scrape(registryWith({ pressure: () => level }));
      expect(samples.get('imapbouncer_port_pressure')).toBe(value);
    },
  );

  test('ask for each snapshot once per scrape', async () => {
    const asked = { ports: 0, pressure: 0, sockets: 0, recommendedTtlMs: 0 };
    const counting = Object.fromEntries(
      Object.entries(SNAPSHOTS).map(([name, snapshot]) => [
        name,
        () => {
          asked[name as keyof typeof asked] += 1;
          return (snapshot as () => unknown)();
        },
      ]),
    ) as Partial<PortMetricSnapshots>;
    await registryWith(counting).expose();
    expect(asked).toEqual({ ports: 1, pressure: 1, sockets: 1, recommendedTtlMs: 1 });
  });

  test('take less than 5 ms of a scrape, with real files and a full adviser', async () => {
    const adviser = new TtlAdviser();
    for (let at = 0; at < 2_000; at += 1) {
      adviser.login(`user-${at % 300}`);
      adviser.released(`user-${at % 300}`);
    }
    const registry = registryWith({
      sockets: () => readSystemSockets(),
      recommendedTtlMs: () =>
        adviser.advise({ limit: 28_232, timeWaitSeconds: 60, locallyClosedShare: 1, currentTtlMs: 300_000 })
          .recommendedTtlMs,
    });
    const durationsMs: number[] = [];
    for (let round = 0; round < 20; round += 1) {
      const startedAt = performance.now();
      await registry.expose();
      durationsMs.push(performance.now() - startedAt);
    }
    // A busy machine may hold up any one of them.
    expect(Math.min(...durationsMs)).toBeLessThan(5);
  });
});
