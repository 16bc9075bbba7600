// One long script, run in a direct session and through the proxy: the answers are the same, line for line.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWithDovecot } from '../support/describe-with-dovecot.js';
import { type Dovecot, startDovecot } from '../support/dovecot.js';
import { literal } from '../support/literal.js';
import type { CommandParts, RawClient } from '../support/raw-client.js';
import { logOut, plainly, useStage } from '../support/stage.js';

const mail = (n: number): string =>
  `Subject: script ${String(n)}\r\nX-N: ${String(n)}\r\n\r\nbody ${String(n)}\r\n`;

/** Commands of every kind, valid and not. Users have names of one length, so sizes are the same. */
const script: readonly CommandParts[] = [
  'CAPABILITY',
  'NOOP',
  'NAMESPACE',
  'ID NIL',
  'ID ("name" "script")',
  'LIST "" ""',
  'LIST "" "*"',
  'LIST "" "%" RETURN (CHILDREN STATUS (MESSAGES UIDNEXT))',
  'LSUB "" "*"',
  'STATUS INBOX (MESSAGES UIDNEXT UNSEEN RECENT)',
  ['STATUS ', literal('INBOX'), ' (MESSAGES)'],
  ['STATUS ', literal('INBOX', 'non-sync'), ' (MESSAGES)'],
  'STATUS Missing (MESSAGES)',
  'SELECT Missing',
  'FETCH 1 FLAGS',
  'CHECK',
  'SELECT INBOX',
  'FETCH 1:* (FLAGS UID)',
  'FETCH 1:* (RFC822.SIZE ENVELOPE)',
  'FETCH 1 BODYSTRUCTURE',
  'FETCH 1 BODY.PEEK[HEADER]',
  'FETCH 1:2 BODY.PEEK[HEADER.FIELDS (SUBJECT FROM)]',
  'FETCH 1 BODY[]',
  'FETCH 2 BODY.PEEK[TEXT]<3.5>',
  'FETCH 9 FLAGS',
  'FETCH',
  'FETCH 1 NONSENSE',
  'UID FETCH 1:* FLAGS',
  'UID FETCH 9 FLAGS',
  'UID',
  'UID NONSENSE',
  'STORE 1 +FLAGS (\\Flagged $Label)',
  'STORE 1 -FLAGS.SILENT (\\Flagged)',
  'UID STORE 2 FLAGS (\\Seen)',
  'SEARCH ALL',
  'SEARCH RETURN (MIN MAX COUNT) ALL',
  'SEARCH SUBJECT "mail 2"',
  ['SEARCH SUBJECT ', literal('mail 3')],
  ['SEARCH CHARSET UTF-8 BODY ', literal('böd', 'non-sync')],
  'SEARCH CHARSET X-NONE BODY x',
  'UID SEARCH FLAGGED',
  'SORT (SUBJECT) UTF-8 ALL',
  'UID SORT (REVERSE DATE) US-ASCII ALL',
  'THREAD REFERENCES UTF-8 ALL',
  'UID THREAD ORDEREDSUBJECT UTF-8 ALL',
  'CREATE Work',
  'CREATE Work',
  'CREATE Work/Deep',
  'SUBSCRIBE Work',
  'LIST "" "W*"',
  'LSUB "" "*"',
  'LIST (SUBSCRIBED) "" "*"',
  ['APPEND Work ', literal(mail(1))],
  ['APPEND Work (\\Seen $Label) "02-Feb-2022 02:02:02 +0200" ', literal(mail(2), 'non-sync')],
  ['APPEND Work ', literal(mail(3)), ' (\\Draft) ', literal(mail(4), 'non-sync')],
  ['APPEND Missing ', literal(mail(5), 'non-sync')],
  'APPEND Work',
  'STATUS Work (MESSAGES UIDNEXT UNSEEN)',
  'COPY 1:2 Work',
  'UID COPY 3 Work',
  'COPY 1 Missing',
  'EXAMINE Work',
  'STORE 1 +FLAGS (\\Deleted)',
  'EXPUNGE',
  'SELECT Work',
  'FETCH 1:* (UID FLAGS BODY.PEEK[])',
  'STORE 2 +FLAGS (\\Deleted)',
  'UID EXPUNGE 1',
  'EXPUNGE',
  'MOVE 1 Work/Deep',
  'UID MOVE 3 Work/Deep',
  'SEARCH RETURN (SAVE) UNSEEN',
  'FETCH $ FLAGS',
  'STORE 1 +FLAGS.SILENT (\\Deleted)',
  'CLOSE',
  'CLOSE',
  'FETCH 1 FLAGS',
  'SELECT Work/Deep',
  'UNSELECT',
  'UNSELECT',
  'UNSUBSCRIBE Work',
  'RENAME Work/Deep Moved',
  'RENAME Missing Other',
  'DELETE Moved',
  'DELETE Missing',
  'DELETE Work',
  'LIST "" "*"',
  'GETQUOTAROOT INBOX',
  'NONSENSE',
  'NONSENSE with "arguments"',
  'SELECT "unterminated',
  'SELECT INBOX (CONDSTORE)',
  'FETCH 1:* (UID) (CHANGEDSINCE 1)',
  'STATUS INBOX (HIGHESTMODSEQ)',
  'ENABLE QRESYNC',
  'ENABLE NONSENSE',
  'SELECT INBOX (QRESYNC (1 1))',
  'NOTIFY NONE',
  'NOOP',
];

