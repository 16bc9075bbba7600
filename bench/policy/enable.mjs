// Measures whether clients that enable extensions share connections, too, and that nobody else notices what they enabled.

import '../../scripts/typescript-loader.mjs';
import { setTimeout as delay } from 'node:timers/promises';
import { command, imapFlowSession, logIn, plainSession, qresyncSession } from './enabling-sessions.mjs';

const { hasDovecot, startDovecot } = await import('../../test/support/dovecot.js');

const users = Array.from({ length: 10 }, (_, n) => `user${n}`);
const atATime = 4;
const messagesPerUser = 20;

/** @typedef {import('./enabling-sessions.mjs').Session} Session */

/**
 * @param {import('./stage.mjs').Stage} stage
 * @param {import('./report.mjs').Report} report
 */
export async function measureEnable(stage, report) {
  const found = hasDovecot();
  if (!found.ok) throw new Error(found.reason);
  const sessions = stage.isShort ? 200 : 1_000;
  const dovecot = await startDovecot({ messagesPerUser });
  stage.endWith(() => dovecot.stop());
  const seen = { vanished: 0, plain: 0, expunges: 0 };
  /** @type {Record<string, Session>} */
  const kinds = {
    ImapFlow: imapFlowSession,
    QRESYNC: await qresyncSession(dovecot.port, users, seen),
  };
  /** @type {Record<string, Record<string, number>>} */
  const rows = {};
  for (const [name, session] of Object.entries(kinds)) {
    const proxy = await stage.proxy(dovecot.port);
    const expunging = new Expunging(dovecot);
    const failures = await inTurn(sessions, async (n) => {
      const user = users[n % users.length] ?? '';
      await session({ port: proxy.port, host: dovecot.host, user });
      // Of the same users, so that the two kinds could get each other's connections.
      if (n % 4 === 3) await plainSession({ port: proxy.port, host: dovecot.host, user }, seen);
    });
    const expunged = await expunging.stop();
    const leases = await proxy.metric('imapbouncer_leases_total');
    const reuses = await proxy.metric('imapbouncer_lease_reuses_total');
    rows[name] = {
      sessions,
      leases,
      swaps: await proxy.metric('imapbouncer_lease_swaps_total'),
      reuses,
      'reuse ratio': reuses / leases,
      'upstream logins': await proxy.metric('imapbouncer_upstream_connections_opened_total'),
      'closed as dirty': await proxy.metric(
        'imapbouncer_upstream_connections_closed_total',
        'reason="dirty"',
      ),
      expunged,
      failed: failures.length,
    };
    if (failures.length > 0) report.say(`first failure: ${failures[0]}\n`);
    await proxy.stop();
  }
  report.table('client', rows);
  report.say(`plain sessions: ${JSON.stringify(seen)}\n`);
  for (const [name, row] of Object.entries(rows)) {
    const ratio = row['reuse ratio'] ?? 0;
    // In a short run the first login of each user counts for more.
    const least = stage.isShort ? 0.85 : 0.95;
    report.claim(`${name}: the reuse ratio is at least ${least}: ${ratio.toFixed(4)}`, ratio >= least);
    report.claim(`${name}: no session fails, plain ones included: ${row.failed}`, row.failed === 0);
  }
  report.claim(`QRESYNC clients do see VANISHED: ${seen.vanished}`, seen.vanished > 0);
  report.claim(
    `plain clients do see EXPUNGE (and never VANISHED or MODSEQ): ${seen.expunges}`,
    seen.expunges > 0,
  );
}

/** Somebody else, straight at the server, who expunges and delivers mail all the time. */
class Expunging {
  /** @param {import('../../test/support/dovecot.js').Dovecot} dovecot */
  constructor(dovecot) {
    this.dovecot = dovecot;
    this.expunged = 0;
    this.isStopped = false;
    this.running = Promise.all(users.map((user) => this.#run(user)));
    // stop() reports it.
    this.running.catch(() => undefined);
  }

  /** How many messages it was. */
  async stop() {
    this.isStopped = true;
    await this.running;
    return this.expunged;
  }

  /** @param {string} user */
  async #run(user) {
    const client = await logIn({ port: this.dovecot.port, host: this.dovecot.host, user });
    await command(client, 'SELECT INBOX');
    while (!this.isStopped) {
      await this.dovecot.deliver(user, 'INBOX', 'Subject: one more\r\n\r\nbody\r\n');
      await command(client, 'NOOP');
      await command(client, 'STORE 2 +FLAGS.SILENT (\\Deleted)');
      await command(client, 'EXPUNGE');
      this.expunged += 1;
      await delay(50);
    }
    client.destroy();
  }
}

/**
 * @param {number} count
 * @param {(n: number) => Promise<void>} run
 * @returns {Promise<string[]>} what went wrong
 */
async function inTurn(count, run) {
  /** @type {string[]} */
  const failures = [];
  let next = 0;
  const one = async () => {
    while (next < count) await run(next++).catch((error) => failures.push(String(error)));
  };
  await Promise.all(Array.from({ length: atATime }, one));
  return failures;
}
