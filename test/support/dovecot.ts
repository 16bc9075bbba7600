// A real Dovecot of its own for one test file or benchmark: own folder, own ports, own users, nothing left behind.

import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type CertificateKind, makeCertificate } from './certificates.js';
import { type DovecotLimits, renderDovecotConfig } from './dovecot/config.js';
import { DovecotLog } from './dovecot/log.js';
import { deliverToMaildir, makeMailbox } from './dovecot/maildir.js';
import { PasswordFile } from './dovecot/password-file.js';
import { pickFreePorts } from './dovecot/ports.js';
import { childrenOf, killAndWait, pollUntil, signal } from './dovecot/process-table.js';

const run = promisify(execFile);

/** The password of every default user. */
export const defaultPassword = 'secret';

export interface DovecotOptions extends DovecotLimits {
  /** Besides user0 to user49, alice, bob and alice@example.org (`secret`); may give those another password. */
  readonly users?: Readonly<Record<string, string>>;
  /** In every user's INBOX, each marked with its owner's name. @defaultValue 3 */
  readonly messagesPerUser?: number;
  /** What the TLS ports show. @defaultValue 'valid' */
  readonly certificate?: CertificateKind;
  /** Lines for the end of the configuration. */
  readonly extraConfig?: string;
}

/** Whether this machine can run the tests that need Dovecot. */
export function hasDovecot(): { readonly ok: true } | { readonly ok: false; readonly reason: string } {
  if (process.platform !== 'linux') return { ok: false, reason: 'the Dovecot helper needs Linux' };
  for (const [command, flag] of [
    ['dovecot', '--version'],
    ['openssl', 'version'],
  ] as const) {
    const result = spawnSync(command, [flag], { encoding: 'utf8' });
    if (result.status !== 0)
      return { ok: false, reason: `no ${command} command (apt-get install dovecot-imapd openssl)` };
    if (command === 'dovecot' && !result.stdout.startsWith('2.3.')) {
      return { ok: false, reason: `Dovecot 2.3 is needed, this is ${result.stdout.trim()}` };
    }
  }
  return { ok: true };
}

