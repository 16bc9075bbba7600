// Owns the arithmetic of the CI script: `node count.mjs TEST_REPORT CHECK_REPORT EXIT_CODE` prints "PASSED FAILED".
import { readFileSync } from 'node:fs';
import process from 'node:process';

const [testReportFile, checkReportFile, exitCode] = process.argv.slice(2);

/** A step that doesn't get as far as its report has none. */
function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

const tests = readReport(testReportFile);
const check = readReport(checkReportFile);

// A file that doesn't load fails without a single failed test in it.
const brokenFiles = (tests?.testResults ?? []).filter(
  (file) => file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed'),
).length;
const failedSteps = (check?.failed ?? []).length;

const passed = tests?.numPassedTests ?? 0;
const counted = (tests?.numFailedTests ?? 0) + brokenFiles + failedSteps;
const hasFailed = exitCode !== '0';

console.log(`${passed} ${hasFailed ? Math.max(counted, 1) : counted}`);
