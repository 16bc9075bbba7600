// Keeps all bytes that a connection ever received in one growing buffer.

/** Appends in amortised constant time; views handed out earlier stay valid because written bytes never change. */
export class ByteLog {
  #storage = Buffer.allocUnsafe(4_096);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Everything so far, as a view without a copy. */
  get bytes(): Buffer {
    return this.#storage.subarray(0, this.#length);
  }

  append(chunk: Buffer): void {
    const needed = this.#length + chunk.length;
    if (needed > this.#storage.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.#storage.length * 2));
      this.#storage.copy(larger, 0, 0, this.#length);
      this.#storage = larger;
    }
    chunk.copy(this.#storage, this.#length);
    this.#length = needed;
  }
}
