// The form of a recorded script: sessions of rows, each a command or a group, and what each of them is to show.

import type { CommandParts } from '../raw-client.js';

/** Where an answer of the proxy differs by contract: what the server says, and what the proxy says instead. */
export interface Difference {
  readonly send: CommandParts;
  /** The lines that a direct session gets, normalised. */
  readonly direct: readonly string[];
  readonly proxied: readonly string[];
}

/**
 * Commands that are written at once, before any answer; their literals' bytes, too. Small enough for one packet: how
 * much of them a server sees at once decides in which order it answers (RFC 9051 §5.5).
 */
export interface Together {
  readonly together: readonly CommandParts[];
}

/** IDLE, ended by DONE when what was waited for has come. */
export interface Idle {
  /** What another session of the same user does meanwhile. */
  readonly meanwhile?: CommandParts;
  /** The last line that this must bring. */
  readonly until?: RegExp;
  /** What ends it instead of DONE. */
  readonly end?: string;
  /** @defaultValue 'IDLE' */
  readonly command?: string;
}

/** A command of another session of the same user. */
export interface Elsewhere {
  readonly elsewhere: CommandParts;
}

/** Bytes as they are, with tags of their own or none, and how many lines they bring; where these differ, which. */
export interface Raw {
  readonly raw: string;
  readonly lines: number;
  readonly direct?: readonly string[];
  readonly proxied?: readonly string[];
}

/** A synchronizing literal that is refused ends its command: the rest isn't sent, as clients must (RFC 9051 §4.3). */
export type Row = CommandParts | Difference | Together | { readonly idle: Idle } | Elsewhere | Raw;

export interface Session {
  readonly name: string;
  readonly rows: readonly Row[];
  /** What the session before, whose connection a warm one gets, has done; by default it has selected and searched. */
  readonly before?: readonly string[];
  /** It starts at the greeting, and logs in itself. */
  readonly isBeforeLogin?: boolean;
  /** Nothing of it reaches the server. */
  readonly isWithoutLease?: boolean;
  /** `closed`: the server hangs up after the last row; `none`: nothing can be said after it. @defaultValue 'logout' */
  readonly end?: 'logout' | 'closed' | 'none';
}

export function together(...commands: CommandParts[]): Together {
  return { together: commands };
}

export function idle(options: Idle = {}): { readonly idle: Idle } {
  return { idle: options };
}

export function elsewhere(command: CommandParts): Elsewhere {
  return { elsewhere: command };
}

/** All commands of a row, those of other sessions included. */
export function commandsOf(row: Row): readonly CommandParts[] {
  if (isCommand(row)) return [row];
  if ('send' in row) return [row.send];
  if ('together' in row) return row.together;
  if ('idle' in row) {
    const { command = 'IDLE', meanwhile } = row.idle;
    return meanwhile === undefined ? [command] : [command, meanwhile];
  }
  if ('elsewhere' in row) return [row.elsewhere];
  return [];
}

/** What a row allows to differ; undefined if nothing. */
export function differenceOf(row: Row): Pick<Difference, 'direct' | 'proxied'> | undefined {
  if (isCommand(row)) return undefined;
  if ('send' in row) return row;
  if (!('raw' in row) || row.direct === undefined || row.proxied === undefined) return undefined;
  return { direct: row.direct, proxied: row.proxied };
}

export function isCommand(row: Row): row is CommandParts {
  return typeof row === 'string' || Buffer.isBuffer(row) || Array.isArray(row);
}

/** A command's text without its literals' contents, as a title and for what it must show. */
export function textOf(parts: CommandParts): string {
  if (typeof parts === 'string' || Buffer.isBuffer(parts)) return parts.toString('latin1');
  return parts
    .map((part) => {
      if (typeof part === 'string' || Buffer.isBuffer(part)) return part.toString('latin1');
      const mark = part.kind === 'non-sync' ? '{n+}' : '{n}';
      return part.kind === 'literal8' ? `~${mark}` : mark;
    })
    .join('');
}

/** The command's name in upper case, with UID in front where it is one of those. */
export function verbOf(parts: CommandParts): string {
  const [first = '', second = ''] = textOf(parts).toUpperCase().split(' ');
  return first === 'UID' ? `UID ${second}` : first;
}
