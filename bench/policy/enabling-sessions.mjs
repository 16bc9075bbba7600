// Owns the sessions of clients that enable extensions, and of a plain one that must not notice; each throws if it is wrong.

import '../../scripts/typescript-loader.mjs';
import { setTimeout as delay } from 'node:timers/promises';
import { ImapFlow } from 'imapflow';
import { Client, failureOf } from './client.mjs';

const { defaultPassword } = await import('../../test/support/dovecot.js');

/** @typedef {{ port: number, host: string, user: string }} Account */
/** @typedef {(account: Account) => Promise<void>} Session - throws if anything is wrong */

/** @type {Session} */
export async function imapFlowSession({ port, host, user }) {
  const client = new ImapFlow({
    host,
    port,
    secure: false,
    doSTARTTLS: false,
    auth: { user, pass: defaultPassword },
    qresync: true,
    logger: false,
  });
  // Without a listener it would end the process; what it reports rejects the command that runs, too.
  client.on('error', () => undefined);
  await client.connect();
  try {
    if (!client.enabled.has('CONDSTORE')) throw new Error('ImapFlow: CONDSTORE is not enabled');
    const lock = await client.getMailboxLock('INBOX');
    try {
      let count = 0;
      for await (const { modseq } of client.fetch('1:*', { flags: true, uid: true })) {
        if (modseq === undefined) throw new Error('ImapFlow: a message without MODSEQ');
        count += 1;
      }
      if (count === 0) throw new Error('ImapFlow: no messages');
    } finally {
      lock.release();
    }
  } finally {
    await client.logout();
  }
}

/**
 * @param {number} port - Dovecot's own
 * @param {string[]} users
 * @param {{ vanished: number }} seen
 * @returns {Promise<Session>}
 */
export async function qresyncSession(port, users, seen) {
  /** @type {Map<string, string>} */
  const states = new Map();
  for (const user of users) {
    const client = await Client.connect({ port, host: '127.0.0.1' });
    await command(client, `LOGIN ${user} ${defaultPassword}`);
    const text = await command(client, 'SELECT INBOX (CONDSTORE)');
    states.set(user, `${/UIDVALIDITY (\d+)/.exec(text)?.[1]} ${/HIGHESTMODSEQ (\d+)/.exec(text)?.[1]}`);
    client.destroy();
  }
  return async (account) => {
    const client = await logIn(account);
    try {
      const enabled = await command(client, 'ENABLE QRESYNC');
      if (!/^\* ENABLED .*QRESYNC/m.test(enabled)) throw new Error(`ENABLE: ${enabled.trim()}`);
      const selected = await command(client, `SELECT INBOX (QRESYNC (${states.get(account.user)}))`);
      if (selected.includes('* VANISHED (EARLIER)')) seen.vanished += 1;
      const fetched = await command(client, 'FETCH 1:* (UID FLAGS)');
      if (/ EXPUNGE\r/.test(selected + fetched)) throw new Error('QRESYNC: EXPUNGE instead of VANISHED');
      await command(client, 'LOGOUT');
    } finally {
      client.destroy();
    }
  };
}

/**
 * Throws if it is told what only those are told who enabled it. HIGHESTMODSEQ is for everybody (RFC 7162 §3.1.2.1).
 *
 * @param {Account} account
 * @param {{ plain: number, expunges: number }} seen
 */
export async function plainSession(account, seen) {
  const client = await logIn(account);
  try {
    let text = await command(client, 'SELECT INBOX');
    text += await command(client, 'FETCH 1:* (UID FLAGS)');
    for (let n = 0; n < 3; n++) {
      await delay(15);
      text += await command(client, 'STORE 1 +FLAGS (\\Seen)');
      text += await command(client, 'NOOP');
    }
    text += await command(client, 'LOGOUT');
    const odd = /^\* (?:VANISHED|.*[( ]MODSEQ \().*$/m.exec(text);
    if (odd !== null) throw new Error(`a plain client was told: ${odd[0]}`);
    seen.plain += 1;
    if (/^\* \d+ EXPUNGE\r$/m.test(text)) seen.expunges += 1;
  } finally {
    client.destroy();
  }
}

/** @param {Account} account */
export async function logIn({ port, host, user }) {
  const client = await Client.connect({ port, host });
  await command(client, `LOGIN ${user} ${defaultPassword}`);
  return client;
}

/**
 * Throws if the answer isn't OK.
 *
 * @param {Client} client
 * @param {string} text
 * @returns {Promise<string>} all that was answered
 */
export async function command(client, text) {
  const answer = await client.command(text);
  const failure = failureOf(text, answer);
  if (failure !== undefined) throw new Error(`${failure}: ${answer.text.trim().slice(0, 200)}`);
  return answer.text;
}
