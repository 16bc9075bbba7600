/** Owns the reading of Windows' port facts, from netsh and the registry. */

import { factFrom, known, portRange, unknown } from './port-facts.js';
import type { Fact, FactSources, PortFacts, PortRange } from './port-facts.js';

const REGISTRY_KEY = 'HKLM\\SYSTEM\\CurrentControlSet\\Services\\Tcpip\\Parameters';
const NETSH_ARGS = ['int', 'ipv4', 'show', 'dynamicport', 'tcp'];

/**
 * What Microsoft documents. "TCP/IP Registry Values for Microsoft Windows Vista and Windows Server 2008":
 * TcpTimedWaitDelay is 30 to 300 s, 120 s if absent. Older systems: 240 s on Windows 2000 (TechNet cc938217), on
 * Server 2003 120 s or 240 s, depending on the page (TechNet cc757512, MSDN ms819739). Node.js runs on none of those.
 */
const TIME_WAIT_SECONDS = { default: 120, least: 30, most: 300 };

/**
 * KB 929851: the range was 1025 to 5000 until Windows Server 2003, and is 49152 to 65535 since Vista, there to be
 * read with netsh. MaxUserPort was the upper end of the old range; where it is set, newer systems begin at 1025 too.
 */
const LOWEST_WITH_MAX_USER_PORT = 1_025;

/** Never rejects. */
export async function readWindowsPortFacts({ run }: Pick<FactSources, 'run'>): Promise<PortFacts> {
  const [dynamicPorts, registry] = await Promise.all([
    factFrom(`netsh ${NETSH_ARGS.join(' ')}`, () => run('netsh', NETSH_ARGS), parseDynamicPorts),
    factFrom(`reg query ${REGISTRY_KEY}`, () => run('reg', ['query', REGISTRY_KEY]), parseNumbers),
  ]);
  return {
    range: dynamicPorts.isKnown ? dynamicPorts : rangeFrom(registry, dynamicPorts.why),
    timeWaitMs: timeWaitFrom(registry),
    maxTimeWaitSockets: unknown('Windows has no such limit'),
    timeWaitReuse: unknown('Windows does not tell'),
  };
}

/**
 * `Start Port : 49152` and `Number of Ports : 16384`, in the language of the system and an encoding of its own: the
 * two lines that end in a number are all that is sure.
 */
function parseDynamicPorts(text: string): PortRange | undefined {
  const numbers = [...text.matchAll(/(\d+)[^\S\n]*$/gm)].map(([, digits]) => Number(digits));
  const [start, count] = numbers;
  if (start === undefined || count === undefined || numbers.length !== 2) return undefined;
  return portRange(start, start + count - 1);
}

/** Numbers of the key itself, by name: `    MaxUserPort    REG_DWORD    0xfffe`. */
function parseNumbers(text: string): ReadonlyMap<string, number> {
  const lines = text.matchAll(/^[^\S\n]+(\w+)[^\S\n]+REG_DWORD[^\S\n]+0x([0-9a-f]+)[^\S\n]*$/gim);
  return new Map([...lines].map(([, name = '', digits = '']) => [name.toLowerCase(), parseInt(digits, 16)]));
}

function rangeFrom(registry: Fact<ReadonlyMap<string, number>>, why: string): Fact<PortRange> {
  if (!registry.isKnown) return unknown(`${why}; ${registry.why}`);
  const highest = registry.value.get('maxuserport');
  const range = highest === undefined ? undefined : portRange(LOWEST_WITH_MAX_USER_PORT, highest);
  return range === undefined
    ? unknown(`${why}; the registry has no MaxUserPort`)
    : known(range, `${REGISTRY_KEY}\\MaxUserPort`);
}

function timeWaitFrom(registry: Fact<ReadonlyMap<string, number>>): Fact<number> {
  if (!registry.isKnown) return registry;
  const seconds = registry.value.get('tcptimedwaitdelay');
  if (seconds === undefined)
    return known(TIME_WAIT_SECONDS.default * 1_000, 'the documented default of Windows');
  const { least, most } = TIME_WAIT_SECONDS;
  return known(Math.min(Math.max(seconds, least), most) * 1_000, `${REGISTRY_KEY}\\TcpTimedWaitDelay`);
}
