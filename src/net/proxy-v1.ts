/** Owns the line of PROXY version 1: its one form, and nothing that is only like it. */

import { plainAddress } from './proxy-facts.js';
import type { ProxyHeader } from './proxy-facts.js';

const LINE =
  /^PROXY (?:UNKNOWN(?: [^\r\n]*)?|TCP(4|6) ([\da-fA-F.:]+) ([\da-fA-F.:]+) (\d{1,5}) (\d{1,5}))\r\n$/;

/**
 * @param line - with its line end
 * @returns what is wrong with it, as a clause, if anything is
 */
export function readProxyLine(line: Buffer): ProxyHeader | string {
  const match = LINE.exec(line.toString('latin1'));
  if (match === null) return 'a line that is not of the form of version 1';
  const [, version, source = '', destination = '', ...ports] = match;
  if (version === undefined) return { address: undefined, isTls: false };
  const family = version === '4' ? 'ipv4' : 'ipv6';
  const address = plainAddress(source, family);
  if (address === undefined || plainAddress(destination, family) === undefined)
    return `an address that is none of TCP${version}`;
  if (!ports.every(isPort)) return 'a port that does not exist';
  return { address, isTls: false };
}

function isPort(text: string | undefined): boolean {
  return text !== undefined && /^(?:0|[1-9]\d*)$/.test(text) && Number(text) <= 65_535;
}
