// One session of a random client, from its login to its end in one of many ways.

import type { AppendLedger } from './append-ledger.js';
import { CheckedClient } from './checked-client.js';
import { dropOf, largeOf, randomCommand, selectInbox } from './commands.js';
import type { Mailboxes, RandomCommand } from './commands.js';
import { markedMail } from './marked-mail.js';
import type { Random } from './random.js';
import type { Reply } from './reply-checker.js';

/** How a session ended. `lost`: the server's connection did; `refused`: there was none to be had. */
export type SessionEnd = 'logout' | 'half-close' | 'death' | 'lost' | 'refused';

export interface SessionResult {
  readonly end: SessionEnd;
  readonly faults: readonly string[];
  readonly commands: number;
  readonly refusals: number;
  readonly bytes: number;
}

export interface SessionOptions {
  readonly port: number;
  /** Unlike all others of the run. */
  readonly name: string;
  readonly mailboxes: Mailboxes;
  readonly random: Random;
  readonly appends: AppendLedger;
  /** For how long IDLE runs. */
  pause(milliseconds: number): Promise<void>;
}

interface Sent {
  readonly tag: string;
  readonly command: RandomCommand;
  readonly appendId?: string;
}

const deaths = ['FIN', 'RST'] as const;
const crlf = Buffer.from('\r\n');

export class RandomSession {
  readonly #options: SessionOptions;
  readonly #client: CheckedClient;
  readonly #faults: string[] = [];
  readonly #isRough: boolean;
  #commands = 0;
  #refusals = 0;
  #hasSelected = false;
  #appends = 0;
  /** Unanswered as far as this session has looked. */
  #sent: Sent[] = [];

  private constructor(options: SessionOptions, client: CheckedClient) {
    this.#options = options;
    this.#client = client;
    this.#isRough = options.random.chance(0.2);
  }

  static async run(options: SessionOptions): Promise<SessionResult> {
    const client = await CheckedClient.connect(options.port, options.mailboxes.user, options.name);
    const session = new RandomSession(options, client);
    try {
      return await session.#run();
    } finally {
      client.destroy();
    }
  }

  async #run(): Promise<SessionResult> {
    const { random } = this.#options;
    const client = this.#client;
    let end: SessionEnd = 'lost';
    try {
      const isLoggedIn = await this.#logIn();
      if (!isLoggedIn) end = client.isOver ? 'lost' : 'refused';
      else {
        // Alone on a connection that was used before: what must not be repeated when that dies.
        if (random.chance(0.3)) {
          await this.#append(0.1);
          if (random.chance(0.8)) await this.#readReplies(false);
        }
        if (!this.#hasSelected) this.#client.send(this.#select());
        for (let steps = random.between(1, 6); steps > 0 && !client.isOver; steps--) await this.#step();
        if (!client.isOver) end = await this.#leave();
      }
      await this.#readReplies(end === 'death');
    } catch (error) {
      this.#faults.push(`${this.#options.mailboxes.user}: ${String(error)}`);
    }
    const { checker } = client;
    if (end === 'logout' || end === 'half-close') checker.endWhole();
    else checker.endCut();
    // Inside a response the proxy can't say why it ends.
    if (end === 'lost' && !checker.hasBye && !checker.isInsideResponse)
      this.#faults.push(`${this.#options.mailboxes.user}: the session ended without a word`);
    return {
      end,
      faults: [...this.#faults, ...checker.faults],
      commands: this.#commands,
      refusals: this.#refusals,
      bytes: checker.bytes,
    };
  }

  async #logIn(): Promise<boolean> {
    const { mailboxes, random } = this.#options;
    const tag = this.#client.newTag();
    let text = `${tag} LOGIN ${mailboxes.user} secret\r\n`;
    if (random.chance(0.2)) text += this.#select() + this.#batch();
    this.#client.send(text);
    const reply = await this.#client.reply(tag);
    if (reply?.status === 'OK') return true;
    if (reply !== undefined) this.#noteRefusal(reply);
    return false;
  }

