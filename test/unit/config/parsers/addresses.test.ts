import { describe, expect, test } from 'vitest';
import { BadValue } from '../../../../src/config/bad-value.js';
import { host, hostAndPort, hostName } from '../../../../src/config/parsers/host.js';
import { listen } from '../../../../src/config/parsers/listen.js';
import { networks } from '../../../../src/config/parsers/networks.js';

describe('host', () => {
  test.each([
    ['imap.example.org', 'imap.example.org'],
    ['localhost', 'localhost'],
    ['imap.example.org.', 'imap.example.org.'],
    ['mail_1', 'mail_1'],
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8::1', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
  ])('reads %s', (text, expected) => {
    expect(host(text)).toBe(expected);
  });

  test.each([
    'imaps://imap.example.org',
    'imap.example.org:993',
    '[::1]:993',
    '[192.0.2.1]',
    '10.0.0.256',
    'a..b',
    '-a.example',
    'a b',
    'a/b',
    `${'a'.repeat(64)}.example`,
    Array.from({ length: 60 }, () => 'abcd').join('.'),
  ])('refuses %j', (text) => {
    expect(() => host(text)).toThrow('without a scheme and without a port');
  });
});

describe('hostName', () => {
  test('reads a name and refuses an address', () => {
    expect(hostName('imap.example.org')).toBe('imap.example.org');
    expect(() => hostName('192.0.2.1')).toThrow('it must be a host name');
    expect(() => hostName('::1')).toThrow('it must be a host name');
  });
});

describe('hostAndPort', () => {
  test.each([
    ['127.0.0.1:9143', { host: '127.0.0.1', port: 9143 }],
    ['[::1]:0', { host: '::1', port: 0 }],
    ['localhost:65535', { host: 'localhost', port: 65_535 }],
  ])('reads %s', (text, expected) => {
    expect(hostAndPort(text)).toEqual(expected);
  });

  test.each(['127.0.0.1', '9143', 'http://127.0.0.1:9143', '127.0.0.1:', '127.0.0.1:http', ''])(
    'refuses %j and shows the form',
    (text) => {
      expect(() => hostAndPort(text)).toThrow('it must be host:port');
    },
  );

  test('asks for brackets around an IPv6 address', () => {
    expect(() => hostAndPort('::1:9143')).toThrow('with the IPv6 address in brackets');
  });

  test('says how to write all addresses', () => {
    expect(() => hostAndPort('*:9143')).toThrow('0.0.0.0 (IPv4) or [::] (both)');
    expect(() => hostAndPort(':9143')).toThrow('0.0.0.0 (IPv4) or [::] (both)');
  });

  test('refuses a port that does not exist', () => {
    expect(() => hostAndPort('127.0.0.1:65536')).toThrow('its port must be from 0 to 65535');
  });
});

describe('networks', () => {
  test.each([
    ['loopback', ['127.0.0.0/8', '::1/128']],
    ['none', []],
    ['192.0.2.1', ['192.0.2.1/32']],
    ['2001:db8::1', ['2001:db8::1/128']],
    ['10.0.0.0/8, fd00::/8', ['10.0.0.0/8', 'fd00::/8']],
    ['loopback,127.0.0.0/8,10.0.0.0/08', ['127.0.0.0/8', '::1/128', '10.0.0.0/8']],
    ['0.0.0.0/0', ['0.0.0.0/0']],
  ])('reads %s', (text, expected) => {
    expect(networks(text)).toEqual(expected);
  });

  test.each([
    '10.0.0.0/33',
    'fd00::/129',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0/8',
    'fe80::1%eth0',
    'example.org',
    'Loopback',
    '',
  ])('refuses %j', (text) => {
    expect(() => networks(text)).toThrow(BadValue);
  });

  test('names the wrong one of several items', () => {
    expect(() => networks('loopback,10.0.0.0/99')).toThrow('"10.0.0.0/99" is not');
  });
});

