// Wraps tests of a real mail client against Dovecot: skipped with a printed reason, or failed where CI=true.

import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { describeWithDovecot } from './describe-with-dovecot.js';

/** A command that tests run, and where it comes from. */
export interface ClientCommand {
  readonly command: string;
  /** What makes it say its version and end. */
  readonly versionFlag: string;
  readonly debianPackage: string;
}

/** Like `describe`, where Dovecot can run and these commands are installed. */
export function describeWithClient(
  name: string,
  commands: readonly ClientCommand[],
  define: () => void,
): void {
  const missing = commands.filter(
    ({ command, versionFlag }) => spawnSync(command, [versionFlag]).error !== undefined,
  );
  if (missing.length === 0) {
    describeWithDovecot(name, define);
    return;
  }
  const reason = `no ${missing.map(({ command }) => command).join(', ')} command (apt-get install ${missing.map(({ debianPackage }) => debianPackage).join(' ')})`;
  if (process.env['CI'] === 'true') {
    describe(name, () => {
      it('has a client to run', () => {
        expect.fail(reason);
      });
    });
    return;
  }
  console.warn(`skipped: ${name}: ${reason}`);
  describe.skip(`${name} (${reason})`, () => {
    it.todo('runs where the client is installed');
  });
}
