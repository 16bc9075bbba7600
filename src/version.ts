/** Owns which version this is. */

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const manifest = createRequire(import.meta.url)('../package.json') as { version: string };

/** As in package.json. */
export const VERSION = manifest.version;

/** The commit that was built, where the build left its name beside the compiled files; else `unknown`. */
export const revision = readRevision(new URL('revision', import.meta.url));

function readRevision(file: URL): string {
  const text = existsSync(file) ? readFileSync(file, 'latin1').trim() : '';
  return text === '' ? 'unknown' : text;
}
