import { expect, test } from 'vitest';
import { ProxyError } from '../../../src/errors.js';
import { BackOff } from '../../../src/pool/back-off.js';
import { ConnectionRate } from '../../../src/pool/connection-rate.js';
import { UpstreamGate } from '../../../src/pool/upstream-gate.js';
import type { Pressure } from '../../../src/pool/upstream-gate.js';
import type { UpstreamConnection } from '../../../src/upstream/connection.js';
import { MemoryServer } from '../../support/memory-server.js';
import { stateOf } from '../../support/pool-fixture.js';

const BUSY = new ProxyError('limit', { upstreamRefusal: { responseCode: 'LIMIT', text: 'Too many' } });

function gateWith({ perMinute = 0 } = {}): {
  gate: UpstreamGate;
  backOff: BackOff;
  clock: { nowMs: number };
  rate: ConnectionRate;
  weigh: (pressure: Pressure) => void;
} {
  const clock = { nowMs: 1_000 };
  let pressure: Pressure = 'none';
  const now = (): number => clock.nowMs;
  const backOff = new BackOff({ now, random: () => 0.5 });
  const rate = new ConnectionRate({ perMinute, now, onAvailable: () => undefined });
  return {
    gate: new UpstreamGate(backOff, rate, () => pressure),
    backOff,
    clock,
    rate,
    weigh: (next) => (pressure = next),
  };
}

const connect = (): Promise<UpstreamConnection> => Promise.resolve(new MemoryServer().connect());
const failWith = (error: Error) => (): Promise<UpstreamConnection> => Promise.reject(error);

test('gives what was opened, and holds nothing against the identity', async () => {
  const { gate, backOff } = gateWith();
  const connection = new MemoryServer().connect();
  expect(await gate.open('alice', () => Promise.resolve(connection))).toBe(connection);
  expect(gate.refusal('alice', false)).toBeUndefined();
  expect(backOff.size).toBe(0);
});

test.each([
  ['limit', BUSY],
  ['a login that took too long', new ProxyError('timeout', { isBusy: true })],
])('asks no more for an identity after %s, and still for others', async (_what, error) => {
  const { gate } = gateWith();
  await expect(gate.open('alice', failWith(error))).rejects.toBe(error);
  expect(gate.isBackingOff('alice')).toBe(true);
  expect(gate.refusal('alice', true)).toMatchObject({ code: 'backoff' });
  let calls = 0;
  const asking = gate.open('alice', () => {
    calls += 1;
    return connect();
  });
  expect(await stateOf(asking)).toBe('backoff');
  expect(calls).toBe(0);
  expect(gate.isBackingOff('bob')).toBe(false);
  expect(await stateOf(gate.open('bob', connect))).toBe('resolved');
});

test.each(['credentials', 'refused', 'timeout', 'dns', 'throttled'] as const)(
  'does not take %s for a busy server',
  async (code) => {
    const { gate, backOff } = gateWith();
    await expect(gate.open('alice', failWith(new ProxyError(code)))).rejects.toMatchObject({ code });
    expect(backOff.size).toBe(0);
    expect(gate.refusal('alice', true)).toBeUndefined();
  },
);

test('makes an error of its own of whatever else is thrown', async () => {
  const { gate } = gateWith();
  await expect(gate.open('alice', failWith(new RangeError('odd')))).rejects.toBeInstanceOf(ProxyError);
});

test('lets one attempt find out after the delay, and forgets the delay when it succeeds', async () => {
  const { gate, backOff, clock } = gateWith();
  await expect(gate.open('alice', failWith(BUSY))).rejects.toBe(BUSY);
  clock.nowMs += 500;
  expect(gate.refusal('alice', true)).toBeUndefined();
  const trying = gate.open('alice', connect);
  expect(gate.refusal('alice', true)).toMatchObject({ code: 'backoff' });
  await trying;
  expect(backOff.size).toBe(0);
});

test('lets the next one try at once when the attempt said nothing of the load', async () => {
  const { gate, clock } = gateWith();
  await expect(gate.open('alice', failWith(BUSY))).rejects.toBe(BUSY);
  clock.nowMs += 500;
  await expect(gate.open('alice', failWith(new ProxyError('refused')))).rejects.toThrow(ProxyError);
  expect(gate.refusal('alice', true)).toBeUndefined();
});

test('lets attempts start at the rate, whoever asks', () => {
  const { gate, clock, rate } = gateWith({ perMinute: 60 });
  expect([gate.tryStart(), gate.tryStart()]).toEqual([true, false]);
  clock.nowMs += 1_000;
  expect(gate.tryStart()).toBe(true);
  rate.dispose();
});

test.each<[Pressure, string | undefined, string | undefined]>([
  ['none', undefined, undefined],
  ['medium', undefined, 'pressure'],
  ['high', 'pressure', 'pressure'],
])('with %s pressure refuses whoever has none %s, and whoever has one %s', (pressure, first, more) => {
  const { gate, weigh } = gateWith();
  weigh(pressure);
  expect(gate.refusal('alice', false)?.code).toBe(first);
  expect(gate.refusal('alice', true)?.code).toBe(more);
  // The server is not to blame.
  expect(gate.isBackingOff('alice')).toBe(false);
});
