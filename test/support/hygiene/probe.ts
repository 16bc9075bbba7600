// Looks at the state of a session through a fixed list of commands: what two sessions answer alike is alike in both.

import type { RawClient } from '../raw-client.js';

/** The mailbox in which the probe itself changes things; it leaves the mailbox as it found it. */
export const probeMailbox = 'Probe';

const mail = 'Subject: probe\r\n\r\nonly for a moment\r\n';

const commands: readonly string[] = [
  'NOOP',
  'CAPABILITY',
  // Nothing is selected, nothing is saved.
  'FETCH 1:* FLAGS',
  'FETCH $ FLAGS',
  'SEARCH ALL',
  'UNSELECT',
  'NAMESPACE',
  'LIST "" "*"',
  'LSUB "" "*"',
  'STATUS INBOX (MESSAGES UNSEEN UIDNEXT)',
  'STATUS Way (MESSAGES)',
  `STATUS ${probeMailbox} (MESSAGES UNSEEN)`,
  'SELECT INBOX',
  'FETCH $ FLAGS',
  'FETCH 1:* (UID FLAGS)',
  'UID FETCH 1:* (RFC822.SIZE BODY.PEEK[])',
  'SEARCH RETURN (COUNT) ALL',
  `SELECT ${probeMailbox}`,
  `APPEND ${probeMailbox} (\\Seen) {${mail.length}+}\r\n${mail}`,
  'NOOP',
  // Where CONDSTORE is enabled this answers with MODSEQ, where QRESYNC is, EXPUNGE answers VANISHED.
  'STORE 2 +FLAGS (\\Deleted)',
  'EXPUNGE',
  'NOOP',
  'IDLE',
  'UNSELECT',
  'IDLE',
  'NOOP',
  'LOGOUT',
];

/** Runs the probe and logs out. The mailboxes are as before, but for the next UID. */
export async function takeTranscript(client: RawClient, user: string): Promise<string> {
  const answers: string[] = [];
  for (const [n, text] of commands.entries()) {
    await client.send(`p${n} ${text}\r\n`);
    // IDLE is quiet: what comes between its continuation and DONE's answer is part of the transcript.
    if (text === 'IDLE') {
      answers.push(await client.readLine());
      await client.send('DONE\r\n');
    }
    answers.push((await client.finish(`p${n}`, 20_000)).raw.toString('latin1'));
  }
  answers.push((await client.waitForClose()).unread);
  return normalise(answers.join(''), user);
}

/** Without what differs between two fresh sessions: names, timings, tags, counters, and capabilities that the proxy never offers. */
function normalise(text: string, user: string): string {
  return (
    text
      .replaceAll(user, 'USER')
      .replaceAll(/ \(\d\.\d{3} \+ [^)]*secs\)/g, '')
      // Dovecot says whether a mailbox has news only where an index is up to date, whoever asks.
      .replaceAll(/ \\(?:Un)?Marked(?=\))/g, '')
      .replaceAll(/(UIDNEXT|UIDVALIDITY|HIGHESTMODSEQ) \d+/g, '$1 N')
      .replaceAll(/APPENDUID \d+ \d+/g, 'APPENDUID N N')
      .replaceAll(/ (?:STARTTLS|AUTH=\S+|LOGINDISABLED|COMPRESS=DEFLATE|LOGIN-REFERRALS)(?=[ \r\]])/g, '')
  );
}
