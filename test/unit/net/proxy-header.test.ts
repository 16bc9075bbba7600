import { describe, expect, test } from 'vitest';
import {
  MAX_PROXY_BLOCK_BYTES,
  MAX_PROXY_LINE_BYTES,
  ProxyHeaderReader,
} from '../../../src/net/proxy-header.js';
import type { ProxyRead, ProxyVersions } from '../../../src/net/proxy-header.js';
import { byteByByte, bytesOf, everySplit } from '../../support/chunks.js';
import {
  ipv4Addresses,
  ipv6Addresses,
  proxyBlock,
  proxyLine,
  sslField,
} from '../../support/proxy-headers.js';

/** Reads chunks up to the answer; the rest is of all of them. */
function read(chunks: readonly Buffer[], versions: ProxyVersions = 'any'): ProxyRead {
  const reader = new ProxyHeaderReader(versions);
  for (const [at, chunk] of chunks.entries()) {
    const answer = reader.push(Buffer.from(chunk));
    if (answer.kind === 'bad' || answer.kind === 'more') {
      if (answer.kind === 'bad') return answer;
      continue;
    }
    return { ...answer, rest: Buffer.concat([answer.rest, ...chunks.slice(at + 1)]) };
  }
  return { kind: 'more' };
}

const ofClient = (address: string | undefined, isTls = false) => ({ address, isTls });

describe('version 1', () => {
  test.each([
    ['PROXY TCP4 203.0.113.7 127.0.0.1 40000 993\r\n', '203.0.113.7'],
    ['PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n', '255.255.255.255'],
    ['PROXY TCP4 203.0.113.7 127.0.0.1 0 0\r\n', '203.0.113.7'],
    ['PROXY TCP6 2001:DB8:0:0::7 ::1 40000 993\r\n', '2001:db8::7'],
    [
      'PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe ::1 65535 65535\r\n',
      'ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe',
    ],
    ['PROXY TCP6 ::ffff:203.0.113.7 ::1 40000 993\r\n', '203.0.113.7'],
    ['PROXY TCP6 ::ffff:cb00:7107 ::1 40000 993\r\n', '203.0.113.7'],
    ['PROXY UNKNOWN\r\n', undefined],
    ['PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n', undefined],
  ])('%j is taken apart, however it is cut', (line, address) => {
    const bytes = bytesOf(`${line}a NOOP\r\n`);
    const expected = { kind: 'header', header: ofClient(address), rest: bytesOf('a NOOP\r\n') };
    for (const chunks of [[bytes], byteByByte(bytes), ...everySplit(bytes)])
      expect(read(chunks)).toEqual(expected);
  });

  test.each([
    ['a line end without CR', 'PROXY TCP4 203.0.113.7 127.0.0.1 40000 993\n'],
    ['a CR in the middle', 'PROXY TCP4 203.0.113.7\r127.0.0.1 40000 993\r\n'],
    ['two spaces', 'PROXY  TCP4 203.0.113.7 127.0.0.1 40000 993\r\n'],
    ['a space at the end', 'PROXY TCP4 203.0.113.7 127.0.0.1 40000 993 \r\n'],
    ['lower case', 'PROXY tcp4 203.0.113.7 127.0.0.1 40000 993\r\n'],
    ['no such protocol', 'PROXY TCP5 203.0.113.7 127.0.0.1 40000 993\r\n'],
    ['one port', 'PROXY TCP4 203.0.113.7 127.0.0.1 40000\r\n'],
    ['a port that is too high', 'PROXY TCP4 203.0.113.7 127.0.0.1 65536 993\r\n'],
    ['a port with a zero in front', 'PROXY TCP4 203.0.113.7 127.0.0.1 040 993\r\n'],
    ['an address that is none', 'PROXY TCP4 203.0.113.256 127.0.0.1 40000 993\r\n'],
    ['a destination that is none', 'PROXY TCP4 203.0.113.7 127.0.0.256 40000 993\r\n'],
    ['a name', 'PROXY TCP4 localhost 127.0.0.1 40000 993\r\n'],
    ['an address of the other family', 'PROXY TCP4 ::1 ::1 40000 993\r\n'],
    ['an address of the other family, the other way', 'PROXY TCP6 127.0.0.1 127.0.0.1 40000 993\r\n'],
    ['a zone', 'PROXY TCP6 fe80::1%eth0 ::1 40000 993\r\n'],
    ['nothing', 'PROXY \r\n'],
    ['UNKNOWN and more', 'PROXY UNKNOWNX\r\n'],
  ])('with %s is bad', (_what, line) => {
    expect(read([bytesOf(line)])).toMatchObject({ kind: 'bad' });
    expect(read(byteByByte(bytesOf(line)))).toMatchObject({ kind: 'bad' });
  });

  test('has a longest line, and nothing is waited for behind that', () => {
    const longest = bytesOf(`PROXY UNKNOWN ${'x'.repeat(MAX_PROXY_LINE_BYTES - 16)}\r\n`);
    expect(longest).toHaveLength(MAX_PROXY_LINE_BYTES);
    expect(read([longest])).toMatchObject({ kind: 'header' });
    const endless = bytesOf(`PROXY UNKNOWN ${'x'.repeat(MAX_PROXY_LINE_BYTES - 14)}`);
    expect(read([endless.subarray(0, MAX_PROXY_LINE_BYTES)])).toEqual({ kind: 'more' });
    for (const chunks of [[endless], byteByByte(endless)])
      expect(read([...chunks, bytesOf('x')])).toMatchObject({ kind: 'bad' });
  });
});

