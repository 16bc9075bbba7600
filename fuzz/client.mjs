// Owns one client's socket: what it sends, and what may be true of every byte that it gets.

import { connect } from 'node:net';
import { MarkScanner } from './markers.mjs';

const LINE = /^(?:\* |\+(?: |\r|$)|[^ ]+ (?:OK|NO|BAD)(?: |\r?$))/;
const STATUS = /^(?:\* (?:OK|NO|BAD|BYE|PREAUTH)[ \r]|\+|[^*])/i;
const KEPT = 65_536;

export class Client {
  #scanner;
  /** What came since the last wait, without its beginning if that is long. */
  unread = '';
  #line = '';
  #literalLeft = 0;
  /** @type {(() => void) | undefined} */
  #wake;
  isClosed = false;
  hasError = false;
  /** Whether TLS was begun: nothing can be read in it. */
  #isOpaque = false;
  sent = '';
  /** Tagged replies by tag. @type {Map<string, number>} */
  replies = new Map();
  /** Said by the server's end, without that of LOGOUT. */
  byes = '';
  received = 0;

  /**
   * @param {import('./stage.mjs').Stage} stage
   * @param {{ user: string, session: number, isHonest: boolean, isCorrect: boolean }} owner - `isHonest`: the server says only what is right; `isCorrect`: so does the client
   */
  constructor(stage, { user, session, isHonest, isCorrect }) {
    this.stage = stage;
    this.session = session;
    this.isHonest = isHonest;
    this.isCorrect = isCorrect;
    this.#scanner = new MarkScanner(stage.markers, (owner) => {
      if (owner.user !== user)
        stage.report(`a client of ${user} gets what belongs to ${owner.user}`, session);
      else if (owner.session !== undefined && owner.session !== session)
        stage.report(`session ${session} gets what session ${owner.session} is to get`, session);
    });
    this.socket = connect({ port: stage.port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    this.closed = new Promise((resolve) => {
      this.socket.on('close', () => {
        this.isClosed = true;
        this.#wake?.();
        resolve(undefined);
      });
    });
    this.socket.on('error', () => (this.hasError = true));
    this.socket.on('end', () => {
      this.#ended();
      this.socket.end();
    });
    this.socket.on('data', (chunk) => {
      const text = chunk.toString('latin1');
      this.received += text.length;
      this.#scanner.push(text);
      if (!this.#isOpaque) this.#check(text);
      this.unread = (this.unread + text).slice(-KEPT);
      this.#wake?.();
    });
  }

  /** Whether anything sent now may arrive. */
  get isOpen() {
    return (
      !this.isClosed && !this.socket.destroyed && !this.socket.writableEnded && !this.socket.readableEnded
    );
  }

  send(/** @type {string} */ text) {
    if (!this.isOpen) return;
    this.sent += text;
    this.socket.write(text, 'latin1');
  }

  /** Waits until what is unread matches, and takes it; false after the deadline, and if the connection is closed. */
  async waitFor(/** @type {RegExp} */ pattern, /** @type {number} */ deadlineMs) {
    const end = performance.now() + deadlineMs;
    for (;;) {
      const match = pattern.exec(this.unread);
      if (match !== null) {
        this.unread = this.unread.slice(match.index + match[0].length);
        return match[0];
      }
      const leftMs = end - performance.now();
      if (leftMs <= 0 || this.isClosed || this.socket.readableEnded) return undefined;
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve(undefined);
        };
      });
      this.#wake = undefined;
    }
  }

  /** Every line must be a response of the grammar, and every tag one of ours. */
  #check(/** @type {string} */ text) {
    let at = 0;
    while (at < text.length) {
      if (this.#literalLeft > 0) {
        const taken = Math.min(this.#literalLeft, text.length - at);
        this.#literalLeft -= taken;
        at += taken;
        continue;
      }
      const lf = text.indexOf('\n', at);
      if (lf === -1) {
        this.#line += text.slice(at);
        return;
      }
      const line = this.#line + text.slice(at, lf + 1);
      this.#line = '';
      at = lf + 1;
      this.#checkLine(line, this.#isInside);
    }
  }

  #isInside = false;

  #checkLine(/** @type {string} */ line, /** @type {boolean} */ isInside) {
    if (!isInside && !LINE.test(line) && this.isHonest)
      this.stage.report(
        `session ${this.session} gets what is no response: ${JSON.stringify(line.slice(0, 200))}`,
        this.session,
      );
    const isStatus = !isInside && STATUS.test(line);
    const size = isStatus ? undefined : /\{(\d+)\}\r?\n$/.exec(line)?.[1];
    this.#isInside = size !== undefined;
    if (size !== undefined) this.#literalLeft = Number(size);
    if (isInside || !isStatus) return;
    if (/^\* BYE (?!Logging out)/.test(line)) this.byes += line;
    if (/^\S+ OK Begin TLS/.test(line)) this.#isOpaque = true;
    const tag = /^([^ *+][^ ]*) /.exec(line)?.[1];
    if (tag === undefined) return;
    this.replies.set(tag, (this.replies.get(tag) ?? 0) + 1);
    if (this.isHonest && !this.sent.includes(tag))
      this.stage.report(
        `session ${this.session} gets an answer to ${tag}, which it never said`,
        this.session,
      );
  }

  #ended() {
    // Whoever breaks the framing may be cut off anywhere.
    if (!this.isHonest || !this.isCorrect || this.hasError) return;
    if (this.#literalLeft > 0 || this.#line !== '' || this.#isInside)
      this.stage.report(`session ${this.session} ended inside a response`, this.session);
  }

  /** FIN; false if the proxy doesn't close in time. */
  async end(/** @type {number} */ deadlineMs) {
    this.socket.resume();
    if (!this.socket.writableEnded) this.socket.end();
    return this.isClosedWithin(deadlineMs);
  }

  async isClosedWithin(/** @type {number} */ deadlineMs) {
    /** @type {NodeJS.Timeout | undefined} */
    let timer;
    const late = new Promise((resolve) => (timer = setTimeout(() => resolve(false), deadlineMs)));
    const isInTime = await Promise.race([this.closed.then(() => true), late]);
    clearTimeout(timer);
    return isInTime;
  }

  destroy(/** @type {'rst' | 'destroy'} */ how) {
    // Behind a FIN of either side Node may fail to reset, and then never closes.
    if (how === 'rst' && this.isOpen) this.socket.resetAndDestroy();
    else this.socket.destroy();
  }
}
