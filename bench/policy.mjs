// Measures what the policies promise: each measurement prints its figures and its claims; exit code 1 if one doesn't hold.
//
//   node bench/policy.mjs [--only wrong-passwords,guesser,crowd,enable,restart] [--short] [--main dist/main.js]
//     [--json file]
//
// --short   little of each, for CI; claims that need a quiet machine (timed) are printed, and fail nothing
// --main f  the proxy's main file, for a build in another folder

import '../scripts/typescript-loader.mjs';
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { measureCrowd } from './policy/crowd.mjs';
import { measureEnable } from './policy/enable.mjs';
import { measureGuesser } from './policy/guesser.mjs';
import { Report } from './policy/report.mjs';
import { measureRestart } from './policy/restart.mjs';
import { Stage } from './policy/stage.mjs';
import { measureWrongPasswords } from './policy/wrong-passwords.mjs';

/** @type {Record<string, (stage: Stage, report: Report) => Promise<void>>} */
const measurements = {
  'wrong-passwords': measureWrongPasswords,
  guesser: measureGuesser,
  crowd: measureCrowd,
  enable: measureEnable,
  restart: measureRestart,
};

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: Object.keys(measurements).join(',') },
    short: { type: 'boolean', default: false },
    main: { type: 'string', default: 'dist/main.js' },
    json: { type: 'string' },
  },
});

/** @type {Record<string, { seconds: number, figures: Report['figures'], claims: Report['claims'] }>} */
const results = {};
for (const name of values.only.split(',')) {
  const measure = measurements[name];
  if (measure === undefined)
    throw new Error(`no measurement ${name}; there are ${Object.keys(measurements).join(', ')}`);
  console.log(`\n== ${name}\n`);
  const stage = new Stage({ isShort: values.short, main: values.main });
  const report = new Report();
  const startMs = performance.now();
  try {
    await measure(stage, report);
  } finally {
    await stage.end();
  }
  const seconds = (performance.now() - startMs) / 1_000;
  console.log(`\n${name} took ${seconds.toFixed(1)} s`);
  results[name] = { seconds, figures: report.figures, claims: report.claims };
}

const failed = Object.entries(results).flatMap(([name, { claims }]) =>
  claims
    .filter(({ holds, isTimed }) => !holds && !(isTimed && values.short))
    .map(({ what }) => `${name}: ${what}`),
);
console.log(failed.length === 0 ? '\nall claims hold' : `\ndoes not hold:\n${failed.join('\n')}`);
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(results, null, 2)}\n`);
process.exitCode = failed.length === 0 ? 0 : 1;