describe('version 2', () => {
  const certificate: readonly [number, Buffer] = [0x04, Buffer.alloc(1_000, 'x')];

  test.each([
    ['IPv4', proxyBlock(), ofClient('203.0.113.7')],
    [
      'IPv6',
      proxyBlock({ family: 0x21, addresses: ipv6Addresses(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7) }),
      ofClient('2001:db8::7'),
    ],
    [
      'IPv4 in IPv6 clothes',
      proxyBlock({ family: 0x21, addresses: ipv6Addresses(0, 0, 0, 0, 0, 0xffff, 0xcb00, 0x7107) }),
      ofClient('203.0.113.7'),
    ],
    ['TLS', proxyBlock({ fields: [certificate, sslField()] }), ofClient('203.0.113.7', true)],
    [
      'TLS with a client certificate',
      proxyBlock({ fields: [sslField(0x07)] }),
      ofClient('203.0.113.7', true),
    ],
    ['no TLS, which it says', proxyBlock({ fields: [sslField(0x06)] }), ofClient('203.0.113.7')],
    [
      'fields that nobody knows',
      proxyBlock({ fields: [[0xee, Buffer.alloc(0)], certificate] }),
      ofClient('203.0.113.7'),
    ],
    [
      'a Unix socket',
      proxyBlock({ family: 0x31, addresses: Buffer.alloc(216, 'x'), fields: [sslField()] }),
      ofClient(undefined, true),
    ],
    [
      'no family',
      proxyBlock({ family: 0x00, addresses: Buffer.alloc(0), fields: [sslField()] }),
      ofClient(undefined),
    ],
    ['UDP', proxyBlock({ family: 0x12, fields: [sslField()] }), ofClient(undefined)],
    ['LOCAL', proxyBlock({ command: 0x20, family: 0x00, addresses: Buffer.alloc(0) }), ofClient(undefined)],
    [
      'LOCAL with what means nothing',
      proxyBlock({ command: 0x20, family: 0xff, fields: [sslField()] }),
      ofClient(undefined),
    ],
  ])('with %s is taken apart, however it is cut', (_what, header, expected) => {
    const bytes = Buffer.concat([header, bytesOf('a NOOP\r\n')]);
    const result = { kind: 'header', header: expected, rest: bytesOf('a NOOP\r\n') };
    for (const chunks of [[bytes], byteByByte(bytes), ...everySplit(bytes)])
      expect(read(chunks)).toEqual(result);
  });

  test.each([
    ['version 1 in its head', proxyBlock({ command: 0x11 })],
    ['a command that does not exist', proxyBlock({ command: 0x22 })],
    ['a family that does not exist', proxyBlock({ family: 0x41 })],
    ['a protocol that does not exist', proxyBlock({ family: 0x13 })],
    ['less than its addresses', proxyBlock({ addresses: ipv4Addresses('1.2.3.4').subarray(1) })],
    ['less than its addresses, of IPv6', proxyBlock({ family: 0x21 })],
    ['less than its addresses, of Unix', proxyBlock({ family: 0x31 })],
    ['half a field', Buffer.concat([proxyBlock({ length: 14 }), Buffer.from([0x20, 0])])],
    [
      'a field that is longer than all',
      Buffer.concat([proxyBlock({ length: 16 }), Buffer.from([4, 0, 2, 0])]),
    ],
    ['a field for TLS that says nothing', proxyBlock({ fields: [[0x20, Buffer.alloc(4)]] })],
    ['more than 4 KiB', proxyBlock({ length: MAX_PROXY_BLOCK_BYTES + 1 })],
  ])('with %s is bad', (_what, header) => {
    expect(read([header])).toMatchObject({ kind: 'bad' });
    expect(read(byteByByte(header))).toMatchObject({ kind: 'bad' });
  });

  test('may have 4 KiB behind its head', () => {
    const header = proxyBlock({ fields: [[0xee, Buffer.alloc(MAX_PROXY_BLOCK_BYTES - 15)]] });
    expect(header).toHaveLength(16 + MAX_PROXY_BLOCK_BYTES);
    expect(read([header])).toMatchObject({ kind: 'header' });
  });
});

