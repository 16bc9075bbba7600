// Measures what the owner of a name waits for while somebody guesses passwords for that name on many connections.

import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { median } from '../support/figures.mjs';
import { Client, failureOf } from './client.mjs';

const connections = 20;
const loginMs = 50;
const inShort = ['no guesser', 'persistent, loopback', 'reconnects, 127.0.0.2'];

/** @typedef {import('./client.mjs').Target} Target */
/**
 * @typedef {object} Way - how the guesser comes
 * @property {Target} target
 * @property {boolean} isPersistent - he goes on guessing on the same connections
 * @property {boolean} isShared - others may come from there, too: he isn't known by his address
 * @property {number} [patienceMs] - how long he waits for an answer; without it, for as long as it takes
 */

/**
 * @param {import('./stage.mjs').Stage} stage
 * @param {import('./report.mjs').Report} report
 */
export async function measureGuesser(stage, report) {
  const refusalMs = stage.isShort ? 100 : 1_000;
  const trials = stage.isShort ? 2 : 10;
  const server = await stage.server({ refusalMs, loginMs });
  const socketPath = join(await stage.folder(), 'imap.sock');
  const own = addressOfThisHost();
  const [tcp, outside] = [await stage.freePort(), await stage.freePort()];
  const listeners = [`imap://127.0.0.1:${tcp}`, `unix:${socketPath}?mode=0600`];
  if (own !== undefined) listeners.push(`imap://${own}:${outside}`);
  await stage.proxy(server.port, {
    LISTEN: listeners.join(','),
    PLAINTEXT_NETWORKS: own === undefined ? 'loopback' : `loopback,${own}`,
    // Every login is a cold one.
    AUTH_CACHE_TTL: '0',
  });
  /** @type {Target} */
  const home = { port: tcp, host: '127.0.0.1' };
  const elsewhere = { ...home, localAddress: '127.0.0.2' };
  /** @type {Record<string, Way | undefined>} */
  const ways = {
    'no guesser': undefined,
    'persistent, loopback': { target: home, isPersistent: true, isShared: true },
    'reconnects, 127.0.0.2': { target: elsewhere, isPersistent: false, isShared: true },
    'reconnects, Unix socket': { target: { path: socketPath }, isPersistent: false, isShared: true },
    'hangs up, 127.0.0.2': {
      target: elsewhere,
      isPersistent: false,
      isShared: true,
      patienceMs: refusalMs / 4,
    },
  };
  if (own === undefined) {
    report.say('no address but loopback: a guesser from an address of his own is not measured\n');
  } else {
    const target = { port: outside, host: own, localAddress: own };
    ways['persistent, own address'] = { target, isPersistent: true, isShared: false };
    ways['reconnects, own address'] = { target, isPersistent: false, isShared: false };
  }

  /** @type {Record<string, Record<string, number | string>>} */
  const rows = {};
  /** @type {string[]} */
  const failures = [];
  const chosen = Object.entries(ways).filter(([name]) => !stage.isShort || inShort.includes(name));
  for (const [name, way] of chosen) {
    // The name has an owner who was here before; another one's first login is the harder case.
    const known = `known-${Object.keys(rows).length}`;
    await logIn(home, known, failures);
    const guessing = way === undefined ? undefined : new Guesser(way, known);
    // Until each connection has failed once: two attempts at a time.
    await delay(guessing === undefined ? 0 : (connections / 2 + 3) * refusalMs);
    const knownWaits = await waits(trials, refusalMs, () => logIn(home, known, failures));
    const bystanderWait = await logIn(home, `bystander-${Object.keys(rows).length}`, failures);
    await guessing?.stop();

    let guesses = guessing?.guesses ?? 0;
    const firstWaits = [];
    // Nothing is promised to a newcomer from the same place where somebody hangs up and comes again all the time.
    const newcomers = way?.patienceMs !== undefined ? 0 : stage.isShort ? 1 : 3;
    for (let n = 0; n < newcomers; n++) {
      // Only the first login of a name is a new one.
      const fresh = `new-${Object.keys(rows).length}-${n}`;
      const other = way === undefined ? undefined : new Guesser(way, fresh);
      await delay(other === undefined ? 0 : 1.5 * refusalMs);
      firstWaits.push(await logIn(home, fresh, failures));
      await other?.stop();
      guesses += other?.guesses ?? 0;
    }
    rows[name] = {
      guesses,
      'owner p50 ms': median(knownWaits),
      'owner max ms': Math.max(...knownWaits),
      'first login max ms': firstWaits.length === 0 ? '-' : Math.max(...firstWaits),
      'other user ms': bystanderWait,
    };
  }
  report.say(`${connections} connections guess one name; NO takes ${refusalMs} ms, OK ${loginMs} ms\n`);
  report.table('guesser', rows);
  report.claim(
    `every login but the guesser's succeeds: ${failures.join(', ') || 'no failure'}`,
    failures.length === 0,
  );
  const alone = Number(rows['no guesser']?.['owner max ms']);
  for (const [name, way] of chosen) {
    if (way === undefined) continue;
    const known = Number(rows[name]?.['owner max ms']);
    const first = Number(rows[name]?.['first login max ms']);
    const other = Number(rows[name]?.['other user ms']);
    report.claim(
      `${name}: the owner waits for fewer than half of the guesses before him: ${known.toFixed(0)} ms`,
      known < alone + (connections / 4) * refusalMs,
    );
    // A quarter of a refusal: he waits for no guess.
    report.claimTimed(
      `${name}: the owner waits for his own login: ${known.toFixed(0)} ms, ${alone.toFixed(0)} without a guesser`,
      known <= alone + refusalMs / 4,
    );
    report.claimTimed(
      `${name}: another user waits for his own login: ${other.toFixed(0)} ms`,
      other <= alone + refusalMs / 4,
    );
    if (way.patienceMs !== undefined) continue;
    // Where nothing tells the two apart, he may have to wait until a guess is answered, but not for a second one.
    report.claimTimed(
      `${name}: his first login ever waits for ${way.isShared ? 'one guess at most' : 'itself'}: ${first.toFixed(0)} ms`,
      first <= alone + (way.isShared ? 1.25 : 0.25) * refusalMs,
    );
  }
}

