// Owns a light load of logins with known credentials: a login, one command that goes to the server, a LOGOUT.

import { setTimeout as delay } from 'node:timers/promises';
import { quantile } from '../support/figures.mjs';
import { Client, failureOf } from './client.mjs';

const pauseMs = 10;

/** Runs from the start until it is stopped. */
export class WarmLogins {
  /**
   * @param {number} port
   * @param {number} users
   */
  constructor(port, users) {
    this.port = port;
    this.users = users;
    this.isStopped = false;
    /** @type {number[]} */
    this.durations = [];
    /** @type {string[]} */
    this.failures = [];
    this.running = Promise.all([this.#loop(0), this.#loop(1)]);
  }

  async stop() {
    this.isStopped = true;
    await this.running;
    const sorted = this.durations.sort((a, b) => a - b);
    return {
      sessions: sorted.length,
      failed: this.failures.length,
      'p50 ms': quantile(sorted, 0.5),
      'p99 ms': quantile(sorted, 0.99),
      'max ms': quantile(sorted, 1),
      'first failure': this.failures[0] ?? '',
    };
  }

  /** @param {number} first */
  async #loop(first) {
    for (let n = first; !this.isStopped; n += 2) {
      const startMs = performance.now();
      const failure = await session(this.port, `user${n % this.users}`).catch(String);
      if (failure === undefined) this.durations.push(performance.now() - startMs);
      else this.failures.push(failure);
      await delay(pauseMs);
    }
  }
}

/**
 * @param {number} port
 * @param {string} user
 */
export async function session(port, user) {
  const client = await Client.connect({ port, host: '127.0.0.1' });
  try {
    for (const command of [`LOGIN ${user} secret`, 'NOOP', 'LOGOUT']) {
      const failure = failureOf(command, await client.command(command));
      if (failure !== undefined) return failure;
    }
    return undefined;
  } finally {
    client.destroy();
  }
}
