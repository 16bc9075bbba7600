// @ts-check
// Owns the lab's Dovecot on the server host: its folder, its users' mail, its process, and that nothing of it stays.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { mailOwner, renderDovecotConfig } from './dovecot-config.mjs';

const startTimeoutMs = 15_000;

/** In every INBOX; whoever reads them all sees whose they are. */
export const messagesPerUser = 3;

/**
 * In the subject of each mail of a user, so that another user's mail shows. No mark is the beginning of another.
 *
 * @param {string} user
 */
export function markOf(user) {
  return `mail-of-${user};`;
}

/**
 * @typedef {object} RunningDovecot
 * @property {number} pid
 * @property {() => Promise<number>} countLogins - since the start
 * @property {() => Promise<void>} stop - TERM, and KILL after 10 s; twice is safe
 */

/**
 * @param {{ namespace: string, address: string, ports: number[], users: string[], folder: string }} place - `folder`
 *   is empty and the caller's to remove
 * @returns {Promise<RunningDovecot>} it has greeted on the first port
 */
export async function startDovecot({ namespace, address, ports, users, folder }) {
  await Promise.all(users.map((user) => seed(join(folder, 'mail', user), user)));
  const configFile = join(folder, 'dovecot.conf');
  await writeFile(configFile, renderDovecotConfig({ folder, address, ports }));

  // `ip` becomes the command that it is told to run: it is one process.
  const args = ['netns', 'exec', namespace, 'dovecot', '-F', '-c', configFile];
  const child = spawn('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let complaints = '';
  child.stderr.setEncoding('utf8').on('data', (chunk) => (complaints += chunk));
  const ended = once(child, 'close');
  const kill = () => child.kill('SIGTERM');
  process.once('exit', kill);
  const stop = async () => {
    process.off('exit', kill);
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(timer);
  };

  const log = () => readFile(join(folder, 'dovecot.log'), 'utf8').catch(() => '');
  const deadlineMs = performance.now() + startTimeoutMs;
  while (!(await greets(ports[0] ?? 0, address))) {
    const hasEnded = child.exitCode !== null || child.signalCode !== null;
    if (hasEnded || performance.now() > deadlineMs) {
      await stop();
      throw new Error(
        `Dovecot ${hasEnded ? 'ended' : 'did not greet'}; it said:\n${complaints}${await log()}`,
      );
    }
    await delay(50);
  }
  return {
    pid: child.pid ?? 0,
    countLogins: async () => (await log()).split('imap-login: Info: Login: user=<').length - 1,
    stop,
  };
}

/**
 * @param {string} home
 * @param {string} user
 */
async function seed(home, user) {
  const maildir = join(home, 'Maildir');
  for (const part of ['cur', 'new', 'tmp']) await mkdir(join(maildir, part), { recursive: true });
  for (let n = 1; n <= messagesPerUser; n++) {
    const text = `From: ${user} <${user}@example.org>\r\nSubject: ${markOf(user)} ${n}\r\n\r\nbody ${n}\r\n`;
    const file = join(maildir, 'cur', `${1_700_000_000 + n}.M${n}.lab:2,`);
    await writeFile(file, text);
    await chown(file, mailOwner, mailOwner);
  }
  for (const path of [home, maildir, ...['cur', 'new', 'tmp'].map((part) => join(maildir, part))])
    await chown(path, mailOwner, mailOwner);
}

/**
 * @param {number} port
 * @param {string} host
 * @returns {Promise<boolean>}
 */
function greets(port, host) {
  return new Promise((resolve) => {
    const socket = connect({ port, host, timeout: 2_000 });
    const finish = (/** @type {boolean} */ isUp) => {
      // RST: the test for the greeting must not be the first port that is used up.
      socket.resetAndDestroy();
      resolve(isUp);
    };
    socket.once('error', () => resolve(false));
    socket.once('timeout', () => finish(false));
    socket.once('data', (chunk) => finish(chunk.toString('latin1').startsWith('* OK')));
  });
}
