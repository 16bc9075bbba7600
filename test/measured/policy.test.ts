// `npm run bench:policy` in short: what the policies promise, as far as that doesn't depend on a quiet machine.

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeWithDovecot } from '../support/describe-with-dovecot.js';

const script = fileURLToPath(new URL('../../bench/policy.mjs', import.meta.url));

interface Claim {
  readonly what: string;
  readonly holds: boolean;
  /** Only true of a machine without much else to do. */
  readonly isTimed: boolean;
}

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imapbouncer-policy-test-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Runs one measurement; returns what it claims of the figures that don't depend on the machine. */
async function claimsOf(name: string): Promise<{ claims: Claim[]; output: string; code: number }> {
  const file = join(folder, `${name}.json`);
  const { code, output } = await new Promise<{ code: number; output: string }>((resolve, reject) => {
    const child = execFile(
      process.execPath,
      [script, '--short', '--only', name, '--json', file],
      (_error, stdout, stderr) => {
        if (child.exitCode === null) reject(new Error(`killed: ${stdout}${stderr}`));
        else resolve({ code: child.exitCode, output: stdout + stderr });
      },
    );
  });
  const text = await readFile(file, 'utf8').catch(() => {
    throw new Error(`${name} ended without figures:\n${output}`);
  });
  const results = JSON.parse(text) as Record<string, { claims: Claim[] }>;
  return { claims: results[name]!.claims.filter(({ isTimed }) => !isTimed), output, code };
}

async function expectClaimsToHold(name: string): Promise<void> {
  const { claims, output, code } = await claimsOf(name);
  expect(
    claims.filter(({ holds }) => !holds).map(({ what }) => what),
    output,
  ).toEqual([]);
  expect(claims.length).toBeGreaterThan(0);
  expect(code).toBe(0);
}

describe('the policies', { timeout: 60_000 }, () => {
  it('let a flood of wrong passwords cost one attempt each, no memory, and no login of others', () =>
    expectClaimsToHold('wrong-passwords'));

  it('let the owner of a name log in while others guess his password', () => expectClaimsToHold('guesser'));

  it('let nobody wait behind the many clients of another user', () => expectClaimsToHold('crowd'));

  it('answer every command while the server restarts, and log in no faster than the rate', () =>
    expectClaimsToHold('restart'));
});

describeWithDovecot('the policies in front of Dovecot', () => {
  it(
    'share the connections of clients that enable extensions, and hide that from the others',
    {
      timeout: 60_000,
    },
    () => expectClaimsToHold('enable'),
  );
});
