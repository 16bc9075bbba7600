// Runs the tests of a file in a network namespace of their own, where ports and TIME_WAIT are theirs alone.
//
// The file is run twice: by the test run that finds it, and by a second one inside the namespace, which does the work.
// The first one shows each of the second one's results under its name. The namespace goes with its last process.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { readlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** Tells the second run which network it must not find itself in. */
const VARIABLE = 'TEST_NETWORK_OF_THE_HOST';
const RUN_TIMEOUT_MS = 110_000;

type Work = () => void | Promise<void>;

/** As vitest's, and only called in the namespace. */
export interface Inside {
  readonly it: (name: string, work: Work, timeoutMs?: number) => void;
  readonly beforeAll: (work: Work) => void;
  readonly afterAll: (work: Work) => void;
}

/** A part of what vitest's reporter `json` writes. */
interface Report {
  readonly testResults: readonly {
    readonly message: string;
    readonly assertionResults: readonly {
      readonly title: string;
      readonly status: string;
      readonly failureMessages: readonly string[] | null;
    }[];
  }[];
}

/**
 * Like `describe`, where root can make network namespaces; elsewhere skipped with a printed reason, or failed where
 * CI=true. Once in a file; no two tests may have the same name.
 *
 * @param file - `import.meta.url` of the caller
 */
export function describeInOwnNetwork(name: string, file: string, define: (inside: Inside) => void): void {
  if (isOwnNetwork()) {
    describe(name, () => {
      define({ it, beforeAll, afterAll });
    });
    return;
  }
  const reason = reasonAgainst();
  if (reason === undefined) describeResults(name, fileURLToPath(file), define);
  else if (process.env['CI'] === 'true') {
    describe(name, () => {
      it('has a machine with network namespaces', () => {
        expect.fail(reason);
      });
    });
  } else {
    process.stderr.write(`skipped: ${name}: ${reason}\n`);
    describe.skip(`${name} (${reason})`, () => {
      it.todo('runs where there are network namespaces');
    });
  }
}

/** What connect() chooses from, from now on. */
export function setPortRange(lowest: number, highest: number): void {
  setNetwork('ip_local_port_range', `${String(lowest)} ${String(highest)}`);
}

/** Ports in TIME_WAIT are as dear as they are towards another host: by default the loopback's are taken again. */
export function keepTimeWait(): void {
  setNetwork('tcp_tw_reuse', '0');
}

/** A line of `ss`. The peer's port is NaN for one that listens. */
export interface NetworkSocket {
  readonly state: string;
  readonly localPort: number;
  readonly peerPort: number;
}

/** All TCP sockets of this network, over IPv4 and IPv6. */
export function socketsOfNetwork(): NetworkSocket[] {
  const text = execFileSync('ss', ['-Htan'], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  const portOf = (endpoint: string): number => Number(endpoint.slice(endpoint.lastIndexOf(':') + 1));
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([state]) => state !== '')
    .map(([state = '', , , local = '', peer = '']) => ({
      state,
      localPort: portOf(local),
      peerPort: portOf(peer),
    }));
}

/** Says what was found, so that the run outside says it, too. */
export function tellMeasured(what: string): void {
  process.stdout.write(`measured: ${what}\n`);
}

/** The sysctls of a namespace are its own. */
function setNetwork(name: string, value: string): void {
  if (!isOwnNetwork()) throw new Error('this is the network of the machine: it is not to be changed');
  writeFileSync(`/proc/sys/net/ipv4/${name}`, value);
}

function isOwnNetwork(): boolean {
  const host = process.env[VARIABLE];
  return host !== undefined && host !== networkNow();
}

function networkNow(): string {
  return readlinkSync('/proc/self/ns/net');
}

const IN_NAMESPACE = ['--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh'];

function reasonAgainst(): string | undefined {
  if (process.platform !== 'linux') return `network namespaces need Linux, this is ${process.platform}`;
  if (process.getuid?.() !== 0) return 'root is needed to make network namespaces';
  const { status, stderr, error } = spawnSync('unshare', [...IN_NAMESPACE, 'ss', '-V'], { encoding: 'utf8' });
  if (error !== undefined) return `no command unshare (apt-get install util-linux): ${error.message}`;
  return status === 0 ? undefined : `no network namespace, or no iproute2: ${stderr.trim()}`;
}

function describeResults(name: string, file: string, define: (inside: Inside) => void): void {
  describe(name, () => {
    const results = new Map<string, { readonly isPassed: boolean; readonly text: string }>();
    let output = '';

    beforeAll(async () => {
      const run = await runInNamespace(file);
      ({ output } = run);
      for (const { title, status, failureMessages } of run.report?.testResults.flatMap(
        (each) => each.assertionResults,
      ) ?? [])
        results.set(title, { isPassed: status === 'passed', text: failureMessages?.join('\n') ?? status });
    }, RUN_TIMEOUT_MS + 10_000);

    define({
      it: (title) => {
        it(title, () => {
          const result = results.get(title);
          if (result?.isPassed !== true) expect.fail(`${result?.text ?? 'it was not run'}\n${output}`);
        });
      },
      beforeAll: () => undefined,
      afterAll: () => undefined,
    });
  });
}

async function runInNamespace(file: string): Promise<{ report: Report | undefined; output: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'imapbouncer-own-network-'));
  const reportFile = join(folder, 'report.json');
  const vitest = fileURLToPath(new URL('vitest.mjs', import.meta.resolve('vitest/package.json')));
  const args = [
    vitest,
    'run',
    file,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${reportFile}`,
  ];
  const child = spawn('unshare', [...IN_NAMESPACE, process.execPath, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...environmentOfRun(), [VARIABLE]: networkNow() },
    timeout: RUN_TIMEOUT_MS,
  });
  const kill = (): void => void child.kill();
  process.once('exit', kill);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  await once(child, 'close');
  process.off('exit', kill);
  // What was measured is of interest in a run that passes, too.
  for (const [line] of output.matchAll(/^measured: .*$/gm)) process.stdout.write(`${line}\n`);
  try {
    const report = JSON.parse(await readFile(reportFile, 'utf8')) as Report;
    return { report, output };
  } catch (error) {
    return { report: undefined, output: `${String(error)}\n${output}` };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Without what belongs to the run that we are in. */
function environmentOfRun(): NodeJS.ProcessEnv {
  const others = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('VITEST') && name !== 'TEST' && name !== 'TEST_REPORT_FILE',
  );
  return Object.fromEntries(others);
}
