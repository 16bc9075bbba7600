// Owns the embedded IMAP server as the demo sees it: its port, and how many connections reached it.
import { once } from 'node:events';
import { startChild } from '../bench/support/child.mjs';

/**
 * @typedef {object} MailServer
 * @property {number} port - of 127.0.0.1; no TLS
 * @property {() => Promise<number>} countConnections - accepted since it started
 * @property {Promise<never>} failed
 * @property {() => Promise<void>} stop
 */

/**
 * @param {string} root - the repository
 * @returns {Promise<MailServer>}
 */
export async function startMailServer(root) {
  const child = startChild('the embedded mail server', ['demo/mail-server-main.mjs'], {
    hasChannel: true,
    cwd: root,
  });
  const answer = async () => {
    const [message] = await Promise.race([once(child.process, 'message'), child.failed]);
    return message;
  };
  const { port } = await answer();
  return {
    port,
    countConnections: async () => {
      const answered = answer();
      child.process.send('count');
      return (await answered).connections;
    },
    failed: child.failed,
    stop: child.stop,
  };
}
