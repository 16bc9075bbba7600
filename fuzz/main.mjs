// Fuzzes the proxy in dist/ in both directions, and fails if any promise of it is broken.
//
//   node fuzz/main.mjs [--inputs 1000000] [--seconds N] [--seed S] [--only client-before-login,client-after-login,upstream]
//     [--shrink-seconds 60] [--sabotage leak|late|state|secret|haste|block|reject]
//
// --inputs n    stops after so many inputs: mutated commands given to the proxy, and mutated responses of the server
// --seconds n   stops after so long
// --seed s      plays the same sessions again; how they meet is up to the sockets
// --shrink-seconds n  so long it looks for the smallest sessions that show a finding
// --sabotage w  does what must be found: the run has to fail

import { parseArgs } from 'node:util';
import { Run } from './run.mjs';
import { shrink } from './shrink.mjs';
import { SABOTAGES, removeCertificate } from './stage.mjs';

const DIRECTIONS = /** @type {const} */ (['client-before-login', 'client-after-login', 'upstream']);

const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '1000000' },
    seconds: { type: 'string', default: '0' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 0x7fff_ffff)) },
    only: { type: 'string', default: DIRECTIONS.join(',') },
    'shrink-seconds': { type: 'string', default: '60' },
    sabotage: { type: 'string' },
  },
});
const directions = DIRECTIONS.filter((direction) => values.only.split(',').includes(direction));
if (directions.length === 0) throw new Error(`--only takes ${DIRECTIONS.join(', ')}`);
const sabotage = SABOTAGES.find((name) => name === values.sabotage);
if (sabotage !== values.sabotage) throw new Error(`--sabotage takes ${SABOTAGES.join(', ')}`);
const options = { seed: Number(values.seed), directions, ...(sabotage === undefined ? {} : { sabotage }) };

const startedAt = performance.now();
const run = new Run(options);
try {
  console.log(`seed ${values.seed}`);
  await run.play({
    inputs: Number(values.inputs),
    seconds: Number(values.seconds),
    onRound: () => console.log(progress()),
  });
} finally {
  await run.stop();
}
if (run.finding === undefined) {
  console.log(`no finding; ${JSON.stringify(run.inputsBy)}`);
} else {
  console.log(
    `\nfound: ${run.finding.what}\nstage ${run.finding.stage}, session ${run.finding.session}, seed ${values.seed}`,
  );
  const smallest = await shrink(run.finding, options, 1_000 * Number(values['shrink-seconds']));
  if (smallest === undefined) console.log('it does not happen again when these sessions are played alone:');
  else console.log(`it happens again: ${smallest.what}`);
  for (const plan of (smallest?.plans ?? run.finding.suspects).slice(-4))
    console.log(JSON.stringify(plan, undefined, 1));
  process.exitCode = 1;
}
await removeCertificate();

function progress() {
  const seconds = (performance.now() - startedAt) / 1_000;
  const { turnMs, heapBytes, bufferBytes, rssBytes } = run.peaks;
  const mib = (/** @type {number} */ bytes) => `${(bytes / 1_048_576).toFixed(0)} MiB`;
  return [
    `${seconds.toFixed(0)} s: ${run.inputs} inputs, ${(run.inputs / seconds).toFixed(0)} a second`,
    `${run.sessions} sessions`,
    `longest turn ${turnMs.toFixed(0)} ms, heap ${mib(heapBytes)}, buffers ${mib(bufferBytes)}, process ${mib(rssBytes)}`,
  ].join('; ');
}
