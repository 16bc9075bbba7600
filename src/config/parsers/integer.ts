/** Owns how a count is written in the environment. */
import { BadValue } from '../bad-value.js';

/**
 * A parser of whole decimal numbers from `min` to `max`, both included.
 *
 * @throws BadValue for anything else, signs and exponents included
 */
export function integer(options: { readonly min: number; readonly max: number }): (text: string) => number {
  const { min, max } = options;
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new BadValue(`it must be a whole number from ${min} to ${max}`);
  };
}
