/** Owns the number of this process's open file descriptors: one look at a directory, never a walk per scrape. */

import { readdir, stat } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';

const DIRECTORY = '/proc/self/fd';
const MAX_AGE_MS = 60_000;

export interface OpenFilesOptions {
  /** @defaultValue the monotonic clock */
  readonly now?: () => number;
  /** The size that the system gives for the directory; 0 if it gives none. */
  readonly sizeOf?: () => Promise<number>;
  /** The walk. */
  readonly list?: () => Promise<number>;
}

export class OpenFiles {
  readonly #now: () => number;
  readonly #sizeOf: () => Promise<number>;
  readonly #list: () => Promise<number>;
  #listed: { readonly at: number; readonly count: Promise<number> } | undefined;

  constructor(options: OpenFilesOptions = {}) {
    this.#now = options.now ?? (() => performance.now());
    this.#sizeOf = options.sizeOf ?? (async () => (await stat(DIRECTORY)).size);
    this.#list = options.list ?? (async () => (await readdir(DIRECTORY)).length);
  }

  /** Undefined where the system has no such directory. Never rejects. */
  async count(): Promise<number | undefined> {
    try {
      // Since Linux 6.2 the size of the directory is the number of its entries; before, it is 0.
      const size = await this.#sizeOf();
      return size > 0 ? size : await this.#lastListed();
    } catch {
      return undefined;
    }
  }

  #lastListed(): Promise<number> {
    const now = this.#now();
    if (this.#listed === undefined || now - this.#listed.at >= MAX_AGE_MS)
      this.#listed = { at: now, count: this.#list() };
    return this.#listed.count;
  }
}
