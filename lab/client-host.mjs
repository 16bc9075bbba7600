// @ts-check
// Owns the lab as it runs on the client host: measurements, tables, files, and an end in good order.
//
// lab/ports.mjs starts it inside the namespace, with { options, serverNamespace } as JSON.

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import process from 'node:process';
import { renderChart } from './chart.mjs';
import { systems } from './churn.mjs';
import { describeMachine } from './machine.mjs';
import { churnRemarks, churnTable, introduction, list, variantText, verdictText } from './report.mjs';
import { openStage } from './stage.mjs';
import { variants } from './variants.mjs';
import { verdictsOf } from './verdicts.mjs';

/** @typedef {import('./options.mjs').LabOptions} LabOptions */

const interruptedCode = 130;

/** @type {{ options: LabOptions, serverNamespace: string }} */
const { options, serverNamespace } = JSON.parse(process.argv[2] ?? '');

// What an interrupted run still does must not keep this process alive.
process.exit(await main());

async function main() {
  /** @type {(() => Promise<void>)[]} */
  const cleanups = [];
  const interruption = watchForInterruption();
  try {
    return await Promise.race([run(cleanups), interruption.happened]);
  } catch (error) {
    if (interruption.isOver()) return interruptedCode;
    console.error(`lab: ${/** @type {Error} */ (error).message}`);
    return 1;
  } finally {
    for (const undo of cleanups.reverse()) await undo();
  }
}

/**
 * @param {(() => Promise<void>)[]} cleanups
 * @returns {Promise<number>} an exit code
 */
async function run(cleanups) {
  const startMs = performance.now();
  const machine = describeMachine();
  const stage = await openStage({ serverNamespace, range: options.range, cleanups });
  console.log(introduction(options, machine, stage));

  /** @type {Record<string, import('./churn.mjs').ChurnRun>} */
  const runs = {};
  for (const name of options.systems) runs[name] = await rowOf(systems, name)(stage, options);
  const churn = Object.values(runs);
  if (churn.length > 0) console.log(`\n${churnTable(churn)}${list(churnRemarks(churn, machine))}`);

  /** @type {Record<string, import('./variants.mjs').VariantResult>} */
  const results = {};
  let hasFailed = false;
  for (const name of options.variants) {
    try {
      const result = await rowOf(variants, name)(stage, options);
      console.log(variantText(result));
      results[name] = result;
    } catch (error) {
      // The others take minutes, and are none the worse for it.
      hasFailed = true;
      console.error(`\nlab: the variant ${name} failed: ${/** @type {Error} */ (error).message}`);
    }
  }

  const verdicts = [
    ...verdictsOf(runs, options.range),
    ...Object.values(results).flatMap((result) => result.verdicts ?? []),
  ];
  const seconds = Math.round((performance.now() - startMs) / 1_000);
  console.log(`\n${verdictText(verdicts)}\n\n${seconds} s in all`);
  if (options.json !== undefined) {
    const all = { options, machine, seconds, runs, variants: results, verdicts };
    await save(options.json, `${JSON.stringify(all, null, 1)}\n`);
  }
  if (options.svg !== undefined) {
    const charted = [runs['direct'], runs['unix']].filter((each) => each !== undefined);
    await save(options.svg, renderChart(charted, options.range));
  }
  return verdicts.every(({ holds }) => holds) && !hasFailed ? 0 : 1;
}

/**
 * @template T
 * @param {Readonly<Record<string, T>>} table
 * @param {string} name - checked when the options were read
 * @returns {T}
 */
function rowOf(table, name) {
  const row = table[name];
  if (row === undefined) throw new Error(`no ${name}; there are ${Object.keys(table).join(', ')}`);
  return row;
}

/**
 * @param {string} file
 * @param {string} text
 */
async function save(file, text) {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
  console.log(`${file} written`);
}

/** A signal, or the end of the process that will remove the namespaces. */
function watchForInterruption() {
  let isOver = false;
  /** @type {Promise<number>} */
  const happened = new Promise((resolve) => {
    const interrupt = () => {
      if (isOver) return;
      isOver = true;
      console.log('\nstopping');
      resolve(interruptedCode);
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, interrupt);
    process.on('disconnect', interrupt);
  });
  return { happened, isOver: () => isOver };
}
