// The proxy as a process of its own, for what only a process has: signals, limits and memory.

import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import type { ProxyTarget } from './proxy.js';

const pathOf = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));
/** As `npm test` has built it: a loader of TypeScript would be most of the memory. */
const MAIN = pathOf('dist/main.js');
const MEGABYTE = 1_048_576;

export interface ProcessOptions {
  readonly environment?: Readonly<Record<string, string>>;
}

export class ProxyProcess {
  /** Of the listener. */
  readonly port: number;
  readonly adminPort: number;
  /** Everything that it logs. */
  readonly logLines: readonly Record<string, unknown>[];
  readonly #child: ChildProcess;

  private constructor(
    child: ChildProcess,
    lines: readonly Record<string, unknown>[],
    ports: [number, number],
  ) {
    this.#child = child;
    this.logLines = lines;
    [this.port, this.adminPort] = ports;
  }

  /** The caller must `kill()` it. */
  static async start(
    upstream: ProxyTarget,
    { environment = {} }: ProcessOptions = {},
  ): Promise<ProxyProcess> {
    const ports: [number, number] = [await freePort(), await freePort()];
    const child = spawn(process.execPath, [MAIN], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        PATH: process.env['PATH'],
        UPSTREAM_HOST: upstream.host,
        UPSTREAM_PORT: String(upstream.port),
        UPSTREAM_TLS: 'off',
        LISTEN: `imap://127.0.0.1:${String(ports[0])}`,
        ADMIN_LISTEN: `127.0.0.1:${String(ports[1])}`,
        ...environment,
      },
    });
    // No test that is interrupted may leave it behind.
    process.once('exit', () => child.kill('SIGKILL'));
    const lines: Record<string, unknown>[] = [];
    const ready = new Promise<void>((resolve, reject) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        const entry = JSON.parse(line) as Record<string, unknown>;
        lines.push(entry);
        if (entry['msg'] === 'ready for clients') resolve();
      });
      child.once('exit', (code) => {
        reject(
          new Error(`the proxy ended with ${String(code)} before it was ready: ${JSON.stringify(lines)}`),
        );
      });
    });
    await ready;
    return new ProxyProcess(child, lines, ports);
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Resolves to the exit code. */
  async ended(): Promise<number | null> {
    if (this.isRunning) await once(this.#child, 'exit');
    return this.#child.exitCode;
  }

  /** Ends it at once, if it still runs. */
  async kill(): Promise<void> {
    if (this.isRunning) this.#child.kill('SIGKILL');
    await this.ended();
  }

  async metric(name: string): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${String(this.adminPort)}/metrics`);
    const lines = (await response.text()).split('\n').filter((line) => /^[a-z_]+/.exec(line)?.[0] === name);
    if (lines.length === 0) throw new Error(`no sample of ${name}`);
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  /** Polls until the predicate holds. */
  async until(predicate: () => Promise<boolean> | boolean, what: string, timeoutMs = 10_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!(await predicate())) {
      if (performance.now() > deadline) throw new Error(`not within ${String(timeoutMs)} ms: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Leaves it room for so many files and sockets more than it has open. */
  async limitFiles(spare: number): Promise<void> {
    const pid = String(this.#child.pid);
    const limit = String((await readdir(`/proc/${pid}/fd`)).length + spare);
    execFileSync('prlimit', ['--pid', pid, `--nofile=${limit}:${limit}`]);
  }

  /** Resident memory now, and the most of it since the last {@link forgetPeak}; megabytes, as Linux counts. */
  async memory(): Promise<{ readonly now: number; readonly peak: number }> {
    const status = await readFile(`/proc/${String(this.#child.pid)}/status`, 'utf8');
    const of = (name: string): number =>
      (Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024) / MEGABYTE;
    return { now: of('VmRSS'), peak: of('VmHWM') };
  }

  async forgetPeak(): Promise<void> {
    await writeFile(`/proc/${String(this.#child.pid)}/clear_refs`, '5');
  }
}

async function freePort(): Promise<number> {
  const { createServer } = await import('node:net');
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
