// Checks every byte that one session gets: it belongs to the session's user, and each tag is answered exactly once.

import { type ScannedResponse, scanResponse } from '../response-scanner.js';
import { readMark, userPattern } from './marked-mail.js';

/** The answer to one command. */
export interface Reply {
  readonly status: string;
  readonly text: string;
  /** The lines since the reply before. */
  readonly untagged: readonly string[];
}

/** What untagged data this script can lead to (RFC 9051 §7, RFC 5256, RFC 5465, RFC 7162). */
const untaggedForm =
  /^\* (?:\d+ (?:EXISTS|RECENT|EXPUNGE|FETCH)\b|(?:OK|NO|BAD|BYE|CAPABILITY|ENABLED|ESEARCH|FLAGS|ID|LIST|LSUB|NAMESPACE|SEARCH|SORT|STATUS|THREAD|VANISHED)\b)/;

export class ReplyChecker {
  /** What is wrong, in words; empty if all is well. */
  readonly faults: string[] = [];
  readonly replies = new Map<string, Reply>();
  /** How many `+` may come. */
  continuationsDue = 0;
  bytes = 0;
  #lastLine = '';
  readonly #user: string;
  readonly #outstanding = new Set<string>();
  #untagged: string[] = [];
  #unread: Buffer = Buffer.alloc(0);

  constructor(user: string) {
    this.#user = user;
  }

  /** A command is being sent. Each tag is to be used once. */
  sending(tag: string): void {
    this.#outstanding.add(tag);
  }

  get outstanding(): number {
    return this.#outstanding.size;
  }

  get hasBye(): boolean {
    return this.#lastLine.startsWith('* BYE ');
  }

  get isInsideResponse(): boolean {
    return this.#unread.length > 0;
  }

  feed(chunk: Buffer): void {
    this.bytes += chunk.length;
    this.#unread = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
    let start = 0;
    for (;;) {
      const response = scanResponse(this.#unread, start);
      if (response === undefined) break;
      this.#take(response);
      start += response.bytes.length;
    }
    this.#unread = this.#unread.subarray(start);
  }

  /** The session has ended without anybody's death: nothing may be missing. */
  endWhole(): void {
    if (this.#outstanding.size > 0) this.#fault(`no reply to ${[...this.#outstanding].join(', ')}`);
    if (this.isInsideResponse) this.#fault('a response that is cut', this.#unread.toString('latin1'));
  }

  /** The session was cut: what came of the last response belongs to the user, too. */
  endCut(): void {
    this.#checkOwner(this.#unread.toString('latin1'));
  }

  #take({ bytes, literals }: ScannedResponse): void {
    const text = bytes.toString('latin1');
    this.#checkOwner(text);
    for (const literal of literals) {
      if (readMark(literal)?.user !== this.#user)
        this.#fault('a literal that is no mail of the user', literal.toString('latin1'));
    }
    const line = text.replace(/\r\n$/, '');
    this.#lastLine = line;
    if (line === text) this.#fault('a line without CRLF', text);
    if (line.startsWith('+ ')) this.#takeContinuation(line);
    else if (!line.startsWith('* ')) this.#takeTagged(line);
    else if (untaggedForm.test(line)) this.#untagged.push(line);
    else this.#fault('untagged data that nothing leads to', line);
  }

  #takeContinuation(line: string): void {
    if (this.continuationsDue > 0) this.continuationsDue -= 1;
    else this.#fault('a continuation that nothing waits for', line);
  }

  #takeTagged(line: string): void {
    const [, tag, status, text] = /^([^ ]+) (OK|NO|BAD) (.*)$/s.exec(line) ?? [];
    if (tag === undefined || status === undefined || text === undefined) {
      this.#fault('a line that is no response', line);
    } else if (this.#outstanding.delete(tag)) {
      this.replies.set(tag, { status, text, untagged: this.#untagged });
      this.#untagged = [];
    } else {
      this.#fault(this.replies.has(tag) ? 'a second reply' : 'a reply to nothing that was sent', line);
    }
  }

  #checkOwner(text: string): void {
    const foreign = text.match(userPattern)?.find((name) => name !== this.#user);
    if (foreign !== undefined) this.#fault(`the mark of ${foreign}`, text);
  }

  #fault(what: string, text?: string): void {
    const shown = text === undefined ? '' : `: ${JSON.stringify(text.slice(0, 300))}`;
    this.faults.push(`${this.#user} got ${what}${shown}`);
  }
}
