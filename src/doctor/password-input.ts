/** Owns the way of a password from standard input into the doctor: bytes, never a string. */

/** More than any server takes; a file that was given by mistake ends here. */
const MAX_PASSWORD_BYTES = 4_096;
/** NUL, LF and CR: no form of a login carries them. */
const UNUSABLE_BYTES = [0x00, 0x0a, 0x0d];

/**
 * Reads to the end of the input. One line end behind the password is not part of it, since `echo` and editors leave one.
 *
 * @returns undefined if there is no password, or one that IMAP can't carry. The caller wipes the buffer.
 */
export async function readPassword(input: AsyncIterable<Buffer | string>): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of input) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    chunks.push(bytes);
    size += bytes.length;
    if (size > MAX_PASSWORD_BYTES) break;
  }
  const all = Buffer.concat(chunks);
  for (const chunk of chunks) chunk.fill(0);
  const password = Buffer.from(all.subarray(0, endOf(all)));
  all.fill(0);
  const isUsable =
    password.length > 0 &&
    size <= MAX_PASSWORD_BYTES &&
    !UNUSABLE_BYTES.some((byte) => password.includes(byte));
  if (isUsable) return password;
  password.fill(0);
  return undefined;
}

function endOf(bytes: Buffer): number {
  if (bytes.at(-1) !== 0x0a) return bytes.length;
  return bytes.at(-2) === 0x0d ? bytes.length - 2 : bytes.length - 1;
}
