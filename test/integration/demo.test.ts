// `npm run demo` as a stranger runs it: the table, the exit code, and nothing left behind.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';

const script = fileURLToPath(new URL('../../scripts/demo.mjs', import.meta.url));

interface Demo {
  readonly output: () => string;
  readonly errors: () => string;
  /** Resolves when the text was printed; rejects when the demo ends without it. */
  readonly until: (text: string) => Promise<void>;
  readonly ended: Promise<number | null>;
  /** Reads no more, as `| head -1` does. */
  readonly hangUp: () => void;
  readonly signal: (signal: NodeJS.Signals) => void;
}

let demo: Demo | undefined;

afterEach(async () => {
  // Its own end of everything; a test that passed has nothing left to end.
  demo?.signal('SIGTERM');
  await demo?.ended;
});

function startDemo(...args: string[]): Demo {
  return startDemoIn(tmpdir(), ...args);
}

/** @param folder - for its temporary files */
function startDemoIn(folder: string, ...args: string[]): Demo {
  const child = spawn(process.execPath, [script, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: folder },
  });
  const [texts, errors]: [string[], string[]] = [[], []];
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => texts.push(chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => errors.push(chunk));
  const output = (): string => texts.join('');
  const hangUp = (): void => void child.stdout.destroy();
  const ended = once(child, 'close').then(() => child.exitCode);
  const until = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      child.stdout.on('data', () => {
        if (output().includes(text)) resolve();
      });
      void ended.then(() => {
        reject(new Error(`the demo ended before it said "${text}":\n${output()}${errors.join('')}`));
      });
    });
  return { output, errors: () => errors.join(''), until, ended, hangUp, signal: (name) => child.kill(name) };
}

/** A table's row as numbers: sessions, failed, connections, TIME_WAIT, p50 ms, sessions/s. */
function rowOf(output: string, label: string): number[] {
  const row = output.split('\n').find((line) => new RegExp(`^${label}( +[\\d.]+){6}$`).test(line));
  if (row === undefined) throw new Error(`no row "${label}" in:\n${output}`);
  return row.slice(label.length).trim().split(/ +/).map(Number);
}

/** What the demo said that it listens on. */
function addressesOf(output: string): { imapPort: number; adminPort: number; socketFile: string } {
  const match = /LISTEN=imap:\/\/127\.0\.0\.1:(\d+),unix:(\S+) [^]*ADMIN_LISTEN=127\.0\.0\.1:(\d+)/.exec(
    output,
  );
  if (match === null) throw new Error(`no addresses in:\n${output}`);
  return { imapPort: Number(match[1]), socketFile: match[2]!, adminPort: Number(match[3]) };
}

/** The first line that a port says, or the error's code. */
async function greetingOf(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  try {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    return chunk.toString();
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  } finally {
    socket.destroy();
  }
}

test(
  'shows with --once that the same churn costs a few connections instead of one each',
  { timeout: 60_000 },
  async () => {
    demo = startDemo('--once', '--sessions', '300');

    expect(await demo.ended, demo.output() + demo.errors()).toBe(0);

    const output = demo.output();
    const [sessions, failed, connections, ports] = rowOf(output, 'direct');
    expect({ sessions, failed, connections }).toEqual({ sessions: 300, failed: 0, connections: 300 });
    for (const label of ['through the proxy', 'through its Unix socket']) {
      const [pooledSessions, pooledFailed, pooledConnections, pooledPorts] = rowOf(output, label);
      expect({ pooledSessions, pooledFailed }).toEqual({ pooledSessions: 300, pooledFailed: 0 });
      expect(pooledConnections).toBeLessThan(75);
      expect(pooledPorts).toBeLessThan(ports!);
    }
    // Not a terminal: no bar, no control characters.
    expect(output).not.toMatch(/[\r\x1b]/);
  },
);

test('stays up without --once until a signal, and leaves nothing behind', { timeout: 60_000 }, async () => {
  demo = startDemo('--sessions', '100');
  await demo.until('until Ctrl-C');
  const { imapPort, adminPort, socketFile } = addressesOf(demo.output());
  expect(demo.output()).toContain(`port ${imapPort}, no encryption`);
  expect(await greetingOf(imapPort)).toMatch(/^\* OK /);
  const metrics = await fetch(`http://127.0.0.1:${adminPort}/metrics`);
  expect(await metrics.text()).toContain('imapbouncer_leases_total');

  demo.signal('SIGINT');

  expect(await demo.ended, demo.output() + demo.errors()).toBe(0);
  expect(await greetingOf(imapPort)).toBe('ECONNREFUSED');
  expect(existsSync(socketFile)).toBe(false);
});

test(
  'judges a short run fairly, and finds a place for its socket where TMPDIR is long',
  { timeout: 60_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'demo-'.padEnd(100, 'x')));
    try {
      demo = startDemoIn(folder, '--once', '--sessions', '20');

      expect(await demo.ended, demo.output() + demo.errors()).toBe(0);

      expect(demo.errors()).toBe('');
      expect(rowOf(demo.output(), 'through its Unix socket').slice(0, 2)).toEqual([20, 0]);
      expect(existsSync(dirname(addressesOf(demo.output()).socketFile))).toBe(false);
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);

test(
  'ends like other tools when its reader leaves, and leaves no file behind',
  { timeout: 60_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'demo-'));
    try {
      demo = startDemoIn(folder, '--once', '--sessions', '20');
      await demo.until('> tsc');
      demo.hangUp();

      expect(await demo.ended, demo.errors()).toBe(141);

      expect(demo.errors()).toBe('');
      expect(await readdir(folder)).toEqual([]);
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);

test('explains itself when an argument makes no sense', async () => {
  demo = startDemo('--sessions', 'many');

  expect(await demo.ended).toBe(64);
  expect(demo.output()).toContain('Usage: npm run demo');
});
