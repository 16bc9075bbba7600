// The commands that random clients send, each with what its reply must say of the user's own mailboxes.

import type { Random } from './random.js';
import type { Reply } from './reply-checker.js';

/** What a user has: all names carry the user's own. */
export interface Mailboxes {
  readonly user: string;
  /** In INBOX; no two users have the same number, and it never changes. */
  readonly inboxMessages: number;
}

export interface RandomCommand {
  readonly text: string;
  /** Says what is wrong with a reply that is OK; undefined if nothing is. */
  check?(reply: Reply): string | undefined;
}

/** Where APPENDs go. */
export const dropOf = (user: string): string => `drop-${user}`;
/** Has one mail that fills some buffers. */
export const largeOf = (user: string): string => `large-${user}`;

type Make = (mailboxes: Mailboxes, random: Random) => RandomCommand;

function plain(text: string): Make {
  return () => ({ text });
}

function ofUser(text: (user: string) => string): Make {
  return ({ user }) => ({ text: text(user) });
}

/** Counts what matches in the untagged lines. */
function expectLines(count: number, pattern: RegExp): (reply: Reply) => string | undefined {
  return ({ untagged }) => {
    const seen = untagged.filter((line) => pattern.test(line)).length;
    return seen === count ? undefined : `${seen} lines like ${String(pattern)} instead of ${count}`;
  };
}

/** The mailbox that is the same throughout. */
export const selectInbox: Make = ({ inboxMessages }, random) => ({
  text: `${random.pick(['SELECT', 'EXAMINE'])} INBOX`,
  check: expectLines(1, new RegExp(`^\\* ${inboxMessages} EXISTS$`)),
});

const statusOfInbox: Make = ({ inboxMessages }) => ({
  text: 'STATUS INBOX (MESSAGES)',
  check: expectLines(1, new RegExp(`^\\* STATUS INBOX \\(MESSAGES ${inboxMessages}\\)$`)),
});

const list: Make = ({ user }) => ({
  text: 'LIST "" "*"',
  check: expectLines(2, new RegExp(`^\\* LIST .*"?(?:drop|large)-${user}"?$`)),
});

type Menu = readonly (readonly [weight: number, make: Make])[];

/** How often each comes, and how it is made. */
const smooth: Menu = [
  [24, selectInbox],
  [16, statusOfInbox],
  [12, list],
  [8, plain('NOOP')],
  [4, plain('CAPABILITY')],
  [4, plain('NAMESPACE')],
  [4, plain('ID ("name" "crosstalk")')],
  [1, plain('CHECK')],
  [8, ofUser((user) => `SELECT ${dropOf(user)}`)],
  [8, ofUser((user) => `SELECT ${largeOf(user)}`)],
  [8, ofUser((user) => `STATUS ${dropOf(user)} (UIDNEXT)`)],
  [4, ofUser((user) => `STATUS ${largeOf(user)} (MESSAGES)`)],
  [24, plain('UID FETCH 1:9 (FLAGS BODY.PEEK[])')],
  [12, plain('FETCH * (UID BODY.PEEK[])')],
  [12, plain('FETCH 1:* (FLAGS BODY.PEEK[HEADER])')],
  [8, plain('FETCH 1:* (ENVELOPE INTERNALDATE)')],
  [8, plain('FETCH 1:* (UID FLAGS)')],
  [8, plain('UID SEARCH ALL')],
  [4, plain('SEARCH RETURN (SAVE) ALL')],
  [4, plain('FETCH $ (UID)')],
  [8, ofUser((user) => `SEARCH SUBJECT "${user}"`)],
  [4, ofUser((user) => `SEARCH FROM {${user.length}+}\r\n${user}`)],
  [4, ofUser((user) => `COPY 1 of-${user}`)],
  [4, plain('SORT (SUBJECT) UTF-8 ALL')],
  [4, plain('THREAD REFERENCES UTF-8 ALL')],
  [8, ofUser((user) => `STORE 1:* +FLAGS (kw-${user})`)],
  [4, ofUser((user) => `STORE 1 -FLAGS.SILENT (kw-${user})`)],
];

/** After these the connection is not reused, or most others get BAD, with the same effect. */
const rough: Menu = [
  [4, plain('UNSELECT')],
  [4, plain('CLOSE')],
  [4, plain('SELECT Missing')],
  [4, plain('ENABLE CONDSTORE')],
  [4, plain('ENABLE QRESYNC')],
  [4, plain('FETCH 1 (MODSEQ)')],
  [4, plain('NOTIFY NONE')],
  [4, plain('NONSENSE')],
];

/** @param isRough - whether the session is one of those that leave more behind */
export function randomCommand(mailboxes: Mailboxes, random: Random, isRough: boolean): RandomCommand {
  const menu = isRough ? [...smooth, ...rough] : smooth;
  let rest = random.between(
    1,
    menu.reduce((sum, [weight]) => sum + weight, 0),
  );
  for (const [weight, make] of menu) {
    rest -= weight;
    if (rest <= 0) return make(mailboxes, random);
  }
  throw new Error('the weights do not add up');
}
