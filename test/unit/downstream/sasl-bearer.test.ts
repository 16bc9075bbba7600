import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SASL_MECHANISMS } from '../../../src/downstream/sasl.js';
import type { SaslStep } from '../../../src/downstream/sasl-mechanism.js';
import type { BearerMechanism, Credentials } from '../../../src/identity.js';
import { bearerMechanism, bearerResponse, readErrorChallenge } from '../../../src/upstream/bearer.js';
import { CapabilitySet } from '../../../src/wire/capability.js';
import { bytesOf } from '../../support/chunks.js';

const mechanisms: BearerMechanism[] = ['OAUTHBEARER', 'XOAUTH2'];

function read(mechanism: BearerMechanism, message: string | Buffer): SaslStep {
  return SASL_MECHANISMS.get(mechanism)!.begin()(typeof message === 'string' ? bytesOf(message) : message);
}

function outcome(step: SaslStep): unknown {
  if (step.kind !== 'credentials') return step.kind;
  const { kind, mechanism, authorizationId, authenticationId, secret } = step.credentials;
  expect(authorizationId).toHaveLength(0);
  return [kind, mechanism, authenticationId.toString('latin1'), secret.toString('latin1')];
}

const token = (user: string, secret: string, mechanism: BearerMechanism = 'OAUTHBEARER'): Credentials => ({
  kind: 'token',
  mechanism,
  authenticationId: bytesOf(user),
  authorizationId: Buffer.alloc(0),
  secret: bytesOf(secret),
});

describe('OAUTHBEARER (RFC 7628)', () => {
  test.each([
    ['n,a=alice,\x01auth=Bearer tok\x01\x01', 'alice', 'tok'],
    [
      'n,a=alice@example.com,\x01host=imap.example.com\x01port=143\x01auth=Bearer t.o-k_~+/==\x01\x01',
      'alice@example.com',
      't.o-k_~+/==',
    ],
    ['y,a=alice,\x01auth=bearer tok\x01\x01', 'alice', 'tok'],
    ['n,a=a=2Cb=3Dc,\x01auth=Bearer tok\x01\x01', 'a,b=c', 'tok'],
    ['n,a==3D2C,\x01auth=Bearer tok\x01\x01', '=2C', 'tok'],
    ['n,a=m\xc3\xbcller,\x01auth=Bearer \xff\x01\x01', 'm\xc3\xbcller', '\xff'],
  ])('%j is taken apart', (message, user, secret) => {
    expect(outcome(read('OAUTHBEARER', message))).toEqual(['token', 'OAUTHBEARER', user, secret]);
  });

  test.each([
    ['nothing', ''],
    ['a SOH alone', '\x01'],
    ['no user name', 'n,,\x01auth=Bearer tok\x01\x01'],
    ['an empty user name', 'n,a=,\x01auth=Bearer tok\x01\x01'],
    ['a channel to bind to', 'p=tls-unique,a=alice,\x01auth=Bearer tok\x01\x01'],
    ['no token', 'n,a=alice,\x01host=x\x01\x01'],
    ['an empty token', 'n,a=alice,\x01auth=Bearer \x01\x01'],
    ['a token of another type', 'n,a=alice,\x01auth=Basic tok\x01\x01'],
    ['two tokens', 'n,a=alice,\x01auth=Bearer tok\x01auth=Bearer other\x01\x01'],
    ['no SOH at the end', 'n,a=alice,\x01auth=Bearer tok\x01'],
    ['bytes behind the end', 'n,a=alice,\x01auth=Bearer tok\x01\x01x'],
    ['a pair without a key', 'n,a=alice,\x01=x\x01auth=Bearer tok\x01\x01'],
    ['a = that is not escaped', 'n,a=al=ice,\x01auth=Bearer tok\x01\x01'],
    ['an escape in lower case', 'n,a=al=2cice,\x01auth=Bearer tok\x01\x01'],
    ['a comma that is not escaped', 'n,a=al,ice,\x01auth=Bearer tok\x01\x01'],
    ['a CR in the user name', 'n,a=al\rice,\x01auth=Bearer tok\x01\x01'],
    ['an LF in the user name', 'n,a=al\nice,\x01auth=Bearer tok\x01\x01'],
    ['a NUL in the user name', 'n,a=al\0ice,\x01auth=Bearer tok\x01\x01'],
    ['a CR in the token', 'n,a=alice,\x01auth=Bearer t\rok\x01\x01'],
    ['an LF in the token', 'n,a=alice,\x01auth=Bearer t\nok\x01\x01'],
    ['a NUL in the token', 'n,a=alice,\x01auth=Bearer t\0ok\x01\x01'],
    ['a message of XOAUTH2', 'user=alice\x01auth=Bearer tok\x01\x01'],
  ])('with %s is malformed', (_what, message) => {
    expect(outcome(read('OAUTHBEARER', message))).toBe('malformed');
  });
});

