// How fast the upstream is asked for new connections, and who has to wait for that.

import { describe, expect, it } from 'vitest';
import type { CommandResult, RawClient } from '../support/raw-client.js';
import { useStages } from './stage.js';
import type { Stage } from './stage.js';

const stage = useStages();

/** Two a second, and two at once. */
const rate = { UPSTREAM_MAX_CONNECTION_RATE: '120' };
const INTERVAL_MS = 500;
const BURST = 2;

/** When the server saw each login, in milliseconds. */
function attemptTimes(s: Stage): number[] {
  const times: number[] = [];
  s.upstream.on('AUTHENTICATE', () => {
    times.push(performance.now());
    return 'default';
  });
  return times;
}

function connectAll(s: Stage, count: number): Promise<RawClient[]> {
  return Promise.all(Array.from({ length: count }, () => s.connect()));
}

/** All of them at once, each as another user. */
function logInAll(clients: readonly RawClient[]): Promise<CommandResult[]> {
  return Promise.all(clients.map((client, n) => client.command(`LOGIN user${n} secret`, 20_000)));
}

describe('two connections a second', () => {
  it('let ten cold users in one after the other, and lose nobody', async () => {
    const s = await stage({ environment: rate });
    const times = attemptTimes(s);
    const clients = await connectAll(s, 10);
    const started = performance.now();
    const results = await logInAll(clients);
    expect(results.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 'OK'));
    expect(times).toHaveLength(10);
    for (const [n, time] of times.entries())
      expect(time - started, `attempt ${n}`).toBeGreaterThanOrEqual((n + 1 - BURST) * INTERVAL_MS - 20);
    // Not slower than they have to be.
    expect((times.at(-1) ?? 0) - started).toBeLessThan((10 - BURST) * INTERVAL_MS + 1_000);
    for (const [n, client] of clients.entries()) {
      expect((await client.command('LIST "" "*"')).untagged).toContain(`* LIST () "/" of-user${n}`);
    }
    expect(times).toHaveLength(10);
  });

  it('are refused by NO to who would have to wait longer than ACQUIRE_TIMEOUT', async () => {
    const s = await stage({ environment: { ...rate, ACQUIRE_TIMEOUT: '700ms' } });
    const results = await logInAll(await connectAll(s, 6));
    const refused = results.filter(({ status }) => status === 'NO');
    expect(results.filter(({ status }) => status === 'OK')).toHaveLength(3);
    expect(refused).toHaveLength(3);
    for (const { text } of refused)
      expect(text).toBe(
        '[UNAVAILABLE] Too many connections to the mail server are being opened; try again later',
      );
    expect(s.attempts).toBe(3);
    // Nothing is held against anybody: the next attempt waits for its turn, and has it.
    expect((await (await s.connect()).command('LOGIN user5 secret')).status).toBe('OK');
  });

  it('do not delay who has an idle connection', async () => {
    const s = await stage({ environment: rate });
    await s.warm('alice');
    await s.warm('bob');
    const cold = logInAll(await connectAll(s, 6));
    await s.proxy.until(() => s.attempts >= 3, 'the rate used up');
    for (const user of ['alice', 'bob', 'alice']) {
      const started = performance.now();
      const { client } = await s.lease(user);
      await s.leave(client);
      expect(performance.now() - started).toBeLessThan(400);
    }
    expect(s.attempts).toBeLessThan(8);
    expect((await cold).every(({ status }) => status === 'OK')).toBe(true);
  });

  it('are shared by new users and by those who need one more', async () => {
    const s = await stage({ environment: rate });
    const { client } = await s.lease('alice');
    const more = await Promise.all([1, 2, 3].map(() => s.logIn('alice')));
    const cold = logInAll(await connectAll(s, 3));
    const times = attemptTimes(s);
    const started = performance.now();
    const answers = await Promise.all(more.map((one) => one.command('NOOP', 10_000)));
    expect(answers.every(({ text }) => text === 'NOOP done (alice)')).toBe(true);
    expect((await cold).every(({ status }) => status === 'OK')).toBe(true);
    expect(times).toHaveLength(6);
    expect((times.at(-1) ?? 0) - started).toBeGreaterThan((6 - BURST - 1) * INTERVAL_MS);
    expect((times.at(-1) ?? 0) - started).toBeLessThan(6 * INTERVAL_MS + 1_000);
    expect((await client.command('NOOP')).text).toBe('NOOP done (alice)');
  });

  it('are not used up by clients that went away while they waited', async () => {
    const s = await stage({ environment: rate });
    const gone = await connectAll(s, 20);
    for (const [n, client] of gone.entries()) await client.send(`a LOGIN user${n} secret\r\n`);
    await s.upstream.waitForLoginAttempts(2);
    for (const client of gone) client.reset();
    await s.untilSessions(0);
    const { attempts } = s;
    const bob = await s.connect();
    const started = performance.now();
    expect((await bob.command('LOGIN bob secret')).status).toBe('OK');
    expect(performance.now() - started).toBeLessThan(2 * INTERVAL_MS + 300);
    expect(s.attempts).toBe(attempts + 1);
  });
});

it('0 means no limit', async () => {
  const s = await stage({ environment: { UPSTREAM_MAX_CONNECTION_RATE: '0' } });
  const times = attemptTimes(s);
  const results = await logInAll(await connectAll(s, 20));
  expect(results.every(({ status }) => status === 'OK')).toBe(true);
  expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeLessThan(2_000);
});
