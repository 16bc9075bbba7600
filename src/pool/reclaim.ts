/** Owns the reserve of each user's connections: quiet sessions give theirs back while others of the user wait. */

import type { Lease } from './lease.js';

/** A session that says nothing for so long is quiet, whether it is in IDLE or not. */
const QUIET_AFTER_MS = 60_000;

/** Whether the lease's session is in IDLE, or has been quiet for more than a minute. */
export function isQuiet({ holder }: Lease, now: number): boolean {
  if (holder === undefined) return false;
  const { isInIdle, quietSince } = holder;
  return isInIdle || (quietSince !== undefined && now - quietSince > QUIET_AFTER_MS);
}

/**
 * The leases that quiet sessions hold beyond what they may, the longest quiet first.
 *
 * @param allowed - how many connections quiet sessions may hold
 */
export function excessOfQuiet(leases: Iterable<Lease>, allowed: number, now: number): Lease[] {
  const quiet = [...leases].filter((lease) => isQuiet(lease, now));
  const since = ({ holder }: Lease): number => holder?.quietSince ?? now;
  return quiet.sort((one, other) => since(one) - since(other)).slice(0, Math.max(0, quiet.length - allowed));
}
