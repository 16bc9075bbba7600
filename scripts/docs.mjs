// Owns `npm run docs`: writes the pages that are made from the code; with `--check` it only says which are stale.
import './typescript-loader.mjs';
import { readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

// Behind the loader, which has to be there before the first TypeScript file is imported.
const { configurationPage, environmentExample } = await import('./docs/variables.mjs');
const { metricsPage } = await import('./docs/metrics.mjs');

/** Every generated file, with what it should hold. */
const pages = {
  'docs/configuration.md': configurationPage(),
  'docs/metrics.md': await metricsPage(),
  '.env.example': environmentExample(),
};

function isCurrent([path, wanted]) {
  try {
    return readFileSync(path, 'utf8') === wanted;
  } catch (error) {
    if (error.code === 'ENOENT') return false;
    throw error;
  }
}

function main() {
  const stale = Object.entries(pages).filter((page) => !isCurrent(page));
  if (process.argv[2] === '--check') {
    for (const [path] of stale) console.error(`${path} is stale: run \`npm run docs\``);
    return stale.length === 0 ? 0 : 1;
  }
  for (const [path, wanted] of stale) {
    writeFileSync(path, wanted);
    console.log(`wrote ${path}`);
  }
  return 0;
}

process.exitCode = main();
