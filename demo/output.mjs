// Owns what becomes of the demo when what it prints can't be written.
import process from 'node:process';

/** 128 + SIGPIPE: what shells say of a tool whose reader left, `npm run demo | head -1`. */
const readerLeftCode = 141;

/**
 * To be called before the first line is printed.
 *
 * @returns {Promise<number>} the exit code that is due then; pending as long as all is well
 */
export async function whenOutputFails() {
  /** @type {NodeJS.ErrnoException} */
  const { code } = await new Promise((resolve) => {
    // Every later line fails as well.
    process.stdout.on('error', resolve);
  });
  if (code === 'EPIPE') return readerLeftCode;
  console.error(`demo: standard output can't be written (${code})`);
  return 1;
}
