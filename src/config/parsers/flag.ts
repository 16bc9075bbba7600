/** Owns how yes and no are written in the environment. */
import { BadValue } from '../bad-value.js';

const words = new Map([
  ['true', true],
  ['yes', true],
  ['on', true],
  ['1', true],
  ['false', false],
  ['no', false],
  ['off', false],
  ['0', false],
]);

/**
 * Parses a boolean: `true`, `yes`, `on`, `1` or `false`, `no`, `off`, `0`, in any case.
 *
 * @throws BadValue for anything else; a typo in a security switch never means "off"
 */
export function flag(text: string): boolean {
  const value = words.get(text.toLowerCase());
  if (value === undefined) throw new BadValue('it must be true or false');
  return value;
}
