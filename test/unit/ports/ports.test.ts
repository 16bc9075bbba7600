import { afterEach, describe, expect, it } from 'vitest';
import { portBudget } from '../../../src/ports/port-budget.js';
import { known } from '../../../src/ports/port-facts.js';
import type { PortFacts } from '../../../src/ports/port-facts.js';
import { Ports } from '../../../src/ports/ports.js';
import type { TtlAdvice } from '../../../src/ports/ttl-adviser.js';

const LIMIT = 100;
const facts: PortFacts = {
  range: known({ lowest: 40_001, highest: 40_000 + LIMIT, reservedCount: 0 }, 'test'),
  timeWaitMs: known(60_000, 'test'),
  maxTimeWaitSockets: known(1_000, 'test'),
  timeWaitReuse: known('never', 'test'),
};

let clockMs = 0;
const running: Ports[] = [];

afterEach(async () => {
  for (const ports of running.splice(0)) await ports.stop();
});

/** With what it told, in order. */
function startPorts(): { ports: Ports; levels: string[]; warnings: TtlAdvice[]; readings: string[][] } {
  const told = { levels: [] as string[], warnings: [] as TtlAdvice[], readings: [] as string[][] };
  const ports = new Ports({
    facts,
    budget: portBudget(facts),
    mailboxCacheTtlMs: 0,
    now: () => clockMs,
    readTable: async (endpoints) => {
      told.readings.push(endpoints.map(({ address }) => address));
      return { isComplete: true, open: 0, timeWait: 0, durationMs: 1, longestTurnMs: 1 };
    },
    onExhausting: (advice) => told.warnings.push(advice),
    onPressure: (level) => told.levels.push(level),
  });
  running.push(ports);
  return { ports, ...told };
}

function open(ports: Ports, count: number): void {
  for (let n = 0; n < count; n++) ports.opening();
}

/** Each of some users comes once a second. */
function logIn(ports: Ports, users: number, seconds: number): void {
  for (let second = 0; second < seconds; second++) {
    clockMs += 1_000;
    for (let user = 0; user < users; user++) {
      ports.leased(`user${user}`);
      ports.returned(`user${user}`);
    }
  }
}

describe('the view of the ports', () => {
  it('believes its own count until there was a connection whose like can be found in the table', async () => {
    const { ports, readings } = startPorts();
    open(ports, 1);
    ports.start();
    await new Promise(setImmediate);
    expect(readings).toEqual([]);
    expect(ports.snapshot).toMatchObject({ open: 1, source: 'own' });
  });

  it('tells each change of the pressure once', () => {
    const { ports, levels } = startPorts();
    for (let n = 0; n < LIMIT; n++) {
      open(ports, 1);
      expect(ports.pressure).toBe(n + 1 >= 80 ? 'high' : n + 1 >= 60 ? 'medium' : 'none');
    }
    expect(levels).toEqual(['medium', 'high']);
  });

  it('counts a port that the system did not have as high pressure, whatever was counted', () => {
    const { ports } = startPorts();
    ports.opening();
    ports.failed(true);
    expect(ports.pressure).toBe('high');
    expect(ports.snapshot.open).toBe(0);
    clockMs += 10_000;
    expect(ports.pressure).toBe('none');
  });

  it('names the better timeout as soon as the pressure is high, and not again for ten minutes', () => {
    const { ports, warnings } = startPorts();
    logIn(ports, 10, 20);
    expect(warnings).toEqual([]);
    for (let n = 0; n < 3; n++) {
      open(ports, 80);
      expect(ports.pressure).toBe('high');
      for (let m = 0; m < 80; m++) ports.failed(false);
      expect(ports.pressure).toBe('none');
    }
    expect(warnings).toHaveLength(1);
    logIn(ports, 10, 600);
    open(ports, 80);
    expect(ports.pressure).toBe('high');
    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toMatchObject({ isExhausting: true, recommendedTtlMs: 1_000 });
  });

  it('names the better timeout before ports are so short that nobody gets one', () => {
    const { ports, warnings } = startPorts();
    logIn(ports, 10, 20);
    open(ports, 60);
    expect(ports.pressure).toBe('medium');
    expect(warnings).toHaveLength(1);
    open(ports, 20);
    expect(ports.pressure).toBe('high');
    expect(warnings).toHaveLength(1);
  });

  it('says nothing of the timeout where other programs take the ports', () => {
    const { ports, warnings } = startPorts();
    logIn(ports, 10, 20);
    // The server is the one that closes first.
    ports.opening();
    ports.closed('remote');
    open(ports, 80);
    expect(ports.pressure).toBe('high');
    expect(warnings).toEqual([]);
  });
});
