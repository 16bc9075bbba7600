// mbsync: a server's mailbox and a local Maildir of 500 messages, brought together in both directions.

import { mkdir, readFile, readdir, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type Route, expectSame, runRoutes } from '../../support/client-routes.js';
import { describeWithClient } from '../../support/describe-with-client.js';
import { type MailSnapshot, snapshotMail } from '../../support/mailbox-snapshot.js';
import { runProgram } from '../../support/run-program.js';
import { plainly } from '../../support/stage.js';
import { useClientStage } from '../../support/use-client-stage.js';

const mbsync = { command: 'mbsync', versionFlag: '--version', debianPackage: 'isync' };

const serverMessages = 300;
const localMessages = 200;

/** When the local mail arrived: 13 September 2020. */
const longAgo = 1_600_000_000;

/** All that it may complain of. */
const unencrypted = '*** IMAP Warning *** Password is being sent in the clear\n';

const mail = (user: string, where: string, n: number): string =>
  `From: ${user}\nSubject: ${where} ${String(n)}\nMessage-ID: <${where}.${String(n)}@example.org>\n\nmark-of-${user} ${where} ${String(n)}\n${'line\n'.repeat(n % 50)}`;

describeWithClient('mbsync', [mbsync], () => {
  const clients = useClientStage({ messagesPerUser: 0 });

  it('brings 500 messages together as it does directly, and finds nothing to do after that', async () => {
    const { stage, dovecot } = clients;
    const proxy = await stage.proxy(plainly(dovecot));
    const options = { dovecot, proxy, stage, users: clients.nextUsers(), cleanMail: withoutMarks };
    const runs = await runRoutes(options, async (route) => {
      const local = new LocalMailbox(await clients.makeFolder(), route);
      await local.configure();
      for (let n = 1; n <= serverMessages; n++)
        await dovecot.deliver(route.user, 'INBOX', mail(route.user, 'server', n).replaceAll('\n', '\r\n'));
      for (let n = 1; n <= localMessages; n++) await local.add(mail(route.user, 'local', n));

      const first = await local.sync();
      await changeBothSides(local, route);
      const second = await local.sync();
      const [stored, files] = [await remote(route), await local.snapshot()];
      const from = route.tap.commands.length;
      const third = await local.sync();
      const login = `LOGIN "${route.user}" "secret"`;
      expect(route.tap.commands.slice(from), 'commands of a sync with nothing to do').toEqual([
        ...[login, 'NAMESPACE', 'SELECT "INBOX"', 'UID FETCH 1:520 (UID FLAGS)', 'CLOSE', 'LOGOUT'],
      ]);
      expect(await remote(route), 'the mailbox after a sync with nothing to do').toEqual(stored);
      expect(await local.snapshot(), 'the Maildir after a sync with nothing to do').toEqual(files);
      return { said: [first, second, third], files };
    });
    expectSame(runs);
    expect(runs.direct.sessions).toBe(3);
    expect(runs.cold).toMatchObject({ logins: 1, dirty: 0 });
    expect(runs.warm).toMatchObject({ logins: 0, dirty: 0 });
  });

  const remote = ({ user }: Route): Promise<MailSnapshot> =>
    snapshotMail({ port: clients.dovecot.port }, user);

  /** New messages, flags on both sides, deletions on both sides, and an expunge at the server. */
  async function changeBothSides(local: LocalMailbox, { user }: Route): Promise<void> {
    const client = await clients.stage.logIn({ port: clients.dovecot.port }, user);
    for (const command of [
      'SELECT INBOX',
      'UID STORE 1:40 +FLAGS.SILENT (\\Seen)',
      'UID STORE 20:25 +FLAGS.SILENT (\\Flagged)',
      'UID STORE 310:320 +FLAGS.SILENT (\\Answered)',
      'UID STORE 50:59 +FLAGS.SILENT (\\Deleted)',
      'UID EXPUNGE 50:54',
    ])
      expect(await client.command(command), command).toMatchObject({ status: 'OK' });
    for (let n = 1; n <= 10; n++)
      await clients.dovecot.deliver(user, 'INBOX', mail(user, 'later', n).replaceAll('\n', '\r\n'));
    for (let n = 1; n <= 10; n++) await local.add(mail(user, 'written', n));
    await local.setFlags((subject) => /^(?:server (?:3\d|1\d\d)|local 1\d)$/.test(subject), 'FS');
    await local.setFlags((subject) => /^(?:server 7\d|local 2\d)$/.test(subject), 'T');
    await local.remove((subject) => /^local 3\d$/.test(subject));
  }
});

