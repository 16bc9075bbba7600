// Owns a small IMAP server in a process of its own: it is as slow as it is told to be, and counts who tried to log in.
//
// Every user's password is `secret`. Messages to it: a change of its delays, or 'figures'.

import { Buffer } from 'node:buffer';
import { createServer } from 'node:net';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';

const greetingCapabilities = 'IMAP4rev1 SASL-IR AUTH=PLAIN ID';
const capabilities = 'IMAP4rev1 ID UNSELECT NAMESPACE IDLE';

/** How long each answer takes, in milliseconds; that to a wrong password by up to this share of it more or less. */
const delays = { refusalMs: 0, refusalJitter: 0, loginMs: 0, commandMs: 0 };
/** When each password was presented; milliseconds of the wall clock, since a restarted server goes on counting. */
const attemptsAt = [];
let accepted = 0;

const server = createServer({ noDelay: true }, (socket) => {
  let buffered = '';
  let isAnswering = false;
  socket.setEncoding('latin1');
  socket.on('error', () => undefined);
  socket.on('data', async (/** @type {string} */ chunk) => {
    buffered += chunk;
    if (isAnswering) return;
    isAnswering = true;
    for (let end = buffered.indexOf('\r\n'); end !== -1; end = buffered.indexOf('\r\n')) {
      const line = buffered.slice(0, end);
      buffered = buffered.slice(end + 2);
      const [tag = '', verb = '', ...words] = line.split(' ');
      await answer(socket, tag, verb.toUpperCase(), words);
    }
    isAnswering = false;
  });
  socket.write(`* OK [CAPABILITY ${greetingCapabilities}] ready\r\n`);
});

/**
 * @param {import('node:net').Socket} socket
 * @param {string} tag
 * @param {string} verb
 * @param {string[]} words - the rest of the line
 */
async function answer(socket, tag, verb, words) {
  switch (verb) {
    case 'AUTHENTICATE':
      await logIn(socket, tag, words[1] ?? '');
      return;
    case 'CAPABILITY':
      socket.write(`* CAPABILITY ${greetingCapabilities}\r\n${tag} OK done\r\n`);
      return;
    case 'ID':
      socket.write(`* ID NIL\r\n${tag} OK done\r\n`);
      return;
    case 'LOGOUT':
      socket.end(`* BYE bye\r\n${tag} OK done\r\n`);
      return;
  }
  if (delays.commandMs > 0) await delay(delays.commandMs);
  switch (verb) {
    case 'SELECT':
      socket.write(
        `* FLAGS (\\Seen)\r\n* 3 EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY 1] valid\r\n${tag} OK [READ-WRITE] done\r\n`,
      );
      break;
    case 'EXAMINE':
      socket.write(`${tag} NO [NONEXISTENT] no such mailbox\r\n`);
      break;
    case 'FETCH':
      socket.write(
        `* 1 FETCH (FLAGS ())\r\n* 2 FETCH (FLAGS ())\r\n* 3 FETCH (FLAGS ())\r\n${tag} OK done\r\n`,
      );
      break;
    case 'NOOP':
    case 'UNSELECT':
      socket.write(`${tag} OK done\r\n`);
      break;
    default:
      socket.write(`${tag} BAD not in this script\r\n`);
  }
}

/**
 * @param {import('node:net').Socket} socket
 * @param {string} tag
 * @param {string} base64
 */
async function logIn(socket, tag, base64) {
  attemptsAt.push(performance.timeOrigin + performance.now());
  const isRight = Buffer.from(base64, 'base64').toString('latin1').endsWith('\0secret');
  if (isRight) accepted += 1;
  const { refusalMs, refusalJitter, loginMs } = delays;
  const ms = isRight ? loginMs : refusalMs * (1 + refusalJitter * (2 * Math.random() - 1));
  if (ms > 0) await delay(ms);
  socket.write(
    isRight ? `${tag} OK [CAPABILITY ${capabilities}] in\r\n` : `${tag} NO [AUTHENTICATIONFAILED] wrong\r\n`,
  );
}

process.on('message', (/** @type {'figures' | Partial<typeof delays>} */ message) => {
  if (message === 'figures') {
    process.send?.({ attempts: attemptsAt.length, accepted, attemptsAt });
    return;
  }
  Object.assign(delays, message);
  process.send?.('changed');
});
process.on('disconnect', () => process.exit(0));
server.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 1_024 }, () =>
  process.send?.('listening'),
);
