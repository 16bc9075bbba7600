/** Owns the bytes of one read that are to be passed on: collected as long as they are in one piece, then written. */

import type { UpstreamConnection } from '../upstream/connection.js';

const EMPTY = Buffer.alloc(0);

export class ForwardedRun {
  #buffer: Buffer = EMPTY;
  #start = 0;
  #end = 0;

  /** @param buffer - what `start` and `end` of {@link add} count in, until {@link release} */
  begin(buffer: Buffer): void {
    this.#buffer = buffer;
    this.#start = this.#end = 0;
  }

  /**
   * Adds bytes; what lies between them and the ones before is left out.
   *
   * @returns false if the upstream's send buffer is full
   */
  add(start: number, end: number, connection: UpstreamConnection): boolean {
    let isWritable = true;
    if (this.#end !== start) {
      isWritable = this.flush(connection);
      this.#start = start;
    }
    this.#end = end;
    return isWritable;
  }

  /** @returns false if the upstream's send buffer is full */
  flush(connection: UpstreamConnection | undefined): boolean {
    const run = this.#buffer.subarray(this.#start, this.#end);
    this.#start = this.#end;
    return run.length === 0 || connection === undefined || connection.write(run);
  }

  /** Lets the buffer go: an idle client must not keep it alive. */
  release(): void {
    this.#buffer = EMPTY;
  }
}
