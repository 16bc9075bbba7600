// Owns what must hold of the whole process: nothing unhandled, no event loop that stands still, no memory that grows.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const TICK_MS = 100;
/** Of processor time in one turn: a busy machine doesn't count, a loop of ours does. */
const MAX_TURN_MS = 1_000;
const MAX_HEAP_GROWTH_BYTES = 96 * 1_048_576;
/** Buffers of all sessions, the fuzzer's own included. */
const MAX_BUFFER_BYTES = 256 * 1_048_576;
const MAX_RSS_BYTES = 1_536 * 1_048_576;

setFlagsFromString('--expose-gc');
/** @type {() => void} */
const collectGarbage = runInNewContext('gc');

export class Watch {
  #timer;
  #baseline = 0;
  #lastTickAt = performance.now();
  #lastCpu = process.cpuUsage();
  /** What was seen at most. */
  peaks = { turnMs: 0, heapBytes: 0, bufferBytes: 0, rssBytes: 0 };

  /** @param {(what: string) => void} report */
  constructor(report) {
    this.report = report;
    process.on('unhandledRejection', this.#onUnhandled);
    process.on('uncaughtException', this.#onUnhandled);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  #onUnhandled = (/** @type {unknown} */ error) => {
    this.report(`nothing handles: ${error instanceof Error ? error.stack : String(error)}`);
  };

  #tick() {
    const now = performance.now();
    const cpu = process.cpuUsage();
    const turnMs = now - this.#lastTickAt - TICK_MS;
    // Of all threads: the garbage collector's count, too, so a turn is never shorter than this says.
    const cpuMs = (cpu.user - this.#lastCpu.user + cpu.system - this.#lastCpu.system) / 1_000;
    this.#lastTickAt = now;
    this.#lastCpu = cpu;
    const busyMs = Math.min(turnMs, cpuMs);
    this.peaks.turnMs = Math.max(this.peaks.turnMs, busyMs);
    if (busyMs > MAX_TURN_MS) this.report(`the event loop stood still for ${busyMs.toFixed(0)} ms`);
    const { arrayBuffers, rss } = process.memoryUsage();
    this.peaks.bufferBytes = Math.max(this.peaks.bufferBytes, arrayBuffers);
    this.peaks.rssBytes = Math.max(this.peaks.rssBytes, rss);
    if (arrayBuffers > MAX_BUFFER_BYTES) {
      this.#collect();
      const { arrayBuffers: live } = process.memoryUsage();
      if (live > MAX_BUFFER_BYTES) this.report(`buffers take ${mib(live)}`);
    }
    if (rss > MAX_RSS_BYTES) this.report(`the process takes ${mib(rss)}`);
  }

  /** To be called while no session is there. */
  checkHeap() {
    this.#collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    const used = heapUsed + arrayBuffers;
    this.peaks.heapBytes = Math.max(this.peaks.heapBytes, used);
    if (this.#baseline === 0) this.#baseline = used;
    else if (used - this.#baseline > MAX_HEAP_GROWTH_BYTES)
      this.report(`the heap grew from ${mib(this.#baseline)} to ${mib(used)} without a session`);
  }

  #collect() {
    collectGarbage();
    // Its time is the fuzzer's own.
    this.#lastTickAt = performance.now();
    this.#lastCpu = process.cpuUsage();
  }

  stop() {
    clearInterval(this.#timer);
    process.off('unhandledRejection', this.#onUnhandled);
    process.off('uncaughtException', this.#onUnhandled);
  }
}

/** @param {number} bytes */
function mib(bytes) {
  return `${(bytes / 1_048_576).toFixed(0)} MiB`;
}
