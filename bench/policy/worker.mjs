// Owns a helper process of a measurement, which answers each question with one message.

import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { startChild } from '../support/child.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * @typedef {object} Worker
 * @property {(question: any) => Promise<any>} ask - one at a time; rejects if the process ends
 * @property {() => Promise<void>} kill - as a crash
 * @property {() => Promise<void>} stop
 */

/**
 * @param {string} file - in this folder
 * @param {string[]} [args]
 * @returns {Promise<Worker>} it has said its first message
 */
export async function startWorker(file, args = []) {
  const child = startChild(file, [`bench/policy/${file}`, ...args], { hasChannel: true, cwd: root });
  const hear = async () => {
    const [message] = await Promise.race([once(child.process, 'message'), child.failed]);
    return message;
  };
  await hear();
  return {
    ask: (question) => {
      const answered = hear();
      child.process.send(question);
      return answered;
    },
    kill: async () => {
      const stopped = child.stop();
      child.process.kill('SIGKILL');
      await stopped;
    },
    stop: child.stop,
  };
}
