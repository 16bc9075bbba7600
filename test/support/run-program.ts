// Runs a program to its end, within a deadline, in an environment that has nothing of the one who runs the tests.

import { execFile } from 'node:child_process';
import process from 'node:process';

export interface ProgramResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramOptions {
  /** Where it finds its own files; nothing of the user who runs the tests is read. */
  readonly home: string;
  readonly input?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** @defaultValue 20 s */
  readonly timeoutMs?: number;
}

/** @throws Error if it can't be started, or was ended by a signal */
export function runProgram(
  command: string,
  args: readonly string[],
  { home, input = '', environment = {}, timeoutMs = 20_000 }: ProgramOptions,
): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    const env = { PATH: process.env['PATH'], HOME: home, LC_ALL: 'C', TZ: 'UTC', ...environment };
    const child = execFile(
      command,
      args,
      { env, cwd: home, timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: 64 * 1_048_576 },
      (error, stdout, stderr) => {
        if (error !== null && typeof error.code !== 'number') {
          reject(new Error(`${command}: ${error.message}\n${stdout}\n${stderr}`, { cause: error }));
          return;
        }
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
      },
    );
    // A program that ends without reading what it was given says what it thinks of it by its exit code.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}
