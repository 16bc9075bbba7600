/** Owns how one of a few fixed words is written in the environment. */
import { BadValue } from '../bad-value.js';

/**
 * A parser that takes exactly one of `words`, in exactly this spelling.
 *
 * @throws BadValue that lists the words
 */
export function choice<const Word extends string>(...words: readonly Word[]): (text: string) => Word {
  return (text) => {
    const found = words.find((word) => word === text);
    if (found !== undefined) return found;
    const last = words.at(-1) ?? '';
    throw new BadValue(`it must be ${words.slice(0, -1).join(', ')} or ${last}`);
  };
}
