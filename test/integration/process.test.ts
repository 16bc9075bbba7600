// The process as a supervisor starts it: what becomes of it when nobody takes what it writes.

import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, createReadStream, openSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RawClient } from '../support/raw-client.js';
import { startScriptedUpstream } from '../support/scripted-upstream.js';
import type { ScriptedUpstream } from '../support/scripted-upstream.js';

const pathOf = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const main = ['--import', pathOf('scripts/typescript-loader.mjs'), pathOf('src/main.ts')];

let upstream: ScriptedUpstream;
let folder: string;
let socketFile: string;
const children: ChildProcess[] = [];
const files: number[] = [];

beforeEach(async () => {
  upstream = await startScriptedUpstream();
  folder = await mkdtemp(join(tmpdir(), 'process-'));
  socketFile = join(folder, 'imap.sock');
});

afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  for (const file of files.splice(0)) closeSync(file);
  await upstream.close();
  await rm(folder, { recursive: true });
});

function open(path: string, flags: string): number {
  const file = openSync(path, flags);
  files.push(file);
  return file;
}

function start(stdout: number | 'pipe', ...args: string[]): ChildProcess {
  const child = spawn(process.execPath, [...main, ...args], {
    stdio: ['ignore', stdout, 'pipe'],
    env: {
      PATH: process.env['PATH'],
      UPSTREAM_HOST: upstream.host,
      UPSTREAM_PORT: String(upstream.port),
      UPSTREAM_TLS: 'off',
      LISTEN: `unix:${socketFile}`,
      ADMIN_LISTEN: '127.0.0.1:0',
      UPSTREAM_MAX_CONNECTIONS: '10',
    },
  });
  children.push(child);
  return child;
}

/** Runs a command to its end. */
async function ended(child: ChildProcess): Promise<{ code: number | null; errors: string }> {
  const [errors] = await Promise.all([text(child.stderr!), once(child, 'exit')]);
  return { code: child.exitCode, errors };
}

/** Connects as soon as somebody listens. */
async function connect(): Promise<RawClient> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return (await RawClient.connectAndGreet({ path: socketFile })).client;
    } catch (error) {
      if (attempt === 500) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** Sessions that leave a line in the log each. */
async function runSessions(count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    const client = await connect();
    expect((await client.command('LOGOUT')).status).toBe('OK');
    client.destroy();
  }
}

/** Starts it with a pipe as its output; who has the file that is returned may read from that. */
function startIntoPipe(): { child: ChildProcess; readEnd: number } {
  const path = join(folder, 'pipe');
  execFileSync('mkfifo', [path]);
  // An end alone would wait for the other one.
  const bothEnds = openSync(path, 'r+');
  const readEnd = open(path, 'r');
  const writeEnd = openSync(path, 'w');
  const child = start(writeEnd);
  closeSync(writeEnd);
  closeSync(bothEnds);
  return { child, readEnd };
}

describe('a log', () => {
  test('on a full disk costs no session, from the start on', async () => {
    const child = start(open('/dev/full', 'w'));
    const client = await connect();
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');
    await runSessions(20);
    expect((await client.command('NOOP')).status).toBe('OK');
    client.destroy();
    child.kill('SIGTERM');
    expect(await ended(child)).toEqual({ code: 0, errors: '' });
  });

  test('whose reader stops reading costs no session, and does not keep the process from ending', async () => {
    const { child } = startIntoPipe();
    // More than a pipe holds, by far.
    await runSessions(800);
    const client = await connect();
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');
    client.destroy();
    child.kill('SIGTERM');
    expect(await ended(child)).toEqual({ code: 0, errors: '' });
  });

  test('is complete when the process has ended, even if the reader was late', async () => {
    const { child, readEnd } = startIntoPipe();
    await runSessions(800);
    child.kill('SIGTERM');
    const [log, end] = await Promise.all([
      text(createReadStream('', { fd: readEnd, autoClose: false })),
      ended(child),
    ]);
    expect(end).toEqual({ code: 0, errors: '' });
    const messages = log
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { msg: string }).msg);
    expect(messages.filter((message) => message === 'session ended')).toHaveLength(800);
    expect(messages.at(-1)).toBe('drained');
    expect(log).not.toContain('lines lost');
  });

  test('whose reader is gone costs no session', async () => {
    const child = start('pipe');
    child.stdout!.destroy();
    await runSessions(20);
    child.kill('SIGTERM');
    expect(await ended(child)).toEqual({ code: 0, errors: '' });
  });
});

describe.each([['--check'], ['--help']])('%s', (command) => {
  test('ends like other tools, and without a word, when its reader is gone', async () => {
    const child = start('pipe', command);
    child.stdout!.destroy();
    expect(await ended(child)).toEqual({ code: 141, errors: '' });
  });

  test('fails with a sentence when there is no room for its output', async () => {
    const child = start(open('/dev/full', 'w'), command);
    expect(await ended(child)).toEqual({
      code: 1,
      errors: "imapbouncer: standard output can't be written (ENOSPC)\n",
    });
  });
});