/** Guesses on all its connections from the start until it is stopped. */
class Guesser {
  /**
   * @param {Way} way
   * @param {string} user
   */
  constructor(way, user) {
    this.way = way;
    this.user = user;
    this.guesses = 0;
    this.isStopped = false;
    /** @type {Set<Client>} */
    this.clients = new Set();
    this.running = Promise.all(Array.from({ length: connections }, () => this.#guess()));
  }

  async stop() {
    this.isStopped = true;
    for (const client of this.clients) client.destroy();
    await this.running;
  }

  async #guess() {
    const { target, isPersistent, patienceMs } = this.way;
    while (!this.isStopped) {
      const client = await Client.connect(target);
      this.clients.add(client);
      do {
        await client.command(`LOGIN ${this.user} guess-${this.guesses++}`, patienceMs);
      } while (isPersistent && !this.isStopped && !client.isClosed);
      this.clients.delete(client);
      client.destroy();
    }
  }
}

/**
 * @param {number} trials
 * @param {number} refusalMs
 * @param {() => Promise<number>} run
 */
async function waits(trials, refusalMs, run) {
  const found = [];
  for (let n = 0; n < trials; n++) {
    found.push(await run());
    // Not in step with the guesses.
    await delay(refusalMs * (0.5 + Math.random()));
  }
  return found;
}

/**
 * From LOGIN to its answer.
 *
 * @param {Target} target
 * @param {string} user
 * @param {string[]} failures
 */
async function logIn(target, user, failures) {
  const client = await Client.connect(target);
  const answer = await client.command(`LOGIN ${user} secret`);
  const failure = failureOf('LOGIN', answer);
  if (failure !== undefined) failures.push(`${user}: ${failure}`);
  await client.command('LOGOUT');
  client.destroy();
  return answer.ms;
}

/** An IPv4 address of this machine that isn't loopback. */
function addressOfThisHost() {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
}
