/** Owns how a list of networks is written in the environment. */
import { isIPv4, isIPv6 } from 'node:net';
import { BadValue } from '../bad-value.js';

const words = new Map<string, readonly string[]>([
  ['loopback', ['127.0.0.0/8', '::1/128']],
  ['none', []],
]);

function network(item: string): readonly string[] {
  const word = words.get(item);
  if (word !== undefined) return word;

  const [address = '', bits, ...rest] = item.split('/');
  const widest = isIPv4(address) ? 32 : isIPv6(address) && !address.includes('%') ? 128 : undefined;
  const isPrefix = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (widest ?? -1));
  if (widest === undefined || !isPrefix || rest.length > 0) {
    throw new BadValue(
      `each item must be an address, a network (10.0.0.0/8, fd00::/8), loopback or none, and ${JSON.stringify(item)} is not`,
    );
  }
  return [`${address}/${bits === undefined ? widest : Number(bits)}`];
}

/**
 * Parses a comma-separated list of addresses, CIDR networks, and the words `loopback` (127.0.0.0/8 and ::1) and `none`.
 *
 * @returns CIDR networks in the order given, each once; a single address is a network of one
 * @throws BadValue that names the first wrong item
 */
export function networks(text: string): readonly string[] {
  return [...new Set(text.split(',').flatMap((item) => network(item.trim())))];
}
