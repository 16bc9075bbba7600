/** Owns the logger: what its lines look like, and what never gets into them; the only file that knows pino. */
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
