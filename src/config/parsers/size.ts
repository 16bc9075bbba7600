/** Owns how a size in bytes is written in the environment. */
import { BadValue } from '../bad-value.js';

const unitBytes = new Map([
  ['', 1],
  ['k', 1024],
  ['m', 1024 ** 2],
  ['g', 1024 ** 3],
]);

/**
 * Parses a size: a number of bytes, or a number with `k`, `m` or `g` behind it (powers of 1024, either case).
 *
 * @returns bytes
 * @throws BadValue for anything else, and for sizes that a number can't hold exactly
 */
export function size(text: string): number {
  const match = /^(?<amount>\d{1,15})(?<unit>[kmg]?)$/i.exec(text);
  const factor = unitBytes.get(match?.groups?.['unit']?.toLowerCase() ?? '');
  const bytes = Number(match?.groups?.['amount']) * (factor ?? Number.NaN);
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new BadValue('it must be a size: a number of bytes, or a number with a unit (64k, 512m, 2g)');
}
