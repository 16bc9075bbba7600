/** Owns the way of whole lines to a file descriptor that must never block the process. */
import { writeSync } from 'node:fs';
import process from 'node:process';

/** For a reader that is slow, or a disk that is full for a moment: some 20 000 lines. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;
const FIRST_RETRY_MS = 10;
const LAST_RETRY_MS = 1_000;
/** What a reader that doesn't read may cost at the end. */
const LAST_FLUSH_MS = 1_000;

/**
 * Lines on their way to a file descriptor that must not block: at once, in order, and never half a line. What can't be
 * written waits, up to a bound; what comes on top of that is lost.
 */
export class LogOutput {
  readonly #writeBytes: (bytes: Buffer) => number;
  readonly #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #retryMs = FIRST_RETRY_MS;
  #timer: NodeJS.Timeout | undefined;

  /** @param writeBytes - writes as many bytes as there is room for, and says how many; throws where there is none */
  constructor(writeBytes: (bytes: Buffer) => number) {
    this.#writeBytes = writeBytes;
  }

  /** @returns false if the line is lost */
  write(line: string): boolean {
    const bytes = Buffer.from(line);
    const mustWait = this.#waiting.length > 0;
    if (mustWait && this.#waitingBytes + bytes.length > MAX_WAITING_BYTES) return false;
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (!mustWait) this.#writeOn();
    return true;
  }

  /** Writes what waits, for a process that ends: blocks for a moment while a reader is slow. Never throws. */
  flush(): void {
    const deadline = performance.now() + LAST_FLUSH_MS;
    const sleeper = new Int32Array(new SharedArrayBuffer(4));
    while (this.#writeOn() === 'EAGAIN' && performance.now() < deadline)
      Atomics.wait(sleeper, 0, 0, FIRST_RETRY_MS);
    clearTimeout(this.#timer);
  }

  /** Writes as much as there is room for; the rest is tried again later. Returns the code of the error that was met. */
  #writeOn(): string | undefined {
    clearTimeout(this.#timer);
    try {
      for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
        const written = this.#writeBytes(first);
        this.#retryMs = FIRST_RETRY_MS;
        this.#waitingBytes -= written;
        if (written === first.length) this.#waiting.shift();
        else this.#waiting[0] = first.subarray(written);
      }
      return undefined;
    } catch (error) {
      // EAGAIN: a reader that is slow, or has stopped. ENOSPC, EIO, EPIPE: disks get room again, and pipes new readers.
      this.#timer = setTimeout(() => this.#writeOn(), this.#retryMs).unref();
      this.#retryMs = Math.min(2 * this.#retryMs, LAST_RETRY_MS);
      return (error as NodeJS.ErrnoException).code ?? '';
    }
  }
}

/**
 * Standard output. Being asked for it, Node opens it, and from then on a pipe, a socket or a terminal says EAGAIN instead of
 * stopping the whole process until somebody reads.
 */
export function standardOutput(): LogOutput {
  const { fd } = process.stdout;
  return new LogOutput((bytes) => writeSync(fd, bytes));
}