describe('listen', () => {
  test.each([
    ['imap://127.0.0.1:1143', [{ kind: 'tcp', isTls: false, host: '127.0.0.1', port: 1143 }]],
    ['imap://[::]:0', [{ kind: 'tcp', isTls: false, host: '::', port: 0 }]],
    ['imaps://0.0.0.0:993', [{ kind: 'tcp', isTls: true, host: '0.0.0.0', port: 993 }]],
    ['imap://localhost:143/', [{ kind: 'tcp', isTls: false, host: 'localhost', port: 143 }]],
    ['unix:/run/imap.sock', [{ kind: 'unix', path: '/run/imap.sock' }]],
    ['unix:///run/imap.sock', [{ kind: 'unix', path: '/run/imap.sock' }]],
    [
      'unix:/run/imap.sock?mode=0660&group=www-data',
      [{ kind: 'unix', path: '/run/imap.sock', mode: 0o660, group: 'www-data' }],
    ],
    [
      'imaps://127.0.0.1:993?proxy=v2',
      [{ kind: 'tcp', isTls: true, host: '127.0.0.1', port: 993, proxy: 'v2' }],
    ],
    ['unix:/run/imap.sock?proxy=any', [{ kind: 'unix', path: '/run/imap.sock', proxy: 'any' }]],
    ['unix:/run/imap.sock?mode=600', [{ kind: 'unix', path: '/run/imap.sock', mode: 0o600 }]],
  ])('reads %s', (text, expected) => {
    expect(listen(text)).toEqual(expected);
  });

  test('reads several listeners, and several free ports of one host', () => {
    expect(listen('imap://127.0.0.1:0, imap://127.0.0.1:0,unix:/a')).toEqual([
      { kind: 'tcp', isTls: false, host: '127.0.0.1', port: 0 },
      { kind: 'tcp', isTls: false, host: '127.0.0.1', port: 0 },
      { kind: 'unix', path: '/a' },
    ]);
  });

  test.each([
    ['imaps:0.0.0.0:993', 'each listener must be imap://host:port, imaps://host:port or unix:/path'],
    ['imaps://0.0.0.0', 'it must be host:port'],
    ['imap://0.0.0.0:993,imaps://0.0.0.0:993', 'each listener must be there only once'],
    ['imap://127.0.0.1:1143?proxy=v3', 'the PROXY header of a listener must be v1, v2 or any'],
    ['unix:/a?proxy=', 'the PROXY header of a listener must be v1, v2 or any'],
    ['imap://127.0.0.1:1143?proxy=v1&proxy=v2', 'it has the option proxy more than once'],
    ['imap://127.0.0.1:1143?proxy=v1,imap://127.0.0.1:1143', 'each listener must be there only once'],
    ['127.0.0.1:1143', 'each listener must be imap://host:port, imaps://host:port or unix:/path'],
    ['imap:127.0.0.1:1143', 'each listener must be imap://host:port, imaps://host:port or unix:/path'],
    ['http://127.0.0.1:1143', 'each listener must be imap://host:port, imaps://host:port or unix:/path'],
    ['imap://127.0.0.1:1143,', 'each listener must be imap://host:port, imaps://host:port or unix:/path'],
    ['imap://127.0.0.1', 'it must be host:port'],
    ['imap://::1:1143', 'with the IPv6 address in brackets'],
    ['imap://127.0.0.1:1143?mode=0660', 'it has an unknown option, "mode"'],
    ['unix:/a?owner=root', 'it has an unknown option, "owner"'],
    ['unix:/a?mode=0660&mode=0600', 'it has the option mode more than once'],
    ['unix:run/a', 'a Unix socket needs an absolute path'],
    ['unix:/run/', 'a Unix socket needs an absolute path'],
    ['unix:/a?mode=0888', 'the mode of a Unix socket must be three octal digits'],
    ['unix:/a?mode=4755', 'the mode of a Unix socket must be three octal digits'],
    ['unix:/a?group=', 'the group of a Unix socket must be the name or number'],
    [`unix:/${'a'.repeat(107)}`, 'the path of a Unix socket must have at most 107 bytes'],
    ['imap://127.0.0.1:1143,imap://127.0.0.1:1143', 'each listener must be there only once'],
    ['unix:/a?mode=0600,unix:/a', 'each listener must be there only once'],
  ])('refuses %s', (text, advice) => {
    expect(() => listen(text)).toThrow(BadValue);
    expect(() => listen(text)).toThrow(advice);
  });
});
