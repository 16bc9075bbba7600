// Owns the playing of one plan, and what must be true when it is over.

import { Client } from './client.mjs';
import { pieces } from './plan.mjs';
import { Random } from './random.mjs';

const LOGIN_DEADLINE_MS = 15_000;
const LEAVING_DEADLINE_MS = 15_000;
/** How long a polite client waits for a server that may not answer at all. */
const PATIENCE_MS = 30;
/** Why right credentials may be refused. */
export const NO_ROOM = /\[(?:UNAVAILABLE|LIMIT)\]|Autologout/;
/** Where a client has to wait for `+`, if it is polite. */
const WAIT = /(?:\{\d+\}|(?:AUTHENTICATE [^ \r\n]+|\bIDLE))\r\n/gi;
const ANSWERED = /(?:^|\n)(?:\+[^\n]*|[^ *+\n][^ \n]* (?:OK|NO|BAD)[^\n]*)\n/;

/**
 * @param {import('./stage.mjs').Stage} stage
 * @param {import('./plan.mjs').Plan} plan
 * @returns {Promise<number>} how many inputs were given to the proxy
 */
export async function play(stage, plan) {
  const record = stage.begin(plan);
  const client = new Client(stage, {
    user: plan.user.split('+')[0],
    session: plan.index,
    isHonest: plan.direction !== 'upstream',
    isCorrect: plan.isCorrect,
  });
  try {
    let inputs = 0;
    const isIn = await opens(stage, plan, client);
    if (isIn) inputs = await sendAll(client, plan);
    await leave(stage, client, plan);
    if (!(await stage.server.untilLeft(plan.index, LEAVING_DEADLINE_MS)))
      stage.report(`the connection of session ${plan.index} is neither reset nor closed`, plan.index);
    check(stage, plan, client, isIn ? record : undefined);
    return inputs + record.applied;
  } finally {
    client.socket.destroy();
    await client.closed;
  }
}

/** Up to the login; false if there is none to be had. */
async function opens(
  /** @type {import('./stage.mjs').Stage} */ stage,
  /** @type {import('./plan.mjs').Plan} */ plan,
  /** @type {Client} */ client,
) {
  const { user, password, login, opening, greeting, loginMisdeed } = plan;
  if (greeting !== undefined) stage.server.greetings.push(greeting);
  if (loginMisdeed !== undefined) stage.server.loginMisdeeds.set(user, loginMisdeed);
  client.send(opening);
  if (login === 'none') return true;
  if ((await client.waitFor(/^\* OK[^\n]*\n/, LOGIN_DEADLINE_MS)) === undefined) return false;
  const plain = Buffer.from(`\0${user}\0${password}`, 'latin1').toString('base64');
  const tag = `${plan.mark}.0`;
  client.send(
    login === 'login' ? `${tag} LOGIN ${user} ${password}\r\n` : `${tag} AUTHENTICATE PLAIN ${plain}\r\n`,
  );
  const reply = await client.waitFor(/(?:^|\n)[^ *]+ (?:OK|NO|BAD)[^\n]*\n/, LOGIN_DEADLINE_MS);
  const isIn = reply !== undefined && / OK /.test(reply);
  if (!isIn && plan.direction !== 'upstream' && opening === '' && !NO_ROOM.test(reply ?? ''))
    stage.report(
      `the right credentials of session ${plan.index} are answered by ${reply ?? 'nothing'}`,
      plan.index,
    );
  return isIn;
}

