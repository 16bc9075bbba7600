/** Owns which idle timeout is the best of several, by the ports and the logins that each would cost. */

import { HIGH_MARK } from './port-pressure.js';

/** What one idle timeout would come to, with the load of the last hours. */
export interface TtlPoint {
  readonly ttlMs: number;
  /** From 0 to 1: logins that would find a warm connection. */
  readonly hitShare: number;
  readonly upstreamLoginsPerSecond: number;
  /** On average in TIME_WAIT. */
  readonly timeWaitPorts: number;
  /** On average idle; each of them takes a port, too. */
  readonly heldConnections: number;
}

/** TIME_WAIT may take so much of the ports: the averages here know of no rush hour. */
const TIME_WAIT_SHARE = 0.5;
/** A longer timeout that saves fewer logins than this share isn't worth its connections. */
const HIT_TOLERANCE = 0.02;
const ROUNDING = 1e-9;

/**
 * The shortest timeout that is nearly as good as the best one.
 *
 * Those count that fit: TIME_WAIT takes at most half of the ports, and together with the idle connections less than
 * what counts as high pressure. Of those, every one saves enough that is within two percentage points of the best
 * hit share. A longer timeout never has fewer hits nor more TIME_WAIT, so without the idle connections this is the
 * shortest timeout that keeps TIME_WAIT at half and comes within two points of the longest.
 *
 * If none fits, ports are what is short: the one that takes the fewest in all.
 *
 * @param curve - in ascending order of `ttlMs`, not empty
 * @param limit - ports towards the server; undefined where nobody knows, and then every timeout fits
 */
export function recommendTtl(curve: readonly TtlPoint[], limit: number | undefined): TtlPoint | undefined {
  const fitting = curve.filter((point) => isFitting(point, limit));
  if (fitting.length === 0) return fewestPorts(curve);
  const best = Math.max(...fitting.map(({ hitShare }) => hitShare));
  return fitting.find(({ hitShare }) => hitShare >= best - HIT_TOLERANCE - ROUNDING);
}

/** Ports that a timeout takes on average, less those of connections in use, which no timeout changes. */
export function portsOf({ timeWaitPorts, heldConnections }: TtlPoint): number {
  return timeWaitPorts + heldConnections;
}

function isFitting(point: TtlPoint, limit: number | undefined): boolean {
  if (limit === undefined) return true;
  return point.timeWaitPorts <= limit * TIME_WAIT_SHARE && portsOf(point) < limit * HIGH_MARK;
}

/** The shortest of several that take as few. */
function fewestPorts(curve: readonly TtlPoint[]): TtlPoint | undefined {
  const fewest = Math.min(...curve.map(portsOf));
  return curve.find((point) => portsOf(point) <= fewest);
}
