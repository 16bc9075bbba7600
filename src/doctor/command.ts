/** Owns `--check` as a command: from its arguments and standard input to its exit code. */

import { performance } from 'node:perf_hooks';

import type { Config } from '../config/config.js';
import type { Credentials } from '../identity.js';
import { readCheckArguments } from './arguments.js';
import { runCheck } from './check.js';
import { readPassword } from './password-input.js';
import type { ExitCode } from './report.js';

/** The command line makes no sense; the message says what would. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface CheckCommand {
  /** What stands behind `--check`. */
  readonly args: readonly string[];
  /** Throws ConfigError, which is not caught here. */
  readonly loadConfig: () => Config;
  readonly input: AsyncIterable<Buffer | string> & { readonly isTTY?: boolean };
  /** Takes one line, without its line end. */
  readonly print: (line: string) => void;
}

/**
 * Runs the doctor.
 *
 * @returns the exit code
 * @throws UsageError; and ConfigError, as a start would
 */
export async function checkCommand({ args, loadConfig, input, print }: CheckCommand): Promise<ExitCode> {
  const wanted = readCheckArguments(args);
  if (typeof wanted === 'string') throw new UsageError(wanted);
  const { user, hasWrongLogin } = wanted;
  const config = loadConfig();
  const credentials = user === undefined ? undefined : await readCredentials(user, input);
  return runCheck({ config, credentials, hasWrongLogin, print, now: () => performance.now() });
}

async function readCredentials(user: string, input: CheckCommand['input']): Promise<Credentials> {
  if (input.isTTY === true)
    throw new UsageError('a terminal shows a password that is typed; give it by a pipe or a file');
  const secret = await readPassword(input);
  if (secret === undefined) throw new UsageError('standard input must hold one line with the password');
  const authenticationId = Buffer.from(user);
  return { kind: 'password', authenticationId, authorizationId: Buffer.alloc(0), secret };
}
