// One connection of a random client: sends what it is told to, and has every byte that comes back checked.

import type { Socket } from 'node:net';
import { Changes } from '../changes.js';
import { openSocket } from '../raw-target.js';
import { type Reply, ReplyChecker } from './reply-checker.js';

/** How long a reply may take: all waits of the proxy are shorter. */
const replyTimeoutMs = 30_000;

export class CheckedClient {
  readonly checker: ReplyChecker;
  readonly #socket: Socket;
  readonly #changes = new Changes();
  readonly #prefix: string;
  #tags = 0;
  #isOver = false;

  private constructor(socket: Socket, user: string, session: string) {
    this.#socket = socket;
    this.#prefix = `${user}${session}`;
    this.checker = new ReplyChecker(user);
    socket.on('data', (chunk: Buffer) => {
      this.checker.feed(chunk);
      this.#changes.notify();
    });
    socket.on('end', () => {
      this.#isOver = true;
      this.#changes.notify();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#isOver = true;
      this.#changes.notify();
    });
  }

  /** @param session - a name of its own: with it, each tag of a run is used once */
  static async connect(port: number, user: string, session: string): Promise<CheckedClient> {
    return new CheckedClient(await openSocket({ port, allowHalfOpen: true }), user, session);
  }

  /** The other side has ended. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** A tag for a command that is going to be sent. */
  newTag(): string {
    const tag = `${this.#prefix}n${(this.#tags += 1)}`;
    this.checker.sending(tag);
    return tag;
  }

  send(data: string | Buffer): void {
    if (!this.#socket.destroyed) this.#socket.write(data);
  }

  /** Resolves with undefined if the connection ends first. */
  async reply(tag: string): Promise<Reply | undefined> {
    await this.#until(() => this.checker.replies.has(tag), `the reply to ${tag}`);
    return this.checker.replies.get(tag);
  }

  /** Sends a line that asks for a continuation, and waits for it; false if the tagged reply or the end comes instead. */
  async ask(tag: string, text: string): Promise<boolean> {
    const { checker } = this;
    checker.continuationsDue = 1;
    this.send(`${tag} ${text}\r\n`);
    await this.#until(
      () => checker.continuationsDue === 0 || checker.replies.has(tag),
      `the continuation of ${tag}`,
    );
    const hasCome = checker.continuationsDue === 0;
    checker.continuationsDue = 0;
    return hasCome;
  }

  /** Waits until so many more bytes have come than there were, or the command is answered after all. */
  moreBytes(count: number, tag: string): Promise<void> {
    const { checker } = this;
    const enough = checker.bytes + count;
    return this.#until(() => checker.bytes > enough || checker.replies.has(tag), `${count} more bytes`);
  }

  over(): Promise<void> {
    return this.#until(() => false, 'the end');
  }

  /** Sends FIN and goes on reading. */
  end(): void {
    this.#socket.end();
  }

  reset(): void {
    this.#socket.resetAndDestroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  async #until(isSo: () => boolean, what: string): Promise<void> {
    await this.#changes.until(
      () => (isSo() || this.#isOver ? true : undefined),
      () => what,
      replyTimeoutMs,
    );
  }
}
