import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { PortFacts } from '../../../src/ports/port-facts.js';
import { readPortFacts } from '../../../src/ports/read-port-facts.js';

const fixture = (name: string): string =>
  readFileSync(new URL(`../../fixtures/ports/${name}`, import.meta.url), 'latin1');

function failing(what: string): Promise<never> {
  return Promise.reject(new Error(`no ${what}`));
}

function linux(files: Record<string, string>): Promise<PortFacts> {
  return readPortFacts({
    platform: 'linux',
    readFile: (path) => {
      const text = files[path.replace('/proc/sys/net/ipv4/', '')];
      return text === undefined ? failing(path) : Promise.resolve(text);
    },
    run: failing,
  });
}

function windows(outputs: Record<string, string>): Promise<PortFacts> {
  return readPortFacts({
    platform: 'win32',
    readFile: failing,
    run: (command) => {
      const text = outputs[command];
      return text === undefined ? failing(command) : Promise.resolve(text);
    },
  });
}

function macos(outputs: Record<string, string>): Promise<PortFacts> {
  return readPortFacts({
    platform: 'darwin',
    readFile: failing,
    run: (_command, args) => {
      const text = outputs[args.join(' ')];
      return text === undefined ? failing(args.join(' ')) : Promise.resolve(text);
    },
  });
}

/** The values alone; undefined is not known. */
function valuesOf(facts: PortFacts): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(facts).map(([name, fact]: [string, PortFacts[keyof PortFacts]]) => [
      name,
      fact.isKnown ? fact.value : undefined,
    ]),
  );
}

const LINUX_FILES = {
  ip_local_port_range: '32768\t60999\n',
  ip_local_reserved_ports: '\n',
  tcp_max_tw_buckets: '131072\n',
  tcp_tw_reuse: '2\n',
};

describe('Linux', () => {
  test('says all of it', async () => {
    expect(valuesOf(await linux(LINUX_FILES))).toEqual({
      range: { lowest: 32_768, highest: 60_999, reservedCount: 0 },
      timeWaitMs: 60_000,
      maxTimeWaitSockets: 131_072,
      timeWaitReuse: 'loopback',
    });
  });

  test.each([
    ['8080,9000-9100', 0],
    ['40000', 1],
    ['32768,60999,32767,61000', 2],
    ['32000-32999', 232],
    ['40000-40009,40005-40014,40014', 15],
    ['1-65535', 28_232],
  ])('takes off of the reserved ports %s those inside of the range', async (reserved, count) => {
    const facts = await linux({ ...LINUX_FILES, ip_local_reserved_ports: `${reserved}\n` });
    expect(facts.range).toMatchObject({ value: { reservedCount: count } });
  });

  test('reserves nothing where there is no such file', async () => {
    const { ip_local_port_range } = LINUX_FILES;
    expect((await linux({ ip_local_port_range })).range).toMatchObject({
      isKnown: true,
      value: { reservedCount: 0 },
    });
  });

  test.each([
    ['0\n', 'never'],
    ['1\n', 'always'],
  ])('reads tcp_tw_reuse %j as %s', async (text, expected) => {
    const facts = await linux({ ...LINUX_FILES, tcp_tw_reuse: text });
    expect(facts.timeWaitReuse).toMatchObject({ value: expected });
  });

  test.each(['', '32768', '60999 32768', '0 70000', '1 2 3', 'a b', '-1 5'])(
    'does not take %j for a range',
    async (text) => {
      const facts = await linux({ ...LINUX_FILES, ip_local_port_range: text });
      expect(facts.range).toEqual({
        isKnown: false,
        why: '/proc/sys/net/ipv4/ip_local_port_range says something else than expected',
      });
    },
  );

  test('knows nothing, and says why, where /proc is hidden', async () => {
    const facts = await linux({});
    expect(valuesOf(facts)).toEqual({});
    expect(facts.range).toEqual({
      isKnown: false,
      why: '/proc/sys/net/ipv4/ip_local_port_range: no /proc/sys/net/ipv4/ip_local_port_range',
    });
  });

  test('says on each value where it is from', async () => {
    const { range, timeWaitMs } = await linux(LINUX_FILES);
    expect(range).toMatchObject({ source: '/proc/sys/net/ipv4/ip_local_port_range' });
    expect(timeWaitMs).toMatchObject({ source: 'the constant of Linux' });
  });
});

