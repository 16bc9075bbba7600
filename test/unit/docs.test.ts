import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.js';
import { variables } from '../../src/config/variables.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const pages = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`),
].filter((path) => path.endsWith('.md'));

test.each(pages)('%s links to files that are there', (page) => {
  const targets = [...read(page).matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)/g)].map(
    ([, target = '']) => target,
  );
  const missing = targets.filter((target) => !existsSync(join(root, dirname(page), target)));
  expect(missing).toEqual([]);
});

test('.env.example names every variable, and without its # changes nothing', () => {
  const settings = read('.env.example')
    .split('\n')
    .flatMap((line) => {
      const [, name, value = ''] = /^#([A-Z_]+)=(.*)$/.exec(line) ?? [];
      return name === undefined ? [] : [[name, value] as const];
    });
  expect(settings.map(([name]) => name).sort()).toEqual(Object.keys(variables).sort());
  const host = { UPSTREAM_HOST: 'imap.example.org' };
  expect(loadConfig({ ...Object.fromEntries(settings), ...host })).toEqual(loadConfig(host));
});
