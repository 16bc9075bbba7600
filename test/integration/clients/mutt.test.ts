// mutt in a terminal of its own, fed with keys: what it shows, stores, flags and deletes is the same through the proxy.

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type Route, expectSame, runRoutes } from '../../support/client-routes.js';
import { describeWithClient } from '../../support/describe-with-client.js';
import { runProgram } from '../../support/run-program.js';
import { plainly } from '../../support/stage.js';
import { useClientStage } from '../../support/use-client-stage.js';

const programs = [
  { command: 'mutt', versionFlag: '-v', debianPackage: 'mutt' },
  { command: 'script', versionFlag: '--version', debianPackage: 'bsdutils' },
];

/** Writes all messages of a mailbox into the file `seen`. */
const showAll = '<tag-pattern>~A<enter><tag-prefix><pipe-message>cat >>seen<enter><untag-pattern>~A<enter>';

describeWithClient('mutt', programs, () => {
  const clients = useClientStage();

  /** Runs it in this folder with these keys, which must end it. Returns what the keys had written into `seen`. */
  async function run(
    { user, port }: Pick<Route, 'user' | 'port'>,
    home: string,
    { keys, mailbox, settings = [] }: { keys: string; mailbox?: string; settings?: readonly string[] },
  ): Promise<string> {
    const url = `imap://${user}@127.0.0.1:${String(port)}`;
    const configuration = [
      ...['set ssl_starttls=no', 'set ssl_force_tls=no', 'set imap_pass=secret'],
      ...[`set folder="${url}/"`, `set spoolfile="${url}/INBOX"`, 'set record=""', 'set postponed=""'],
      ...['set confirmappend=no', 'set confirmcreate=no', 'set delete=yes', 'set quit=yes', 'set move=no'],
      ...[
        'set wait_key=no',
        'set sleep_time=0',
        'set pipe_split=yes',
        'set pipe_decode=no',
        'set mark_old=no',
      ],
      ...settings,
      `push '${keys}'`,
    ];
    await writeFile(join(home, 'muttrc'), `${configuration.join('\n')}\n`);
    await writeFile(join(home, 'seen'), '');
    const { code, stdout } = await runProgram(
      'script',
      ['--quiet', '--return', '--command', `mutt -n -F muttrc -f ${mailbox ?? `${url}/INBOX`}`, 'typescript'],
      { home, environment: { TERM: 'xterm' } },
    );
    expect(code, stdout).toBe(0);
    return (await readFile(join(home, 'seen'), 'utf8')).replaceAll(user, 'USER');
  }

  it('reads, copies, flags, saves, and stores a local message', async () => {
    const { stage, dovecot } = clients;
    const proxy = await stage.proxy(plainly(dovecot));
    // It ENABLEs UTF8=ACCEPT, which no other client here does: connections of that set are warm after a visit of its own.
    const visit = async (user: string, port: number): Promise<void> => {
      await run({ user, port }, await clients.makeFolder(), { keys: '<exit>' });
    };
    const options = { dovecot, proxy, stage, users: clients.nextUsers(), visit };
    const runs = await runRoutes(options, async (route) => {
      const home = await clients.makeFolder();
      const mbox = `From me Sun Sep 13 12:26:40 2020\nSubject: local\n\nmark-of-${route.user} local\n`;
      await writeFile(join(home, 'mbox'), mbox);
      const steps = [
        showAll,
        '<jump>2<enter><copy-message>=Archive<enter>',
        '<jump>1<enter><flag-message>',
        '<jump>3<enter><save-message>=Archive<enter>',
        '<sync-mailbox><change-folder>=Archive<enter>',
        `${showAll}<exit>`,
      ];
      const seen = await run(route, home, { keys: steps.join('') });
      await run(route, home, { mailbox: 'mbox', keys: '<copy-message>=Archive<enter><exit>' });
      return seen;
    });
    expectSame(runs);
    expect(runs.direct.result.match(/^mark-of-USER body \d$/gm)?.map((line) => line.at(-1))).toEqual([
      ...['1', '2', '3', '2', '3'],
    ]);
    expect(runs.direct.mail['Archive']).toHaveLength(4);
    expect(runs.direct.mail['INBOX']?.[1]).toMatch(/^1 \(\\Flagged\) /);
    expect(runs.direct.commands).toContain('ENABLE UTF8=ACCEPT');
    expect(runs.direct.sessions).toBe(2);
    expect(runs.cold).toMatchObject({ logins: 1, dirty: 0 });
    expect(runs.warm).toMatchObject({ logins: 0, dirty: 0 });
  });

  it('asks for what changed since it was there, by CONDSTORE and QRESYNC', async () => {
    const { stage, dovecot } = clients;
    const proxy = await stage.proxy(plainly(dovecot));
    const settings = ['set header_cache=cache', 'set imap_condstore=yes', 'set imap_qresync=yes'];
    const runs = await runRoutes({ dovecot, proxy, stage, users: clients.nextUsers() }, async (route) => {
      const home = await clients.makeFolder();
      const first = await run(route, home, { keys: `${showAll}<exit>`, settings });
      const other = await stage.logIn({ port: dovecot.port }, route.user);
      for (const command of [
        'SELECT INBOX',
        'STORE 1 FLAGS (\\Deleted)',
        'STORE 2 FLAGS (\\Flagged)',
        'EXPUNGE',
      ])
        expect(await other.command(command)).toMatchObject({ status: 'OK' });
      await dovecot.deliver(route.user, 'INBOX', `Subject: new\r\n\r\nmark-of-${route.user} new\r\n`);
      const second = await run(route, home, { keys: `${showAll}<exit>`, settings });
      return [first, second];
    });
    expectSame(runs);
    expect(runs.direct.result[1]).not.toContain('mark-of-USER body 1');
    expect(runs.direct.result[1]).toContain('mark-of-USER new');
    expect(runs.direct.commands).toContain('UID FETCH 1:3 (FLAGS) (CHANGEDSINCE 2 VANISHED)');
    // ENABLE UTF8=ACCEPT, and then ENABLE QRESYNC: only the first of a session chooses its connection, so what the second
    // one leaves there is nobody else's to have. The connection is closed after each session.
    expect(runs.cold).toMatchObject({ sessions: 2, logins: 2, dirty: 2 });
    expect(runs.warm).toMatchObject({ sessions: 2, dirty: 2 });
  });
});
