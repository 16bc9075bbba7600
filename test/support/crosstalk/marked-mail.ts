// Mail of which every line names its owner, and which can be made again from its subject: so each byte can be checked.

/** Whose mail it is, which one, and how many lines it has. */
export interface MailMark {
  readonly user: string;
  readonly id: string;
  readonly lines: number;
}

/** Names of one length: a cut one can't be taken for another. */
export const userPattern = /user\d\d/g;

export function markedMail({ user, id, lines }: MailMark): Buffer {
  const head = `From: ${user}@example.org\r\nSubject: ${user} ${id} ${lines}\r\nMessage-ID: <${id}@${user}>\r\n\r\n`;
  return Buffer.from(head + `${user} ${id} owns this line\r\n`.repeat(lines), 'latin1');
}

/** What this mail, or its header alone, is made from; undefined if any byte of it is not as it was made. */
export function readMark(content: Buffer): MailMark | undefined {
  const head = content.toString('latin1', 0, 200);
  const [, user, id, lines] = /^Subject: (user\d\d) (\w+) (\d+)\r$/m.exec(head) ?? [];
  if (user === undefined || id === undefined) return undefined;
  const mark = { user, id, lines: Number(lines) };
  const whole = markedMail(mark);
  const header = whole.subarray(0, whole.indexOf('\r\n\r\n') + 4);
  return content.equals(whole) || content.equals(header) ? mark : undefined;
}