/** @returns {Promise<number>} how many inputs were sent, the last one perhaps in part */
async function sendAll(/** @type {Client} */ client, /** @type {import('./plan.mjs').Plan} */ plan) {
  const random = new Random(plan.chunkSeed);
  let left = plan.death?.at ?? Infinity;
  let inputs = 0;
  if (plan.isSlowReader) readSlowly(client, plan);
  const texts = plan.chunking === 'whole' && !plan.isPolite ? [plan.inputs.join('')] : plan.inputs;
  for (const text of texts) {
    if (!client.isOpen || left <= 0) break;
    inputs += plan.chunking === 'whole' && !plan.isPolite ? plan.inputs.length : 1;
    for (const part of plan.isPolite ? parts(text) : [text]) {
      const sent = part.slice(0, left);
      left -= sent.length;
      client.unread = '';
      for (const piece of pieces(plan, sent, random)) {
        client.send(piece);
        if (plan.chunking !== 'whole' && plan.chunking !== 'inputs') await turn();
      }
      if (left <= 0 || !client.isOpen) break;
      if (part !== text && !text.endsWith(part)) {
        const answered = plan.isCorrect ? answerTo(text) : ANSWERED;
        const answer = await client.waitFor(answered, plan.isCorrect ? LOGIN_DEADLINE_MS : PATIENCE_MS);
        // Refused: the rest is not to be sent, which some clients don't know.
        if (answer !== undefined && !/^\n?\+/.test(answer) && plan.isCorrect) break;
        if (answer !== undefined && !/^\n?\+/.test(answer) && random.chance(0.7)) break;
      }
    }
    if (plan.chunking === 'inputs') await turn();
  }
  return inputs;
}

/** A continuation, or the end of this command. */
function answerTo(/** @type {string} */ command) {
  const tag = command.slice(0, command.indexOf(' '));
  return new RegExp(`(?:^|\\n)(?:\\+|${tag.replace('.', '\\.')} )[^\\n]*\\n`);
}

/** The parts of a command between which something is waited for. */
function parts(/** @type {string} */ text) {
  const found = [];
  let from = 0;
  for (const { 0: match, index } of text.matchAll(WAIT)) {
    found.push(text.slice(from, index + match.length));
    from = index + match.length;
  }
  if (from < text.length) found.push(text.slice(from));
  return found;
}

/** Asks for more than any buffer takes, and doesn't read it for a while. */
function readSlowly(/** @type {Client} */ client, /** @type {import('./plan.mjs').Plan} */ { mark }) {
  client.send(`${mark}.b SELECT INBOX\r\n`);
  for (let n = 0; n < 3; n++) client.send(`${mark}.b FETCH 1 BIG\r\n`);
  client.socket.pause();
  setTimeout(() => client.socket.resume(), 150);
}

async function leave(
  /** @type {import('./stage.mjs').Stage} */ stage,
  /** @type {Client} */ client,
  /** @type {import('./plan.mjs').Plan} */ plan,
) {
  const { death, ending, index } = plan;
  const how = death?.how ?? ending;
  if (how === 'rst' || how === 'destroy') {
    client.destroy(how);
    // For the proxy to notice.
    await new Promise((resolve) => setTimeout(resolve, 2));
    return;
  }
  if (how === 'logout' && client.isOpen) {
    client.send(`${plan.mark}.z LOGOUT\r\n`);
    // It may be inside a literal, where this is none.
    if (await client.isClosedWithin(plan.isCorrect ? stage.endDeadlineMs : 4 * PATIENCE_MS)) return;
  }
  if (!(await client.end(stage.endDeadlineMs)))
    stage.report(
      `session ${index} does not end after its client's FIN; it was told ${JSON.stringify(client.unread.slice(-500))}`,
      index,
    );
}

/** What must be true of a session that is over. */
function check(
  /** @type {import('./stage.mjs').Stage} */ stage,
  /** @type {import('./plan.mjs').Plan} */ plan,
  /** @type {Client} */ client,
  /** @type {import('./stage.mjs').SessionRecord | undefined} */ record,
) {
  if (plan.direction === 'upstream' || record === undefined) return;
  const said = client.sent;
  for (const [tag, count] of record.executed)
    if (count > 1 && tag.startsWith('Q') && count > said.split(tag).length - 1)
      stage.report(`${tag} ran ${count} times`, plan.index);
  if (!plan.isCorrect || client.byes !== '') return;
  const tags = plan.inputs.map((text) => text.slice(0, text.indexOf(' ')));
  for (const tag of new Set(tags)) {
    const wanted = tags.filter((other) => other === tag).length;
    const got = client.replies.get(tag) ?? 0;
    if (got !== wanted)
      stage.report(`${tag} was sent ${wanted} times, and answered ${got} times`, plan.index);
  }
}

function turn() {
  return new Promise((resolve) => setImmediate(resolve));
}
