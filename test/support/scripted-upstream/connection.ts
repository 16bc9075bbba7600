// One connection of the scripted server: reads commands, records all of it, and lets hooks or the default answer.

import type { Socket } from 'node:net';
import { ByteLog } from '../byte-log.js';
import { Changes, defaultWaitMs } from '../changes.js';
import { readMark } from '../literal.js';
import { type ParsedCommand, readHead } from './command.js';
import type { Mailbox } from './mail-store.js';
import { PacedWriter } from './paced-writer.js';
import type { Script } from './script.js';

/** How a connection ended, and who sent FIN or RST first. */
export interface UpstreamClose {
  readonly by: 'client' | 'server';
  readonly how: 'ended' | 'reset';
}

/** What a connection needs of its server. */
export interface ConnectionOwner {
  readonly script: Script;
  answer(command: ParsedCommand, connection: UpstreamConnection): Promise<void>;
  greet(connection: UpstreamConnection): Promise<void>;
}

/** Commands behind which the client sends lines that aren't commands: nothing is parsed until they are answered. */
const verbsWithLines = new Set(['IDLE', 'AUTHENTICATE', 'STARTTLS']);

/** Commands whose grammar has no literal; like Dovecot, this server takes what follows a mark there as new commands. */
const verbsWithoutLiteral = new Set(
  'NOOP CAPABILITY LOGOUT STARTTLS IDLE NAMESPACE CHECK CLOSE UNSELECT EXPUNGE UNAUTHENTICATE'.split(' '),
);

class Closed extends Error {}

/** State that a real server keeps per connection is here too, so that a test can see what a client left behind. */
export class UpstreamConnection {
  readonly id: number;
  /** Every command whose last byte arrived, in order. */
  readonly commands: ParsedCommand[] = [];
  readonly enabled = new Set<string>();
  /** Resolves when the socket is closed; never rejects. */
  readonly closed: Promise<UpstreamClose>;
  user: string | undefined;
  selected: Mailbox | undefined;
  isReadOnly = false;
  isIdling = false;
  notify: string | undefined;
  readonly #owner: ConnectionOwner;
  readonly #changes = new Changes();
  readonly #log = new ByteLog();
  #socket: Socket;
  #writer: PacedWriter;
  #cursor = 0;
  #firstCloser: 'client' | 'server' | undefined;
  #hasClientEnded = false;
  #close: UpstreamClose | undefined;
  #resolveClosed: (close: UpstreamClose) => void = () => undefined;

  constructor(id: number, socket: Socket, owner: ConnectionOwner) {
    this.id = id;
    this.#socket = socket;
    this.#owner = owner;
    this.#writer = new PacedWriter(socket);
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.#listen(socket);
    void this.#serve();
  }

  /** All bytes ever received (inside TLS, if there is TLS). */
  get received(): Buffer {
    return this.#log.bytes;
  }

  get isOpen(): boolean {
    return this.#close === undefined;
  }

  get script(): Script {
    return this.#owner.script;
  }

  /** The client's port. */
  get remotePort(): number | undefined {
    return this.#socket.remotePort;
  }

  /** The verbs of all commands so far. */
  get verbs(): string[] {
    return this.commands.map((command) => command.verb);
  }

  /** The raw socket, to pause reading or to replace it by a TLS one. */
  get socket(): Socket {
    return this.#socket;
  }

  /** Sends bytes as they are, in the script's write mode; nothing happens on a closed connection. */
  send(data: string | Buffer): void {
    this.#writer.write(typeof data === 'string' ? Buffer.from(data) : data, this.script.writeMode);
  }

  ok(command: ParsedCommand, text = `${command.verb} done`): void {
    this.#tagged(command, 'OK', text);
  }

  no(command: ParsedCommand, text = `${command.verb} failed`): void {
    this.#tagged(command, 'NO', text);
  }

  bad(command: ParsedCommand, text = `${command.verb} not understood`): void {
    this.#tagged(command, 'BAD', text);
  }

