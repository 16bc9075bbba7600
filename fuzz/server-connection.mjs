// Owns one connection of the scripted server: its lines and literals, its login, and who speaks on it.

import { MarkScanner } from './markers.mjs';
import { Mailboxes } from './server-mailboxes.mjs';
import { ServerOutput } from './server-output.mjs';
import { loginAnswer, misbehave } from './plan.mjs';

const BARRIER = /^P[0-9a-f]{8}-[0-9a-f-]{27} (?:NOOP|UNSELECT|EXAMINE "P)/;
const MARKER = /(~?)\{(\d{1,15})(\+?)\}\r?\n?$/;
/** Dovecot 2.3 reads what follows a marker behind these as commands. */
const NO_LITERAL = /^(?:NOOP|CAPABILITY|NAMESPACE|CLOSE|UNSELECT|CHECK|EXPUNGE|LOGOUT|IDLE|XYZZY)$/;
/** Their replies may be swapped with those of their neighbours. */
const UNORDERED = /^(?:NOOP|LIST|LSUB|STATUS|SEARCH|FETCH|GETQUOTA|APPEND|NAMESPACE)$/;
const AFTER_ANSWER = new Set(['behind', 'mutated', 'instead']);
const MAX_LINE = 1_000_000;
const LOST = 'forwarded, though the proxy never may';

/** @typedef {{ tag: string, verb: string, text: string, session: import('./stage.mjs').SessionRecord | undefined }} Command */

export class ServerConnection {
  #input = '';
  #literalLeft = 0;
  /** The command that goes on behind a literal. @type {string | undefined} */
  #begun;
  /** @type {Command | undefined} */
  #idling;
  /** A mechanism that waits for its response. */
  #sasl = '';
  /** @type {import('./stage.mjs').SessionRecord | undefined} */
  #session;
  /** Sessions that spoke here before. @type {Set<number>} */
  #past = new Set();
  #lastMark = '';
  #scanner;
  /** Whom the connection acts for; his name without what follows a `+`. */
  user = '';

  /**
   * @param {import('node:net').Socket} socket
   * @param {import('./server.mjs').Server} server
   */
  constructor(socket, server) {
    this.socket = socket;
    this.server = server;
    this.stage = server.stage;
    this.mail = new Mailboxes(this);
    this.output = new ServerOutput(socket);
    this.#scanner = new MarkScanner(this.stage.markers, (owner, mark) => this.#marked(owner, mark));
    socket.on('data', (chunk) => this.#data(chunk.toString('latin1')));
    socket.on('end', () => socket.end());
    socket.on('error', () => undefined);
    socket.on('close', () => {
      server.connections.delete(this);
    });
    const greeting = server.greetings.shift();
    this.output.add(greeting ?? `* OK [CAPABILITY ${server.capabilities}] ready\r\n`);
  }

  get dialect() {
    return this.server.dialect;
  }

  isHeldBy(/** @type {number} */ session) {
    return this.#session?.plan.index === session;
  }

  destroy() {
    this.socket.destroy();
  }

  #marked(/** @type {import('./markers.mjs').Owner} */ { user, session }, /** @type {string} */ mark) {
    // Before the login the client's credentials decide who it is, whatever is written in them.
    if (this.user === '') return;
    if (user !== this.user)
      this.stage.report(`what a client of ${user} sent came on a connection of ${this.user}`, session);
    if (session === undefined || this.#session?.plan.index === session) return;
    if (this.#past.has(session))
      this.stage.report(`session ${session} speaks again on a connection that was given to others`, session);
    const record = this.stage.sessions.get(session);
    this.#leave();
    this.#session = record;
    if (this.stage.sabotage === 'late' && this.#lastMark !== '')
      this.output.add(`* LIST () "/" "${this.#lastMark}"\r\n`);
    this.#lastMark = mark;
    if (record !== undefined) this.output.be(record.plan.server);
  }

  /** Whoever spoke here is gone. */
  #leave() {
    if (this.#session === undefined) return;
    this.#past.add(this.#session.plan.index);
    this.#session = undefined;
    this.output.be(undefined);
  }

  #data(/** @type {string} */ text) {
    this.#scanner.push(text);
    this.#input += text;
    while (this.#step());
    if (this.#input.length > MAX_LINE + this.#literalLeft) this.destroy();
  }

  /** Takes a line or a literal; false if it has not come. */
  #step() {
    if (this.#literalLeft > 0) {
      const taken = this.#input.slice(0, this.#literalLeft);
      this.#begun += taken;
      this.#input = this.#input.slice(taken.length);
      this.#literalLeft -= taken.length;
      return this.#literalLeft === 0;
    }
    const end = this.#input.search(this.dialect.isStrict ? /\r\n|[\r\n]/ : /\n/);
    if (end === -1 || (this.#input[end] === '\r' && end + 1 === this.#input.length)) return false;
    const length = end + (this.#input[end] === '\r' && this.#input[end + 1] === '\n' ? 2 : 1);
    const line = this.#input.slice(0, length);
    this.#input = this.#input.slice(length);
    this.#line(this.dialect.isStrict ? line.replace(/\0[^\r\n]*/, '') : line);
    return !this.socket.destroyed;
  }

  #line(/** @type {string} */ line) {
    if (this.#sasl !== '') this.#login(this.#sasl, Buffer.from(line, 'base64').toString('latin1'));
    else if (this.#idling !== undefined) this.#done(this.#idling, line);
    else this.#part((this.#begun ?? '') + line);
  }

  /** What has come of a command, up to the end of a line. */
  #part(/** @type {string} */ text) {
    const command = this.#read(text);
    const [, , size = '', plus] = MARKER.exec(text) ?? [];
    if (size === '' || !this.#takes(command, Number(size), plus === '+')) {
      this.#begun = undefined;
      this.#execute(command);
      return;
    }
    this.#begun = text;
    this.#literalLeft = Number(size);
    if (plus !== '+') this.#send('+ go on\r\n', command, false);
  }

  #read(/** @type {string} */ text) {
    const [, tag = '', verb = ''] = /^([^ \r\n]*) ?((?:UID )?[^ \r\n]*)/i.exec(text) ?? [];
    return { tag, verb: verb.toUpperCase(), text, session: this.#session };
  }

  /** Whether a literal is one here; if not, its bytes are commands. */
  #takes(/** @type {Command} */ { verb, text }, /** @type {number} */ size, /** @type {boolean} */ isPlus) {
    const { literals, isCurt } = this.dialect;
    if (isCurt && (NO_LITERAL.test(verb) || this.#isRefusedEarly(verb, text))) return false;
    if (!isPlus) return true;
    return literals === 'plus' || (literals === 'minus' && size <= 4_096);
  }

  /** Answered before the rest was read, as Dovecot 2.3 does where a mailbox or a key is none. */
  #isRefusedEarly(/** @type {string} */ verb, /** @type {string} */ text) {
    return (verb === 'APPEND' && / missing /.test(text)) || (/SEARCH$/.test(verb) && / early /.test(text));
  }

  #execute(/** @type {Command} */ command) {
    const { tag, verb, text } = command;
    if (BARRIER.test(text)) {
      this.#leave();
      if (this.dialect.isHostile) this.mail.forget();
    }
    if (this.user === '') this.#beforeLogin(command);
    else if (verb === 'IDLE' && tag !== '') {
      this.#idling = command;
      this.#send('+ idling\r\n', command, false);
    } else {
      this.#note(command);
      const { untagged, status, words } = this.mail.answer(command);
      this.answer(command, untagged, status, words);
      if (verb === 'LOGOUT') this.output.end('fin');
    }
  }

  #note(/** @type {Command} */ { tag, verb, session, text }) {
    session?.executed.set(tag, (session.executed.get(tag) ?? 0) + 1);
    // A server that reads literals as commands may well find such a word in one; only a whole command is the proxy's.
    if (/^(?:AUTHENTICATE|LOGIN|STARTTLS|COMPRESS|UNAUTHENTICATE)$/.test(verb) && session?.plan.isCorrect)
      this.stage.report(`${verb} was ${LOST}: ${JSON.stringify(text)}`, session.plan.index);
  }

  #done(/** @type {Command} */ command, /** @type {string} */ line) {
    this.#idling = undefined;
    this.#note(command);
    this.answer(command, '', /^done\r?\n$/i.test(line) ? 'OK' : 'BAD', 'IDLE ended');
  }

  #beforeLogin(/** @type {Command} */ { tag, verb, text }) {
    const { capabilities } = this.server;
    if (verb === 'CAPABILITY') this.output.add(`* CAPABILITY ${capabilities}\r\n${tag} OK done\r\n`);
    else if (verb === 'ID') this.output.add(`* ID ("name" "fuzz")\r\n${tag} OK done\r\n`);
    else if (verb === 'LOGOUT') {
      this.output.add(`* BYE\r\n${tag} OK done\r\n`);
      this.output.end('fin');
    } else if (verb === 'AUTHENTICATE' || verb === 'LOGIN') {
      const [, , , initial] = text.trimEnd().split(' ');
      if (verb === 'LOGIN') this.#login(tag, text);
      else if (initial !== undefined) this.#login(tag, Buffer.from(initial, 'base64').toString('latin1'));
      else {
        this.#sasl = tag;
        this.output.add('+ \r\n');
      }
    } else this.output.add(`${tag} BAD not yet\r\n`);
  }

  #login(/** @type {string} */ tag, /** @type {string} */ credentials) {
    this.#sasl = '';
    const [name = ''] =
      /[a-z]+(?:\+\d+)?(?=[\0\x01" ])/.exec(credentials.replace(/^\S+ LOGIN |^user=/, '')) ?? [];
    const misdeed = this.server.loginMisdeeds.get(name);
    this.server.loginMisdeeds.delete(name);
    if (misdeed !== undefined) {
      const said = loginAnswer(misdeed, tag);
      // Let in, as far as the proxy can know.
      if (/OK/i.test(said)) this.user = name.split('+')[0];
      this.output.add(said);
      return;
    }
    const isRight =
      this.stage.users.includes(name.split('+')[0]) && credentials.includes(this.server.passwordOf(name));
    if (isRight) this.user = name.split('+')[0];
    const words = isRight
      ? `OK [CAPABILITY ${this.server.capabilities}] in`
      : 'NO [AUTHENTICATIONFAILED] wrong';
    this.output.add(`${tag} ${words}\r\n`);
  }

  /**
   * @param {Command} command
   * @param {string} untagged
   * @param {string} status
   * @param {string} words
   */
  answer(command, untagged, status, words) {
    const tag = command.tag === '' ? '*' : command.tag;
    const said = `${untagged}${tag} ${status} ${words} ${this.mail.state}\r\n`;
    // What ends a response whose beginning was sent can't change places with another one.
    this.#send(said, command, UNORDERED.test(command.verb) && !untagged.startsWith(')'));
  }

  #send(
    /** @type {string} */ honest,
    /** @type {Command} */ { tag, text, session },
    /** @type {boolean} */ isUnordered,
  ) {
    const misdeed = session?.misdeedFor();
    // Behind the answer to the barrier the connection is somebody else's: what comes then is no lie that could be seen.
    const isBarrier = BARRIER.test(text);
    if (misdeed === undefined || session === undefined || (isBarrier && AFTER_ANSWER.has(misdeed.how))) {
      this.output.add(honest, isUnordered);
      return;
    }
    this.output.add(misbehave(misdeed, honest, { tag: isBarrier ? 'zz' : tag, mark: session.plan.mark }));
    if (misdeed.how === 'fin' || misdeed.how === 'rst') this.output.end(misdeed.how);
  }
}
