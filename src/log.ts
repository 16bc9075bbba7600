/** Owns how log lines are written; the only file that knows pino. */
import { writeSync } from 'node:fs';
import process from 'node:process';
import { pino } from 'pino';
import type { DestinationStream } from 'pino';

/** The least important level that is written; `silent` writes nothing. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** What a line is about, beside its message. An `Error` goes under the key `err`. Never a secret or mail content. */
export type LogFields = Readonly<Record<string, unknown>>;

/** What the rest of the program knows of logging. It never throws into its caller. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

/** Takes whole lines, each with its line break. */
export interface LogDestination {
  /** @returns false if the line is lost; so is one for which it throws */
  write(line: string): unknown;
}

// A second net under the rule that no secret is ever passed to a logger.
const secretKeys = ['password', 'pass', 'secret', 'token', 'accessToken', 'credential', 'authorization'];
const redactedPaths = secretKeys.flatMap((key) => [key, `*.${key}`]);

/**
 * Text without control characters: a user name with a line break in it must not look like a line of its own, and
 * one with an escape sequence must not reach the terminal.
 */
function oneLine(text: string): string {
  return text.replace(/\p{Cc}/gu, ' ');
}

function printable(value: unknown): string {
  if (typeof value === 'string' && /^[\w.:/@+-]+$/.test(value)) return value;
  return oneLine(JSON.stringify(value));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function isStandardKey(key: string): boolean {
  return ['level', 'time', 'msg', 'err'].includes(key);
}

/** `2026-01-31T12:00:00.000Z INFO  message key=value`, and an error's stack, indented, below it. */
function prettyLine(jsonLine: string): string {
  const entry: unknown = JSON.parse(jsonLine);
  if (!isRecord(entry)) return jsonLine;
  const { level, time, msg, err } = entry;
  const fields = Object.entries(entry)
    .filter(([key]) => !isStandardKey(key))
    .map(([key, value]) => ` ${key}=${printable(value)}`);
  const head = [text(time), text(level).toUpperCase().padEnd(5), oneLine(text(msg))].join(' ');
  const stack = isRecord(err) ? text(err['stack']) : '';
  const stackLines = stack === '' ? [] : stack.split('\n').map((line) => `    ${oneLine(line)}\n`);
  return `${head}${fields.join('')}\n${stackLines.join('')}`;
}

/** What is said in front of the next line that gets through, at whatever level: a log with a gap must show it. */
function lossLine(count: number): string {
  const entry = { level: 'warn', time: new Date().toISOString(), msg: `lines lost: ${count}` };
  return `${JSON.stringify(entry)}\n`;
}

/**
 * Makes a logger. Lines that it can't write are counted, and the count is logged with the next one that it can.
 *
 * @param options.format - `json`: one object per line, with `level`, `time` (ISO 8601), `msg` and the fields;
 * `pretty`: lines for human readers
 */
export function createLogger(
  options: { readonly level: LogLevel; readonly format: 'json' | 'pretty' },
  destination: LogDestination,
): Logger {
  let lost = 0;
  const isTaken = (jsonLine: string): boolean =>
    destination.write(options.format === 'pretty' ? prettyLine(jsonLine) : jsonLine) !== false;
  const stream: DestinationStream = {
    write: (jsonLine) => {
      if (lost > 0 && isTaken(lossLine(lost))) lost = 0;
      if (lost > 0 || !isTaken(jsonLine)) lost += 1;
    },
  };
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: redactedPaths, censor: '(hidden)' },
    },
    stream,
  );
  // Logging is not the job: neither a full disk nor a field that can't be written may reach a session, or the last
  // net for exceptions, where a second one ends the process.
  const writerOf = (level: keyof Logger) => (fields: LogFields, message: string) => {
    try {
      logger[level](fields, message);
    } catch {
      lost += 1;
    }
  };
  return {
    debug: writerOf('debug'),
    info: writerOf('info'),
    warn: writerOf('warn'),
    error: writerOf('error'),
  };
}

/** For a reader that is slow, or a disk that is full for a moment: some 20 000 lines. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;
const FIRST_RETRY_MS = 10;
const LAST_RETRY_MS = 1_000;
/** What a reader that doesn't read may cost at the end. */
const LAST_FLUSH_MS = 1_000;

/**
 * Lines on their way to a file descriptor that must not block: at once, in order, and never half a line. What can't be
 * written waits, up to a bound; what comes on top of that is lost.
 */
export class LogOutput implements LogDestination {
  readonly #writeBytes: (bytes: Buffer) => number;
  readonly #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #retryMs = FIRST_RETRY_MS;
  #timer: NodeJS.Timeout | undefined;

  /** @param writeBytes - writes as many bytes as there is room for, and says how many; throws where there is none */
  constructor(writeBytes: (bytes: Buffer) => number) {
    this.#writeBytes = writeBytes;
  }

  write(line: string): boolean {
    const bytes = Buffer.from(line);
    const mustWait = this.#waiting.length > 0;
    if (mustWait && this.#waitingBytes + bytes.length > MAX_WAITING_BYTES) return false;
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (!mustWait) this.#writeOn();
    return true;
  }

  /** Writes what waits, for a process that ends: blocks for a moment while a reader is slow. Never throws. */
  flush(): void {
    const deadline = performance.now() + LAST_FLUSH_MS;
    const sleeper = new Int32Array(new SharedArrayBuffer(4));
    while (this.#writeOn() === 'EAGAIN' && performance.now() < deadline)
      Atomics.wait(sleeper, 0, 0, FIRST_RETRY_MS);
    clearTimeout(this.#timer);
  }

  /** Writes as much as there is room for; the rest is tried again later. Returns the code of the error that was met. */
  #writeOn(): string | undefined {
    clearTimeout(this.#timer);
    try {
      for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
        const written = this.#writeBytes(first);
        this.#retryMs = FIRST_RETRY_MS;
        this.#waitingBytes -= written;
        if (written === first.length) this.#waiting.shift();
        else this.#waiting[0] = first.subarray(written);
      }
      return undefined;
    } catch (error) {
      // EAGAIN: a reader that is slow, or has stopped. ENOSPC, EIO, EPIPE: disks get room again, and pipes new readers.
      this.#timer = setTimeout(() => this.#writeOn(), this.#retryMs).unref();
      this.#retryMs = Math.min(2 * this.#retryMs, LAST_RETRY_MS);
      return (error as NodeJS.ErrnoException).code ?? '';
    }
  }
}

/**
 * Standard output. Being asked for it, Node opens it, and from then on a pipe, a socket or a terminal says EAGAIN instead of
 * stopping the whole process until somebody reads.
 */
export function standardOutput(): LogOutput {
  const { fd } = process.stdout;
  return new LogOutput((bytes) => writeSync(fd, bytes));
}
