/** Owns the reading of Linux's table of TCP sockets: in small pieces, so that the event loop never waits for it. */

import { open } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';

import { SocketTally } from './socket-tally.js';
import type { PortUse, RemoteEndpoint } from './socket-tally.js';
import { DIGITS } from './table-address.js';

/** The kernel gives some 4 KiB per read whatever is asked for; a table that is a file fills it. */
const CHUNK_BYTES = 65_536;
const DEADLINE_MS = 2_000;

export type TableReading =
  | (PortUse & {
      readonly isComplete: true;
      /** By the clock, most of it in the kernel and in the thread pool. */
      readonly durationMs: number;
      /** The longest time for which the event loop was held up. */
      readonly longestTurnMs: number;
    })
  | { readonly isComplete: false; readonly why: string; readonly durationMs: number };

export interface SocketTableOptions {
  /** Where to; none is no socket, and nothing is read. */
  readonly endpoints: readonly RemoteEndpoint[];
  /** After that the reading gives up. @defaultValue 2000 */
  readonly deadlineMs?: number;
  /** Ends the reading early, as incomplete. */
  readonly signal?: AbortSignal;
  /** @defaultValue the monotonic clock, in milliseconds */
  readonly now?: () => number;
  /** @defaultValue Linux's */
  readonly paths?: { readonly v4: string; readonly v6: string };
}

const PATHS = { v4: '/proc/net/tcp', v6: '/proc/net/tcp6' } as const;

class ReadingStopped extends Error {
  override readonly name = 'ReadingStopped';
}

/**
 * Counts the local ports that have a socket towards one of the endpoints. Works in any container and needs no
 * privilege; sees the sockets of all processes of the network namespace. Never rejects.
 */
export async function readSocketTable(options: SocketTableOptions): Promise<TableReading> {
  const { now = () => performance.now(), paths = PATHS } = options;
  const tally = new SocketTally(options.endpoints);
  const turns = new Turns(now, options.deadlineMs ?? DEADLINE_MS, options.signal);
  try {
    if (tally.hasEndpoints) {
      await scan(paths.v4, DIGITS.v4, tally, turns);
      // Without IPv6 there is no such file, and no such socket.
      await scan(paths.v6, DIGITS.v6, tally, turns).catch(unlessAbsent);
    }
    return {
      isComplete: true,
      ...tally.use,
      durationMs: turns.elapsedMs,
      longestTurnMs: turns.longestTurnMs,
    };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { isComplete: false, why, durationMs: turns.elapsedMs };
  }
}

async function scan(path: string, addressDigits: number, tally: SocketTally, turns: Turns): Promise<void> {
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    for (let kept = 0; ;) {
      // Each read ends in another turn of the event loop, which is all the yielding that is needed.
      const { bytesRead } = await file.read(buffer, kept, CHUNK_BYTES - kept);
      if (bytesRead === 0) return;
      kept = turns.take(() => tally.take(buffer, kept + bytesRead, addressDigits));
      if (kept === CHUNK_BYTES) throw new ReadingStopped(`${path} has a line without an end`);
    }
  } finally {
    await file.close();
  }
}

function unlessAbsent(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
}

/** Owns the time that a reading takes, in all and at once. */
class Turns {
  readonly #now: () => number;
  readonly #startedAt: number;
  readonly #deadlineMs: number;
  readonly #signal: AbortSignal | undefined;
  longestTurnMs = 0;

  constructor(now: () => number, deadlineMs: number, signal: AbortSignal | undefined) {
    this.#now = now;
    this.#startedAt = now();
    this.#deadlineMs = deadlineMs;
    this.#signal = signal;
  }

  get elapsedMs(): number {
    return this.#now() - this.#startedAt;
  }

  /** @throws ReadingStopped before a turn for which there is no time left */
  take<T>(turn: () => T): T {
    if (this.#signal?.aborted === true) throw new ReadingStopped('stopped');
    const startedAt = this.#now();
    if (startedAt - this.#startedAt > this.#deadlineMs)
      throw new ReadingStopped(`not done after ${this.#deadlineMs} ms`);
    const result = turn();
    this.longestTurnMs = Math.max(this.longestTurnMs, this.#now() - startedAt);
    return result;
  }
}
