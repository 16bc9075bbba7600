// Owns the client that comes after each session: it must get what it would get on a connection that nobody used before.

import { Client } from './client.mjs';
import { NO_ROOM } from './session.mjs';

const DEADLINE_MS = 40_000;

/**
 * @param {import('./stage.mjs').Stage} stage
 * @param {string} user
 * @param {number} after - the session before it
 */
export async function sendCanary(stage, user, after) {
  const session = -1 - after;
  const owner = user.split('+')[0];
  const mark = stage.makeMark(owner, session);
  const client = new Client(stage, { user: owner, session, isHonest: true, isCorrect: true });
  const commands = [
    'NOOP',
    `LIST "" *`,
    'STATUS INBOX (MESSAGES)',
    'SELECT INBOX',
    'FETCH 1:* BODY[]',
    'LOGOUT',
  ];
  const text = commands.map((command, at) => `${mark}.${at} ${command}\r\n`).join('');
  stage.begin({ index: session, mark, user });
  client.send(stage.takesProxyHeader ? 'PROXY UNKNOWN\r\n' : '');
  client.send(`${mark}.l LOGIN ${user} ${stage.server.passwordOf(user)}\r\n${text}`);
  // The connection is closed behind LOGOUT.
  const isInTime = await client.isClosedWithin(DEADLINE_MS);
  const transcript = client.unread.replaceAll(mark, 'MARK');
  client.socket.destroy();
  await client.closed;
  if (!(await stage.server.untilLeft(session, DEADLINE_MS)))
    stage.report(`the connection of the client behind session ${after} is neither reset nor closed`, after);
  if (!isInTime)
    stage.report(`the client behind session ${after} is not answered: ${tail(transcript)}`, after);
  // There was no room for it: nothing is to be compared.
  if (NO_ROOM.test(transcript)) return;
  const behindLogin = transcript.slice(transcript.indexOf('MARK.l OK'));
  const known = stage.expected.get(owner);
  if (known === undefined) stage.expected.set(owner, behindLogin);
  else if (known !== behindLogin)
    stage.report(
      `the client behind session ${after} gets ${tail(behindLogin)} instead of ${tail(known)}`,
      after,
    );
}

function tail(/** @type {string} */ text) {
  return JSON.stringify(text.slice(-1_500));
}
