// Measures what 50 users with one client each wait for beside 500 clients of one other user.

import { setTimeout as delay } from 'node:timers/promises';
import { median, quantile } from '../support/figures.mjs';
import { Gathering } from './gathering.mjs';
import { startWorker } from './worker.mjs';

const serverDelays = { commandMs: 10, loginMs: 10 };
const allCaps = [
  { name: 'ample', settings: { UPSTREAM_MAX_CONNECTIONS: '1000' } },
  { name: 'full', settings: { UPSTREAM_MAX_CONNECTIONS: '20' } },
  // The crowd alone may fill it.
  {
    name: 'full, one user may have all',
    settings: { UPSTREAM_MAX_CONNECTIONS: '20', UPSTREAM_MAX_CONNECTIONS_PER_USER: '20' },
  },
];
/** The crowd is at it when the others come. */
const leadMs = 100;

/**
 * @param {import('./stage.mjs').Stage} stage
 * @param {import('./report.mjs').Report} report
 */
export async function measureCrowd(stage, report) {
  const [crowdSize, rounds] = stage.isShort ? [100, 1] : [500, 7];
  const people = Array.from({ length: 50 }, (_, n) => `person${n}`);
  /** @type {Record<string, string[]>} */
  const crowds = {
    'nobody else': [],
    ...(stage.isShort ? {} : { '50 other users': Array.from({ length: 50 }, (_, n) => `other${n}`) }),
    [`${crowdSize} of one user`]: Array.from({ length: crowdSize }, () => 'crowd'),
  };
  const server = await stage.server(serverDelays);
  for (const caps of stage.isShort ? allCaps.slice(0, 2) : allCaps) {
    const proxy = await stage.proxy(server.port, caps.settings);
    const crowd = await startWorker('crowd-main.mjs');
    stage.endWith(crowd.stop);
    /** @type {Record<string, { p50: number[], max: number[], crowd: number[], failures: string[] }>} */
    const found = {};
    for (const name of Object.keys(crowds)) found[name] = { p50: [], max: [], crowd: [], failures: [] };
    // The first round warms everybody's connections up.
    for (let round = 0; round <= rounds; round++) {
      for (const [name, names] of Object.entries(crowds)) {
        const beside = await Gathering.at(proxy.port, people);
        await crowd.ask({ port: proxy.port, names });
        await crowd.ask('go');
        await delay(leadMs);
        const { waitsMs, failures } = await beside.work();
        const others = await crowd.ask('figures');
        if (round === 0) continue;
        const sorted = waitsMs.sort((a, b) => a - b);
        found[name]?.p50.push(quantile(sorted, 0.5));
        found[name]?.max.push(quantile(sorted, 1));
        found[name]?.crowd.push(median(others.waitsMs));
        found[name]?.failures.push(...failures, ...others.failures);
      }
    }
    const rows = Object.fromEntries(
      Object.entries(found).map(([name, { p50, max, crowd: waited, failures }]) => [
        name,
        {
          'p50 ms': median(p50),
          'max ms': median(max),
          'worst max ms': Math.max(...max),
          'the others p50 ms': median(waited),
          failed: failures.length,
        },
      ]),
    );
    report.table(`${caps.name}; beside`, rows);
    claim(report, caps.name, rows);
    await proxy.stop();
    await crowd.stop();
  }
}

/**
 * @param {import('./report.mjs').Report} report
 * @param {string} where
 * @param {Record<string, Record<string, number>>} rows - alone, beside others, beside the crowd
 */
function claim(report, where, rows) {
  const alone = Object.values(rows)[0] ?? {};
  const crowded = Object.values(rows).at(-1) ?? {};
  const failed = Object.values(rows).reduce((sum, row) => sum + Number(row.failed), 0);
  report.claim(`${where}: nobody is refused: ${failed}`, failed === 0);
  const [longest = NaN, crowdWaits = NaN] = [crowded['max ms'], crowded['the others p50 ms']];
  report.claim(
    `${where}: none of the 50 waits as long as half of the crowd does: ${longest.toFixed(0)} ms, ${crowdWaits.toFixed(0)} ms`,
    longest < crowdWaits,
  );
  for (const name of ['p50 ms', 'max ms']) {
    const [without = NaN, withCrowd = NaN] = [alone[name], crowded[name]];
    report.claimTimed(
      `${where}: ${name} is at most twice that without the crowd: ${withCrowd.toFixed(1)}, ${without.toFixed(1)}`,
      withCrowd <= 2 * without,
    );
  }
}
