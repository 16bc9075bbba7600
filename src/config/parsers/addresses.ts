/** Owns how a list of local addresses is written in the environment. */
import { isIP } from 'node:net';
import { BadValue } from '../bad-value.js';

/**
 * Parses a comma-separated list of IP addresses.
 *
 * @returns the addresses in the order given, each once
 * @throws BadValue that names the first wrong item
 */
export function addresses(text: string): readonly string[] {
  const items = text.split(',').map((item) => item.trim());
  for (const item of items) {
    if (isIP(item) === 0)
      throw new BadValue(
        `each item must be an IP address of this machine, and ${JSON.stringify(item)} is not an address`,
      );
  }
  return [...new Set(items)];
}
