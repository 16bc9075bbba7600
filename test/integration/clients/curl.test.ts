// curl, one process and one session for each thing that it does, in plain text and with TLS.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeTlsFolder } from '../../support/client-tls.js';
import { type Route, expectSame, runRoutes, withoutChance } from '../../support/client-routes.js';
import { describeWithClient } from '../../support/describe-with-client.js';
import { runProgram } from '../../support/run-program.js';
import { plainly } from '../../support/stage.js';
import { useClientStage } from '../../support/use-client-stage.js';

const curl = { command: 'curl', versionFlag: '--version', debianPackage: 'curl' };

const upload = (user: string): string =>
  `From: ${user}\r\nSubject: by curl\r\n\r\nmark-of-${user} uploaded\r\nx LOGOUT\r\n`;

/** Each with the path that it goes to, and its options. */
const errands: readonly (readonly [path: string, ...options: string[]])[] = [
  ['/'],
  ['/INBOX', '--request', 'EXAMINE INBOX'],
  ['/INBOX;UID=1'],
  ['/INBOX;UID=2/;SECTION=HEADER.FIELDS%20(SUBJECT)'],
  ['/INBOX;UID=2;SECTION=TEXT'],
  ['/INBOX;MAILINDEX=3;SECTION=TEXT'],
  ['/INBOX;UID=99'],
  ['/INBOX?ALL'],
  ['/INBOX?SUBJECT%20%22mail%202%22'],
  ['/INBOX?SUBJECT%20nothing'],
  ['/Missing;UID=1'],
  ['/', '--request', 'CREATE Sent'],
  ['/Sent', '--upload-file', 'upload.eml'],
  ['/Missing', '--upload-file', 'upload.eml'],
  ['/Sent;UID=1'],
  ['/INBOX', '--request', 'STORE 1 +FLAGS (\\Flagged \\Deleted)'],
  ['/INBOX', '--request', 'UID COPY 2 Sent'],
  ['/INBOX', '--request', 'EXPUNGE'],
  ['/INBOX', '--request', 'FETCH 1:* (UID FLAGS)'],
  ['/', '--request', 'STATUS Sent (MESSAGES UIDNEXT)'],
  ['/', '--request', 'LSUB "" *'],
  ['/', '--user', 'USER:wrong'],
  ['/INBOX;UID=2'],
];

describeWithClient('curl', [curl], () => {
  const clients = useClientStage();

  /** One process: what it says, and its exit code. */
  async function session(home: string, url: string, user: string, args: readonly string[]): Promise<string> {
    const options = ['--silent', '--show-error', '--max-time', '15', '--user', `${user}:secret`];
    const [path = '', ...rest] = args.map((arg) => arg.replaceAll('USER', user));
    const { code, stdout, stderr } = await runProgram('curl', [...options, ...rest, `${url}${path}`], {
      home,
    });
    return `${args.join(' ')}: ${String(code)} ${stderr}${withoutChance(stdout, user)}`;
  }

  async function runAll(
    { user, port }: Route,
    scheme: 'imap' | 'imaps',
    caFile = '/dev/null',
  ): Promise<string[]> {
    const home = await clients.makeFolder();
    await writeFile(join(home, 'upload.eml'), upload(user));
    const url = `${scheme}://localhost:${String(port)}`;
    const results: string[] = [];
    for (const [path, ...options] of errands)
      results.push(await session(home, url, user, [path, '--cacert', caFile, ...options]));
    return results.map((line) => line.replace(` --cacert ${caFile}`, ''));
  }

  it('does the same by imap://, and all its sessions need one upstream login', async () => {
    const { stage, dovecot } = clients;
    const proxy = await stage.proxy(plainly(dovecot));
    const users = clients.nextUsers();
    const runs = await runRoutes({ dovecot, proxy, stage, users }, (route) => runAll(route, 'imap'));
    expectSame(runs);
    expect(runs.direct.result).toContain('/ --user USER:wrong: 67 curl: (67) Login denied\n');
    expect(runs.direct.mail['Sent']).toHaveLength(3);
    expect(runs.direct.sessions).toBe(errands.length);
    expect(runs.cold).toMatchObject({ logins: 1, dirty: 0 });
    expect(runs.warm).toMatchObject({ logins: 0, dirty: 0 });
  });

  it('does the same by imaps://', async () => {
    const { stage, dovecot } = clients;
    const tls = await makeTlsFolder();
    try {
      const environment = { ...tls.environment, LISTEN: 'imaps://127.0.0.1:0', PLAINTEXT_NETWORKS: 'none' };
      const proxy = await stage.proxy(plainly(dovecot), environment);
      const caFile = join(await clients.makeFolder(), 'ca.pem');
      await writeFile(caFile, tls.certificate.ca + dovecot.ca);
      const options = {
        ...{ dovecot, proxy, stage, users: clients.nextUsers() },
        tlsPorts: { direct: dovecot.tlsPort, proxy: proxy.port },
        visit: async (user: string, port: number): Promise<void> => {
          const args = ['/INBOX', '--cacert', caFile, '--request', 'NOOP'];
          await session(await clients.makeFolder(), `imaps://localhost:${String(port)}`, user, args);
        },
      };
      const runs = await runRoutes(options, (route) => runAll(route, 'imaps', caFile));
      expectSame(runs);
      expect(runs.direct.result[0]).toMatch(/^\/: 0 \* LIST /);
      expect(runs.cold).toMatchObject({ logins: 1, dirty: 0 });
      expect(runs.warm).toMatchObject({ logins: 0, dirty: 0 });
    } finally {
      await tls.remove();
    }
  });

  it('costs a connection by a command that nobody knows', async () => {
    const { stage, dovecot } = clients;
    const proxy = await stage.proxy(plainly(dovecot));
    const runs = await runRoutes({ dovecot, proxy, stage, users: clients.nextUsers() }, async (route) => {
      const home = await clients.makeFolder();
      const url = `imap://localhost:${String(route.port)}`;
      const unknown = await session(home, url, route.user, ['/', '--request', 'NONSENSE']);
      return [unknown, await session(home, url, route.user, ['/INBOX;UID=1'])];
    });
    expectSame(runs);
    expect(runs.direct.result[0]).toBe('/ --request NONSENSE: 21 curl: (21) Quote command returned error\n');
    expect(runs.cold).toMatchObject({ logins: 2, dirty: 1 });
    expect(runs.warm).toMatchObject({ logins: 1, dirty: 1 });
  });
});