describe('anything else', () => {
  test.each([
    ['IMAP', 'a LOGIN alice secret\r\n'],
    ['a ClientHello', '\x16\x03\x01\x02\x00\x01\x00'],
    ['HTTP', 'POST / HTTP/1.1\r\n'],
    ['almost version 1', 'PROXI TCP4'],
    ['almost version 2', '\r\n\r\n\0\r\nQUIX\n'],
    ['an empty line', '\r\n\r\na'],
  ])('is bad at once: %s', (_what, text) => {
    expect(read([bytesOf(text)])).toEqual({ kind: 'bad', reason: 'no PROXY header' });
    expect(read(byteByByte(bytesOf(text)))).toEqual({ kind: 'bad', reason: 'no PROXY header' });
  });

  test('is the version that a listener does not take', () => {
    const reason = (version: string) => ({ kind: 'bad', reason: `no PROXY header of version ${version}` });
    expect(read([proxyLine('203.0.113.7')], 'v2')).toEqual(reason('2'));
    expect(read([proxyBlock()], 'v1')).toEqual(reason('1'));
    expect(read([proxyLine('203.0.113.7')], 'v1')).toMatchObject({ kind: 'header' });
    expect(read([proxyBlock()], 'v2')).toMatchObject({ kind: 'header' });
  });
});

test('what follows a header is given on without a copy', () => {
  for (const header of [proxyLine('203.0.113.7'), proxyBlock({ fields: [sslField()] })]) {
    const rest = Buffer.alloc(60_000, 'x');
    for (const cut of [0, 1, 15, 20, header.length - 1]) {
      const bytes = Buffer.concat([header, rest]);
      const reader = new ProxyHeaderReader('any');
      if (cut > 0) reader.push(bytes.subarray(0, cut));
      const answer = reader.push(bytes.subarray(cut));
      if (answer.kind !== 'header') throw new Error(answer.kind);
      expect(answer.rest.buffer).toBe(bytes.buffer);
      expect(answer.rest.equals(rest)).toBe(true);
    }
  }
});
