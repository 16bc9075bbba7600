/** Owns Linux's own counts of TCP sockets: three small files, read at once at each scrape. */

import { readFileSync } from 'node:fs';

const SOCKSTAT = '/proc/net/sockstat';
const SOCKSTAT6 = '/proc/net/sockstat6';
const NETSTAT = '/proc/net/netstat';

/** Each is undefined where the system doesn't say it. */
export interface SystemSockets {
  /** Bound or connected, of this network namespace, IPv4 and IPv6. */
  readonly inUse: number | undefined;
  /** Closed by their process, and not yet by TCP; of the whole machine. */
  readonly orphan: number | undefined;
  /** Of this network namespace, IPv4 and IPv6. */
  readonly timeWait: number | undefined;
  /** Of the whole machine. */
  readonly alloc: number | undefined;
  /** Since the system started: sockets that skipped TIME_WAIT, because too many were in it. */
  readonly timeWaitOverflows: number | undefined;
}

/**
 * Blocks for some 0.02 ms: a file of /proc has no disk to wait for. Never throws.
 *
 * @param read - throws where there is no such file
 */
export function readSystemSockets(read: (path: string) => string = readLatin1): SystemSockets {
  const sockstat = textOf(read, SOCKSTAT);
  const tcp = numbersAfter('TCP:', sockstat);
  // No such file: IPv6 is switched off, and there are no such sockets.
  const inUse6 = numbersAfter('TCP6:', textOf(read, SOCKSTAT6)).get('inuse') ?? 0;
  const inUse4 = tcp.get('inuse');
  return {
    inUse: inUse4 === undefined ? undefined : inUse4 + inUse6,
    orphan: tcp.get('orphan'),
    timeWait: tcp.get('tw'),
    alloc: tcp.get('alloc'),
    timeWaitOverflows: extendedCounter('TCPTimeWaitOverflow', textOf(read, NETSTAT)),
  };
}

function readLatin1(path: string): string {
  return readFileSync(path, 'latin1');
}

/** Empty where the file can't be read: only Linux has it, and a container may hide it. Every number is unknown then. */
function textOf(read: (path: string) => string, path: string): string {
  try {
    return read(path);
  } catch {
    return '';
  }
}

/** `TCP: inuse 10 orphan 0 tw 1`: the line's names and numbers. */
function numbersAfter(label: string, text: string): ReadonlyMap<string, number> {
  const words = text
    .split('\n')
    .find((line) => line.startsWith(`${label} `))
    ?.split(' ');
  const numbers = new Map<string, number>();
  if (words === undefined) return numbers;
  for (let at = 1; at + 1 < words.length; at += 2) {
    const [name, digits] = [words[at], words[at + 1]];
    if (name !== undefined && digits !== undefined && /^\d+$/.test(digits)) numbers.set(name, Number(digits));
  }
  return numbers;
}

/** A line `TcpExt:` of names, and another one of numbers in the same order, which differs from kernel to kernel. */
function extendedCounter(name: string, text: string): number | undefined {
  const [names = [], values = []] = text
    .split('\n')
    .filter((line) => line.startsWith('TcpExt: '))
    .map((line) => line.split(' '));
  const at = names.indexOf(name);
  const digits = at < 0 ? undefined : values[at];
  return digits === undefined || !/^\d+$/.test(digits) ? undefined : Number(digits);
}
