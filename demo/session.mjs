// Owns one short session, as a webmail makes it for each page: connect, seven commands, close.
import { connect } from 'node:net';
import { markOf, messagesPerUser } from './mailboxes.mjs';

/** @typedef {{ host: string, port: number } | { path: string }} Target */
/** @typedef {{ ms: number, isClosedHere: boolean, closed: Promise<void> }} SessionFigures */

const timeoutMs = 15_000;

/** Each with what is wrong about its answer, if anything is. */
const steps = [
  { command: () => 'CAPABILITY', check: () => undefined },
  { command: ({ name, password }) => `LOGIN ${name} ${password}`, check: () => undefined },
  { command: () => 'LIST "" "*"', check: (reply, user) => expectCount(reply, `Notes of ${user.name}`, 1) },
  { command: () => 'SELECT INBOX', check: (reply) => expectCount(reply, `* ${messagesPerUser} EXISTS`, 1) },
  {
    command: () => 'UID FETCH 1:* (FLAGS ENVELOPE)',
    check: (reply, user) =>
      expectCount(reply, ' FETCH (', messagesPerUser) ??
      expectCount(reply, `(${markOf(user.name)})"`, messagesPerUser),
  },
  {
    command: () => 'STATUS INBOX (MESSAGES UNSEEN)',
    check: (reply) => expectCount(reply, `MESSAGES ${messagesPerUser} `, 1),
  },
  { command: () => 'LOGOUT', check: (reply) => expectCount(reply, '* BYE', 1) },
];

function expectCount(reply, text, wanted) {
  const found = reply.split(text).length - 1;
  return found === wanted ? undefined : `"${text}" ${found} times instead of ${wanted}`;
}

/**
 * @param {Target} target
 * @param {{ name: string, password: string }} user
 * @returns {Promise<SessionFigures>} from the connect call to LOGOUT's OK
 * @throws {Error} that names the step
 */
export function runSession(target, user) {
  const startMs = performance.now();
  const socket = connect({ ...target, noDelay: true });
  const closed = new Promise((resolve) => socket.once('close', resolve));
  return new Promise((resolve, reject) => {
    let at = -1;
    let reply = '';
    let isClosedThere = false;

    const fail = (reason) => {
      socket.destroy();
      if (at === steps.length) return;
      const where = at < 0 ? 'connect' : steps[at].command({ name: 'USER', password: 'PASSWORD' });
      reject(new Error(`${where}: ${reason}`));
    };
    const next = () => {
      at += 1;
      reply = '';
      if (at < steps.length) {
        socket.write(`t${at} ${steps[at].command(user)}\r\n`);
        return;
      }
      // What common client libraries do: LOGOUT is answered, so close, and don't wait for the server to close first.
      socket.destroy();
      resolve({ ms: performance.now() - startMs, isClosedHere: !isClosedThere, closed });
    };

    socket.setTimeout(timeoutMs, () => fail(`no answer within ${timeoutMs / 1_000} s`));
    socket.on('error', (/** @type {NodeJS.ErrnoException} */ error) => fail(error.code ?? error.message));
    socket.on('end', () => (isClosedThere = true));
    socket.on('close', () => fail('the server closed'));
    socket.setEncoding('latin1').on('data', (chunk) => {
      reply += chunk;
      if (at >= steps.length || !reply.endsWith('\r\n')) return;
      const lastLine = reply.slice(reply.lastIndexOf('\n', reply.length - 2) + 1);
      if (at < 0) {
        if (lastLine.startsWith('* OK')) next();
        else fail(lastLine.trim());
      } else if (lastLine.startsWith(`t${at} `)) {
        const wrong = lastLine.startsWith(`t${at} OK`) ? steps[at].check(reply, user) : lastLine.trim();
        if (wrong === undefined) next();
        else fail(wrong);
      }
    });
  });
}