  async #step(): Promise<void> {
    const { random } = this.#options;
    const kind = random.between(1, 10);
    if (kind <= 6) this.#client.send(this.#batch());
    else if (kind <= 8) await this.#append();
    else await this.#idle();
    if (random.chance(0.7)) await this.#readReplies(false);
  }

  /** Without a mailbox most commands get BAD, and the connection is not reused. */
  #select(): string {
    const command = selectInbox(this.#options.mailboxes, this.#options.random);
    this.#hasSelected = true;
    return `${this.#begin(command)} ${command.text}\r\n`;
  }

  /** Some commands in one flight. */
  #batch(): string {
    const { mailboxes, random } = this.#options;
    let text = '';
    for (let count = random.between(1, 5); count > 0; count--) {
      const command = randomCommand(mailboxes, random, this.#isRough);
      text += `${this.#begin(command)} ${command.text}\r\n`;
    }
    return text;
  }

  #begin(command: RandomCommand, appendId?: string): string {
    const tag = this.#client.newTag();
    this.#commands += 1;
    this.#sent.push({ tag, command, ...(appendId === undefined ? {} : { appendId }) });
    return tag;
  }

  #newMail(): { id: string; mail: Buffer } {
    const { mailboxes, name, random } = this.#options;
    const id = `${name}a${(this.#appends += 1)}`;
    return { id, mail: markedMail({ user: mailboxes.user, id, lines: random.between(1, 40) }) };
  }

  async #append(syncShare = 0.5): Promise<void> {
    const { appends, mailboxes, random } = this.#options;
    const { id, mail } = this.#newMail();
    const drop = dropOf(mailboxes.user);
    const tag = this.#begin({ text: `APPEND ${drop}` }, id);
    if (random.chance(1 - syncShare)) {
      appends.note(id, 'sent');
      this.#client.send(
        Buffer.concat([Buffer.from(`${tag} APPEND ${drop} {${mail.length}+}\r\n`), mail, crlf]),
      );
      return;
    }
    appends.note(id, 'cut');
    if (!(await this.#client.ask(tag, `APPEND ${drop} {${mail.length}}`))) return;
    appends.note(id, 'sent');
    this.#client.send(Buffer.concat([mail, crlf]));
  }

  async #beginIdle(): Promise<boolean> {
    return this.#client.ask(this.#begin({ text: 'IDLE' }), 'IDLE');
  }

  async #idle(): Promise<void> {
    if (!(await this.#beginIdle())) return;
    await this.#options.pause(this.#options.random.between(0, 40));
    this.#client.send('DONE\r\n');
  }

  /** Waits for the replies to all that was sent, and looks at each; a dead client has only those that came before. */
  async #readReplies(isDead: boolean): Promise<void> {
    for (const { tag, command, appendId } of this.#sent.splice(0)) {
      const reply = isDead ? this.#client.checker.replies.get(tag) : await this.#client.reply(tag);
      if (reply === undefined) continue;
      if (appendId !== undefined)
        this.#options.appends.note(appendId, reply.status === 'OK' ? 'stored' : 'refused');
      if (reply.status !== 'OK') this.#noteRefusal(reply);
      const wrong = reply.status === 'OK' ? command.check?.(reply) : undefined;
      if (wrong !== undefined)
        this.#faults.push(
          `${this.#options.mailboxes.user}: ${command.text}: ${wrong}: ${reply.untagged.join(' | ')}`,
        );
    }
  }

  #noteRefusal({ status, text }: Reply): void {
    if (status === 'NO' && text.startsWith('[UNAVAILABLE]')) this.#refusals += 1;
  }

  async #leave(): Promise<SessionEnd> {
    const { random } = this.#options;
    const client = this.#client;
    const kind = random.next();
    if (kind < 0.4) {
      await this.#die();
      return 'death';
    }
    if (random.chance(0.5)) client.send(this.#batch());
    const tag = kind < 0.85 ? client.newTag() : undefined;
    if (tag === undefined) client.end();
    else client.send(`${tag} LOGOUT\r\n`);
    await client.over();
    if (tag !== undefined) return client.checker.replies.has(tag) ? 'logout' : 'lost';
    return client.checker.outstanding === 0 ? 'half-close' : 'lost';
  }

  /** Dies in a random state. */
  async #die(): Promise<void> {
    const { appends, mailboxes, random } = this.#options;
    const client = this.#client;
    const { user } = mailboxes;
    switch (random.between(1, 7)) {
      case 1:
        client.send(this.#batch());
        break;
      case 2: {
        const { id, mail } = this.#newMail();
        appends.note(id, 'cut');
        client.send(`${this.#begin({ text: 'APPEND' })} APPEND ${dropOf(user)} {${mail.length}+}\r\n`);
        client.send(mail.subarray(0, random.between(0, mail.length - 1)));
        break;
      }
      case 3: {
        const { id, mail } = this.#newMail();
        appends.note(id, 'cut');
        const tag = this.#begin({ text: 'APPEND' });
        if (await client.ask(tag, `APPEND ${dropOf(user)} {${mail.length}}`))
          client.send(mail.subarray(0, random.between(0, mail.length - 1)));
        break;
      }
      case 4: {
        const select = this.#begin({ text: 'SELECT' });
        const fetch = this.#begin({ text: 'FETCH' });
        client.send(`${select} SELECT ${largeOf(user)}\r\n${fetch} FETCH 1 BODY.PEEK[]\r\n`);
        await client.moreBytes(20_000, fetch);
        break;
      }
      case 5:
        if ((await this.#beginIdle()) && random.chance(0.5)) client.send('DO');
        break;
      case 6:
        client.send(`${this.#begin({ text: 'FETCH' })} FETCH 1:* (FLAGS BODY.PE`);
        break;
      default:
    }
    if (random.pick(deaths) === 'RST') client.reset();
    else client.destroy();
  }
}
