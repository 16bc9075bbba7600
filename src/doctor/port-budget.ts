/** Owns the port budget: how many new connections a second this machine can open towards one server for long. */

import { readFile } from 'node:fs/promises';
import process from 'node:process';

import type { Report } from './report.js';

/** Fixed when Linux is compiled (TCP_TIMEWAIT_LEN); no sysctl changes it. */
const TIME_WAIT_SECONDS = 60;
const RANGE_FILE = '/proc/sys/net/ipv4/ip_local_port_range';
const RESERVED_FILE = '/proc/sys/net/ipv4/ip_local_reserved_ports';

export interface PortBudget {
  readonly lowest: number;
  readonly highest: number;
  /** Of the range, how many the kernel hands out. */
  readonly ports: number;
  readonly perSecond: number;
}

/**
 * @param range - two numbers, as in `ip_local_port_range`
 * @param reserved - ports and ranges with commas between, as in `ip_local_reserved_ports`; may be empty
 * @returns undefined if that is no range
 */
export function portBudget(range: string, reserved: string): PortBudget | undefined {
  const match = /^\s*(\d+)\s+(\d+)\s*$/.exec(range);
  const lowest = Number(match?.[1]);
  const highest = Number(match?.[2]);
  if (match === null || highest < lowest) return undefined;
  const taken = new Set<number>();
  for (const [, first = '', last = first] of reserved.matchAll(/(\d+)(?:-(\d+))?/g)) {
    const end = Math.min(Number(last), highest);
    for (let port = Math.max(Number(first), lowest); port <= end; port += 1) taken.add(port);
  }
  const ports = highest - lowest + 1 - taken.size;
  return { lowest, highest, ports, perSecond: ports / TIME_WAIT_SECONDS };
}

export interface PortBudgetSources {
  /** @defaultValue this system's */
  readonly platform?: NodeJS.Platform;
  /** @defaultValue reads the file */
  readonly read?: (path: string) => Promise<string>;
}

/** Reports the budget. Never rejects. */
export async function reportPortBudget(report: Report, sources: PortBudgetSources = {}): Promise<void> {
  const { platform = process.platform, read = (path: string) => readFile(path, 'latin1') } = sources;
  if (platform !== 'linux') {
    report.note('ports', `the ephemeral port range can't be read on ${platform}`);
    return;
  }
  const budget = await readBudget(read);
  if (budget === undefined) {
    report.note('ports', `the ephemeral port range can't be read from ${RANGE_FILE}`);
    return;
  }
  const { lowest, highest, ports, perSecond } = budget;
  report.note(
    'ports',
    `${ports} ephemeral ports (${lowest} to ${highest}, less the reserved ones), each of them in TIME_WAIT for ${TIME_WAIT_SECONDS} s when this side closed first: ${shortened(perSecond)} new connections a second towards one server can last`,
  );
}

/** Rounded down: whole, or with one digit where that matters. */
function shortened(rate: number): string {
  return String(rate < 100 ? Math.floor(rate * 10) / 10 : Math.floor(rate));
}

async function readBudget(read: (path: string) => Promise<string>): Promise<PortBudget | undefined> {
  let range: string;
  try {
    range = await read(RANGE_FILE);
  } catch {
    // Containers may hide it: that is what the caller says.
    return undefined;
  }
  // Kernels without the second file reserve nothing.
  const reserved = await read(RESERVED_FILE).catch(() => '');
  return portBudget(range, reserved);
}
