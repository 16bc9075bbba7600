/** Owns the arithmetic of ports towards one server: how many there are, and how many connections a second they last for. */

import { ASSUMED_TIME_WAIT_MS } from './port-facts.js';
import type { PortFacts } from './port-facts.js';

export interface PortBudget {
  /** Ports that can be taken towards one address of a server at the same time. */
  readonly limit: number;
  /** Connections a second that can be opened, and closed by us, for any length of time. */
  readonly sustainablePerSecond: number;
}

/**
 * @param sourceAddressCount - local addresses that connections leave from, each with ports of its own; at least 1 is
 *   counted
 * @returns undefined where the range isn't known
 */
export function portBudget(
  facts: Pick<PortFacts, 'range' | 'timeWaitMs'>,
  sourceAddressCount = 1,
): PortBudget | undefined {
  if (!facts.range.isKnown) return undefined;
  const { lowest, highest, reservedCount } = facts.range.value;
  const limit = (highest - lowest + 1 - reservedCount) * Math.max(sourceAddressCount, 1);
  return { limit, sustainablePerSecond: limit / (timeWaitMsOf(facts) / 1_000) };
}

/** TIME_WAIT as it is known, else as it must be feared. */
export function timeWaitMsOf({ timeWaitMs }: Pick<PortFacts, 'timeWaitMs'>): number {
  return timeWaitMs.isKnown ? timeWaitMs.value : ASSUMED_TIME_WAIT_MS;
}

/** From 0 to 1, and above where ports outside of the range are taken, too; 1 where there are no ports at all. */
export function usedShare(used: number, limit: number): number {
  return limit > 0 ? used / limit : 1;
}
