// Owns one IMAP client of the measurements: it sends a command, and says what came back and how long that took.

import { once } from 'node:events';
import { connect } from 'node:net';
import { clearTimeout } from 'node:timers';

/** @typedef {import('node:net').NetConnectOpts} Target */
/**
 * @typedef {object} Answer
 * @property {'OK' | 'NO' | 'BAD' | 'BYE' | 'closed' | 'silent'} status - `BYE` and `closed`: the connection ended
 *   without a tagged answer; `silent`: nothing came in time
 * @property {string} code - the response code's first word, as in `UNAVAILABLE`; empty if there is none
 * @property {string} text - all that came, as latin1
 * @property {number} ms
 */

const defaultTimeoutMs = 30_000;

/** Only for answers without literals: a tagged line is looked for at the start of each line. */
export class Client {
  /** @param {import('node:net').Socket} socket */
  constructor(socket) {
    this.socket = socket;
    /** What was received and belongs to no answer yet. */
    this.unread = '';
    this.isClosed = false;
    this.lastTag = 0;
    /** @type {() => void} */
    this.look = () => undefined;
    socket.setEncoding('latin1');
    socket.on('data', (/** @type {string} */ chunk) => {
      this.unread += chunk;
      this.look();
    });
    // Every error is followed by 'close', which is what an answer reports.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.isClosed = true;
      this.look();
    });
  }

  /**
   * Connects and reads the greeting.
   *
   * @param {Target} target
   * @throws if the connection is refused, or closed before the greeting, or greeted with anything but OK
   */
  static async connect(target) {
    const socket = connect({ noDelay: true, ...target });
    await once(socket, 'connect');
    const client = new Client(socket);
    const { text } = await client.until(/^\* .*\r\n/);
    client.unread = client.unread.slice(text.length);
    if (!text.startsWith('* OK')) {
      client.destroy();
      throw new Error(`greeted with: ${text === '' ? 'nothing' : text.trim()}`);
    }
    return client;
  }

  /**
   * Sends one command and waits for its tagged answer, or for the end. Never rejects.
   *
   * @param {string} command
   * @param {number} [timeoutMs]
   * @returns {Promise<Answer>}
   */
  async command(command, timeoutMs = defaultTimeoutMs) {
    const tag = `c${++this.lastTag}`;
    const startMs = performance.now();
    if (!this.isClosed) this.socket.write(`${tag} ${command}\r\n`, 'latin1');
    const { text, hasMatched } = await this.until(
      new RegExp(`(?:^|\\r\\n)${tag} (?:OK|NO|BAD)[^\\r\\n]*\\r\\n`),
      timeoutMs,
    );
    this.unread = this.unread.slice(text.length);
    const ms = performance.now() - startMs;
    const [, tagged] = new RegExp(`(?:^|\\r\\n)${tag} ([^\\r\\n]*)\\r\\n$`).exec(text) ?? [];
    const [, bye] = /(?:^|\r\n)\* (BYE[^\r\n]*)\r\n/.exec(text) ?? [];
    const line = (hasMatched ? tagged : bye) ?? '';
    const [, status = this.isClosed ? 'closed' : 'silent', code = ''] =
      /^(OK|NO|BAD|BYE)(?: \[([^\] ]+))?/.exec(line) ?? [];
    return { status: /** @type {Answer['status']} */ (status), code, text, ms };
  }

  /**
   * What came up to the end of the match, or all that came if the connection ended or time was up.
   *
   * @param {RegExp} pattern
   * @param {number} [timeoutMs]
   * @returns {Promise<{ text: string, hasMatched: boolean }>}
   */
  until(pattern, timeoutMs = defaultTimeoutMs) {
    return new Promise((resolve) => {
      const settle = (/** @type {string} */ text, /** @type {boolean} */ hasMatched) => {
        clearTimeout(timer);
        this.look = () => undefined;
        resolve({ text, hasMatched });
      };
      const timer = setTimeout(() => settle(this.unread, false), timeoutMs);
      this.look = () => {
        const match = pattern.exec(this.unread);
        if (match !== null) settle(this.unread.slice(0, match.index + match[0].length), true);
        else if (this.isClosed) settle(this.unread, false);
      };
      this.look();
    });
  }

  destroy() {
    this.socket.destroy();
  }
}

/**
 * What is wrong with an answer; undefined if it is the one that was wanted.
 *
 * @param {string} command
 * @param {Answer} answer
 */
export function failureOf(command, { status, code }) {
  return status === 'OK' ? undefined : `${command}: ${status}${code === '' ? '' : ` [${code}]`}`;
}