describeWithDovecot('a transcript', () => {
  const stage = useStage();
  let dovecot: Dovecot;

  beforeAll(async () => {
    dovecot = await startDovecot();
  }, 30_000);

  afterAll(async () => {
    await dovecot.stop();
  });

  it('has many commands', () => {
    expect(script.length).toBeGreaterThanOrEqual(80);
  });

  it('is the same in a direct session and through the proxy, cold and warm', async () => {
    const direct = await run(await stage.logIn({ port: dovecot.port }, 'user20'), 'user20');
    const proxy = await stage.proxy(plainly(dovecot));
    const cold = await run(await stage.logIn(proxy, 'user21'), 'user21');
    compare(cold, direct);

    const before = await stage.logIn(proxy, 'user22');
    await before.command('SELECT of-user22');
    await before.command('UID SEARCH ALL');
    await before.command('EXAMINE nowhere');
    await before.command('SELECT of-user22');
    await logOut(before);
    await proxy.until(
      async () => (await proxy.metric('imapbouncer_upstream_connections', { state: 'resetting' })) === 0,
      'the reset',
    );
    const warm = await run(await stage.logIn(proxy, 'user22'), 'user22');
    expect(await proxy.metric('imapbouncer_lease_reuses_total')).toBe(1);
    compare(warm, direct);
  });

  it('is the same when all of it comes at once', async () => {
    const proxy = await stage.proxy(plainly(dovecot));
    const lines = [
      'SELECT INBOX',
      'FETCH 1:* (FLAGS BODY.PEEK[])',
      'UID SEARCH ALL',
      'NONSENSE',
      'STORE 1 +FLAGS (\\Flagged)',
      'FETCH 1:* FLAGS',
      'UNSELECT',
      'FETCH 1 FLAGS',
      'EXAMINE INBOX',
      'CHECK',
      'LOGOUT',
    ];
    const text = lines.map((line, n) => `s${String(n)} ${line}\r\n`).join('');
    const runAtOnce = async (client: RawClient, user: string): Promise<string[]> => {
      await client.send(text);
      return normalised((await client.waitForClose()).unread, user);
    };
    const direct = await runAtOnce(await stage.logIn({ port: dovecot.port }, 'user30'), 'user30');
    compare(await runAtOnce(await stage.logIn(proxy, 'user31'), 'user31'), direct);
    await logOut(await stage.logIn(proxy, 'user32'));
    compare(await runAtOnce(await stage.logIn(proxy, 'user32'), 'user32'), direct);
  });
});

async function run(client: RawClient, user: string): Promise<string[]> {
  const lines: string[] = [];
  for (const parts of script) {
    const title = typeof parts === 'string' ? parts : (parts as readonly unknown[])[0];
    lines.push(`C: ${String(title)}`);
    try {
      const { raw } = await client.command(parts);
      lines.push(...normalised(raw.toString('latin1'), user));
    } catch (error) {
      throw new Error(`${user}: ${String(title)}: ${String(error)}`, { cause: error });
    }
  }
  await logOut(client);
  return lines;
}

/** Without what differs between two direct sessions, too: timings, UIDVALIDITY of new mailboxes, dates, the filter. */
function normalised(text: string, user: string): string[] {
  return text
    .replaceAll(user, 'USER')
    .replaceAll(/ \(\d\.\d{3} \+ [^)]*secs\)/g, '')
    .replaceAll(/(UIDVALIDITY|APPENDUID|COPYUID) \d+/g, '$1 N')
    .replaceAll(/(HIGHESTMODSEQ|MODSEQ) \(?\d+\)?/g, '$1 N')
    .replaceAll(/ (?:STARTTLS|AUTH=\S+|LOGINDISABLED|COMPRESS=DEFLATE|LOGIN-REFERRALS)(?=[ \r\]])/g, '')
    .split('\r\n');
}

function compare(ours: readonly string[], theirs: readonly string[]): void {
  expect(ours).toEqual(theirs);
}
