/** Owns which version this is. */

import { createRequire } from 'node:module';

const manifest = createRequire(import.meta.url)('../package.json') as { version: string };

/** As in package.json. */
export const VERSION = manifest.version;

/** The commit that was built, where the build says so. */
export const revision = 'unknown';
