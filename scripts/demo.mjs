// Owns `npm run demo`: makes a fresh clone ready with Node alone, and hands over to demo/.
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { whenOutputFails } from '../demo/output.mjs';
import { build, installNodePackages } from './install.mjs';

const usage = `Usage: npm run demo -- [--once] [--sessions N]

  --once        end after the table, with exit code 1 if a session failed or the pool had no effect
  --sessions N  in each phase (default 1500)`;

const oldestNode = [20, 19];

/** @returns {{ isOnce: boolean, sessions: number } | undefined} undefined: not to be understood, or a call for help */
function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        once: { type: 'boolean', default: false },
        sessions: { type: 'string', default: '1500' },
        help: { type: 'boolean', default: false },
      },
    });
    const sessions = Number(values.sessions);
    if (values.help || !Number.isInteger(sessions) || sessions < 1) return undefined;
    return { isOnce: values.once, sessions };
  } catch {
    return undefined;
  }
}

function isNodeTooOld() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  return major < oldestNode[0] || (major === oldestNode[0] && minor < oldestNode[1]);
}

/** @returns {string | undefined} why the demo can't start */
function prepare() {
  if (isNodeTooOld()) return `Node ${oldestNode.join('.')} or later is needed; this is ${process.version}`;
  if (installNodePackages() !== 0)
    return 'npm ci failed, see above. It needs the npm registry once; after that the demo runs offline.';
  console.log('> tsc -p tsconfig.build.json');
  if (build() !== 0) return 'the build failed, see above';
  return undefined;
}

async function main() {
  const outputFailed = whenOutputFails();
  const options = readOptions();
  if (options === undefined) {
    console.log(usage);
    return process.argv.includes('--help') ? 0 : 64;
  }
  const obstacle = prepare();
  if (obstacle !== undefined) {
    console.error(`\ndemo: ${obstacle}`);
    return 1;
  }
  const { runDemo } = await import('../demo/run.mjs');
  return runDemo(options, outputFailed);
}

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
process.exit(await main());
