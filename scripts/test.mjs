// Owns `npm test`: makes a fresh clone ready, builds it, and runs every test; further arguments go to vitest.
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { installNodePackages, installServers, run } from './install.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

function main() {
  const installed = installNodePackages();
  if (installed !== 0) return installed;
  installServers();

  const built = run('npm', ['run', '--silent', 'build']);
  if (built !== 0) return built;

  return run(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...process.argv.slice(2)]);
}

process.exitCode = main();
