// Runs one session of the recorded script on a client, and writes down what was sent and all that came.

import { renderMark } from '../literal.js';
import type { CommandParts, RawClient } from '../raw-client.js';
import { normalised } from './normalised.js';
import { commandsOf, type Idle, isCommand, type Row, type Session, textOf } from './rows.js';

/** One row: what it was, and the lines that it brought. */
export interface Entry {
  readonly row: Row;
  readonly sent: string;
  readonly got: readonly string[];
}

export interface Transcriber {
  readonly client: RawClient;
  /** In the answers it is replaced: sizes stay equal among names of one length. */
  readonly user: string;
  /** Opens another session of the same user, the same way. */
  another(): Promise<RawClient>;
}

/** @throws Error that names the row whose answer did not come */
export async function transcribe(session: Session, by: Transcriber): Promise<Entry[]> {
  const run = new Run(by);
  const entries: Entry[] = [];
  for (const row of session.rows) {
    const { sent, got } = await run.row(row).catch((error: unknown) => {
      throw new Error(`${by.user}, after ${entries.at(-1)?.sent ?? 'the login'}: ${String(error)}`, {
        cause: error,
      });
    });
    entries.push({ row, sent, got: got.map((line) => normalised(line, by.user)) });
  }
  return entries;
}

class Run {
  readonly #by: Transcriber;
  readonly #client: RawClient;
  #nextTag = 1;
  #another: RawClient | undefined;
  /** What later rows refer to: `<uidvalidity>` of the mailbox opened last, `<url>` made last. */
  readonly #seen = new Map<string, string>();

  constructor(by: Transcriber) {
    this.#by = by;
    this.#client = by.client;
  }

  async row(row: Row): Promise<{ sent: string; got: string[] }> {
    if (isCommand(row)) return { sent: textOf(row), got: await this.#command(this.#client, row) };
    if ('send' in row) return { sent: textOf(row.send), got: await this.#command(this.#client, row.send) };
    if ('together' in row) {
      return { sent: row.together.map(textOf).join(' | '), got: await this.#together(row.together) };
    }
    if ('idle' in row)
      return { sent: commandsOf(row).map(textOf).join(' | '), got: await this.#idle(row.idle) };
    if ('raw' in row) {
      await this.#client.send(row.raw);
      const got: string[] = [];
      while (got.length < row.lines) got.push(await this.#client.readResponse());
      return { sent: row.raw, got };
    }
    this.#another ??= await this.#by.another();
    return { sent: textOf(row.elsewhere), got: await this.#command(this.#another, row.elsewhere) };
  }

  /** Sends one command; before the bytes of each synchronizing literal it waits for `+` or the refusal. */
  async #command(client: RawClient, parts: CommandParts): Promise<string[]> {
    const tag = this.#tag();
    const got: string[] = [];
    for (const piece of this.#pieces(tag, parts)) {
      if (piece.isHeld && !(await this.#readTo(client, tag, got))) return got;
      await client.send(piece.bytes);
    }
    while (await this.#readTo(client, tag, got));
    return got;
  }

  /** Sends everything in one write, then reads until every tag is answered. */
  async #together(commands: readonly CommandParts[]): Promise<string[]> {
    const tags = new Set<string>();
    const bytes = commands.flatMap((parts) => {
      const tag = this.#tag();
      tags.add(tag);
      return this.#pieces(tag, parts).map((piece) => piece.bytes);
    });
    await this.#client.send(Buffer.concat(bytes));
    const got: string[] = [];
    while (tags.size > 0) {
      const line = await this.#read(this.#client);
      got.push(line);
      tags.delete(line.slice(0, line.indexOf(' ')));
    }
    return got;
  }

  async #idle({ command = 'IDLE', meanwhile, until, end = 'DONE' }: Idle): Promise<string[]> {
    const tag = this.#tag();
    const got: string[] = [];
    await this.#client.send(`${tag} ${command}\r\n`);
    if (!(await this.#readTo(this.#client, tag, got))) return got;
    if (meanwhile !== undefined) {
      this.#another ??= await this.#by.another();
      got.push(...(await this.#command(this.#another, meanwhile)));
    }
    while (until !== undefined && !until.test(got.at(-1) ?? '')) got.push(await this.#read(this.#client));
    await this.#client.send(`${end}\r\n`);
    while (await this.#readTo(this.#client, tag, got));
    return got;
  }

  /** Reads up to a continuation, or to the tagged reply: then it returns false. */
  async #readTo(client: RawClient, tag: string, got: string[]): Promise<boolean> {
    for (;;) {
      const line = await this.#read(client);
      got.push(line);
      if (line.startsWith('+')) return true;
      if (line.startsWith(`${tag} `)) return false;
    }
  }

  async #read(client: RawClient): Promise<string> {
    const line = await client.readResponse();
    const validity = /\[UIDVALIDITY (\d+)\]/.exec(line)?.[1];
    if (validity !== undefined) this.#seen.set('<uidvalidity>', validity);
    const url = /^\* GENURLAUTH "?(\S+?)"?$/.exec(line)?.[1];
    if (url !== undefined) this.#seen.set('<url>', url);
    return line;
  }

  /** Each piece is written at once; a held one after a continuation only. */
  #pieces(tag: string, parts: CommandParts): { bytes: Buffer; isHeld: boolean }[] {
    const pieces: { bytes: Buffer; isHeld: boolean }[] = [{ bytes: Buffer.from(`${tag} `), isHeld: false }];
    const add = (bytes: Buffer): void => {
      const last = pieces.pop();
      if (last !== undefined) pieces.push({ ...last, bytes: Buffer.concat([last.bytes, bytes]) });
    };
    for (const part of typeof parts === 'string' || Buffer.isBuffer(parts) ? [parts] : parts) {
      if (typeof part === 'string') add(Buffer.from(this.#filled(part)));
      else if (Buffer.isBuffer(part)) add(part);
      else {
        add(Buffer.from(renderMark(part)));
        if (part.kind !== 'non-sync') pieces.push({ bytes: Buffer.alloc(0), isHeld: true });
        add(part.bytes);
      }
    }
    add(Buffer.from('\r\n'));
    return pieces;
  }

  #filled(text: string): string {
    return text
      .replaceAll('<user>', this.#by.user)
      .replaceAll('<plain>', Buffer.from(`\0${this.#by.user}\0secret`).toString('base64'))
      .replaceAll(/<uidvalidity>|<url>/g, (name) => this.#seen.get(name) ?? name);
  }

  #tag(): string {
    return `r${String(this.#nextTag++)}`;
  }
}
