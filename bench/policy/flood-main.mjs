// Owns a flood of wrong passwords, in a process of its own so that nobody's clock waits for it.
//
// Each question is a Flood; the answer is how often each reply came.

import process from 'node:process';
import { Client } from './client.mjs';

/**
 * @typedef {object} Flood
 * @property {number} port
 * @property {string} prefix - of the passwords: those of another flood are others
 * @property {number} passwords - different ones, in all
 * @property {number} users
 * @property {number} connections - at a time
 * @property {number} perConnection - passwords that one connection tries before it reconnects
 */

/** @param {Flood} flood */
async function run({ port, prefix, passwords, users, connections, perConnection }) {
  /** @type {Record<string, number>} */
  const replies = {};
  let next = 0;
  const guess = async () => {
    while (next < passwords) {
      const client = await Client.connect({ port, host: '127.0.0.1' });
      for (let n = 0; n < perConnection && next < passwords; n++) {
        const guessed = next++;
        const { status, code } = await client.command(`LOGIN user${guessed % users} ${prefix}${guessed}`);
        const reply = code === '' ? status : `${status} [${code}]`;
        replies[reply] = (replies[reply] ?? 0) + 1;
      }
      client.destroy();
    }
  };
  await Promise.all(Array.from({ length: connections }, guess));
  return replies;
}

process.on('message', async (/** @type {Flood} */ flood) => process.send?.(await run(flood)));
process.on('disconnect', () => process.exit(0));
process.send?.('ready');
