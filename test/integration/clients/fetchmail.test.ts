// fetchmail: brings new mail home, leaves it at the server, and brings nothing twice.

import { chmod, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type Route, expectSame, runRoutes } from '../../support/client-routes.js';
import { describeWithClient } from '../../support/describe-with-client.js';
import { seededMail } from '../../support/dovecot.js';
import { runProgram } from '../../support/run-program.js';
import { plainly } from '../../support/stage.js';
import { useClientStage } from '../../support/use-client-stage.js';

const fetchmail = { command: 'fetchmail', versionFlag: '--version', debianPackage: 'fetchmail' };

/** Its exit codes. */
const fetched = 0;
const nothingNew = 1;
const refused = 3;

describeWithClient('fetchmail', [fetchmail], () => {
  const clients = useClientStage();

  /** Runs it in this folder; the mail that it brings is put there, each message in a file. */
  async function run(
    home: string,
    { user, port }: Route,
    options: string,
    password = 'secret',
  ): Promise<{ code: number; said: string }> {
    const rc = join(home, 'fetchmailrc');
    await mkdir(join(home, 'mail'), { recursive: true });
    await writeFile(
      rc,
      `poll 127.0.0.1 protocol IMAP port ${String(port)} auth password timeout 15
  user "${user}" password "${password}" is "nobody" here sslproto "" ${options}
  mda "cat > $(mktemp ${home}/mail/XXXXXXXX)"
`,
    );
    await chmod(rc, 0o600);
    const { code, stdout, stderr } = await runProgram(
      'fetchmail',
      ['--fetchmailrc', rc, '--pidfile', join(home, 'pid'), '--invisible', '--nosyslog'],
      { home, environment: { FETCHMAILHOME: home } },
    );
    return { code, said: `${stdout}${stderr}`.replaceAll(user, 'USER').replaceAll(home, 'HOME') };
  }

  async function broughtHome(home: string, user: string): Promise<string[]> {
    const folder = join(home, 'mail');
    const mails = await Promise.all(
      (await readdir(folder)).map((name) => readFile(join(folder, name), 'utf8')),
    );
    return mails.map((text) => text.replaceAll(user, 'USER')).toSorted();
  }

  it('keeps mail at the server, and brings each message once', async () => {
    const { stage, dovecot } = clients;
    const proxy = await stage.proxy(plainly(dovecot));
    const runs = await runRoutes({ dovecot, proxy, stage, users: clients.nextUsers() }, async (route) => {
      const home = await clients.makeFolder();
      const first = await run(home, route, 'keep');
      const second = await run(home, route, 'keep');
      await dovecot.deliver(route.user, 'INBOX', seededMail(route.user, 4));
      const third = await run(home, route, 'keep');
      return { polls: [first, second, third], mail: await broughtHome(home, route.user) };
    });
    expectSame(runs);
    expect(runs.direct.result.polls.map(({ code }) => code)).toEqual([fetched, nothingNew, fetched]);
    expect(runs.direct.result.mail).toHaveLength(4);
    expect(runs.direct.sessions).toBe(3);
    expect(runs.cold).toMatchObject({ logins: 1, dirty: 0 });
    expect(runs.warm).toMatchObject({ logins: 0, dirty: 0 });
  });

  it('takes mail away from the server, and says when it may not', async () => {
    const { stage, dovecot } = clients;
    const proxy = await stage.proxy(plainly(dovecot));
    const runs = await runRoutes({ dovecot, proxy, stage, users: clients.nextUsers() }, async (route) => {
      const home = await clients.makeFolder();
      const wrong = await run(home, route, 'nokeep', 'wrong');
      const right = await run(home, route, 'nokeep expunge 2');
      return { polls: [wrong, right], mail: await broughtHome(home, route.user) };
    });
    expectSame(runs);
    expect(runs.direct.result.polls.map(({ code }) => code)).toEqual([refused, fetched]);
    expect(runs.direct.mail['INBOX']).toEqual(['UIDNEXT 4']);
    expect(runs.cold).toMatchObject({ logins: 1, dirty: 0 });
    expect(runs.warm).toMatchObject({ logins: 0, dirty: 0 });
  });
});
