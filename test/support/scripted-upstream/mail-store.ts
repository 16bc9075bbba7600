// The scripted server's mail: every message and one mailbox name carry their owner's name, so that a leak shows.

export interface StoredMessage {
  readonly uid: number;
  readonly flags: Set<string>;
  readonly body: Buffer;
}

/** One mailbox. UIDs are never reused. */
export interface Mailbox {
  readonly name: string;
  readonly messages: StoredMessage[];
  nextUid: number;
}

/** Every user's mailboxes; shared by all connections of one server. */
export class MailStore {
  readonly #messagesPerUser: number;
  readonly #users = new Map<string, Map<string, Mailbox>>();

  constructor(messagesPerUser: number) {
    this.#messagesPerUser = messagesPerUser;
  }

  /** All mailboxes of a user: INBOX with seeded mail, Archive, and `of-<user>`. */
  mailboxes(user: string): Map<string, Mailbox> {
    const known = this.#users.get(user);
    if (known !== undefined) return known;
    const mailboxes = new Map<string, Mailbox>();
    for (const name of ['INBOX', 'Archive', `of-${user}`])
      mailboxes.set(name, { name, messages: [], nextUid: 1 });
    this.#users.set(user, mailboxes);
    for (let n = 1; n <= this.#messagesPerUser; n++) this.add(user, 'INBOX', seededMessage(user, n));
    return mailboxes;
  }

  mailbox(user: string, name: string): Mailbox | undefined {
    return this.mailboxes(user).get(name.toUpperCase() === 'INBOX' ? 'INBOX' : name);
  }

  /** Adds a message; undefined if there is no such mailbox. */
  add(
    user: string,
    name: string,
    body: string | Buffer,
    flags: readonly string[] = [],
  ): StoredMessage | undefined {
    const mailbox = this.mailbox(user, name);
    if (mailbox === undefined) return undefined;
    const message = { uid: mailbox.nextUid++, flags: new Set(flags), body: Buffer.from(body) };
    mailbox.messages.push(message);
    return message;
  }
}

/** The n-th seeded message of a user. */
export function seededMessage(user: string, n: number): string {
  const number = String(n);
  return `From: ${user} <${user}@example.org>\r\nSubject: mail ${number} of ${user}\r\n\r\nmark-of-${user} body ${number}\r\n`;
}
