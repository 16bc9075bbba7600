// Wraps tests that need a real Dovecot: skipped with a printed reason, or failed where CI=true.

import { describe, expect, it } from 'vitest';
import { hasDovecot } from './dovecot.js';

/** Like `describe`, where Dovecot can run. */
export function describeWithDovecot(name: string, define: () => void): void {
  const found = hasDovecot();
  if (found.ok) {
    describe(name, define);
    return;
  }
  if (process.env['CI'] === 'true') {
    describe(name, () => {
      it('has a Dovecot to run against', () => {
        expect.fail(found.reason);
      });
    });
    return;
  }
  console.warn(`skipped: ${name}: ${found.reason}`);
  describe.skip(`${name} (${found.reason})`, () => {
    it.todo('runs where Dovecot is installed');
  });
}
