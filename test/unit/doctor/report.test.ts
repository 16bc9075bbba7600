import { expect, test } from 'vitest';
import { Report } from '../../../src/doctor/report.js';

function reported(tell: (report: Report) => void): { code: number; lines: string[] } {
  const lines: string[] = [];
  const report = new Report((line) => lines.push(line));
  tell(report);
  return { code: report.finish(), lines };
}

test('is fine without a problem, whatever it warns of', () => {
  const { code, lines } = reported((report) => {
    report.ok('one', 'good');
    report.note('two', 'so it is');
    report.warn('three', 'slow');
  });
  expect(code).toBe(0);
  expect(lines).toEqual([
    'ok       one: good',
    'note     two: so it is',
    'warning  three: slow',
    '',
    'Fine: nothing here makes logins fail, 1 warning.',
  ]);
});

test('exits with 1 for problems', () => {
  const problem = reported((report) => {
    report.problem('one', 'gone');
    report.problem('two', 'gone');
  });
  expect(problem).toEqual({
    code: 1,
    lines: ['PROBLEM  one: gone', 'PROBLEM  two: gone', '', 'Not fine: 2 problems make logins fail.'],
  });
});

test('lets no byte of a server begin a line or move a cursor', () => {
  const { lines } = reported((report) => {
    report.note('odd\ntopic', 'a\r\nok  b: c\x1b[2J\x9b\u202e\td');
  });
  expect(lines[0]).toBe('note     odd topic: a ok  b: c?[2J?? d');
});
