// What a scrape of the whole proxy takes by the clock with 30,000 sockets on the host, and that counting them holds nobody up.

import { Agent, get } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { text } from 'node:stream/consumers';
import { afterEach, expect } from 'vitest';
import { readSocketTable } from '../../src/ports/socket-table.js';
import { describeWithDovecot } from '../support/describe-with-dovecot.js';
import { type Dovecot, startDovecot } from '../support/dovecot.js';
import { startProxy, type TestProxy } from '../support/proxy.js';
import { RawClient } from '../support/raw-client.js';
import { describeInOwnNetwork, keepTimeWait, setPortRange, tellMeasured } from '../unit/ports/own-network.js';
import { PatientServer } from '../unit/ports/patient-server.js';

const SOCKETS = 30_000;
const SCRAPES = 50;
const LIMIT_OF_SCRAPE_MS = 5;
/** A whole reading is longer than that, so it can't have been made in one turn of the event loop. */
const LIMIT_OF_DELAY_MS = 10;
const READINGS = 10;
/** A machine that was busy with something else meanwhile gets another chance. */
const ROUNDS = 5;
/** As above: none of them is to be given up. */
const READING_TIMEOUT_MS = 20_000;

const users = Array.from({ length: 20 }, (_, n) => `user${String(n)}`);

let proxy: TestProxy | undefined;
const clients: RawClient[] = [];
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

afterEach(async () => {
  agent.destroy();
  for (const client of clients.splice(0)) {
    client.destroy();
    await client.closed;
  }
  await proxy?.stop();
});

/** By the clock, from the request to the last byte of the answer. */
async function scrapeMs(port: number): Promise<number> {
  const startedAt = performance.now();
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get({ port, host: '127.0.0.1', path: '/metrics', agent }, resolve).on('error', reject);
  });
  await text(response);
  return performance.now() - startedAt;
}

async function medianScrapeMs(port: number): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < SCRAPES; n++) times.push(await scrapeMs(port));
  return median(times);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

/** Again while it is above the limit: what it costs is the least that was measured. */
async function leastOf(measure: () => Promise<number>, limit: number): Promise<number> {
  let least = Infinity;
  for (let round = 0; round < ROUNDS && least >= limit; round++) least = Math.min(least, await measure());
  return least;
}

function readTable({ host: address, port }: PatientServer): ReturnType<typeof readSocketTable> {
  return readSocketTable({ endpoints: [{ address, port }], deadlineMs: READING_TIMEOUT_MS });
}

async function warmUp({ port }: TestProxy, user: string): Promise<void> {
  const { client } = await RawClient.connectAndGreet({ port });
  clients.push(client);
  for (const command of [`LOGIN ${user} secret`, 'SELECT INBOX']) {
    const { status, text: answer } = await client.command(command, 20_000);
    if (status !== 'OK') throw new Error(`${user}: ${command}: ${status} ${answer}`);
  }
}

describeWithDovecot('a scrape in front of Dovecot', () => {
  describeInOwnNetwork('on a host with many sockets', import.meta.url, ({ it, beforeAll, afterAll }) => {
    let dovecot: Dovecot;
    let patient: PatientServer;

    beforeAll(async () => {
      keepTimeWait();
      dovecot = await startDovecot();
      patient = await PatientServer.inFrontOf(dovecot.port);
      setPortRange(1_024, 65_535);
    });

    afterAll(async () => {
      await patient.close();
      await dovecot.stop();
    });

    it(`takes less than ${String(LIMIT_OF_SCRAPE_MS)} ms, and the readings of the table hold nobody up`, async () => {
      // Some of these ports are taken again by what comes behind them.
      await patient.leaveTimeWait(SOCKETS + 500);
      const running = await startProxy(patient, { LOG_LEVEL: 'info' });
      proxy = running;
      for (const user of users) await warmUp(running, user);
      const { port } = running.app.admin;
      expect(await running.metric('imapbouncer_tcp_time_wait_sockets')).toBeGreaterThanOrEqual(SOCKETS);
      expect(await running.metric('imapbouncer_upstream_connections', { state: 'leased' })).toBe(
        users.length,
      );

      const aloneMs = await leastOf(() => medianScrapeMs(port), LIMIT_OF_SCRAPE_MS);

      const delays = monitorEventLoopDelay({ resolution: 1 });
      const readingsMs: number[] = [];
      const longestDelayMs = async (): Promise<number> => {
        const longest: number[] = [];
        for (let n = 0; n < READINGS; n++) {
          delays.reset();
          delays.enable();
          const reading = await readTable(patient);
          delays.disable();
          if (!reading.isComplete) throw new Error(reading.why);
          expect(reading.timeWait).toBeGreaterThanOrEqual(SOCKETS);
          readingsMs.push(reading.durationMs);
          longest.push(delays.max / 1e6);
        }
        return median(longest);
      };
      const delayMs = await leastOf(longestDelayMs, LIMIT_OF_DELAY_MS);

      const over = new AbortController();
      const readOnAndOn = (async () => {
        while (!over.signal.aborted) await readTable(patient);
      })();
      const besideMs = await leastOf(() => medianScrapeMs(port), 2 * LIMIT_OF_SCRAPE_MS);
      over.abort();
      await readOnAndOn;

      tellMeasured(
        `${String(SOCKETS)} in TIME_WAIT: a scrape takes ${aloneMs.toFixed(2)} ms, and ${besideMs.toFixed(2)} ms beside a reading of the table; that takes ${median(readingsMs).toFixed(0)} ms, and delays the event loop by ${delayMs.toFixed(2)} ms at most`,
      );
      expect(aloneMs).toBeLessThan(LIMIT_OF_SCRAPE_MS);
      expect(median(readingsMs)).toBeGreaterThan(LIMIT_OF_DELAY_MS);
      expect(delayMs).toBeLessThan(LIMIT_OF_DELAY_MS);
      expect(besideMs).toBeLessThan(2 * LIMIT_OF_SCRAPE_MS);
    }, 60_000);
  });
});