/** One running instance. The caller must `stop()` it; twice is safe. */
export class Dovecot {
  readonly host = '127.0.0.1';
  /** Plain IMAP with STARTTLS. */
  readonly port: number;
  /** IMAP in TLS from the first byte. */
  readonly tlsPort: number;
  /** The certificate authority in PEM, and its file. */
  readonly ca: string;
  readonly caFile: string;
  readonly folder: string;
  readonly log: DovecotLog;
  readonly #passwords: PasswordFile;
  #master: ChildProcess | undefined;
  readonly #killMaster = (): void => {
    this.#master?.kill('SIGTERM');
  };

  /** Use `startDovecot`. */
  constructor(place: { folder: string; port: number; tlsPort: number; ca: string; passwords: PasswordFile }) {
    this.folder = place.folder;
    this.port = place.port;
    this.tlsPort = place.tlsPort;
    this.ca = place.ca;
    this.caFile = join(place.folder, 'ca.pem');
    this.log = new DovecotLog(join(place.folder, 'dovecot.log'));
    this.#passwords = place.passwords;
  }

  /** All users' names. */
  get users(): string[] {
    return this.#passwords.users;
  }

  /** Starts the server, again after `halt`, and waits for its greeting. */
  async start(): Promise<void> {
    const master = spawn('dovecot', ['-F', '-c', join(this.folder, 'dovecot.conf')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const errors: Buffer[] = [];
    master.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
    this.#master = master;
    process.once('exit', this.#killMaster);
    await pollUntil(async () => {
      if (hasExited(master))
        throw new Error(`dovecot ended: ${Buffer.concat(errors).toString()}\n${await this.log.text()}`);
      return (await greets(this.port)) && (await opens(this.tlsPort));
    }, 'Dovecot to greet');
  }

  /** Ends the server and all its sessions, and keeps its folder and ports for a later `start`. */
  async halt(): Promise<void> {
    const master = this.#master;
    this.#master = undefined;
    process.off('exit', this.#killMaster);
    if (master?.pid === undefined || hasExited(master)) return;
    const sessions = await childrenOf(master.pid, 'imap');
    const exited = once(master, 'exit');
    master.kill('SIGTERM');
    const timer = setTimeout(() => master.kill('SIGKILL'), 10_000);
    await exited;
    clearTimeout(timer);
    await killAndWait(sessions);
  }

  /** Ends everything and removes the folder. */
  async stop(): Promise<void> {
    await this.halt();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }

  /** Adds a user with an empty INBOX; resolves when the server accepts the password. */
  async addUser(user: string, password = defaultPassword): Promise<void> {
    await makeMailbox(this.#homeOf(user), 'INBOX');
    await this.setPassword(user, password);
  }

  /** Changes a password; resolves when the server accepts it (up to a second later). */
  async setPassword(user: string, password: string): Promise<void> {
    await this.#passwords.set(user, password);
    await pollUntil(() => this.#accepts(user, password), `Dovecot to accept the new password of ${user}`);
  }

  /** Puts a message into a mailbox behind the server's back; makes the mailbox if needed. Use CRLF line ends. */
  deliver(user: string, mailbox: string, message: string | Buffer): Promise<void> {
    return deliverToMaildir(this.#homeOf(user), mailbox, message);
  }

  /** Makes an empty top-level mailbox. */
  async makeMailbox(user: string, mailbox: string): Promise<void> {
    await makeMailbox(this.#homeOf(user), mailbox);
  }

  /** The pids of the imap processes: one per session. */
  async sessionPids(user?: string): Promise<number[]> {
    const pids = this.#master?.pid === undefined ? [] : await childrenOf(this.#master.pid, 'imap');
    if (user === undefined) return pids;
    const ofUser = await this.log.sessionPids(user);
    return pids.filter((pid) => ofUser.has(pid));
  }

  /** Kills the sessions (of one user), as a crash would; returns how many there were. */
  async killSessions(user?: string): Promise<number> {
    const pids = await this.sessionPids(user);
    await killAndWait(pids);
    return pids.length;
  }

  /** Stops the sessions (of one user) so that they answer nothing; returns a function that lets them go on. */
  async freezeSessions(user?: string): Promise<() => void> {
    const pids = await this.sessionPids(user);
    for (const pid of pids) signal(pid, 'SIGSTOP');
    return () => {
      for (const pid of pids) signal(pid, 'SIGCONT');
    };
  }

  countLogins(user?: string): Promise<number> {
    return this.log.countLogins(user);
  }

  countLogouts(user?: string): Promise<number> {
    return this.log.countLogouts(user);
  }

  #homeOf(user: string): string {
    return join(this.folder, 'mail', user);
  }

  async #accepts(user: string, password: string): Promise<boolean> {
    const config = join(this.folder, 'dovecot.conf');
    return run('doveadm', ['-c', config, 'auth', 'test', user, password]).then(
      () => true,
      () => false,
    );
  }
}

/** The n-th seeded message of a user. */
export function seededMail(user: string, n: number): string {
  const number = String(n);
  return `From: ${user} <${user}@example.org>\r\nSubject: mail ${number} of ${user}\r\nMessage-ID: <${number}.${user}@example.org>\r\n\r\nmark-of-${user} body ${number}\r\n`;
}

/** Writes configuration, users, certificates and mail into a new folder under the system's temporary one, and starts. */
export async function startDovecot(options: DovecotOptions = {}): Promise<Dovecot> {
  const folder = await mkdtemp(join(tmpdir(), 'imapbouncer-dovecot-'));
  let dovecot: Dovecot | undefined;
  try {
    dovecot = await prepare(folder, options);
    await dovecot.start();
    return dovecot;
  } catch (error) {
    await dovecot?.halt();
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function prepare(folder: string, options: DovecotOptions): Promise<Dovecot> {
  await chmod(folder, 0o755);
  const [port = 0, tlsPort = 0] = await pickFreePorts(2);
  const { ca, cert, key } = await makeCertificate(options.certificate);
  await writeFile(join(folder, 'ca.pem'), ca);
  await writeFile(join(folder, 'server.pem'), cert);
  await writeFile(join(folder, 'server.key'), key, { mode: 0o600 });
  const passwords = new PasswordFile(join(folder, 'users'), allUsers(options.users ?? {}));
  await passwords.write();
  const place = { folder, imapPort: port, imapsPort: tlsPort };
  await writeFile(
    join(folder, 'dovecot.conf'),
    renderDovecotConfig(place, options, options.extraConfig ?? ''),
  );
  await mkdir(join(folder, 'mail'));
  const dovecot = new Dovecot({ folder, port, tlsPort, ca, passwords });
  await Promise.all(passwords.users.map((user) => seed(dovecot, user, options.messagesPerUser ?? 3)));
  return dovecot;
}

function allUsers(extra: Readonly<Record<string, string>>): Map<string, string> {
  const names = [
    'alice',
    'bob',
    'alice@example.org',
    ...Array.from({ length: 50 }, (_, n) => `user${String(n)}`),
  ];
  return new Map([
    ...names.map((name): [string, string] => [name, defaultPassword]),
    ...Object.entries(extra),
  ]);
}

/** INBOX with marked mail, and an empty mailbox that names its owner, so that a wrong LIST shows too. */
async function seed(dovecot: Dovecot, user: string, messages: number): Promise<void> {
  await dovecot.makeMailbox(user, 'INBOX');
  await dovecot.makeMailbox(user, `of-${user.replaceAll(/[^a-z0-9]/g, '-')}`);
  for (let n = 1; n <= messages; n++) await dovecot.deliver(user, 'INBOX', seededMail(user, n));
}

function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function greets(port: number): Promise<boolean> {
  return answers(port, true);
}

function opens(port: number): Promise<boolean> {
  return answers(port, false);
}

function answers(port: number, needsGreeting: boolean): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const finish = (isUp: boolean): void => {
      socket.destroy();
      resolve(isUp);
    };
    socket.setTimeout(2_000, () => {
      finish(false);
    });
    socket.once('error', () => {
      finish(false);
    });
    socket.once('end', () => {
      finish(false);
    });
    socket.once('connect', () => {
      if (!needsGreeting) finish(true);
    });
    socket.once('data', (chunk: Buffer) => {
      finish(chunk.toString('latin1').startsWith('* OK'));
    });
  });
}
