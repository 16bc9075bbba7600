import { describe, expect, test } from 'vitest';
import { contractNames, foreignNames } from '../../../src/config/contract.js';
import { editDistance, nearMiss } from '../../../src/config/near-miss.js';

const known = [...contractNames, ...foreignNames];

describe('editDistance', () => {
  test.each([
    ['', '', 0],
    ['', 'abc', 3],
    ['abc', '', 3],
    ['abc', 'abc', 0],
    ['abc', 'abd', 1],
    ['abc', 'ab', 1],
    ['kitten', 'sitting', 3],
  ])('counts the changes from %j to %j', (a, b, distance) => {
    expect(editDistance(a, b, 1)).toBe(distance);
    expect(editDistance(b, a, 2)).toBe(distance);
  });

  test('counts exchanged neighbours at the price asked for', () => {
    expect(editDistance('TTL', 'TLT', 1)).toBe(1);
    expect(editDistance('TTL', 'TLT', 2)).toBe(2);
  });
});

describe('nearMiss', () => {
  test.each([
    ['MAILBOX_CACHE_TLT', 'MAILBOX_CACHE_TTL'],
    ['MAILBOX_CACHE_TT', 'MAILBOX_CACHE_TTL'],
    ['MAILBOXCACHETTL', 'MAILBOX_CACHE_TTL'],
    ['UPSTREAM_HSOT', 'UPSTREAM_HOST'],
    ['UPSTREAM_HOSTS', 'UPSTREAM_HOST'],
    ['UPSTREAM_MAX_CONNECTION', 'UPSTREAM_MAX_CONNECTIONS'],
    ['AUTH_CACHE_TT', 'AUTH_CACHE_TTL'],
    ['LOGLEVEL', 'LOG_LEVEL'],
    ['LISTN', 'LISTEN'],
    ['LITSEN', 'LISTEN'],
    ['LISTENS', 'LISTEN'],
    ['ADMIN_TOKEN_FIEL', 'ADMIN_TOKEN_FILE'],
    ['TARPIT_INTERVALL', 'TARPIT_INTERVAL'],
  ])('takes %s for %s', (name, meant) => {
    expect(nearMiss(name, known)).toBe(meant);
  });

  test('takes the nearest of several', () => {
    expect(nearMiss('UPSTREAM_TLS_CERT_FIL', known)).toBe('UPSTREAM_TLS_CERT_FILE');
    expect(nearMiss('CLIENT_LOGIN_TIMEOUTS', known)).toBe('CLIENT_LOGIN_TIMEOUT');
  });

  test('has nothing to say about any name that is known', () => {
    expect(known.filter((name) => nearMiss(name, known) !== undefined)).toEqual([]);
  });

  test.each([
    'HOME',
    'HOSTNAME',
    'LANG',
    'LISTENER',
    'LISTENERS',
    'LOGNAME',
    'NODE_ENV',
    'NODE_EXTRA_CA_CERTS',
    'PATH',
    'PWD',
    'SHLVL',
    'SSL_CERT_DIR',
    'SSL_CERT_FILE',
    'TERM',
    'TZ',
    'UPSTREAM_PORT_143_TCP',
    'UPSTREAM_PORT_143_TCP_ADDR',
    'UPSTREAM_SERVICE_HOST',
    'UPSTREAM_SERVICE_PORT',
    'USER',
    '_',
  ])('leaves %s alone, which ordinary systems set', (name) => {
    expect(nearMiss(name, known)).toBeUndefined();
  });
});
