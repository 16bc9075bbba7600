// Owns clients that gather, logged in, and then work all at once: each has one session of SELECT, FETCH and LOGOUT.

import { Client, failureOf } from './client.mjs';

const commands = ['SELECT INBOX', 'FETCH 1:* (FLAGS)', 'LOGOUT'];

/**
 * @typedef {object} GatheringFigures
 * @property {number[]} waitsMs - of each client, from its first command to the answer
 * @property {string[]} failures
 */

export class Gathering {
  /** @param {Client[]} clients - logged in */
  constructor(clients) {
    this.clients = clients;
  }

  /**
   * @param {number} port
   * @param {string[]} names - one client each; all with the password `secret`
   */
  static async at(port, names) {
    /** @type {Client[]} */
    const clients = [];
    const left = [...names];
    const gather = async () => {
      for (let name = left.pop(); name !== undefined; name = left.pop()) {
        const client = await Client.connect({ port, host: '127.0.0.1' });
        const failure = failureOf('LOGIN', await client.command(`LOGIN ${name} secret`));
        if (failure !== undefined) throw new Error(`${name}: ${failure}`);
        clients.push(client);
      }
    };
    await Promise.all([gather(), gather(), gather(), gather()]);
    return new Gathering(clients);
  }

  /** @returns {Promise<GatheringFigures>} when the last one is done */
  async work() {
    /** @type {GatheringFigures} */
    const figures = { waitsMs: [], failures: [] };
    await Promise.all(
      this.clients.map(async (client) => {
        for (const command of commands) {
          const answer = await client.command(command, 60_000);
          if (command === commands[0]) figures.waitsMs.push(answer.ms);
          const failure = failureOf(command, answer);
          if (failure !== undefined) figures.failures.push(failure);
        }
        client.destroy();
      }),
    );
    return figures;
  }
}