describe('XOAUTH2', () => {
  test.each([
    ['user=alice\x01auth=Bearer tok\x01\x01', 'alice', 'tok'],
    ['user=a,b=c\x01auth=bearer tok\x01\x01', 'a,b=c', 'tok'],
    ['user=a=2Cb\x01auth=Bearer tok\x01\x01', 'a=2Cb', 'tok'],
  ])('%j is taken apart', (message, user, secret) => {
    expect(outcome(read('XOAUTH2', message))).toEqual(['token', 'XOAUTH2', user, secret]);
  });

  test.each([
    ['nothing', ''],
    ['no user name', 'user=\x01auth=Bearer tok\x01\x01'],
    ['an empty token', 'user=alice\x01auth=Bearer \x01\x01'],
    ['a token of another type', 'user=alice\x01auth=Basic tok\x01\x01'],
    ['a field in between', 'user=alice\x01x=y\x01auth=Bearer tok\x01\x01'],
    ['no SOH at the end', 'user=alice\x01auth=Bearer tok\x01'],
    ['bytes behind the end', 'user=alice\x01auth=Bearer tok\x01\x01\n'],
    ['a SOH in the user name', 'user=al\x01ice\x01auth=Bearer tok\x01\x01'],
    ['a CR in the user name', 'user=al\rice\x01auth=Bearer tok\x01\x01'],
    ['an LF in the user name', 'user=al\nice\x01auth=Bearer tok\x01\x01'],
    ['a NUL in the user name', 'user=al\0ice\x01auth=Bearer tok\x01\x01'],
    ['an LF in the token', 'user=alice\x01auth=Bearer t\nok\x01\x01'],
    ['a NUL in the token', 'user=alice\x01auth=Bearer t\0ok\x01\x01'],
    ['a message of OAUTHBEARER', 'n,a=alice,\x01auth=Bearer tok\x01\x01'],
  ])('with %s is malformed', (_what, message) => {
    expect(outcome(read('XOAUTH2', message))).toBe('malformed');
  });
});

describe('any message', () => {
  const text = fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) =>
    Buffer.from(bytes)
      .toString('latin1')
      .replace(/[\0\x01\r\n]/g, '='),
  );

  test('of a user name and a token is read as it was written', () => {
    fc.assert(
      fc.property(fc.constantFrom(...mechanisms), text, text, (mechanism, user, raw) => {
        // Spaces before a token are not part of it.
        const secret = `t${raw}`;
        const written = Buffer.from(
          bearerResponse(mechanism, token(user, secret)).toString('latin1'),
          'base64',
        );
        expect(outcome(read(mechanism, written))).toEqual(['token', mechanism, user, secret]);
      }),
    );
  });

  test('gives credentials without a byte that could separate fields, or none', () => {
    const piece = fc.constantFrom(
      'n,a=',
      'user=',
      'alice',
      ',',
      '\x01',
      'auth=Bearer ',
      'tok',
      '\r\n',
      '\0',
      '=2C',
      '=',
    );
    fc.assert(
      fc.property(fc.constantFrom(...mechanisms), fc.array(piece, { maxLength: 12 }), (mechanism, pieces) => {
        const step = read(mechanism, pieces.join(''));
        if (step.kind !== 'credentials') return;
        const { authenticationId, secret } = step.credentials;
        expect(`${authenticationId.toString('latin1')}${secret.toString('latin1')}`).not.toMatch(
          /[\0\x01\r\n]/,
        );
        expect(authenticationId.length * secret.length).toBeGreaterThan(0);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('the way upstream', () => {
  test.each([
    ['OAUTHBEARER', 'AUTH=OAUTHBEARER AUTH=XOAUTH2', 'OAUTHBEARER'],
    ['XOAUTH2', 'AUTH=OAUTHBEARER AUTH=XOAUTH2', 'XOAUTH2'],
    ['OAUTHBEARER', 'AUTH=PLAIN AUTH=XOAUTH2', 'XOAUTH2'],
    ['XOAUTH2', 'AUTH=PLAIN auth=oauthbearer', 'OAUTHBEARER'],
    ['XOAUTH2', 'AUTH=PLAIN', undefined],
  ] as const)('of %s to a server with %s is %s', (mechanism, offered, expected) => {
    expect(bearerMechanism(token('a', 'b', mechanism), new CapabilitySet(offered.split(' ')))).toBe(expected);
  });

  test.each([
    ['+ eyJzIjoxfQ==\r\n', 'eyJzIjoxfQ=='],
    ['+ \r\n', undefined],
    ['+ go on\r\n', undefined],
    ['+ eyJ\0\r\n', undefined],
    [`+ ${'A'.repeat(9_000)}\r\n`, undefined],
  ])('ends in the challenge of %j', (line, expected) => {
    expect(readErrorChallenge(bytesOf(line))).toBe(expected);
  });
});
