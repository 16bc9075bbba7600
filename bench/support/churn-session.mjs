// One short session of the load: connect, eight commands one after the other, close.

import { connect } from 'node:net';

/** @typedef {{ host: string, port: number } | { path: string }} Target */
/** @typedef {{ name: string, tag: string, render: (user: string, password: string) => string, check: (reply: string, user: string, messages: number) => string | undefined }} Step */
/** @typedef {(latencyMs: number, failure: string | undefined) => void} Finish */

const accept = () => undefined;

/**
 * @param {string} reply
 * @param {string} user
 */
function namesOwner(reply, user) {
  return reply.includes(`of-${user}\r\n`) ? undefined : 'LIST: not the mailboxes of this user';
}

/**
 * @param {string} reply
 * @param {string} _user
 * @param {number} messages
 */
function countsFetches(reply, _user, messages) {
  let count = 0;
  for (let at = reply.indexOf(' FETCH ('); at !== -1; at = reply.indexOf(' FETCH (', at + 8)) count += 1;
  return count === messages ? undefined : `UID FETCH: ${count} messages instead of ${messages}`;
}

/** @type {Step[]} */
const steps = [
  step('CAPABILITY', (reply) =>
    reply.includes('* CAPABILITY ') ? undefined : 'CAPABILITY: no capabilities',
  ),
  step('LOGIN', accept, (user, password) => `LOGIN ${user} ${password}`),
  step('NAMESPACE', (reply) => (reply.includes('* NAMESPACE ') ? undefined : 'NAMESPACE: no namespaces')),
  step('LIST', namesOwner, () => 'LIST "" "*"'),
  step(
    'SELECT',
    (reply, _user, messages) => (reply.includes(`* ${messages} EXISTS`) ? undefined : 'SELECT: wrong EXISTS'),
    () => 'SELECT INBOX',
  ),
  step('UID FETCH', countsFetches, () => 'UID FETCH 1:* (FLAGS)'),
  step(
    'STATUS',
    (reply, _user, messages) =>
      reply.includes(`MESSAGES ${messages}`) ? undefined : 'STATUS: wrong MESSAGES',
    () => 'STATUS INBOX (MESSAGES UNSEEN)',
  ),
  step('LOGOUT', (reply) => (reply.includes('* BYE') ? undefined : 'LOGOUT: no BYE')),
].map((made, at) => ({ ...made, tag: `a${at + 1}` }));

/**
 * @param {string} name
 * @param {Step['check']} check
 * @param {Step['render']} [render]
 * @returns {Omit<Step, 'tag'>}
 */
function step(name, check, render = () => name) {
  return { name, check, render };
}

/** Runs at once and reports once; the latency runs from the connect call to LOGOUT's OK. */
export class ChurnSession {
  /**
   * @param {Target} target
   * @param {string} user
   * @param {string} password
   * @param {number} messages - that every INBOX must hold
   * @param {Finish} finish
   */
  constructor(target, user, password, messages, finish) {
    this.user = user;
    this.password = password;
    this.messages = messages;
    this.finish = finish;
    this.isFinished = false;
    /** -2 connects, -1 waits for the greeting. */
    this.at = -2;
    this.buffered = '';
    this.startMs = performance.now();
    this.socket = connect({ ...target, noDelay: true });
    this.socket.setEncoding('latin1');
    this.socket.on('connect', () => {
      this.at = -1;
    });
    this.socket.on('data', (/** @type {string} */ chunk) => this.#read(chunk));
    this.socket.on('error', (/** @type {NodeJS.ErrnoException} */ error) => {
      this.#end(`${this.#where()}: ${error.code ?? error.message}`);
    });
    this.socket.on('close', () => this.#end(`${this.#where()}: closed`));
  }

  /** @param {number} ageMs */
  failIfOlderThan(ageMs) {
    if (performance.now() - this.startMs > ageMs) this.#end(`${this.#where()}: time-out`);
  }

  #where() {
    if (this.at < 0) return this.at === -2 ? 'connect' : 'greeting';
    return steps[this.at]?.name ?? 'end';
  }

  /** @param {string} chunk */
  #read(chunk) {
    this.buffered = this.buffered === '' ? chunk : this.buffered + chunk;
    const { buffered } = this;
    if (!buffered.endsWith('\r\n')) return;
    if (this.at === -1) {
      if (buffered.startsWith('* OK')) this.#next();
      else this.#end(`greeting: ${buffered.slice(0, 60).trim()}`);
      return;
    }
    const current = steps[this.at];
    if (current === undefined) return;
    // Every reply of this script is lines only, so the tagged line is the last one.
    const lineStart = buffered.lastIndexOf('\r\n', buffered.length - 3);
    const lastLine = lineStart === -1 ? 0 : lineStart + 2;
    if (!buffered.startsWith(`${current.tag} `, lastLine)) return;
    if (!buffered.startsWith('OK', lastLine + current.tag.length + 1)) {
      this.#end(
        `${current.name}: ${buffered.slice(lastLine + current.tag.length + 1, lastLine + 60).trim()}`,
      );
      return;
    }
    const failure = current.check(buffered, this.user, this.messages);
    if (failure === undefined) this.#next();
    else this.#end(failure);
  }

  #next() {
    this.at += 1;
    this.buffered = '';
    const next = steps[this.at];
    if (next === undefined) this.#end(undefined);
    else this.socket.write(`${next.tag} ${next.render(this.user, this.password)}\r\n`, 'latin1');
  }

  /** @param {string | undefined} failure */
  #end(failure) {
    if (this.isFinished) return;
    this.isFinished = true;
    const latencyMs = performance.now() - this.startMs;
    if (failure === undefined) this.socket.end();
    else this.socket.destroy();
    this.finish(latencyMs, failure);
  }
}