  /** Sends what is queued, then FIN. */
  end(data?: string | Buffer): void {
    if (data !== undefined) this.send(data);
    this.#writer.whenDrained(() => {
      this.#firstCloser ??= 'server';
      this.#socket.end();
    });
  }

  /** Closes at once, without FIN being waited for. */
  destroy(): void {
    this.#firstCloser ??= 'server';
    this.#socket.destroy();
  }

  /** RST; only without TLS. */
  reset(): void {
    this.#firstCloser ??= 'server';
    this.#socket.resetAndDestroy();
  }

  /** The next line that isn't a command (DONE, a SASL answer), without its line end. Only for hooks of such verbs. */
  async readLine(): Promise<string> {
    const end = await this.#lineEnd(this.#cursor);
    const line = this.received.subarray(this.#cursor, end).toString('latin1');
    this.#cursor = end;
    return line.replace(/\r?\n$/, '');
  }

  /** Forgets what arrived and wasn't read yet; goes on with another socket (STARTTLS). */
  replaceSocket(socket: Socket): void {
    this.#cursor = this.#log.length;
    this.#socket = socket;
    this.#writer = new PacedWriter(socket);
    this.#listen(socket);
  }

  /** The n-th command with this verb (1 is the first), as soon as it has arrived. */
  waitForCommand(verb: string, options: { nth?: number; timeoutMs?: number } = {}): Promise<ParsedCommand> {
    const { nth = 1, timeoutMs = defaultWaitMs } = options;
    return this.#changes.until(
      () => this.commands.filter((command) => command.verb === verb.toUpperCase())[nth - 1],
      () => `command ${verb} no. ${String(nth)} on upstream connection ${this.#describe()}`,
      timeoutMs,
    );
  }

  /** Waits until any of this connection's state fulfils the condition (looked at whenever something arrives). */
  waitUntil(condition: () => boolean, what = 'the condition', timeoutMs = defaultWaitMs): Promise<true> {
    return this.#changes.until(
      () => (condition() ? true : undefined),
      () => `${what} on upstream connection ${this.#describe()}`,
      timeoutMs,
    );
  }

  waitForClose(timeoutMs = defaultWaitMs): Promise<UpstreamClose> {
    return this.#changes.until(
      () => this.#close,
      () => `the close of upstream connection ${this.#describe()}`,
      timeoutMs,
    );
  }

  /** Tells waiters that state changed; for hooks that change it. */
  touch(): void {
    this.#changes.notify();
  }

  async #serve(): Promise<void> {
    try {
      await this.#owner.greet(this);
      for (;;) {
        const command = await this.#readCommand();
        if (command === undefined) continue;
        this.commands.push(command);
        this.touch();
        const answered = this.#owner.answer(command, this).then(
          () => {
            this.touch();
          },
          (error: unknown) => {
            if (!(error instanceof Closed)) throw error;
          },
        );
        if (verbsWithLines.has(command.verb)) await answered;
      }
    } catch (error) {
      if (!(error instanceof Closed)) throw error;
    }
  }

  async #readCommand(): Promise<ParsedCommand | undefined> {
    const start = this.#cursor;
    let end = await this.#lineEnd(start);
    const head = readHead(this.received.subarray(start, end));
    const literals: Buffer[] = [];
    let lineStart = start;
    for (;;) {
      const mark = readMark(this.received.subarray(lineStart, end));
      if (mark === undefined || !this.#takesLiteral(head.verb, mark)) break;
      const verdict = (await this.script.onLiteral?.(mark, head, this)) ?? 'accept';
      if (verdict === 'refuse' || verdict === 'refused') {
        if (verdict === 'refuse') this.send(`${head.tag} NO [TOOBIG] literal refused\r\n`);
        this.#cursor = end;
        return undefined;
      }
      if (mark.isSync && verdict === 'accept') this.send('+ go ahead\r\n');
      lineStart = end + mark.size;
      await this.#until(() => (this.#log.length >= lineStart ? true : undefined));
      literals.push(this.received.subarray(end, lineStart));
      end = await this.#lineEnd(lineStart);
    }
    this.#cursor = end;
    const raw = this.received.subarray(start, end);
    const args = raw
      .subarray(head.length)
      .toString('latin1')
      .replace(/\r?\n$/, '');
    return { tag: head.tag, verb: head.verb, args, literals, raw };
  }

  #takesLiteral(verb: string, mark: { size: number; isSync: boolean }): boolean {
    if (verbsWithoutLiteral.has(verb)) return false;
    if (mark.isSync) return true;
    const { capabilitiesBeforeLogin, capabilitiesAfterLogin } = this.script;
    const offered = this.user === undefined ? capabilitiesBeforeLogin : capabilitiesAfterLogin;
    return offered.includes('LITERAL+') || (offered.includes('LITERAL-') && mark.size <= 4_096);
  }

  #lineEnd(from: number): Promise<number> {
    return this.#until(() => {
      const lineFeed = this.received.indexOf(0x0a, from);
      return lineFeed === -1 ? undefined : lineFeed + 1;
    });
  }

  #until<T>(check: () => T | undefined): Promise<T> {
    const checkOpen = (): T | undefined => {
      const value = check();
      if (value === undefined && (this.#hasClientEnded || !this.isOpen)) throw new Closed('closed');
      return value;
    };
    return this.#changes.until(checkOpen, () => 'bytes', 0);
  }

  #tagged(command: ParsedCommand, status: string, text: string): void {
    const mark = this.user === undefined ? '' : ` (${this.user})`;
    this.send(`${command.tag} ${status} ${text}${mark}\r\n`);
  }

  #describe(): string {
    const state = this.#close === undefined ? 'open' : `closed by the ${this.#close.by}`;
    const tail = JSON.stringify(this.received.subarray(-1_000).toString('latin1'));
    return `${String(this.id)} (${state}, user ${this.user ?? '-'}); commands: ${this.verbs.join(', ')}; received last: ${tail}`;
  }

  #listen(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => {
      this.#log.append(chunk);
      this.touch();
    });
    socket.on('end', () => {
      this.#hasClientEnded = true;
      this.#firstCloser ??= 'client';
      this.touch();
      if (this.script.closesOnEnd) {
        this.#writer.whenDrained(() => {
          socket.end();
        });
      }
    });
    socket.on('error', () => {
      this.#firstCloser ??= 'client';
    });
    socket.on('close', (hadError) => {
      this.#firstCloser ??= 'client';
      this.#close = { by: this.#firstCloser, how: hadError ? 'reset' : 'ended' };
      this.#resolveClosed(this.#close);
      this.touch();
    });
  }
}