/** It marks each message that it stores, to find it again if it is interrupted. */
function withoutMarks(text: string): string {
  return text.replaceAll(/^X-TUID: .{12}$/gm, 'X-TUID: any');
}

/** The Maildir of one user, and the program that keeps it. */
class LocalMailbox {
  readonly #home: string;
  readonly #route: Route;
  readonly #inbox: string;
  #added = 0;

  constructor(home: string, route: Route) {
    this.#home = home;
    this.#route = route;
    this.#inbox = join(home, 'mail', 'INBOX');
  }

  async configure(): Promise<void> {
    for (const part of ['cur', 'new', 'tmp']) await mkdir(join(this.#inbox, part), { recursive: true });
    await mkdir(join(this.#home, 'state'));
    const { user, port } = this.#route;
    await writeFile(
      join(this.#home, 'mbsyncrc'),
      `FSync no

IMAPStore server
Host 127.0.0.1
Port ${String(port)}
User ${user}
Pass secret
SSLType None
AuthMechs LOGIN

MaildirStore local
Path ${this.#home}/mail/
Inbox ${this.#inbox}

Channel all
Far :server:INBOX
Near :local:INBOX
Create None
Expunge Both
CopyArrivalDate yes
SyncState ${this.#home}/state/
`,
    );
  }

  /** @returns what it says of its work */
  async sync(): Promise<string> {
    // It waits for a second where a folder has changed within the last one.
    for (const part of ['cur', 'new']) await utimes(join(this.#inbox, part), longAgo, longAgo);
    const { code, stdout, stderr } = await runProgram('mbsync', ['-c', 'mbsyncrc', '-V', 'all'], {
      home: this.#home,
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: unencrypted });
    return stdout
      .replaceAll(this.#home, 'HOME')
      .replaceAll(this.#route.user, 'USER')
      .replaceAll(/:\d{4,5}/g, ':PORT');
  }

  async add(message: string): Promise<void> {
    this.#added += 1;
    const serial = String(this.#added).padStart(6, '0');
    const path = join(this.#inbox, 'new', `1600000000.M${serial}.localhost`);
    await writeFile(path, message);
    await utimes(path, longAgo, longAgo);
  }

  async setFlags(isMeant: (subject: string) => boolean, flags: string): Promise<void> {
    for (const { path, name, subject } of await this.#files()) {
      if (!isMeant(subject)) continue;
      await rename(path, join(this.#inbox, 'cur', `${name.replace(/:2,.*$/, '')}:2,${flags}`));
    }
  }

  async remove(isMeant: (subject: string) => boolean): Promise<void> {
    for (const { path, subject } of await this.#files()) if (isMeant(subject)) await rm(path);
  }

  /** Each message's number, flags and text, in the order of subjects. */
  async snapshot(): Promise<string[]> {
    const files = await this.#files();
    return files.map(({ name, text }) => {
      const uid = /,U=(\d+)/.exec(name)?.[1] ?? '-';
      const flags = /:2,(\w*)$/.exec(name)?.[1] ?? '';
      return `${uid} (${flags})\n${withoutMarks(text)}`.replaceAll(this.#route.user, 'USER');
    });
  }

  async #files(): Promise<{ path: string; name: string; subject: string; text: string }[]> {
    const folders = ['cur', 'new'].map((part) => join(this.#inbox, part));
    const names = await Promise.all(
      folders.map(async (folder) =>
        (await readdir(folder)).map((name) => ({ path: join(folder, name), name })),
      ),
    );
    const files = await Promise.all(
      names.flat().map(async ({ path, name }) => {
        const text = await readFile(path, 'utf8');
        return { path, name, text, subject: /^Subject: (.*)$/m.exec(text)?.[1] ?? '' };
      }),
    );
    return files.toSorted((a, b) => (a.subject < b.subject ? -1 : 1));
  }
}
