/** Owns synthetic sessions of many users, and what a real pool would do with them at one idle timeout. */

export interface Session {
  readonly user: string;
  readonly startMs: number;
  readonly endMs: number;
}

export interface Moment {
  readonly atMs: number;
  readonly user: string;
  readonly kind: 'login' | 'release';
}

/** Numbers from 0 to 1, the same in each run (Mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Users who come back after anything from parts of a second to hours; some open sessions beside each other. */
export function sessionsOf(users: number, durationMs: number, seed: number): Session[] {
  const random = randomFrom(seed);
  const sessions: Session[] = [];
  for (let user = 0; user < users; user += 1) {
    const typicalGapMs = 200 * 10 ** (random() * 4.3);
    const isParallel = random() < 0.3;
    for (let atMs = random() * typicalGapMs; atMs < durationMs;) {
      const lengthMs = 20 + random() * 3_000;
      sessions.push({ user: `u${user}`, startMs: atMs, endMs: atMs + lengthMs });
      if (isParallel && random() < 0.5)
        sessions.push({
          user: `u${user}`,
          startMs: atMs + random() * 50,
          endMs: atMs + 50 + random() * 4_000,
        });
      atMs += lengthMs - Math.log(1 - random()) * typicalGapMs;
    }
  }
  return sessions;
}

/** In the order in which they happen. */
export function momentsOf(sessions: readonly Session[]): Moment[] {
  const moments = sessions.flatMap(({ user, startMs, endMs }): Moment[] => [
    { atMs: startMs, user, kind: 'login' },
    { atMs: endMs, user, kind: 'release' },
  ]);
  return moments.sort((a, b) => a.atMs - b.atMs);
}

export interface SimulatedPool {
  readonly hitShare: number;
  readonly upstreamLoginsPerSecond: number;
  /** Averages over the second half of the time. */
  readonly timeWaitPorts: number;
  readonly heldConnections: number;
}

/** A pool that keeps every released connection for `ttlMs`, lends the last one released first, and closes them itself. */
export function simulatedPool(
  moments: readonly Moment[],
  { ttlMs, durationMs, timeWaitMs }: { ttlMs: number; durationMs: number; timeWaitMs: number },
): SimulatedPool {
  const idle = new Map<string, number[]>();
  const span = { fromMs: durationMs / 2, toMs: durationMs };
  let [hits, logins, heldMs, timeWaitTotalMs] = [0, 0, 0, 0];
  const idleEnds = (releasedMs: number, endMs: number, isClosed: boolean): void => {
    heldMs += overlap(releasedMs, endMs, span);
    if (isClosed) timeWaitTotalMs += overlap(endMs, endMs + timeWaitMs, span);
  };
  for (const { atMs, user, kind } of moments) {
    const stack = idle.get(user) ?? [];
    idle.set(user, stack);
    while (stack[0] !== undefined && stack[0] + ttlMs < atMs) {
      const releasedMs = stack.shift() ?? 0;
      idleEnds(releasedMs, releasedMs + ttlMs, true);
    }
    if (kind === 'release') {
      if (ttlMs > 0) stack.push(atMs);
      else idleEnds(atMs, atMs, true);
      continue;
    }
    logins += 1;
    const releasedMs = stack.pop();
    if (releasedMs === undefined) continue;
    hits += 1;
    idleEnds(releasedMs, atMs, false);
  }
  for (const stack of idle.values())
    for (const releasedMs of stack) idleEnds(releasedMs, releasedMs + ttlMs, true);
  const spanMs = span.toMs - span.fromMs;
  return {
    hitShare: hits / logins,
    upstreamLoginsPerSecond: (logins - hits) / (durationMs / 1_000),
    timeWaitPorts: timeWaitTotalMs / spanMs,
    heldConnections: heldMs / spanMs,
  };
}

function overlap(fromMs: number, toMs: number, span: { fromMs: number; toMs: number }): number {
  return Math.max(0, Math.min(toMs, span.toMs) - Math.max(fromMs, span.fromMs));
}
