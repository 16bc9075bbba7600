// Measures a flood of different wrong passwords: what it costs the server, the proxy's memory, and the others' logins.

import { setTimeout as delay } from 'node:timers/promises';
import { session, WarmLogins } from './warm-logins.mjs';
import { startWorker } from './worker.mjs';

const users = 50;
/** What an answer to a wrong password takes, more or less; real servers take longer, which is less work per second. */
const refusalMs = 200;
/** Refused credentials are forgotten after AUTH_FAILURE_TTL, and let go of once a minute. */
const untilForgottenMs = 80_000;
const megabyte = 1_048_576;

/**
 * @param {import('./stage.mjs').Stage} stage
 * @param {import('./report.mjs').Report} report
 */
export async function measureWrongPasswords(stage, report) {
  const passwords = stage.isShort ? 500 : 10_000;
  const server = await stage.server({
    refusalMs: stage.isShort ? refusalMs / 4 : refusalMs,
    refusalJitter: 0.5,
    loginMs: 5,
  });
  const proxy = await stage.proxy(server.port, {}, [
    '--expose-gc',
    '--import',
    new URL('./collect-garbage.mjs', import.meta.url).href,
  ]);
  const flooding = await startWorker('flood-main.mjs');
  stage.endWith(flooding.stop);
  const flood = (/** @type {string} */ prefix, /** @type {number} */ count) =>
    flooding.ask({
      port: proxy.port,
      prefix,
      passwords: count,
      users,
      connections: 32,
      perConnection: 5,
    });
  const memory = async () => {
    proxy.signal('SIGUSR2');
    await delay(300);
    return {
      'RSS MB': (await proxy.metric('process_resident_memory_bytes')) / megabyte,
      'heap MB': (await proxy.metric('nodejs_heap_size_used_bytes')) / megabyte,
      'external MB': (await proxy.metric('nodejs_external_memory_bytes')) / megabyte,
    };
  };
  const warmFor = async (/** @type {number} */ ms) => {
    const warm = new WarmLogins(proxy.port, users);
    await delay(ms);
    return warm.stop();
  };

  const fresh = await memory();
  for (let n = 0; n < users; n++) await session(proxy.port, `user${n}`);
  await flood('warm-up', passwords / 5);
  await warmFor(stage.isShort ? 500 : 3_000);
  const before = await memory();
  const attemptsBefore = (await server.figures()).attempts;
  const cpu = () => proxy.metric('process_cpu_seconds_total');

  const calmMs = stage.isShort ? 1_000 : 10_000;
  const warmBefore = await warmFor(calmMs);
  const during = new WarmLogins(proxy.port, users);
  const [startMs, cpuBefore] = [performance.now(), await cpu()];
  const replies = await flood('wrong', passwords);
  const seconds = (performance.now() - startMs) / 1_000;
  const cpuSeconds = (await cpu()) - cpuBefore;
  const warmDuring = await during.stop();
  const attempts = (await server.figures()).attempts - attemptsBefore;
  const rightAfter = await memory();
  const warmAfter = await warmFor(calmMs);
  if (!stage.isShort) await delay(untilForgottenMs);
  const after = await memory();

  report.say(`${passwords} passwords in ${seconds.toFixed(1)} s: ${JSON.stringify(replies)}`);
  report.say(`attempts at the server: ${attempts}; CPU of the proxy: ${cpuSeconds.toFixed(1)} s\n`);
  report.table('warm logins', { before: warmBefore, during: warmDuring, after: warmAfter });
  report.table('memory', { fresh, before, 'right after': rightAfter, 'idle after': after });
  report.claim(`at most ${passwords} attempts at the server: ${attempts}`, attempts <= passwords);
  const answered = replies['NO [AUTHENTICATIONFAILED]'] ?? 0;
  report.claim(`every wrong password is answered with NO: ${answered}`, answered === passwords);
  const failed = warmBefore.failed + warmDuring.failed + warmAfter.failed;
  report.claim(`no warm login fails: ${failed}`, failed === 0);
  const grown = after['heap MB'] - before['heap MB'];
  // Without the idle moment what is remembered of each refused password is still there: less than 4 kB.
  const most = 2 + (stage.isShort ? (passwords * 4_096) / megabyte : 0);
  report.claim(`the heap is at most ${most.toFixed(1)} MB larger: ${grown.toFixed(2)}`, grown <= most);
  const grownRss = after['RSS MB'] - before['RSS MB'];
  report.claimTimed(`the RSS is at most 16 MB larger: ${grownRss.toFixed(1)}`, grownRss <= 16);
  for (const [name, slack] of /** @type {const} */ ([
    ['p50 ms', 2],
    ['p99 ms', 10],
  ])) {
    const [calm, flooded] = [warmBefore[name], warmDuring[name]];
    report.claimTimed(
      `${name} of warm logins: ${flooded.toFixed(1)} during, ${calm.toFixed(1)} before`,
      flooded <= 1.5 * calm + slack,
    );
  }
}
