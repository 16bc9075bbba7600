import { describe, expect, test } from 'vitest';
import { BadValue } from '../../../../src/config/bad-value.js';
import { choice } from '../../../../src/config/parsers/choice.js';
import { duration } from '../../../../src/config/parsers/duration.js';
import { flag } from '../../../../src/config/parsers/flag.js';
import { integer } from '../../../../src/config/parsers/integer.js';
import { size } from '../../../../src/config/parsers/size.js';
import { upstreamPort } from '../../../../src/config/parsers/upstream-port.js';

describe('duration', () => {
  const parse = duration({ zero: 'allowed' });

  test.each([
    ['0', 0],
    ['0ms', 0],
    ['30', 30_000],
    ['0.5', 500],
    ['500ms', 500],
    ['30s', 30_000],
    ['1.5s', 1500],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['0.07', 70],
  ])('reads %s as %d ms', (text, ms) => {
    expect(parse(text)).toBe(ms);
  });

  test.each([
    '',
    ' 5s',
    '5 s',
    '-5s',
    '+5',
    '5S',
    '5d',
    '1e3',
    '5m30s',
    '.5',
    'five',
    '0x10',
    'Infinity',
    's',
  ])('refuses %j', (text) => {
    expect(() => parse(text)).toThrow(BadValue);
  });

  test('never turns a duration above 0 into 0, which would mean something else', () => {
    expect(parse('0.0001')).toBe(1);
    expect(parse('0.4ms')).toBe(1);
  });

  test('takes the longest delay that a timer can hold, and refuses more', () => {
    expect(parse('2147483647ms')).toBe(2 ** 31 - 1);
    expect(parse('596h')).toBe(596 * 3_600_000);
    expect(() => parse('2147483648ms')).toThrow('at most 596h');
    expect(() => parse('597h')).toThrow('at most 596h');
  });

  test('refuses 0 where 0 has no meaning', () => {
    expect(() => duration({ zero: 'refused' })('0s')).toThrow('it must be a duration above 0');
    expect(duration({ zero: 'refused' })('1ms')).toBe(1);
  });
});

describe('integer', () => {
  const parse = integer({ min: 1, max: 100 });

  test.each([
    ['1', 1],
    ['007', 7],
    ['100', 100],
  ])('reads %s', (text, value) => {
    expect(parse(text)).toBe(value);
  });

  test.each(['0', '101', '-1', '+1', '1.0', '1e1', '0x1', '', ' 1', 'many', '99999999999999999999'])(
    'refuses %j and says the range',
    (text) => {
      expect(() => parse(text)).toThrow('it must be a whole number from 1 to 100');
    },
  );
});

describe('size', () => {
  test.each([
    ['0', 0],
    ['512', 512],
    ['64k', 65_536],
    ['64K', 65_536],
    ['3m', 3 * 1024 ** 2],
    ['2G', 2 * 1024 ** 3],
  ])('reads %s as %d bytes', (text, bytes) => {
    expect(size(text)).toBe(bytes);
  });

  test.each(['', '-1', '1.5m', '1kb', '1t', 'k', '999999999999999g'])('refuses %j', (text) => {
    expect(() => size(text)).toThrow(BadValue);
  });
});

describe('choice', () => {
  const parse = choice('implicit', 'starttls', 'off');

  test('takes each of its words', () => {
    expect(['implicit', 'starttls', 'off'].map(parse)).toEqual(['implicit', 'starttls', 'off']);
  });

  test.each(['Off', 'start', '', 'implicit '])('refuses %j and lists the words', (text) => {
    expect(() => parse(text)).toThrow('it must be implicit, starttls or off');
  });
});

describe('flag', () => {
  test.each(['true', 'TRUE', 'yes', 'on', '1'])('reads %s as true', (text) => {
    expect(flag(text)).toBe(true);
  });

  test.each(['false', 'False', 'no', 'off', '0'])('reads %s as false', (text) => {
    expect(flag(text)).toBe(false);
  });

  test.each(['', 'flase', '2', 'y'])('refuses %j instead of guessing', (text) => {
    expect(() => flag(text)).toThrow('it must be true or false');
  });
});

describe('upstreamPort', () => {
  test('reads a port', () => {
    expect(upstreamPort('993')).toBe(993);
  });

  test.each(['0', '65536', 'imaps'])('refuses %j', (text) => {
    expect(() => upstreamPort(text)).toThrow('it must be a whole number from 1 to 65535');
  });

  test('explains the value that Kubernetes sets for a service named upstream', () => {
    expect(() => upstreamPort('tcp://10.0.0.7:993')).toThrow(/^Kubernetes sets this for a service named/);
  });
});
