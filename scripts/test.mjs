// Owns `npm test`: makes a fresh clone ready, builds it, and runs every test; further arguments go to vitest.
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { build, installNodePackages, installServers, run } from './install.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

function main() {
  const installed = installNodePackages();
  if (installed !== 0) return installed;
  installServers();

  const built = build();
  if (built !== 0) return built;

  return run(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...process.argv.slice(2)]);
}

process.exitCode = main();
