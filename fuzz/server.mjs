// Owns the scripted server: how it reads commands, whom it lets in, and whose bytes it has seen.

import { createServer } from 'node:net';
import { ServerConnection } from './server-connection.mjs';

/**
 * How a server reads what the grammar leaves open, or what breaks it. Servers differ in all of this.
 *
 * @typedef {object} Dialect
 * @property {'plus' | 'minus' | 'none'} literals - the non-synchronizing ones that it takes
 * @property {boolean} isCurt - some verbs take no literal, and some refusals come before the rest was read (Dovecot 2.3)
 * @property {boolean} isStrict - a bare CR ends a line, and NUL cuts it off
 * @property {boolean} hasUnselect
 * @property {boolean} hasEnable
 * @property {boolean} isHostile - answers what the plans say, and knows nothing of a state then
 */

const EXTENSIONS =
  'IMAP4rev1 ID SASL-IR IDLE NAMESPACE UIDPLUS CATENATE MULTIAPPEND BINARY NOTIFY QUOTA ACL METADATA';

export class Server {
  /** @type {Set<ServerConnection>} */
  connections = new Set();
  /** Those that are not logged in yet, in the order of their plans. @type {string[]} */
  greetings = [];
  /** By user name: the seed of the answer to its next login. @type {Map<string, number>} */
  loginMisdeeds = new Map();
  opened = 0;

  /**
   * @param {Dialect} dialect
   * @param {import('./stage.mjs').Stage} stage
   */
  constructor(dialect, stage) {
    this.dialect = dialect;
    this.stage = stage;
    this.server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.opened += 1;
      this.connections.add(new ServerConnection(socket, this));
    });
  }

  /** @returns {Promise<number>} the port */
  async listen() {
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', () => resolve(undefined)));
    return /** @type {import('node:net').AddressInfo} */ (this.server.address()).port;
  }

  async close() {
    for (const connection of this.connections) connection.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  passwordOf(/** @type {string} */ user) {
    return `Zk-${user.split('+')[0]}-9w2LtP`;
  }

  /** Offered before the login, too: there is nothing else than PLAIN to log in with, but for LOGIN. */
  get capabilities() {
    const { literals, hasUnselect, hasEnable } = this.dialect;
    return [
      EXTENSIONS,
      ...(literals === 'none' ? [] : [literals === 'plus' ? 'LITERAL+' : 'LITERAL-']),
      ...(hasUnselect ? ['UNSELECT'] : []),
      ...(hasEnable ? ['ENABLE', 'CONDSTORE', 'QRESYNC', 'UTF8=ACCEPT'] : []),
      'AUTH=PLAIN',
      'AUTH=XOAUTH2',
    ].join(' ');
  }

  /** Resolves when no connection is the session's any more: closed, or reset; false if that takes too long. */
  async untilLeft(/** @type {number} */ session, /** @type {number} */ deadlineMs) {
    const end = performance.now() + deadlineMs;
    for (let waitMs = 0; [...this.connections].some((connection) => connection.isHeldBy(session));) {
      if (performance.now() > end) return false;
      await new Promise((resolve) => (waitMs === 0 ? setImmediate(resolve) : setTimeout(resolve, waitMs)));
      waitMs = Math.min(10, waitMs + 1);
    }
    return true;
  }
}