describe('Windows', () => {
  const untouched = fixture('windows-reg-untouched.txt');
  const tuned = fixture('windows-reg-tuned.txt');

  test.each([
    ['English', 'windows-netsh-en.txt', 49_152, 65_535],
    ['German', 'windows-netsh-de.txt', 1_025, 65_534],
    ['Japanese', 'windows-netsh-ja.txt', 49_152, 65_535],
  ])('reads the range of netsh in %s', async (_language, file, lowest, highest) => {
    const facts = await windows({ netsh: fixture(file), reg: untouched });
    expect(facts.range).toMatchObject({ value: { lowest, highest, reservedCount: 0 } });
  });

  test('has the documented TIME_WAIT where the registry has none', async () => {
    const facts = await windows({ netsh: fixture('windows-netsh-en.txt'), reg: untouched });
    expect(facts.timeWaitMs).toEqual({
      isKnown: true,
      value: 120_000,
      source: 'the documented default of Windows',
    });
  });

  test.each([
    ['0x1e', 30_000],
    ['0x3c', 60_000],
    ['0xf0', 240_000],
    ['0x1', 30_000],
    ['0xffff', 300_000],
  ])('takes TcpTimedWaitDelay %s for %d ms', async (value, expected) => {
    const facts = await windows({ reg: tuned.replace('0x1e', value) });
    expect(facts.timeWaitMs).toMatchObject({ value: expected });
  });

  test('takes the range of the registry where netsh says nothing', async () => {
    const facts = await windows({ reg: tuned });
    expect(facts.range).toMatchObject({ value: { lowest: 1_025, highest: 65_534 } });
  });

  test('believes netsh, which knows MaxUserPort too, and not the registry', async () => {
    const facts = await windows({ netsh: fixture('windows-netsh-en.txt'), reg: tuned });
    expect(facts.range).toMatchObject({ value: { lowest: 49_152 } });
  });

  test.each(['', 'Access is denied.', 'Start Port : 49152', 'a : 1\nb : 2\nc : 3', 'a : 60000\nb : 60000'])(
    'does not take %j for a range',
    async (text) => {
      const facts = await windows({ netsh: text, reg: untouched });
      expect(facts.range).toMatchObject({ isKnown: false });
    },
  );

  test('knows nothing, and says why, where no command runs', async () => {
    const facts = await windows({});
    expect(valuesOf(facts)).toEqual({});
    expect(facts.timeWaitMs).toMatchObject({ why: expect.stringContaining('no reg') as string });
  });
});

describe('macOS', () => {
  const RANGE = 'net.inet.ip.portrange.first net.inet.ip.portrange.last';
  const MSL = 'net.inet.tcp.msl';

  test('waits for two segment lifetimes', async () => {
    const facts = await macos({ [RANGE]: fixture('macos-portrange.txt'), [MSL]: fixture('macos-msl.txt') });
    expect(valuesOf(facts)).toEqual({
      range: { lowest: 49_152, highest: 65_535, reservedCount: 0 },
      timeWaitMs: 30_000,
    });
  });

  test('keeps the range where the release does not know the lifetime', async () => {
    const facts = await macos({ [RANGE]: fixture('macos-portrange.txt') });
    expect(facts.range.isKnown).toBe(true);
    expect(facts.timeWaitMs).toEqual({ isKnown: false, why: `sysctl ${MSL}: no ${MSL}` });
  });

  test.each(['', 'sysctl: unknown oid', 'net.inet.ip.portrange.first: 49152\n'])(
    'does not take %j for a range',
    async (text) => {
      expect((await macos({ [RANGE]: text })).range).toMatchObject({ isKnown: false });
    },
  );
});

test('nothing is known of a system that nobody reads', async () => {
  const facts = await readPortFacts({ platform: 'sunos', readFile: failing, run: failing });
  expect(valuesOf(facts)).toEqual({});
  expect(facts.range).toEqual({ isKnown: false, why: 'nobody reads this on sunos' });
});

test('this system is read without an error', async () => {
  const facts = await readPortFacts();
  if (process.platform === 'linux') expect(facts.timeWaitMs).toMatchObject({ value: 60_000 });
});

test('a command that is not there makes facts unknown', async () => {
  const facts = await readPortFacts({ platform: process.platform === 'win32' ? 'darwin' : 'win32' });
  expect(facts.range).toMatchObject({ isKnown: false, why: expect.stringContaining('ENOENT') as string });
});
