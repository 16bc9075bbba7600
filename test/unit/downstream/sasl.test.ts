import { describe, expect, test } from 'vitest';
import { SASL_MECHANISMS, decodeBase64 } from '../../../src/downstream/sasl.js';
import type { SaslStep } from '../../../src/downstream/sasl-mechanism.js';
import { bytesOf } from '../../support/chunks.js';

/** The last step of an exchange in which the client sends these responses. */
function exchange(mechanism: string, ...responses: string[]): SaslStep | undefined {
  const take = SASL_MECHANISMS.get(mechanism)!.begin();
  return responses.map((response) => take(bytesOf(response))).at(-1);
}

/** What a step says: the fields of the credentials, or the kind of the step. */
function outcome(step: SaslStep | undefined): unknown {
  if (step?.kind !== 'credentials') return step?.kind;
  const { kind, authorizationId, authenticationId, secret } = step.credentials;
  return [kind, ...[authorizationId, authenticationId, secret].map((bytes) => bytes.toString('latin1'))];
}

describe('PLAIN (RFC 4616)', () => {
  test.each([
    ['\0alice\0secret', ['password', '', 'alice', 'secret']],
    ['bob\0alice\0secret', ['password', 'bob', 'alice', 'secret']],
    ['alice\0alice\0secret', ['password', 'alice', 'alice', 'secret']],
    ['\0alice\0', ['password', '', 'alice', '']],
    ['\0alice\0s p"\\{5}\r\n', ['password', '', 'alice', 's p"\\{5}\r\n']],
    ['\0m\xfcller\0\xff\xfe', ['password', '', 'm\xfcller', '\xff\xfe']],
    ['\0 Alice \0secret', ['password', '', ' Alice ', 'secret']],
  ])('%j is taken apart', (message, expected) => {
    expect(outcome(exchange('PLAIN', message))).toEqual(expected);
  });

  test.each([
    ['nothing', ''],
    ['no NUL', 'alice secret'],
    ['one NUL', 'alice\0secret'],
    ['no user name', 'bob\0\0secret'],
    ['a NUL in the password', '\0alice\0sec\0ret'],
    ['a CR in the user name', '\0al\rice\0secret'],
    ['an LF in the user name', '\0al\nice\0secret'],
    ['an SOH in the user name', '\0al\x01ice\0secret'],
    ['a CR in the authorization identity', 'b\rob\0alice\0secret'],
    ['an LF in the authorization identity', 'b\nob\0alice\0secret'],
    ['an SOH in the authorization identity', 'b\x01ob\0alice\0secret'],
  ])('with %s is malformed', (_what, message) => {
    expect(outcome(exchange('PLAIN', message))).toBe('malformed');
  });

  test('takes copies, so that what was received can be overwritten', () => {
    const message = bytesOf('bob\0alice\0secret');
    const step = SASL_MECHANISMS.get('PLAIN')!.begin()(message);
    message.fill(0);
    expect(outcome(step)).toEqual(['password', 'bob', 'alice', 'secret']);
  });

  test('begins with an empty challenge', () => {
    expect(SASL_MECHANISMS.get('PLAIN')!.firstChallenge).toBe('');
  });
});

describe('LOGIN', () => {
  test('asks for the user name, then for the password', () => {
    expect(Buffer.from(SASL_MECHANISMS.get('LOGIN')!.firstChallenge, 'base64').toString()).toBe('Username:');
    expect(exchange('LOGIN', 'alice')).toEqual({ kind: 'challenge', text: 'UGFzc3dvcmQ6' });
    expect(outcome(exchange('LOGIN', 'alice', 'secret'))).toEqual(['password', '', 'alice', 'secret']);
  });

  test('takes an empty password, and bytes that are not UTF-8', () => {
    expect(outcome(exchange('LOGIN', 'alice', ''))).toEqual(['password', '', 'alice', '']);
    expect(outcome(exchange('LOGIN', '\xff', '\xfe'))).toEqual(['password', '', '\xff', '\xfe']);
  });

  test.each([
    ['an empty user name', '', 'secret'],
    ['a NUL in the user name', 'bob\0alice', 'secret'],
    ['a CR in the user name', 'al\rice', 'secret'],
    ['a NUL in the password', 'alice', 'sec\0ret'],
  ])('with %s is malformed', (_what, user, password) => {
    expect(outcome(exchange('LOGIN', user, password))).toBe('malformed');
  });

  test('keeps two exchanges apart', () => {
    const one = SASL_MECHANISMS.get('LOGIN')!.begin();
    const two = SASL_MECHANISMS.get('LOGIN')!.begin();
    one(bytesOf('alice'));
    two(bytesOf('bob'));
    expect(outcome(one(bytesOf('x')))).toEqual(['password', '', 'alice', 'x']);
    expect(outcome(two(bytesOf('y')))).toEqual(['password', '', 'bob', 'y']);
  });
});

describe('base64 (RFC 4648 §4)', () => {
  test.each([
    ['', ''],
    ['=', ''],
    ['QQ==', 'A'],
    ['QUI=', 'AB'],
    ['QUJD', 'ABC'],
    ['AGFsaWNlAHNlY3JldA==', '\0alice\0secret'],
    ['+/+/', '\xfb\xff\xbf'],
  ])('%j is %j', (text, decoded) => {
    expect(decodeBase64(text)?.toString('latin1')).toBe(decoded);
  });

  test.each([
    'Q',
    'QQ',
    'QUI',
    'QQ=',
    'Q===',
    '==',
    '=QQ=',
    'QQ==QQ==',
    'QU JD',
    'QUJD\n',
    ' QUJD',
    '-_-_',
    'QÜJD',
    '*',
  ])('%j is none', (text) => {
    expect(decodeBase64(text)).toBeUndefined();
  });
});
