import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readableFile } from '../../../../src/config/parsers/readable-file.js';

let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'imapbouncer-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

test('takes the path of a file that can be read, and gives it back', () => {
  const path = join(folder, 'ca.pem');
  writeFileSync(path, 'x');
  expect(readableFile(path)).toBe(path);
});

test('refuses a file that is not there, with the reason', () => {
  expect(() => readableFile(join(folder, 'missing.pem'))).toThrow(
    'it must name a file that can be read (ENOENT)',
  );
});

test('refuses a folder', () => {
  expect(() => readableFile(folder)).toThrow('it must name a regular file');
});
