// Many clients of many users at once, whose sessions are random and end at random: what came of it, and what is wrong.

import { setTimeout as delay } from 'node:timers/promises';
import type { Dovecot } from '../dovecot.js';
import { signal } from '../dovecot/process-table.js';
import { RawClient } from '../raw-client.js';
import { AppendLedger } from './append-ledger.js';
import { dropOf, largeOf } from './commands.js';
import type { Mailboxes } from './commands.js';
import type { KillingRelay } from './killing-relay.js';
import { markedMail, readMark } from './marked-mail.js';
import { Random } from './random.js';
import { RandomSession } from './random-session.js';
import type { SessionEnd, SessionResult } from './random-session.js';

export interface CrosstalkOptions {
  readonly dovecot: Dovecot;
  readonly relay: KillingRelay;
  /** Of the proxy, whose upstream is the relay. */
  readonly port: number;
  readonly users: number;
  readonly clients: number;
  readonly seconds: number;
  /** Not the same for two runs on one Dovecot. */
  readonly seed: number;
  /** Whether upstream connections and Dovecot's processes die, too. */
  readonly hasKills: boolean;
}

export interface CrosstalkResult {
  /** What is wrong, in words. */
  readonly faults: readonly string[];
  readonly sessions: number;
  readonly ends: Readonly<Record<SessionEnd, number>>;
  readonly commands: number;
  readonly bytes: number;
  /** Commands and logins that the proxy answered NO [UNAVAILABLE]. */
  readonly refusals: number;
  readonly appends: { readonly stored: number; readonly unanswered: number; readonly cut: number };
  /** Upstream connections that were killed, by the relay or with their process. */
  readonly kills: number;
}

const firstUser = 20;

/** user20, user21, …, each with another number of messages. */
function mailboxesOf(users: number): Mailboxes[] {
  return Array.from({ length: users }, (_, n) => ({ user: `user${firstUser + n}`, inboxMessages: 1 + n }));
}

/** Gives each user marked mail. The Dovecot has to be started with `messagesPerUser: 0`. */
export async function prepareMailboxes(dovecot: Dovecot, users: number): Promise<void> {
  for (const { user, inboxMessages } of mailboxesOf(users)) {
    for (let n = 1; n <= inboxMessages; n++)
      await dovecot.deliver(user, 'INBOX', markedMail({ user, id: `inbox${n}`, lines: n * 7 }));
    await dovecot.deliver(user, largeOf(user), markedMail({ user, id: 'large', lines: 15_000 }));
    // Not empty: `1:*` is BAD in an empty mailbox.
    await dovecot.deliver(user, dropOf(user), markedMail({ user, id: 'first', lines: 2 }));
  }
}

/** Runs for the given time, and then until the last session has ended. */
export async function runCrosstalk(options: CrosstalkOptions): Promise<CrosstalkResult> {
  const { dovecot, port, clients, seconds, seed, hasKills, relay } = options;
  const mailboxes = mailboxesOf(options.users);
  const appends = new AppendLedger();
  const results: SessionResult[] = [];
  const endAt = performance.now() + seconds * 1_000;
  const isRunning = (): boolean => performance.now() < endAt;

  const client = async (n: number): Promise<void> => {
    const random = new Random(seed, n);
    for (let session = 1; isRunning(); session++) {
      const name = `r${seed}c${n}s${session}`;
      const own = mailboxes[n % mailboxes.length]!;
      results.push(await RandomSession.run({ port, name, mailboxes: own, random, appends, pause }));
    }
  };
  let processKills = 0;
  const killer = async (): Promise<void> => {
    const random = new Random(seed, -1);
    while (hasKills && isRunning()) {
      await pause(random.between(0, 200));
      if (random.chance(0.9)) relay.killOne(random);
      else processKills += await killProcess(dovecot, random);
    }
  };
  await Promise.all([...Array.from({ length: clients }, (_, n) => client(n)), killer()]);

  const ends: Record<SessionEnd, number> = { logout: 0, 'half-close': 0, death: 0, lost: 0, refused: 0 };
  for (const { end } of results) ends[end] += 1;
  const sum = (of: (result: SessionResult) => number): number =>
    results.reduce((total, result) => total + of(result), 0);
  const kills = relay.kills + processKills;
  const refusals = sum((result) => result.refusals);
  const faults = results.flatMap((result) => result.faults);
  if (ends.lost > kills) faults.push(`${ends.lost} sessions were lost to ${kills} killed connections`);
  if (kills === 0 && refusals > 0) faults.push(`${refusals} refusals, and nothing was killed`);
  const stored = await storedIds(dovecot, mailboxes, faults);
  faults.push(...appends.audit(stored.filter((id) => id.startsWith(`r${seed}c`))));
  return {
    faults,
    sessions: results.length,
    ends,
    commands: sum((result) => result.commands),
    bytes: sum((result) => result.bytes),
    refusals,
    appends: {
      stored: appends.count('stored'),
      unanswered: appends.count('sent'),
      cut: appends.count('cut'),
    },
    kills,
  };
}

async function pause(milliseconds: number): Promise<void> {
  await delay(milliseconds);
}

/** As a crash of the server does; returns how many processes it has killed. */
async function killProcess(dovecot: Dovecot, random: Random): Promise<number> {
  const pids = await dovecot.sessionPids();
  if (pids.length === 0) return 0;
  signal(random.pick(pids), 'SIGKILL');
  return 1;
}

/** The ids of all appended mail, read straight from the server; what is no such mail is a fault. */
async function storedIds(
  dovecot: Dovecot,
  mailboxes: readonly Mailboxes[],
  faults: string[],
): Promise<string[]> {
  const ids: string[] = [];
  for (const { user } of mailboxes) {
    const { client } = await RawClient.connectAndGreet({ port: dovecot.port });
    try {
      for (const text of [`LOGIN ${user} secret`, `EXAMINE ${dropOf(user)}`]) {
        const { status } = await client.command(text, 20_000);
        if (status !== 'OK') throw new Error(`${text}: ${status}`);
      }
      const { literals } = await client.command('UID FETCH 1:* BODY.PEEK[]', 60_000);
      for (const literal of literals) {
        const mark = readMark(literal);
        if (mark?.user === user) ids.push(mark.id);
        else
          faults.push(
            `a mail of nobody in ${dropOf(user)}: ${JSON.stringify(literal.toString('latin1', 0, 300))}`,
          );
      }
    } finally {
      client.destroy();
      await client.closed;
    }
  }
  return ids;
}
