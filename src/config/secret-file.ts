/** Owns the `…_FILE` twins: a secret may come from a file instead of from the environment. */
import { readFileSync } from 'node:fs';
import { BadValue } from './bad-value.js';
import { fileTwin } from './contract.js';
import { describeProblem } from './problem.js';
import { readableFile } from './parsers/readable-file.js';
import type { Variable } from './variable.js';

/** The environment with every secret in its own variable, and what was wrong with the twins. */
export interface SecretFileResult {
  readonly env: Readonly<Record<string, string>>;
  readonly problems: readonly string[];
}

/**
 * Reads the secrets of `table` whose twin names a file. One line break at the end of the file isn't part of the
 * secret, because editors and `echo` leave one there.
 *
 * @param env - the variables that are set
 */
export function readSecretFiles(
  env: Readonly<Record<string, string>>,
  table: Readonly<Record<string, Variable>>,
): SecretFileResult {
  const resolved = { ...env };
  const problems: string[] = [];
  for (const [name, row] of Object.entries(table)) {
    const twin = fileTwin(name);
    const path = env[twin];
    if (row.secret !== true || path === undefined) continue;
    if (env[name] !== undefined) {
      problems.push(`${name} and ${twin} are both set; only one of them may be.`);
      continue;
    }
    try {
      const secret = readFileSync(readableFile(path), 'utf8').replace(/\r?\n$/, '');
      if (secret === '') throw new BadValue('it must name a file that is not empty');
      resolved[name] = secret;
    } catch (error) {
      problems.push(describeProblem(twin, path, error));
    }
  }
  return { env: resolved, problems };
}
