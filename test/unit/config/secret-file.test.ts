import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { namesOf } from '../../../src/config/contract.js';
import { describeProblem } from '../../../src/config/problem.js';
import { readSecretFiles } from '../../../src/config/secret-file.js';
import type { Variable } from '../../../src/config/variable.js';

const parse = (text: string) => text;
const table: Readonly<Record<string, Variable>> = {
  SOME_SECRET: { group: 'Operation', parse, secret: true, doc: 'A secret.' },
  SOME_NAME: { group: 'Operation', parse, doc: 'Not a secret.' },
};

let folder = '';

function fileWith(content: string): string {
  const path = join(folder, 'secret');
  writeFileSync(path, content);
  return path;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'imapbouncer-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

test.each([
  ['s3cret', 's3cret'],
  ['s3cret\n', 's3cret'],
  ['s3cret\r\n', 's3cret'],
  [' s3cret \n\n', ' s3cret \n'],
])('reads the secret from a file with %j', (content, secret) => {
  const { env, problems } = readSecretFiles({ SOME_SECRET_FILE: fileWith(content) }, table);
  expect(problems).toEqual([]);
  expect(env['SOME_SECRET']).toBe(secret);
});

test('leaves variables that are not secrets alone', () => {
  const env = { SOME_NAME: 'x', SOME_NAME_FILE: '/nowhere', SOME_SECRET: 'y' };
  expect(readSecretFiles(env, table)).toEqual({ env, problems: [] });
});

test('refuses a secret that is given twice, and does not show it', () => {
  const { problems } = readSecretFiles({ SOME_SECRET: 's3cret', SOME_SECRET_FILE: fileWith('x') }, table);
  expect(problems).toEqual(['SOME_SECRET and SOME_SECRET_FILE are both set; only one of them may be.']);
});

test('refuses a file that is empty or is not there', () => {
  expect(readSecretFiles({ SOME_SECRET_FILE: fileWith('\n') }, table).problems).toEqual([
    `SOME_SECRET_FILE is "${join(folder, 'secret')}"; it must name a file that is not empty.`,
  ]);
  expect(readSecretFiles({ SOME_SECRET_FILE: '/nowhere/secret' }, table).problems).toEqual([
    'SOME_SECRET_FILE is "/nowhere/secret"; it must name a file that can be read (ENOENT).',
  ]);
});

test('gives only secrets a twin in the list of names', () => {
  expect(namesOf(table)).toEqual(['SOME_SECRET', 'SOME_SECRET_FILE', 'SOME_NAME']);
});

test('hides a secret in the sentence about it', () => {
  expect(describeProblem('SOME_SECRET', undefined, new Error('it must be longer'))).toBe(
    'SOME_SECRET is (hidden); it must be longer.',
  );
});
