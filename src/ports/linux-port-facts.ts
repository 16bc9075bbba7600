/** Owns the reading of Linux's port facts from /proc/sys; the numbers are those of the own network namespace. */

import { factFrom, known, portRange, unknown, wholeNumber } from './port-facts.js';
import type { Fact, FactSources, PortFacts, PortRange, TimeWaitReuse } from './port-facts.js';

const DIRECTORY = '/proc/sys/net/ipv4/';

/** Fixed when Linux is compiled (TCP_TIMEWAIT_LEN in include/net/tcp.h); tcp_fin_timeout is something else. */
const TIME_WAIT_MS = 60_000;

/** `ip-sysctl.rst`: 2, for loopback alone, is the default since Linux 4.19. */
const REUSE: Readonly<Record<string, TimeWaitReuse>> = { 0: 'never', 1: 'always', 2: 'loopback' };

/** Never rejects. */
export async function readLinuxPortFacts({ readFile }: Pick<FactSources, 'readFile'>): Promise<PortFacts> {
  const fact = <T>(name: string, parse: (text: string) => T | undefined): Promise<Fact<T>> =>
    factFrom(DIRECTORY + name, () => readFile(DIRECTORY + name), parse);
  const [range, reserved, maxTimeWaitSockets, timeWaitReuse] = await Promise.all([
    fact('ip_local_port_range', parseRange),
    fact('ip_local_reserved_ports', (text) => text),
    fact('tcp_max_tw_buckets', wholeNumber),
    fact('tcp_tw_reuse', (text) => REUSE[text.trim()]),
  ]);
  return {
    // Kernels without the second file reserve nothing.
    range: range.isKnown && reserved.isKnown ? lessReserved(range, reserved.value) : range,
    timeWaitMs: range.isKnown
      ? known(TIME_WAIT_MS, 'the constant of Linux')
      : unknown(`this may be no Linux: ${range.why}`),
    maxTimeWaitSockets,
    timeWaitReuse,
  };
}

/** Two numbers, as in `32768\t60999`. */
function parseRange(text: string): PortRange | undefined {
  const match = /^\s*(\d+)\s+(\d+)\s*$/.exec(text);
  return match === null ? undefined : portRange(Number(match[1]), Number(match[2]));
}

/** Ports and ranges with commas between, as in `8080,9000-9100`; only those inside of the range count. */
function lessReserved(fact: Fact<PortRange> & { isKnown: true }, reserved: string): Fact<PortRange> {
  const { lowest, highest } = fact.value;
  const taken = new Set<number>();
  for (const [, first = '', last = first] of reserved.matchAll(/(\d+)(?:-(\d+))?/g)) {
    const end = Math.min(Number(last), highest);
    for (let port = Math.max(Number(first), lowest); port <= end; port += 1) taken.add(port);
  }
  return { ...fact, value: { lowest, highest, reservedCount: taken.size } };
}
