// Wraps tests that need the lab's two hosts: skipped with a printed reason, or failed where CI=true.

import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

/** The lab's program. */
export const labScript = fileURLToPath(new URL('../../lab/ports.mjs', import.meta.url));

/** As in sysexits.h: the machine lacks what the lab needs. */
const unavailable = 69;

/** Like `describe`, where root can make network namespaces and Dovecot is there. */
export function describeWithPortsLab(name: string, define: () => void): void {
  const { status, stderr } = spawnSync(process.execPath, [labScript, '--check'], { encoding: 'utf8' });
  if (status === 0) {
    describe(name, define);
    return;
  }
  const reason = stderr.trim();
  if (status !== unavailable || process.env['CI'] === 'true') {
    describe(name, () => {
      it('has a machine for the lab', () => {
        expect.fail(reason);
      });
    });
    return;
  }
  console.warn(`skipped: ${name}: ${reason}`);
  describe.skip(`${name} (${reason})`, () => {
    it.todo('runs where there are network namespaces');
  });
}
