// Owns the demo from start to end: the stage, the phases, the table, Ctrl-C, and the exit code.
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { runPhases } from './phases.mjs';
import { conditions, faultsOf, introduction, invitation, table } from './report.mjs';
import { openStage } from './stage.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const interruptedCode = 130;

/**
 * @param {{ isOnce: boolean, sessions: number }} options - `sessions` in each phase
 * @param {Promise<number>} outputFailed - as of whenOutputFails
 * @returns {Promise<number>} an exit code, when nothing runs any more
 */
export async function runDemo({ isOnce, sessions }, outputFailed) {
  const cleanups = [];
  const interrupted = whenInterrupted();
  const opening = openStage(root, !isOnce, cleanups);
  try {
    const measured = await Promise.race([measure(opening, sessions), interrupted, outputFailed]);
    if (typeof measured === 'number') return measured;
    if (measured !== undefined && isOnce) return measured.code;
    if (measured !== undefined) {
      const failed = await stayUp(measured.stage, interrupted, outputFailed);
      if (failed !== undefined) return failed;
    }
    console.log('\nstopping');
    return measured?.code ?? interruptedCode;
  } catch (error) {
    console.error(`\ndemo: ${error.message}`);
    return 1;
  } finally {
    // What is still being started would else be started behind the end of all; if it failed, that was said above.
    await opening.catch(() => undefined);
    for (const undo of cleanups.reverse()) await undo();
  }
}

async function measure(opening, sessions) {
  const stage = await opening;
  console.log(introduction(stage));
  const phases = await Promise.race([runPhases(stage, sessions), stage.failed]);
  console.log(`\n${table(phases)}\n\n${conditions(phases)}`);

  const faults = faultsOf(phases);
  for (const fault of faults) console.error(`demo: ${fault}`);
  return { stage, code: faults.length === 0 ? 0 : 1 };
}

/** @returns {Promise<number | undefined>} an exit code if it was not a signal that ended this */
async function stayUp(stage, interrupted, outputFailed) {
  console.log(invitation(stage));
  return Promise.race([interrupted, outputFailed, stage.failed]);
}

/** The first signal ends the demo in order, the second one at once: the children are killed when we exit. */
function whenInterrupted() {
  return new Promise((resolve) => {
    let isInterrupted = false;
    const onSignal = () => {
      if (isInterrupted) process.exit(interruptedCode);
      isInterrupted = true;
      resolve(undefined);
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, onSignal);
  });
}
