/** Owns what is to be known of a system's ephemeral ports, and how a fact says that it isn't known. */

/** Something that was read, with where; or why it could not be. */
export type Fact<T> =
  | {
      readonly isKnown: true;
      readonly value: T;
      /** A path, a command, a registry value, or whose constant or default it is where the system says nothing. */
      readonly source: string;
    }
  | { readonly isKnown: false; readonly why: string };

/** The ports that the system chooses from when a connection doesn't ask for one. */
export interface PortRange {
  readonly lowest: number;
  readonly highest: number;
  /** Ports of this range that the system never chooses. */
  readonly reservedCount: number;
}

/** When a new connection may take a port that is still in TIME_WAIT towards the same address. */
export type TimeWaitReuse = 'never' | 'loopback' | 'always';

export interface PortFacts {
  readonly range: Fact<PortRange>;
  readonly timeWaitMs: Fact<number>;
  /** More sockets than these are never in TIME_WAIT: the system forgets the next one at once. */
  readonly maxTimeWaitSockets: Fact<number>;
  readonly timeWaitReuse: Fact<TimeWaitReuse>;
}

/** What the readers read with; each may reject, and then a fact is unknown. */
export interface FactSources {
  readonly readFile: (path: string) => Promise<string>;
  /** Standard output of a command that ended well. */
  readonly run: (command: string, args: readonly string[]) => Promise<string>;
}

/**
 * TIME_WAIT for own accounting where no reader knows it, in milliseconds: the longest among the defaults of
 * today's systems, because a port that is thought free too early is the worse mistake.
 */
export const ASSUMED_TIME_WAIT_MS = 120_000;

const HIGHEST_PORT = 65_535;

export function known<T>(value: T, source: string): Fact<T> {
  return { isKnown: true, value, source };
}

export function unknown(why: string): { readonly isKnown: false; readonly why: string } {
  return { isKnown: false, why };
}

/**
 * Reads one fact. Never rejects.
 *
 * @param source - a path or a command, for the reader of the fact
 * @param parse - undefined if the text is not what it should be
 */
export async function factFrom<T>(
  source: string,
  read: () => Promise<string>,
  parse: (text: string) => T | undefined,
): Promise<Fact<T>> {
  try {
    const value = parse(await read());
    return value === undefined
      ? unknown(`${source} says something else than expected`)
      : known(value, source);
  } catch (error) {
    return unknown(`${source}: ${lineOf(error)}`);
  }
}

/** Without reserved ports. @returns undefined unless both are ports that can be chosen, in this order */
export function portRange(lowest: number, highest: number): PortRange | undefined {
  const isRange =
    Number.isSafeInteger(lowest) && Number.isSafeInteger(highest) && lowest >= 1 && lowest <= highest;
  return isRange && highest <= HIGHEST_PORT ? { lowest, highest, reservedCount: 0 } : undefined;
}

/** @returns undefined unless the text is one whole number, with white space around it or not */
export function wholeNumber(text: string): number | undefined {
  return /^\s*\d+\s*$/.test(text) ? Number(text) : undefined;
}

/** A command's error holds all that it said. */
function lineOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.trim().replace(/\s+/g, ' ');
}
