// `npm run fuzz` in short: nothing is found in either direction; and what only a broken proxy would pass on is found.

import { execFile } from 'node:child_process';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const script = fileURLToPath(new URL('../../fuzz/main.mjs', import.meta.url));

function fuzz(...options: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      process.execPath,
      [script, ...options],
      { timeout: 170_000 },
      (_error, stdout, stderr) => {
        if (child.exitCode === null) reject(new Error(`killed: ${stdout}${stderr}`));
        else resolve({ code: child.exitCode, output: stdout + stderr });
      },
    );
  });
}

describe('the fuzzer', { timeout: 180_000 }, () => {
  it('finds nothing in half a minute', async () => {
    const { code, output } = await fuzz('--seconds', '30');
    expect(code, output).toBe(0);
    const { upstream, ...client } = JSON.parse(/no finding; (.*)/.exec(output)![1]!) as Record<
      string,
      number
    >;
    expect(upstream, output).toBeGreaterThan(0);
    for (const inputs of Object.values(client)) expect(inputs, output).toBeGreaterThan(0);
  });

  it.each([
    ['leak', "gives away somebody else's mail", /found: a client of \w+ gets what belongs to \w+/],
    [
      'late',
      'says too late what the session before was to get',
      /found: session -?\d+ gets what session -?\d+ /,
    ],
    ['state', 'leaves a mailbox selected', /found: the client behind session \d+ gets .*selected=yes/],
    ['secret', 'logs a password', /found: the proxy logs a secret/],
  ])('finds it (%s) when something %s', async (sabotage, _what, finding) => {
    const { code, output } = await fuzz(
      ...['--sabotage', sabotage, '--seed', '1', '--seconds', '60', '--shrink-seconds', '1'],
    );
    expect(output).toMatch(finding);
    expect(output).toContain('seed 1');
    // The session that shows it.
    expect(output).toMatch(/"inputs": \[/);
    expect(code).toBe(1);
  });
});
