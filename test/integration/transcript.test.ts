// One recorded script over all commands, run in direct sessions and through the proxy: the answers are the same.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWithDovecot } from '../support/describe-with-dovecot.js';
import type { Dovecot } from '../support/dovecot.js';
import type { RawClient, RawTarget } from '../support/raw-client.js';
import type { TestProxy } from '../support/proxy.js';
import { logOut, plainly, useStage } from '../support/stage.js';
import { capabilities, commands, offered } from '../support/transcript/coverage.js';
import { filtered, normalised } from '../support/transcript/normalised.js';
import { commandsOf, differenceOf, type Session, textOf, verbOf } from '../support/transcript/rows.js';
import { script } from '../support/transcript/script.js';
import { startTranscriptServer } from '../support/transcript/server.js';
import { type Entry, transcribe } from '../support/transcript/transcribe.js';

const ways = ['direct', 'cold', 'warm', 'together'] as const;

/** Names of one length, so that sizes are the same: one for each session and way. */
const userOf = (way: (typeof ways)[number], session: Session): string =>
  `${way.charAt(0)}-${String(script.indexOf(session)).padStart(3, '0')}`;

/** What the session before does, unless the session says otherwise. */
const messyBefore: readonly string[] = [
  'SELECT of-<user>',
  'SEARCH RETURN (SAVE) ALL',
  'EXAMINE nowhere',
  'SELECT of-<user>',
];

describeWithDovecot('a transcript', () => {
  const stage = useStage();
  /** What a direct session gets: each is run once. */
  const direct = new Map<Session, Promise<Entry[]>>();
  let dovecot: Dovecot;

  beforeAll(async () => {
    dovecot = await startTranscriptServer(
      script.flatMap((session) => ways.map((way) => userOf(way, session))),
    );
  }, 60_000);

  afterAll(async () => {
    await dovecot.stop();
  });

  async function run(target: RawTarget, session: Session, user: string): Promise<Entry[]> {
    const client =
      session.isBeforeLogin === true ? await stage.connect(target) : await stage.logIn(target, user);
    const others: RawClient[] = [];
    const another = async (): Promise<RawClient> => {
      const other = await stage.logIn(target, user);
      others.push(other);
      return other;
    };
    const entries = await transcribe(session, { client, user, another });
    for (const other of others) await logOut(other);
    if (session.end === 'closed') expect((await client.waitForClose()).unread).toBe('');
    else if (session.end === 'none') client.destroy();
    else await logOut(client);
    return entries;
  }

  function directly(session: Session): Promise<Entry[]> {
    const known = direct.get(session) ?? run({ port: dovecot.port }, session, userOf('direct', session));
    direct.set(session, known);
    return known;
  }

  async function leaveWarm(proxy: TestProxy, session: Session, user: string): Promise<void> {
    const before = await stage.logIn(proxy, user);
    for (const command of session.before ?? messyBefore) {
      await before.command(command.replaceAll('<user>', user));
    }
    await logOut(before);
    const count = (state: string): Promise<number> =>
      proxy.metric('imapbouncer_upstream_connections', { state });
    await proxy.until(async () => (await count('leased')) + (await count('resetting')) === 0, 'the reset');
  }

  it('has every command, and many', () => {
    const texts = script.flatMap(({ rows }) => rows.flatMap(commandsOf));
    expect(commands.filter((verb) => !texts.some((parts) => verbOf(parts) === verb))).toEqual([]);
    expect(texts.length).toBeGreaterThanOrEqual(300);
  });

  it('has something of every capability that this server offers', async () => {
    const texts = script.flatMap(({ rows }) => rows.flatMap(commandsOf)).map(textOf);
    const unused = Object.entries(capabilities).filter(([, use]) => !texts.some((text) => use.test(text)));
    expect(unused).toEqual([]);
    const { untagged } = await (await stage.logIn({ port: dovecot.port }, 'alice')).command('CAPABILITY');
    expect(filtered(normalised(untagged[0] ?? '', 'alice'))).toBe(`* CAPABILITY ${offered}`);
  });

  it('allows differences in what the proxy answers itself alone', () => {
    const differing = script
      .filter(({ isBeforeLogin }) => isBeforeLogin !== true)
      .flatMap(({ name, rows }) =>
        rows
          .filter((row) => differenceOf(row) !== undefined)
          .map((row) => [name, commandsOf(row).map(verbOf)]),
      );
    expect(differing).toEqual([
      ['refused after login', ['LOGIN']],
      ['refused after login', ['AUTHENTICATE']],
      ['refused after login', ['STARTTLS']],
      ['refused after login', ['UNAUTHENTICATE']],
      ['refused after login', ['COMPRESS']],
      ['COMPRESS', ['COMPRESS']],
      ...Array.from({ length: 10 }, () => ['what is no command', []]),
      ['a literal where none can be', ['NONSENSE']],
      ['a literal where none can be', ['NOOP']],
    ]);
    const differences = script.flatMap(({ rows }) => rows.flatMap((row) => differenceOf(row) ?? []));
    for (const { direct, proxied } of differences) expect(proxied).not.toEqual(direct);
  });

  it.each(script)('$name: is the same directly and through the proxy, cold and warm', async (session) => {
    const proxy = await stage.proxy(plainly(dovecot));
    const theirs = await directly(session);
    expect(shown(theirs)).toEqual(expected(theirs, 'direct'));
    const cold = await run(proxy, session, userOf('cold', session));
    expect(shown(cold)).toEqual(expected(theirs, 'proxied'));

    await leaveWarm(proxy, session, userOf('warm', session));
    const warm = await run(proxy, session, userOf('warm', session));
    expect(shown(warm)).toEqual(expected(theirs, 'proxied'));
    expect(await proxy.metric('imapbouncer_lease_reuses_total')).toBe(
      session.isWithoutLease === true ? 0 : 1,
    );
  });

  it('is the same when all sessions run at once through one proxy, each of another user', async () => {
    const proxy = await stage.proxy(plainly(dovecot));
    const transcripts = await Promise.all(
      script.map(async (session) => ({
        session,
        ours: await run(proxy, session, userOf('together', session)),
        theirs: await directly(session),
      })),
    );
    for (const { session, ours, theirs } of transcripts) {
      expect(shown(ours), session.name).toEqual(expected(theirs, 'proxied'));
    }
  }, 60_000);
});

function shown(entries: readonly Entry[]): unknown {
  return entries.map(({ sent, got }) => ({ sent, got }));
}

/** The direct session's transcript after the filter, with what the rows say where they allow a difference. */
function expected(direct: readonly Entry[], way: 'direct' | 'proxied'): unknown {
  const toBe = (got: readonly string[]): readonly string[] => (way === 'direct' ? got : got.map(filtered));
  return direct.map(({ row, sent, got }) => ({ sent, got: differenceOf(row)?.[way] ?? toBe(got) }));
}
