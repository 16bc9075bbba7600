// The lab of docs/ports.md in its short form: 256 ports are used up by a churn straight to Dovecot, and not by the proxy.

import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { describeWithPortsLab, labScript } from '../support/describe-with-ports-lab.js';

const ports = 256;

/** A part of what the lab writes with --json. */
interface LabRun {
  readonly succeeded: number;
  readonly failed: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly addressNotAvailable: number;
  readonly succeededBeforeFirstFailure?: number;
  readonly clientClosedFirstShare: number;
  readonly connectionsOpened?: number;
  readonly mostInUse: number;
  readonly mostTimeWait: number;
  readonly mostPorts: number;
  readonly p99GapMs: number;
}

describeWithPortsLab('the lab of the ephemeral ports', () => {
  let folder: string;
  let lab: ChildProcess | undefined;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'imapbouncer-ports-lab-'));
  });

  afterEach(async () => {
    // A test that passed has nothing left to end.
    if (lab === undefined || lab.exitCode !== null || lab.signalCode !== null) return;
    lab.kill('SIGTERM');
    await once(lab, 'exit');
  });

  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  function startLab(...args: string[]): {
    child: ChildProcess;
    output: () => string;
    ended: Promise<unknown>;
  } {
    const child = spawn(process.execPath, [labScript, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    lab = child;
    let text = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    return { child, output: () => text, ended: once(child, 'close') };
  }

  it('uses up the range directly, and at most 60 ports through the proxy', { timeout: 120_000 }, async () => {
    const file = join(folder, 'short.json');
    const { child, output, ended } = startLab('--short', '--json', file);
    await ended;
    expect(child.exitCode, output()).toBe(0);

    const { runs } = JSON.parse(readFileSync(file, 'utf8')) as { runs: Record<'direct' | 'unix', LabRun> };
    const { direct, unix } = runs;
    expect(Object.keys(direct.failures)).toEqual(['connect: EADDRNOTAVAIL']);
    expect(direct.addressNotAvailable).toBeGreaterThanOrEqual(100);
    expect(direct.mostPorts).toBeGreaterThanOrEqual(ports - 5);
    expect(direct.mostPorts).toBeLessThanOrEqual(ports);
    // Where Dovecot was the first to close, it has TIME_WAIT, and the client's port is free at once.
    const used = direct.succeeded * direct.clientClosedFirstShare;
    expect(direct.succeededBeforeFirstFailure).toBeGreaterThanOrEqual(ports - 32);
    expect(used).toBeGreaterThanOrEqual(ports - 32);
    expect(used).toBeLessThanOrEqual(ports);

    expect(unix).toMatchObject({ succeeded: 3_000, failed: 0, failures: {} });
    expect(unix.mostInUse).toBeLessThanOrEqual(60);
    expect(unix.mostTimeWait).toBeLessThanOrEqual(60);
    expect(unix.connectionsOpened).toBeLessThanOrEqual(60);
    expect(unix.p99GapMs).toBeLessThanOrEqual(200);
  });

  it('leaves nothing behind when it is interrupted', { timeout: 60_000 }, async () => {
    const { child, output, ended } = startLab('--short');
    await new Promise<void>((resolve, reject) => {
      child.stdout?.on('data', () => {
        if (output().includes('A session:')) resolve();
      });
      child.once('close', () => {
        reject(new Error(`the lab ended too soon:\n${output()}`));
      });
    });
    const mine = `imapbouncer-lab-${String(child.pid)}-`;
    expect(execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })).toContain(mine);

    child.kill('SIGINT');
    await ended;

    expect(child.exitCode, output()).toBe(130);
    expect(execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })).not.toContain(mine);
  });

  it('explains itself when an argument makes no sense', async () => {
    const { child, output, ended } = startLab('--ports', 'many');
    await ended;
    expect(child.exitCode).toBe(64);
    expect(output()).toContain('Usage: npm run lab:ports');
  });
});
