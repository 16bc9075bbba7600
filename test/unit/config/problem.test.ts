import { expect, test } from 'vitest';
import { BadValue } from '../../../src/config/bad-value.js';
import { describeProblem } from '../../../src/config/problem.js';

test.each([
  ['imaps://joe:hunter2@mail.example.org', 'imaps://(hidden)@mail.example.org'],
  ['joe:hunter2@mail.example.org:993', '(hidden)@mail.example.org:993'],
  ['imaps://joe:hunt@er/2@mail.example.org', 'imaps://(hidden)@mail.example.org'],
  ['imap://a:hunter2@one:1,imap://b:hunter2@two:2', 'imap://(hidden)@two:2'],
  ['joe:hunter2@', '(hidden)@'],
  ['line\nhunter2@host', '(hidden)@host'],
  [`${'x'.repeat(300)}hunter2@host`, '(hidden)@host'],
])('hides what stands before an @: %s', (value, shown) => {
  const sentence = describeProblem('UPSTREAM_HOST', value, new BadValue('it must be a host name'));
  expect(sentence).toBe(`UPSTREAM_HOST is "${shown}"; it must be a host name.`);
});

test('shows a value without one as it is, cut to a length that can be read', () => {
  const sentenceOf = (value: string): string => describeProblem('UPSTREAM_HOST', value, new BadValue('no'));
  expect(sentenceOf('imaps://mail.example.org:993')).toContain('"imaps://mail.example.org:993"');
  expect(sentenceOf('x'.repeat(300))).toBe(`UPSTREAM_HOST is "${'x'.repeat(200)}…"; no.`);
});

test('hides all of a secret', () => {
  expect(describeProblem('SOME_SECRET', undefined, new BadValue('no'))).toBe('SOME_SECRET is (hidden); no.');
});
