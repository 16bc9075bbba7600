// @ts-check
// Owns a script of the lab that runs as a process of its own: its order, its messages, and that it never outlives us.

import { spawn } from 'node:child_process';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();
// Whatever ends us: nothing stays behind.
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/**
 * @typedef {object} Worker
 * @property {Promise<void>} ended - when it ended by itself or by stop(); rejects if it failed
 * @property {() => Promise<void>} finish - asks it to end in its own way
 * @property {() => Promise<void>} stop - KILL; twice is safe
 */

/**
 * Runs a script of this folder with this Node; its one argument is the order as JSON.
 *
 * @param {string} script
 * @param {object} order
 * @param {(message: any) => void} onMessage
 * @param {string[]} [wrapper] - a command that starts it, such as `ip netns exec NAME`
 * @returns {Worker}
 */
export function startWorker(script, order, onMessage, wrapper = []) {
  const file = fileURLToPath(new URL(script, import.meta.url));
  const [command = '', ...args] = [...wrapper, process.execPath, file, JSON.stringify(order)];
  const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  running.add(child);
  child.on('message', onMessage);

  let isStopping = false;
  /** @type {Promise<void>} */
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      running.delete(child);
      if (isStopping || code === 0) resolve();
      else reject(new Error(`${script} ended with ${signal ?? `exit code ${code}`}`));
    });
  });
  // Whoever needs the worker waits for something of it, and hears of the failure there.
  ended.catch(() => undefined);
  return {
    ended,
    finish: () => {
      if (child.connected) child.send({ finish: true });
      return ended;
    },
    stop: async () => {
      isStopping = true;
      child.kill('SIGKILL');
      await ended;
    },
  };
}
