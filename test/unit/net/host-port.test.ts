import { expect, test } from 'vitest';
import { hostPort } from '../../../src/net/host-port.js';

test.each([
  ['imap.example.org', 'imap.example.org:143'],
  ['192.0.2.1', '192.0.2.1:143'],
  ['2001:db8::1', '[2001:db8::1]:143'],
])('%s is written as %s', (host, written) => {
  expect(hostPort(host, 143)).toBe(written);
});
