/** Owns the check that a file named in the environment is there, so that a typo ends the start and not a later login. */
import { accessSync, constants, statSync } from 'node:fs';
import { BadValue } from '../bad-value.js';

function reason(error: unknown): string {
  return error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
}

/**
 * Parses the path of a regular file that this process can read at start.
 *
 * @returns the path as it was given
 * @throws BadValue if there is no such file or it can't be read
 */
export function readableFile(path: string): string {
  let isFile: boolean;
  try {
    isFile = statSync(path).isFile();
    accessSync(path, constants.R_OK);
  } catch (error) {
    throw new BadValue(`it must name a file that can be read${reason(error)}`);
  }
  if (!isFile) throw new BadValue('it must name a regular file');
  return path;
}
