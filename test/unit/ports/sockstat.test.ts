import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { expect, test } from 'vitest';
import { readSystemSockets } from '../../../src/ports/sockstat.js';

const fixture = (name: string): string =>
  readFileSync(new URL(`../../fixtures/ports/${name}`, import.meta.url), 'latin1');

const FILES: Readonly<Record<string, string>> = {
  '/proc/net/sockstat': fixture('linux-sockstat.txt'),
  '/proc/net/sockstat6': fixture('linux-sockstat6.txt'),
  '/proc/net/netstat': fixture('linux-netstat.txt'),
};

const NOTHING = {
  inUse: undefined,
  orphan: undefined,
  timeWait: undefined,
  alloc: undefined,
  timeWaitOverflows: undefined,
};

function reading(files: Readonly<Record<string, string>>): (path: string) => string {
  return (path) => {
    const text = files[path];
    if (text === undefined) throw new Error(`no ${path}`);
    return text;
  };
}

test('adds the sockets of IPv6, and finds the counter among the others', () => {
  expect(readSystemSockets(reading(FILES))).toEqual({
    inUse: 368,
    orphan: 3,
    timeWait: 21_760,
    alloc: 655,
    timeWaitOverflows: 4_711,
  });
});

test('counts IPv4 alone where IPv6 is switched off', () => {
  const sockstat = { '/proc/net/sockstat': fixture('linux-sockstat.txt') };
  expect(readSystemSockets(reading(sockstat)).inUse).toBe(341);
});

test('knows nothing where there is no such file', () => {
  expect(readSystemSockets(reading({}))).toEqual(NOTHING);
});

test.each([
  '',
  'TCP:',
  'TCP: inuse',
  'TCP: inuse x orphan -1',
  'TCP6: inuse 3',
  'TcpExt: TCPTimeWaitOverflow',
])('knows nothing of %j', (text) => {
  expect(readSystemSockets(() => text)).toEqual(NOTHING);
});

test('the counter is found by its name, wherever a kernel has it', () => {
  const netstat = 'TcpExt: A TCPTimeWaitOverflow B\nTcpExt: 1 2 3\nIpExt: A\nIpExt: 9\n';
  expect(readSystemSockets(reading({ '/proc/net/netstat': netstat })).timeWaitOverflows).toBe(2);
});

test('takes a small part of the time of a scrape', () => {
  readSystemSockets();
  const rounds = 100;
  const startedAt = performance.now();
  for (let round = 0; round < rounds; round += 1) readSystemSockets();
  const durationMs = (performance.now() - startedAt) / rounds;
  expect(durationMs).toBeLessThan(2);
});
