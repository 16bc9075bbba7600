/** Owns how a duration is written in the environment. */
import { BadValue } from '../bad-value.js';

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** Node fires a timer at once if its delay doesn't fit into 31 bits; a longer duration must not come through. */
const longestMs = 2 ** 31 - 1;

const pattern = /^(?<amount>\d{1,15}(?:\.\d{1,6})?)(?<unit>ms|s|m|h)?$/;

function isUnit(unit: string): unit is keyof typeof unitMs {
  return Object.hasOwn(unitMs, unit);
}

/**
 * A parser of durations: a number of seconds, or a number with `ms`, `s`, `m` or `h` behind it.
 *
 * @param options.zero - whether 0 has a meaning for this variable. A duration above 0 never comes out as 0.
 * @returns whole milliseconds
 * @throws BadValue for anything else, and for more than about 24 days
 */
export function duration(options: { readonly zero: 'allowed' | 'refused' }): (text: string) => number {
  const atLeast = options.zero === 'allowed' ? '' : ' above 0';
  return (text) => {
    const groups = pattern.exec(text)?.groups;
    const unit = groups?.['unit'] ?? 's';
    if (groups === undefined || !isUnit(unit)) {
      throw new BadValue(
        `it must be a duration${atLeast}: a number of seconds, or a number with a unit (500ms, 30s, 5m, 1h)`,
      );
    }
    const exactMs = Number(groups['amount']) * unitMs[unit];
    if (exactMs === 0 && options.zero === 'refused') throw new BadValue('it must be a duration above 0');
    if (exactMs > longestMs) throw new BadValue('it must be a duration of at most 596h');
    return exactMs === 0 ? 0 : Math.max(1, Math.round(exactMs));
  };
}
