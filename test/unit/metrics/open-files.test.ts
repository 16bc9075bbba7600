import { expect, test } from 'vitest';
import { OpenFiles } from '../../../src/metrics/open-files.js';

test('takes the size of the directory where the system gives it', async () => {
  const files = new OpenFiles({
    sizeOf: () => Promise.resolve(21),
    list: () => Promise.reject(new Error('not to be walked')),
  });
  expect(await files.count()).toBe(21);
});

test('walks the directory at most once a minute elsewhere', async () => {
  let now = 0;
  let walks = 0;
  const files = new OpenFiles({
    now: () => now,
    sizeOf: () => Promise.resolve(0),
    list: () => {
      walks += 1;
      return Promise.resolve(10 * walks);
    },
  });
  expect(await Promise.all([files.count(), files.count()])).toEqual([10, 10]);
  now = 59_999;
  expect(await files.count()).toBe(10);
  now = 60_000;
  expect(await files.count()).toBe(20);
});

test('knows nothing where there is no such directory', async () => {
  const files = new OpenFiles({ sizeOf: () => Promise.reject(new Error('ENOENT')) });
  expect(await files.count()).toBeUndefined();
});
