import { describe, expect, test } from 'vitest';
import { OwnPorts } from '../../../src/ports/own-ports.js';

function ownPorts(timeWaitMs = 60_000): { ports: OwnPorts; clock: { ms: number } } {
  const clock = { ms: 5_000_000 };
  return { ports: new OwnPorts({ timeWaitMs, now: () => clock.ms }), clock };
}

describe('own ports', () => {
  test('are open from the attempt to the end', () => {
    const { ports } = ownPorts();
    ports.opened();
    ports.opened();
    expect(ports.use).toEqual({ open: 2, timeWait: 0 });
    ports.closed('remote');
    expect(ports.use).toEqual({ open: 1, timeWait: 0 });
    ports.closed('local');
    expect(ports.use).toEqual({ open: 0, timeWait: 1 });
  });

  test.each([0, 1, 499, 999])(
    'stay in TIME_WAIT for its length and at most a second more (%d ms)',
    (offset) => {
      const { ports, clock } = ownPorts();
      clock.ms += offset;
      ports.opened();
      ports.closed('local');
      clock.ms += 59_999;
      expect(ports.use.timeWait).toBe(1);
      clock.ms += 1_001;
      expect(ports.use.timeWait).toBe(0);
    },
  );

  test('are all forgotten after a long silence', () => {
    const { ports, clock } = ownPorts();
    for (let closed = 0; closed < 200; closed += 1) {
      ports.opened();
      ports.closed('local');
      clock.ms += 700;
    }
    clock.ms += 86_400_000;
    expect(ports.use).toEqual({ open: 0, timeWait: 0 });
    ports.opened();
    ports.closed('local');
    expect(ports.use).toEqual({ open: 0, timeWait: 1 });
  });

  test.each([1_000, 30_000, 60_000, 120_000, 240_500])(
    'in TIME_WAIT are as many as a list of them all says (%d ms)',
    (timeWaitMs) => {
      const { ports, clock } = ownPorts(timeWaitMs);
      const closings: number[] = [];
      let seed = 7;
      for (let step = 0; step < 1_000; step += 1) {
        seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
        clock.ms += seed % 1_000;
        ports.opened();
        ports.closed('local');
        closings.push(clock.ms);
        const sure = closings.filter((at) => clock.ms - at < timeWaitMs).length;
        const possible = closings.filter((at) => clock.ms - at < timeWaitMs + 2_000).length;
        expect(ports.use.timeWait).toBeGreaterThanOrEqual(sure);
        expect(ports.use.timeWait).toBeLessThanOrEqual(possible);
      }
    },
  );
});
