import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Credentials } from '../../../src/identity.js';
import { withoutSecret } from '../../../src/upstream/quoted-secret.js';

function credentials(user: string, secret: string, actAs = ''): Credentials {
  return {
    kind: 'password',
    authenticationId: Buffer.from(user, 'latin1'),
    authorizationId: Buffer.from(actAs, 'latin1'),
    secret: Buffer.from(secret, 'latin1'),
  };
}

const base64 = (text: string): string => Buffer.from(text, 'latin1').toString('base64');
const plain = (user: string, secret: string, actAs = ''): string => base64(`${actAs}\0${user}\0${secret}`);

const joe = credentials('joe', 'hunter2');

describe('a quoted command', () => {
  test.each([
    ['LOGIN with atoms', 'cannot: A1 LOGIN joe hunter2', 'cannot: A1 LOGIN joe (hidden)'],
    ['LOGIN with strings', 'cannot: A1 LOGIN "joe" "hunter2"', 'cannot: A1 LOGIN "joe" "(hidden)"'],
    ['capitals', 'BAD A1 LOGIN JOE HUNTER2?', 'BAD A1 LOGIN JOE (hidden)?'],
    ['the secret alone', 'no user with hunter2.', 'no user with (hidden).'],
    ['the secret twice', 'hunter2hunter2', '(hidden)(hidden)'],
    ['PLAIN', `A1 AUTHENTICATE PLAIN ${plain('joe', 'hunter2')}!`, 'A1 AUTHENTICATE PLAIN (hidden)!'],
    ['PLAIN for somebody else', `bad ${plain('joe', 'hunter2', 'ann')}`, 'bad (hidden)'],
    ['PLAIN that is cut off', `bad ${plain('joe', 'hunter2').slice(0, 12)}...`, 'bad (hidden)...'],
    ['PLAIN behind letters', `PLAIN/${plain('joe', 'hunter2')}`, '(hidden)'],
    ['Base64 of the secret alone', `bad ${base64('hunter2')}`, 'bad (hidden)'],
    ['Base64 of another mechanism', `bad ${base64('x\x01auth=hunter2\x01\x01')}`, 'bad (hidden)'],
    [
      'a token that is cut off',
      `bad ${base64('n,a=joe,\x01auth=Bearer hunter2\x01\x01').slice(0, 32)}`,
      'bad (hidden)',
    ],
    ['Base64 for URLs', `bad ${base64('??>hunter2').replace('/', '_')}`, 'bad (hidden)'],
    ['LOGIN that is cut off', 'cannot: A1 LOGIN "joe" "hunt', 'cannot: A1 LOGIN "joe" "(hidden)'],
    ['LOGIN cut off with dots', 'for joe: LOGIN joe hu...', 'for joe: LOGIN joe (hidden)'],
  ])('loses the secret: %s', (_name, words, cleaned) => {
    expect(withoutSecret(words, joe)).toBe(cleaned);
  });

  test('loses a secret with quotation marks, as it is and as a quoted string', () => {
    const odd = credentials('joe', 'a"b\\c$&');
    expect(withoutSecret('LOGIN "joe" "a\\"b\\\\c$&" or a"b\\c$&', odd)).toBe(
      'LOGIN "joe" "(hidden)" or (hidden)',
    );
  });

  test('loses a secret of any bytes', () => {
    const odd = credentials('joe', '\xffp(\xe4.*');
    expect(withoutSecret('LOGIN joe \xffp(\xe4.* no', odd)).toBe('LOGIN joe (hidden) no');
  });

  test.each([
    ['a', 'LOGIN "joe" "a" is wrong', 'LOGIN "joe" "(hidden)" is wrong'],
    ['ab', 'LOGIN joe ab', 'LOGIN joe (hidden)'],
    ['a', `AUTHENTICATE PLAIN ${plain('joe', 'a')}`, 'AUTHENTICATE PLAIN (hidden)'],
    ['abc', `bad ${base64('abc')}`, 'bad (hidden)'],
    ['wrong', 'wrong: LOGIN "joe" "wrong"', 'wrong: LOGIN "joe" "(hidden)"'],
    ['wrong', 'wrong: pass=wrong', 'wrong: pass=(hidden)'],
    ['correcthorsebattery', 'not correcthorsebattery', 'not (hidden)'],
  ])('loses a secret that could be a word: %s', (secret, words, cleaned) => {
    expect(withoutSecret(words, credentials('joe', secret))).toBe(cleaned);
  });
});

describe('words that quote nothing', () => {
  const sentence = 'Authentication failed: not a user of this mail server (joe), try later';

  test.each(['', 'a', 'us', 'no', ' ', '.', 'xyz', 'hunter2', 'user', 'FAILED'])(
    'stay as they are with the secret "%s"',
    (secret) => {
      expect(withoutSecret(sentence, credentials('joe', secret))).toBe(sentence);
      expect(withoutSecret(sentence, credentials('', secret))).toBe(sentence);
    },
  );
});

test('holds no secret that could be no word, wherever it stands', () => {
  const bytes = fc.string({
    unit: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)),
    minLength: 4,
    maxLength: 20,
  });
  fc.assert(
    fc.property(bytes, fc.string(), fc.string(), (secret, before, after) => {
      // What is left of the sentence, and the word that is put in, may hold short ones by chance.
      fc.pre(
        !/^[a-z]+$/i.test(secret) &&
          !'(hidden)'.includes(secret) &&
          !`${before}(hidden)${after}`.includes(secret),
      );
      const cleaned = withoutSecret(`${before}${secret}${after}`, credentials('joe', secret));
      expect(cleaned).not.toContain(secret);
    }),
  );
});

test('takes no time over long words that seem to quote a name without end', () => {
  const startedAt = performance.now();
  withoutSecret(`${'a'.repeat(65_536)}.`, credentials('a', `${'a'.repeat(8_000)}1`));
  withoutSecret('a" "'.repeat(16_384), credentials('a', 'a'));
  withoutSecret('.'.repeat(65_536), credentials('a', 'secret'));
  expect(performance.now() - startedAt).toBeLessThan(2_000);
});
