// Measures a restart of the server under 200 users at work: what they are told, when all are back, how fast they log in.

import '../../scripts/typescript-loader.mjs';
import { setTimeout as delay } from 'node:timers/promises';
import { quantile } from '../support/figures.mjs';
import { Person, untilAllSucceeded } from './person-at-work.mjs';

const { defaultPassword, hasDovecot, startDovecot } = await import('../../test/support/dovecot.js');

/** UPSTREAM_MAX_CONNECTION_RATE; a bucket holds what one second brings. */
const perMinute = 3_000;
const perSecond = perMinute / 60;
/** They are counted where they arrive: those of a burst come later than they began, and closer to the next ones. */
const lateness = 1.2;
const downMs = 2_000;
/** By then everybody must be back. */
const backWithinMs = 10_000;

/**
 * @typedef {object} Server
 * @property {number} port
 * @property {() => Promise<void>} stop - at once, with all connections
 * @property {() => Promise<void>} start - on the same port; resolves when it greets
 * @property {() => Promise<number>} mostLoginsPerSecond - of any second since it was started
 */

/**
 * @param {import('./stage.mjs').Stage} stage
 * @param {import('./report.mjs').Report} report
 */
export async function measureRestart(stage, report) {
  await measureWith(stage, report, 'scripted', await scriptedServer(stage));
  if (stage.isShort) return;
  const found = hasDovecot();
  if (!found.ok) throw new Error(found.reason);
  await measureWith(stage, report, 'Dovecot', await dovecotServer(stage));
}

/**
 * @param {import('./stage.mjs').Stage} stage
 * @param {import('./report.mjs').Report} report
 * @param {string} name
 * @param {Server} server
 */
async function measureWith(stage, report, name, server) {
  const users = stage.isShort ? 60 : 200;
  const proxy = await stage.proxy(server.port, { UPSTREAM_MAX_CONNECTION_RATE: String(perMinute) });
  const people = Array.from({ length: users }, (_, n) => new Person(proxy.port, `user${n}`, defaultPassword));
  if (!(await untilAllSucceeded(people, 0, 3 * backWithinMs)))
    throw new Error('not everybody could work before the restart');
  await delay(stage.isShort ? 500 : 3_000);
  const warmUpLogins = await server.mostLoginsPerSecond();

  await server.stop();
  const downAt = performance.now();
  await delay(stage.isShort ? downMs / 2 : downMs);
  const attemptsBefore = await proxy.metric('imapbouncer_upstream_connects_total');
  await server.start();
  const upAt = performance.now();
  // For so long that it can be seen who is late.
  await untilAllSucceeded(people, downAt, 3 * backWithinMs);
  // Whoever was being served when the server stopped isn't back: his session began before.
  const backMs = people.map(({ successes }) => {
    return (successes.find(({ beganAt }) => beganAt >= downAt)?.endedAt ?? Infinity) - upAt;
  });
  // What was waiting then may still be refused.
  await delay(stage.isShort ? 500 : 3_000);
  for (const person of people) person.isStopped = true;
  await Promise.all(people.map((person) => person.running));
  const restartLogins = await server.mostLoginsPerSecond();
  const attempts = (await proxy.metric('imapbouncer_upstream_connects_total')) - attemptsBefore;
  await proxy.stop();

  const sorted = backMs.sort((a, b) => a - b);
  /** @type {Record<string, number>} */
  const answers = {};
  for (const person of people) {
    for (const [answer, count] of person.answers) answers[answer] = (answers[answer] ?? 0) + count;
  }
  report.table(`restart (${name})`, {
    [`${users} users`]: {
      'half back s': quantile(sorted, 0.5) / 1_000,
      'all back s': quantile(sorted, 1) / 1_000,
      'attempts since': attempts,
      'most logins/s, warm-up': warmUpLogins,
      'most logins/s, restart': restartLogins,
      'longest answer s': Math.max(...people.map((person) => person.longestMs)) / 1_000,
    },
  });
  for (const [answer, count] of Object.entries(answers).sort()) report.say(`  ${count} × ${answer}`);
  report.say('');
  const unclear = Object.keys(answers).filter((answer) => !/: (?:OK|(?:NO|BYE) \[\S+\])$/.test(answer));
  report.claim(
    `${name}: every command is answered clearly: ${unclear.join(', ') || 'yes'}`,
    unclear.length === 0,
  );
  const all = quantile(sorted, 1);
  report.claim(
    `${name}: everybody is back within ${backWithinMs / 1_000} s: ${(all / 1_000).toFixed(1)} s`,
    all <= backWithinMs,
  );
  const most = Math.max(warmUpLogins, restartLogins);
  const allowed = 2 * perSecond * lateness;
  report.claim(
    `${name}: at most ${allowed} logins in any second, a burst and a second's rate: ${most}`,
    most <= allowed,
  );
}

/** @param {import('./stage.mjs').Stage} stage */
async function scriptedServer(stage) {
  let running = await stage.server({ loginMs: 10, commandMs: 2 });
  const { port } = running;
  return {
    port,
    stop: () => running.kill(),
    start: async () => {
      running = await stage.serverAt(port, { loginMs: 10, commandMs: 2 });
    },
    mostLoginsPerSecond: async () => {
      const { attemptsAt } = await running.figures();
      // The most in any window of a second that begins with a login.
      let [most, end] = [0, 0];
      for (const [begin, at] of attemptsAt.entries()) {
        while (end < attemptsAt.length && (attemptsAt[end] ?? Infinity) < at + 1_000) end += 1;
        most = Math.max(most, end - begin);
      }
      return most;
    },
  };
}

/** @param {import('./stage.mjs').Stage} stage */
async function dovecotServer(stage) {
  const users = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`user${n}`, defaultPassword]));
  const dovecot = await startDovecot({ users });
  stage.endWith(() => dovecot.stop());
  let isFirst = true;
  let seen = 0;
  return {
    port: dovecot.port,
    stop: async () => {
      isFirst = false;
      await dovecot.halt();
      seen = (await dovecot.log.text()).length;
    },
    start: () => dovecot.start(),
    mostLoginsPerSecond: async () => {
      // Its log has whole seconds.
      const counts = new Map();
      const text = (await dovecot.log.text()).slice(isFirst ? 0 : seen);
      for (const [, second] of text.matchAll(/^(\S+ \d+ [\d:]+) imap-login: Info: Login: /gm))
        counts.set(second, (counts.get(second) ?? 0) + 1);
      if (counts.size === 0) throw new Error('no logins in the log of Dovecot');
      return Math.max(...counts.values());
    },
  };
}
