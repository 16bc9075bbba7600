// Owns users at work: each has short sessions one after the other, and remembers what was answered to what.

import { setTimeout as delay } from 'node:timers/promises';
import { Client } from './client.mjs';

/** Longer than anybody may have to wait: 15 s for a connection, and what a login takes. */
const answerTimeoutMs = 25_000;

/** One user at work: short sessions one after the other, until stopped. */
export class Person {
  /**
   * @param {number} port
   * @param {string} user
   * @param {string} password
   */
  constructor(port, user, password) {
    this.port = port;
    this.user = user;
    this.password = password;
    this.isStopped = false;
    /** @type {{ beganAt: number, endedAt: number }[]} */
    this.successes = [];
    /** How often what was answered to what. */
    /** @type {Map<string, number>} */
    this.answers = new Map();
    this.longestMs = 0;
    this.running = this.#run();
  }

  async #run() {
    while (!this.isStopped) {
      const beganAt = performance.now();
      if (await this.#session()) this.successes.push({ beganAt, endedAt: performance.now() });
      await delay(400 + 400 * Math.random());
    }
  }

  async #session() {
    /** @type {Client} */
    let client;
    try {
      client = await Client.connect({ port: this.port, host: '127.0.0.1' });
    } catch (error) {
      this.#count('connect', String(error));
      return false;
    }
    try {
      const work = [`LOGIN ${this.user} ${this.password}`, 'SELECT INBOX', 'FETCH 1:* (FLAGS)', 'LOGOUT'];
      for (const command of work) {
        const { status, code, ms } = await client.command(command, answerTimeoutMs);
        this.longestMs = Math.max(this.longestMs, ms);
        const [verb = ''] = command.split(' ');
        this.#count(verb, status === 'OK' || code === '' ? status : `${status} [${code}]`);
        if (status !== 'OK') return false;
      }
      return true;
    } finally {
      client.destroy();
    }
  }

  /**
   * @param {string} verb
   * @param {string} answer
   */
  #count(verb, answer) {
    const key = `${verb}: ${answer}`;
    this.answers.set(key, (this.answers.get(key) ?? 0) + 1);
  }
}

/**
 * Waits until every one has had a session that began at `sinceMs` or later.
 *
 * @param {Person[]} people
 * @param {number} sinceMs
 * @param {number} timeoutMs
 * @returns whether all have
 */
export async function untilAllSucceeded(people, sinceMs, timeoutMs) {
  const deadlineMs = performance.now() + timeoutMs;
  while (!people.every(({ successes }) => (successes.at(-1)?.beganAt ?? -1) >= sinceMs)) {
    if (performance.now() > deadlineMs) return false;
    await delay(50);
  }
  return true;
}
