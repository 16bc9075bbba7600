// Owns `npm run check`: runs every step even if an earlier one fails, so that one run shows everything.
import { writeFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { installNodePackages, runNpm } from './install.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

// CI has just run the unit tests among all the others: each is to be counted once.
const tests = process.env.CHECK_WITHOUT_TESTS === 'true' ? [] : ['test:unit'];
const steps = ['types', 'lint', 'format', 'imports', 'docs:check', ...tests];

function main() {
  const installed = installNodePackages();
  if (installed !== 0) return installed;

  const failed = steps.filter((step) => {
    console.log(`\n> check: ${step}`);
    return runNpm(['run', '--silent', step]) !== 0;
  });

  // The CI script counts these beside the failed tests.
  const reportFile = process.env.CHECK_REPORT_FILE;
  if (reportFile !== undefined) writeFileSync(reportFile, JSON.stringify({ steps, failed }));

  console.log(failed.length === 0 ? '\ncheck: all steps passed' : `\ncheck failed: ${failed.join(', ')}`);
  return failed.length === 0 ? 0 : 1;
}

process.exitCode = main();
