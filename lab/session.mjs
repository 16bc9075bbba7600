// @ts-check
// Owns one short session of the churn: connect, LOGIN, SELECT, UID FETCH, NOOP, LOGOUT, and close at once.

import { connect } from 'node:net';
import { password } from './dovecot-config.mjs';
import { markOf, messagesPerUser } from './dovecot.mjs';

/** @typedef {{ host: string, port: number } | { path: string }} Target */
/** @typedef {(latencyMs: number, failure: string | undefined) => void} Finish */
/** @typedef {{ name: string, render: (user: string) => string, check: (reply: string, user: string) => string | undefined }} Step */

const fetchCommand = 'UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])';

/** Each command with what is wrong about its answer, if anything is. @type {Step[]} */
const steps = [
  { name: 'LOGIN', render: (user) => `LOGIN ${user} ${password}`, check: () => undefined },
  {
    name: 'SELECT',
    render: () => 'SELECT INBOX',
    check: (reply) => expectTimes(reply, `* ${messagesPerUser} EXISTS`, 1),
  },
  {
    name: 'UID FETCH',
    render: () => fetchCommand,
    check: (reply, user) =>
      expectTimes(reply, ' FETCH (', messagesPerUser) ??
      expectTimes(reply, 'mail-of-', messagesPerUser) ??
      expectTimes(reply, markOf(user), messagesPerUser),
  },
  { name: 'NOOP', render: () => 'NOOP', check: () => undefined },
  { name: 'LOGOUT', render: () => 'LOGOUT', check: (reply) => expectTimes(reply, '* BYE', 1) },
];

/**
 * @param {string} reply
 * @param {string} text
 * @param {number} wanted
 */
function expectTimes(reply, text, wanted) {
  let found = 0;
  for (let at = reply.indexOf(text); at !== -1; at = reply.indexOf(text, at + 1)) found += 1;
  return found === wanted ? undefined : `"${text}" ${found} times instead of ${wanted}`;
}

/** Runs at once and reports once; the latency runs from the connect call to LOGOUT's OK. */
export class Session {
  /**
   * @param {Target} target
   * @param {string} user
   * @param {Finish} finish
   */
  constructor(target, user, finish) {
    this.user = user;
    this.finish = finish;
    this.isFinished = false;
    /** -2 connects, -1 waits for the greeting. */
    this.at = -2;
    this.buffered = '';
    this.startMs = performance.now();
    this.socket = connect({ ...target, noDelay: true });
    this.socket.setEncoding('latin1');
    this.socket.on('connect', () => (this.at = -1));
    this.socket.on('data', (/** @type {string} */ chunk) => this.#read(chunk));
    this.socket.on('error', (/** @type {NodeJS.ErrnoException} */ error) => {
      this.#end(`${this.#where()}: ${error.code ?? error.message}`);
    });
    this.socket.on('close', () => this.#end(`${this.#where()}: closed by the other side`));
  }

  /** @param {number} ageMs */
  failIfOlderThan(ageMs) {
    if (performance.now() - this.startMs > ageMs) this.#end(`${this.#where()}: no answer in time`);
  }

  #where() {
    if (this.at < 0) return this.at === -2 ? 'connect' : 'greeting';
    return steps[this.at]?.name ?? 'end';
  }

  /** @param {string} chunk */
  #read(chunk) {
    this.buffered += chunk;
    const { buffered } = this;
    if (!buffered.endsWith('\r\n')) return;
    // No literal of this script ends like a tagged line, so a reply is whole when its last line is the tagged one.
    const lastLine = buffered.slice(buffered.lastIndexOf('\n', buffered.length - 3) + 1).trimEnd();
    const step = steps[this.at];
    if (step === undefined) {
      if (lastLine.startsWith('* OK')) this.#next();
      else this.#end(`greeting: ${lastLine}`);
      return;
    }
    const tag = `a${this.at} `;
    if (!lastLine.startsWith(tag)) return;
    const answer = lastLine.slice(tag.length);
    const wrong = answer.startsWith('OK') ? step.check(buffered, this.user) : answer;
    if (wrong === undefined) this.#next();
    else this.#end(`${step.name}: ${wrong}`);
  }

  #next() {
    this.at += 1;
    this.buffered = '';
    const step = steps[this.at];
    if (step === undefined) this.#end(undefined);
    else this.socket.write(`a${this.at} ${step.render(this.user)}\r\n`, 'latin1');
  }

  /** @param {string | undefined} failure */
  #end(failure) {
    if (this.isFinished) return;
    this.isFinished = true;
    const latencyMs = performance.now() - this.startMs;
    // close(2) in the same tick as the OK was read, as many client libraries do: end() would wait for the next one.
    this.socket.destroy();
    this.finish(latencyMs, failure);
  }
}
