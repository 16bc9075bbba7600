// Cuts bytes into chunks, for tests of readers that must not care how the network cut them.

/** One chunk for each byte. */
export function byteByByte(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (_byte, at) => bytes.subarray(at, at + 1));
}

/** Two chunks for each place where the bytes can be cut. */
export function everySplit(bytes: Buffer): Buffer[][] {
  return Array.from(bytes, (_byte, at) => [bytes.subarray(0, at), bytes.subarray(at)]).slice(1);
}

/**
 * Chunks of the sizes given, over and over until the bytes end.
 *
 * @param sizes - each at least 1; none at all means one chunk
 */
export function cutInto(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  if (sizes.length === 0) return bytes.length === 0 ? [] : [bytes];
  const chunks: Buffer[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

/** Bytes from text, one byte for each character. */
export function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}
