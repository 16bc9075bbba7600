// Wraps tests that need the curl command: skipped with a printed reason, or failing where CI=true.

import { spawnSync } from 'node:child_process';
import { it } from 'vitest';

const canRun = spawnSync('curl', ['--version']).status === 0 || process.env['CI'] === 'true';
if (!canRun) console.warn('skipped: what curl does: no curl command (apt-get install curl)');

/** Like `it`, where there is a curl. */
export const itWithCurl = it.skipIf(!canRun);
