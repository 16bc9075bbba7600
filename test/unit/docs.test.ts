import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.js';
import { variables } from '../../src/config/variables.js';
import { KNOWN_VERBS, verbRow } from '../../src/wire/verbs.js';
import type { VerbEffect } from '../../src/wire/verbs.js';

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

const protocolRows = read('docs/protocol.md')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.endsWith('| where it is said |'));

test('each row of the protocol page names an RFC', () => {
  expect(protocolRows.filter((row) => !/\bRFC \d{4}/.test(row))).toEqual([]);
});

test.each(KNOWN_VERBS)('the protocol page says what becomes of %s', (verb) => {
  const words: Partial<Record<VerbEffect, RegExp>> = {
    answered: /\| answers/,
    logout: /\| answers/,
    refused: /\| BAD, never passed on/,
    sticky: /: closed \|/,
    select: /\| a selected mailbox \|/,
  };
  const rows = protocolRows.filter((row) => row.split(' | ')[0]?.slice(2).split(', ').includes(verb));
  expect(rows.join('\n')).toMatch(words[verbRow(verb).effect] ?? /\| passes it on/);
});
