/** Owns the reading of macOS's port facts, from sysctl. */

import { factFrom, portRange, unknown, wholeNumber } from './port-facts.js';
import type { FactSources, PortFacts, PortRange } from './port-facts.js';

/** By its path: nobody can have another `sysctl` run by the proxy with a PATH of his own. */
const SYSCTL = '/usr/sbin/sysctl';
const FIRST = 'net.inet.ip.portrange.first';
const LAST = 'net.inet.ip.portrange.last';
/** Maximum segment lifetime, in milliseconds; 15000 unless it was changed. */
const MSL = 'net.inet.tcp.msl';

const UNLIMITED = unknown('macOS limits sockets in TIME_WAIT by memory, not by a number that it tells');

/** Never rejects. */
export async function readMacosPortFacts({ run }: Pick<FactSources, 'run'>): Promise<PortFacts> {
  // One command for each fact: a name that this release doesn't have fails the whole command.
  const [range, timeWaitMs] = await Promise.all([
    factFrom(`sysctl ${FIRST} ${LAST}`, () => run(SYSCTL, [FIRST, LAST]), parseRange),
    factFrom(`sysctl ${MSL}`, () => run(SYSCTL, [MSL]), parseTimeWait),
  ]);
  return {
    range,
    timeWaitMs,
    maxTimeWaitSockets: UNLIMITED,
    timeWaitReuse: unknown('macOS does not tell'),
  };
}

function parseRange(text: string): PortRange | undefined {
  const [first, last] = [valueOf(text, FIRST), valueOf(text, LAST)];
  return first === undefined || last === undefined ? undefined : portRange(first, last);
}

/** TIME_WAIT lasts for two maximum segment lifetimes (RFC 9293 §3.6.1). */
function parseTimeWait(text: string): number | undefined {
  const mslMs = valueOf(text, MSL);
  return mslMs === undefined ? undefined : 2 * mslMs;
}

/** The number of one line `name: number`. */
function valueOf(text: string, name: string): number | undefined {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name}:`));
  return line === undefined ? undefined : wholeNumber(line.slice(name.length + 1));
}
