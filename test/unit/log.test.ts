import { describe, expect, test } from 'vitest';
import { createLogger } from '../../src/log.js';
import type { Logger, LogLevel } from '../../src/log.js';

interface Captured {
  readonly logger: Logger;
  readonly lines: string[];
}

function capture(format: 'json' | 'pretty', level: LogLevel = 'info'): Captured {
  const lines: string[] = [];
  return { logger: createLogger({ level, format }, { write: (line) => lines.push(line) }), lines };
}

function logAtEveryLevel(logger: Logger): void {
  logger.debug({}, 'debug');
  logger.info({}, 'info');
  logger.warn({}, 'warn');
  logger.error({}, 'error');
}

describe('json', () => {
  test('writes one object per line, with level, time, message and fields', () => {
    const { logger, lines } = capture('json');
    logger.info({ session: 7, user: 'alice' }, 'session opened');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^\{.*\}\n$/);
    expect(JSON.parse(lines[0]!)).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string,
      session: 7,
      user: 'alice',
      msg: 'session opened',
    });
  });

  test('writes an error with its message and stack', () => {
    const { logger, lines } = capture('json');
    logger.error({ err: new Error('boom', { cause: new Error('inner') }) }, 'failed');
    expect(JSON.parse(lines[0]!)).toMatchObject({
      err: { type: 'Error', message: 'boom: inner', stack: expect.stringContaining('boom') as string },
    });
  });

  test('hides what is named like a secret', () => {
    const { logger, lines } = capture('json');
    logger.info({ password: 's3cret', login: { token: 's3cret' } }, 'login');
    expect(lines[0]).not.toContain('s3cret');
    expect(JSON.parse(lines[0]!)).toMatchObject({ password: '(hidden)', login: { token: '(hidden)' } });
  });
});

describe('level', () => {
  test.each([
    ['debug', ['debug', 'info', 'warn', 'error']],
    ['info', ['info', 'warn', 'error']],
    ['warn', ['warn', 'error']],
    ['error', ['error']],
    ['silent', []],
  ] as const)('%s lets through what is as important or more', (level, expected) => {
    const { logger, lines } = capture('json', level);
    logAtEveryLevel(logger);
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(expected);
  });
});

describe('pretty', () => {
  test('writes time, level, message and fields on one line', () => {
    const { logger, lines } = capture('pretty');
    logger.warn({ user: 'alice@example.org', count: 2, text: 'two words', list: [1] }, 'pool is full');
    expect(lines[0]).toMatch(
      /^\S+Z WARN {2}pool is full user=alice@example\.org count=2 text="two words" list=\[1\]\n$/,
    );
  });

  test('writes the stack of an error below the line, indented', () => {
    const { logger, lines } = capture('pretty');
    logger.error({ err: new Error('boom') }, 'failed');
    const [first, second, third] = lines.join('').split('\n');
    expect(first).toMatch(/ERROR failed$/);
    expect(second).toBe('    Error: boom');
    expect(third).toMatch(/^ {8}at /);
  });

  test('lets no control character from a value or a message through', () => {
    const { logger, lines } = capture('pretty');
    logger.info({ user: 'a\nINFO forged\u001b[2J\u009b' }, 'hello\r\nINFO forged\u001b[2J');
    logger.error({ err: new Error('bad\u001b[2J') }, 'failed');
    const text = lines.join('');
    expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
    expect(lines[0]!.split('\n')).toHaveLength(2);
  });

  test('hides what is named like a secret', () => {
    const { logger, lines } = capture('pretty');
    logger.info({ secret: 's3cret' }, 'login');
    expect(lines[0]).toContain('secret="(hidden)"');
  });
});
