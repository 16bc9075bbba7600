import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { readCheckArguments } from '../../../src/doctor/arguments.js';
import { readPassword } from '../../../src/doctor/password-input.js';

describe('the arguments behind --check', () => {
  test.each([
    [[], { user: undefined, hasWrongLogin: false }],
    [['--wrong-login'], { user: undefined, hasWrongLogin: true }],
    [['--user', 'al ice', '--password-stdin'], { user: 'al ice', hasWrongLogin: false }],
    [['--password-stdin', '--wrong-login', '--user=a=b'], { user: 'a=b', hasWrongLogin: true }],
  ])('are read: %j', (args, wanted) => {
    expect(readCheckArguments(args)).toEqual(wanted);
  });

  test.each([
    [['--user'], '--user needs a name'],
    [['--user='], '--user needs a name'],
    [['--user', 'alice'], '--user needs --password-stdin: no other way is safe'],
    [['--password-stdin'], '--password-stdin needs --user'],
    [['--user', 'ali\r\nce', '--password-stdin'], 'the name behind --user has control characters in it'],
  ])('are refused: %j', (args, sentence) => {
    expect(readCheckArguments(args)).toBe(sentence);
  });

  test('are refused without being repeated, since one may be a password', () => {
    const sentence = readCheckArguments(['--password', 'hunter2']);
    expect(sentence).toMatch(/^--check has an argument that it does not know/);
    expect(sentence).not.toContain('hunter2');
  });
});

describe('a password from standard input', () => {
  const read = (...chunks: (string | Buffer)[]): Promise<Buffer | undefined> =>
    readPassword(Readable.from(chunks));

  test.each([
    ['a line', ['secret\n'], 'secret'],
    ['a line of Windows', ['secret\r\n'], 'secret'],
    ['text without a line end', ['secret'], 'secret'],
    ['several chunks', [Buffer.from('sec'), Buffer.from('ret\n')], 'secret'],
    ['blanks at both ends', ['  s  \n'], '  s  '],
  ])('is %s', async (_name, chunks, wanted) => {
    expect((await read(...chunks))?.toString()).toBe(wanted);
  });

  test('keeps every byte', async () => {
    const bytes = Buffer.from([0xff, 0x01, 0xe4, 0x80]);
    expect(await read(Buffer.from(bytes))).toEqual(bytes);
  });

  test.each([
    ['nothing', []],
    ['an empty line', ['\n']],
    ['two lines', ['one\ntwo\n']],
    ['a NUL', ['se\0cret']],
    ['a whole file', ['x'.repeat(5_000)]],
  ])('is not %s', async (_name, chunks) => {
    expect(await read(...chunks)).toBeUndefined();
  });

  test('is wiped where it was read into', async () => {
    const chunk = Buffer.from('secret\n');
    await read(chunk);
    expect(chunk.every((byte) => byte === 0)).toBe(true);
  });
});
