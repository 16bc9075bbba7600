import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createLogger } from '../../src/log.js';
import type { Logger, LogLevel } from '../../src/log.js';
import { LogOutput } from '../../src/log-output.js';

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

describe('a destination that fails', () => {
  const levels = ['debug', 'info', 'warn', 'error'] as const;

  test.each(levels)('never throws into the caller of %s', (level) => {
    const logger = createLogger(
      { level: 'debug', format: 'json' },
      {
        write: () => {
          throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
        },
      },
    );
    expect(() => {
      logger[level]({}, 'lost');
    }).not.toThrow();
  });

  test('survives a field that can not be written', () => {
    const { logger, lines } = capture('json');
    const field = {
      toJSON: () => {
        throw new Error('not me');
      },
    };
    expect(() => {
      logger.error({ field }, 'odd');
    }).not.toThrow();
    logger.info({}, 'next');
    expect(lines.at(-1)).toContain('"msg":"next"');
  });

  test.each(['json', 'pretty'] as const)(
    'is followed, as %s, by the count of lines lost and then the next line',
    (format) => {
      const lines: string[] = [];
      let state: 'works' | 'refuses' | 'throws' = 'works';
      const logger = createLogger(
        { level: 'error', format },
        {
          write: (line) => {
            if (state === 'throws') throw new Error('no space left');
            return state === 'refuses' ? false : lines.push(line);
          },
        },
      );
      logger.error({}, 'first');
      state = 'throws';
      logger.error({}, 'lost');
      state = 'refuses';
      logger.error({}, 'lost');
      logger.error({}, 'lost');
      state = 'works';
      logger.error({}, 'second');
      logger.error({}, 'third');
      expect(lines).toHaveLength(4);
      expect(lines[1]).toMatch(
        format === 'json' ? /^\{"level":"warn",.*"msg":"lines lost: 3"\}\n$/ : / WARN {2}lines lost: 3\n$/,
      );
      expect(lines.slice(2).join('')).toMatch(/second.*\n.*third/);
    },
  );
});

describe('an output that has no room', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** Takes as many bytes as there is room for. */
  class Pipe {
    room = 0;
    text = '';
    calls = 0;
    code = 'EAGAIN';
    readonly output = new LogOutput((bytes) => {
      this.calls += 1;
      if (this.room === 0) throw Object.assign(new Error(this.code), { code: this.code });
      const taken = bytes.subarray(0, this.room);
      this.room -= taken.length;
      this.text += taken.toString();
      return taken.length;
    });
  }

  test.each(['EAGAIN', 'ENOSPC', 'EPIPE'])(
    'with %s loses nothing, changes no order, and splits no line',
    (code) => {
      const pipe = new Pipe();
      pipe.code = code;
      pipe.room = 3;
      for (const line of ['first\n', 'second\n', 'third\n']) expect(pipe.output.write(line)).toBe(true);
      expect(pipe.text).toBe('fir');
      pipe.room = 5;
      vi.advanceTimersByTime(10);
      expect(pipe.text).toBe('first\nse');
      pipe.room = Infinity;
      vi.advanceTimersByTime(1_000);
      expect(pipe.output.write('fourth\n')).toBe(true);
      expect(pipe.text).toBe('first\nsecond\nthird\nfourth\n');
      expect(vi.getTimerCount()).toBe(0);
    },
  );

  test('is asked less and less often, and not for each line', () => {
    const pipe = new Pipe();
    for (let n = 0; n < 1_000; n += 1) pipe.output.write('line\n');
    expect(pipe.calls).toBe(1);
    vi.advanceTimersByTime(60_000);
    expect(pipe.calls).toBeLessThan(70);
  });

  test('refuses what goes beyond its bound, and takes lines again when it was read', () => {
    const pipe = new Pipe();
    const line = `${'x'.repeat(1_023)}\n`;
    const taken = Array.from({ length: 5_000 }, () => pipe.output.write(line)).filter(Boolean).length;
    expect(taken).toBe(4_096);
    pipe.room = Infinity;
    vi.advanceTimersByTime(10);
    expect(pipe.output.write(line)).toBe(true);
    expect(pipe.text).toHaveLength(4_097 * 1_024);
  });

  test('is emptied at the end, and not waited for where it never gets room', () => {
    const pipe = new Pipe();
    pipe.output.write('last words\n');
    pipe.room = Infinity;
    pipe.output.flush();
    expect(pipe.text).toBe('last words\n');
    pipe.code = 'ENOSPC';
    pipe.room = 0;
    pipe.output.write('too late\n');
    pipe.output.flush();
    expect(pipe.text).toBe('last words\n');
    expect(vi.getTimerCount()).toBe(0);
  });
});
