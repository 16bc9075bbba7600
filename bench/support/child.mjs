// Owns one child process from start to end: what it said last, whether it ended by itself, and that it never outlives us.
import { spawn } from 'node:child_process';
import process from 'node:process';

const keptLines = 15;

/**
 * @typedef {object} Child
 * @property {import('node:child_process').ChildProcess} process
 * @property {Promise<never>} failed - rejects, with its last lines, if it ends before stop() is called
 * @property {() => Promise<void>} stop - TERM, and KILL after 5 s; twice is safe
 */

/**
 * Runs a script with this Node.
 *
 * @param {string} name - for messages
 * @param {string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, hasChannel?: boolean, cwd: string }} options
 * @returns {Child}
 */
export function startChild(name, args, { env = process.env, hasChannel = false, cwd }) {
  /** @type {import('node:child_process').StdioOptions} */
  const stdio = hasChannel ? ['ignore', 'pipe', 'pipe', 'ipc'] : ['ignore', 'pipe', 'pipe'];
  /** @type {import('node:child_process').ChildProcess} */
  const child = spawn(process.execPath, args, { env, cwd, stdio });
  const lastLines = keepLastLines(child);
  // Whatever ends us, Ctrl-C twice or a defect: nothing stays behind.
  const kill = () => child.kill('SIGKILL');
  process.on('exit', kill);

  const ended = new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  void ended.then(() => process.off('exit', kill));

  let isStopping = false;
  /** @type {Promise<never>} */
  const failed = new Promise((_, reject) => {
    void ended.then((how) => {
      const said = lastLines();
      if (!isStopping)
        reject(new Error(`${name} ended by itself (${how})${said === '' ? '' : `:\n${said}`}`));
    });
  });
  failed.catch(() => undefined);

  return {
    process: child,
    failed,
    stop: async () => {
      isStopping = true;
      child.kill('SIGTERM');
      const timer = setTimeout(kill, 5_000);
      await ended;
      clearTimeout(timer);
    },
  };
}

/**
 * Reads all that a child says, so that it never blocks on a full pipe, and keeps the end of it.
 *
 * @param {import('node:child_process').ChildProcess} child
 */
function keepLastLines(child) {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk) => {
      text = `${text}${chunk}`.slice(-8_000);
    });
  }
  return () => text.trimEnd().split('\n').slice(-keptLines).join('\n');
}
