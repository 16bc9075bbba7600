// ImapFlow as a client. Before anything else it ENABLEs what it can, so its connections are of a pool of their own.

import { buffer } from 'node:stream/consumers';
import { ImapFlow, type MailboxObject } from 'imapflow';
import { expect, it } from 'vitest';
import { expectSame, runRoutes, withoutChance } from '../../support/client-routes.js';
import { describeWithDovecot } from '../../support/describe-with-dovecot.js';
import { plainly } from '../../support/stage.js';
import { useClientStage } from '../../support/use-client-stage.js';

interface Account {
  readonly user: string;
  readonly port: number;
  readonly password?: string;
  /** Whether it asks for QRESYNC, too. */
  readonly qresync?: boolean;
}

async function connect({ user, port, password = 'secret', qresync = false }: Account): Promise<ImapFlow> {
  const auth = { user, pass: password };
  const address = { host: '127.0.0.1', port, secure: false, doSTARTTLS: false };
  const client = new ImapFlow({ ...address, auth, logger: false, qresync });
  // Whoever has none of these ends with the process at the first error; the calls reject as well.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    client.close();
    throw error;
  }
}

describeWithDovecot('ImapFlow', () => {
  const clients = useClientStage();

  it('does the same, cold and on a connection that has enabled the same before', async () => {
    const { stage, dovecot } = clients;
    const proxy = await stage.proxy(plainly(dovecot));
    const visit = async (user: string, port: number): Promise<void> => {
      const client = await connect({ user, port });
      await client.mailboxOpen('INBOX', { readOnly: true });
      await client.logout();
    };
    const options = { dovecot, proxy, stage, users: clients.nextUsers(), visit };
    const runs = await runRoutes(options, ({ user, port }) => work({ user, port }));
    expectSame(runs);
    expect(runs.direct.commands).toContain('ENABLE CONDSTORE');
    expect(runs.direct.commands).toContain('IDLE');
    expect(runs.cold).toMatchObject({ logins: 1, dirty: 0 });
    expect(runs.warm).toMatchObject({ logins: 0, dirty: 0 });
  });

  it('does the same with QRESYNC, after a client that enabled nothing', async () => {
    const { stage, dovecot } = clients;
    const proxy = await stage.proxy(plainly(dovecot));
    const runs = await runRoutes({ dovecot, proxy, stage, users: clients.nextUsers() }, ({ user, port }) =>
      work({ user, port, qresync: true }),
    );
    expectSame(runs);
    expect(runs.direct.commands).toContain('ENABLE CONDSTORE QRESYNC');
    expect(runs.cold).toMatchObject({ logins: 1, dirty: 0 });
    expect(runs.warm).toMatchObject({ logins: 0, dirty: 0 });
  });

  it('is told of a wrong password in the same way', async () => {
    const { stage, dovecot } = clients;
    const proxy = await stage.proxy(plainly(dovecot));
    const runs = await runRoutes(
      { dovecot, proxy, stage, users: clients.nextUsers() },
      async ({ user, port }) => {
        const error: unknown = await connect({ user, port, password: 'wrong' }).catch(
          (reason: unknown) => reason,
        );
        const { authenticationFailed, serverResponseCode, responseStatus } = error as Record<string, unknown>;
        return { authenticationFailed, serverResponseCode, responseStatus };
      },
    );
    expectSame(runs);
    expect(runs.direct.result).toEqual({
      authenticationFailed: true,
      serverResponseCode: 'AUTHENTICATIONFAILED',
      responseStatus: 'NO',
    });
  });

  /** A day of a mail program: what each call gives, and each event. */
  async function work(account: Account): Promise<string[]> {
    const { user } = account;
    const seen: string[] = [];
    const note = (what: string, value: unknown): void => {
      const text = asText(value).replaceAll(/"(uidValidity|id)":"\w+"/g, '"$1":"any"');
      seen.push(withoutChance(`${what}: ${text}`, user));
    };
    const client = await connect(account);
    note(
      'capabilities',
      [...client.capabilities.keys()].filter((name) => !beforeLogin.test(name)).toSorted(),
    );
    note('enabled', [...client.enabled].toSorted());
    for (const event of ['exists', 'expunge', 'flags'] as const)
      client.on(event, (value: unknown) => note(event, value));
    const query = { messages: true, unseen: true, uidNext: true };
    note('list', await client.list({ statusQuery: query }));
    note('create', await client.mailboxCreate('Work'));
    const mail = `Subject: by ImapFlow\r\n\r\nmark-of-${user} appended\r\n`;
    note('append', await client.append('Work', mail, ['\\Seen', 'word'], new Date('2020-02-02T02:02:02Z')));
    note('append to nowhere', await client.append('Missing', mail).catch(String));
    note('open', opened(await client.mailboxOpen('INBOX')));
    const all = { uid: true, flags: true, envelope: true, size: true, bodyStructure: true, source: true };
    note('fetch', await client.fetchAll('1:*', all));
    const download = await client.download('2', undefined, { uid: true });
    note('download', [download.meta, await buffer(download.content!)]);
    note('search', await client.search({ subject: 'mail 2' }, { uid: true }));
    note('search for 8-bit', await client.search({ body: 'bödy' }, { uid: true }));
    note('add', await client.messageFlagsAdd('1', ['\\Flagged', '\\Answered'], { uid: true }));
    note('remove', await client.messageFlagsRemove('1', ['\\Answered'], { uid: true }));
    note('copy', await client.messageCopy('1', 'Work', { uid: true }));
    note('move', await client.messageMove('2', 'Work', { uid: true }));
    note('delete', await client.messageDelete('3', { uid: true }));
    note('status', await client.status('Work', query));
    const arrived = new Promise((resolve) => client.once('exists', resolve));
    const idling = client.idle();
    await clients.dovecot.deliver(user, 'INBOX', `Subject: new\r\n\r\nmark-of-${user} new\r\n`);
    await arrived;
    note('what is new', await client.fetchOne('*', { uid: true, source: true }));
    note('idle', (await idling) ?? 'over');
    note('open to read', opened(await client.mailboxOpen('Work', { readOnly: true })));
    note('changed', await client.fetchAll('1:*', { uid: true, flags: true }, { changedSince: 1n }));
    note('rename', [await client.mailboxRename('Work', 'Moved'), await client.mailboxSubscribe('Moved')]);
    await client.logout();
    return seen;
  }
});

/** Servers differ in these before the login, and ImapFlow keeps what it was told there. */
const beforeLogin = /^(?:AUTH=.*|LOGIN-REFERRALS|STARTTLS|LITERAL-|SASL-IR)$/;

function opened({ path, exists, unseen, uidNext, highestModseq, readOnly, flags }: MailboxObject): unknown {
  return { path, exists, unseen, uidNext, highestModseq, readOnly, flags };
}

/** As JSON, with what that can't hold. */
function asText(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (part instanceof Map || part instanceof Set) return Array.from<unknown>(part).toSorted();
    if (typeof part === 'bigint') return `${part}n`;
    const bytes = part as { type?: unknown; data?: readonly number[] } | null;
    return bytes?.type === 'Buffer' ? Buffer.from(bytes.data ?? []).toString('latin1') : part;
  });
}
