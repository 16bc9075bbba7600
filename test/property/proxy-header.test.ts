import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ProxyHeaderReader } from '../../src/net/proxy-header.js';
import type { ProxyVersions } from '../../src/net/proxy-header.js';
import { chunkSizes } from '../support/arbitrary-streams.js';
import { cutInto } from '../support/chunks.js';
import { ipv4Addresses, ipv6Addresses, proxyBlock, proxyLine, sslField } from '../support/proxy-headers.js';

const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));

const fields = fc.array(
  fc.oneof(
    fc.tuple(fc.integer({ min: 0, max: 255 }), bytes(30)),
    fc.integer({ min: 0, max: 255 }).map((client) => sslField(client)),
  ),
  { maxLength: 4 },
);
const line = fc.oneof(
  fc.ipV4().map((address) => proxyLine(address)),
  fc.ipV6().map((address) => proxyLine(address)),
  bytes(60).map((junk) => Buffer.concat([Buffer.from('PROXY UNKNOWN '), junk, Buffer.from('\r\n')])),
);
const block = fc
  .oneof(
    fc.record({ addresses: fc.ipV4().map(ipv4Addresses), fields }),
    fc.record({
      family: fc.constant(0x21),
      addresses: fc
        .array(fc.integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 })
        .map((groups) => ipv6Addresses(...groups)),
      fields,
    }),
    fc.record({
      command: fc.integer({ min: 0x1f, max: 0x23 }),
      family: fc.integer({ min: 0, max: 255 }),
      addresses: bytes(300),
      length: fc.option(fc.integer({ min: 0, max: 5_000 }), { nil: undefined }),
    }),
  )
  .map((parts) =>
    proxyBlock({
      ...parts,
      ...('length' in parts && parts.length !== undefined ? { length: parts.length } : {}),
    } as Parameters<typeof proxyBlock>[0]),
  );

/** A header, perhaps with one byte changed, and what follows it. */
const stream = fc
  .tuple(
    fc.oneof(line, block),
    fc.option(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { nil: undefined, freq: 2 }),
    bytes(80),
  )
  .map(([header, change, rest]) => {
    if (change !== undefined) header[change[0] % header.length] = change[1];
    return Buffer.concat([header, rest]);
  });

interface Read {
  readonly outcome: string;
  readonly rest: string;
}

/** The answer, and all bytes that come behind the header; a bad one has none, wherever it was noticed. */
function read(chunks: readonly Buffer[], versions: ProxyVersions): Read {
  const reader = new ProxyHeaderReader(versions);
  for (const [at, chunk] of chunks.entries()) {
    const answer = reader.push(Buffer.from(chunk));
    if (answer.kind === 'bad') return { outcome: 'bad', rest: '' };
    if (answer.kind === 'header') {
      const rest = Buffer.concat([answer.rest, ...chunks.slice(at + 1)]);
      return { outcome: JSON.stringify(answer.header), rest: rest.toString('latin1') };
    }
  }
  return { outcome: 'more', rest: '' };
}

test('any chunking of a PROXY header gives the same client, and the same bytes behind it', () => {
  const outcomes = { header: 0, bad: 0, more: 0 };
  fc.assert(
    fc.property(stream, chunkSizes, fc.constantFrom('v1', 'v2', 'any'), (all, sizes, versions) => {
      const whole = read([all], versions);
      outcomes[whole.outcome === 'bad' || whole.outcome === 'more' ? whole.outcome : 'header'] += 1;
      expect(read(cutInto(all, sizes), versions)).toEqual(whole);
      if (whole.rest !== '') expect(all.toString('latin1').endsWith(whole.rest)).toBe(true);
    }),
    { numRuns: 3_000 },
  );
  // Else it would have said nothing.
  for (const count of Object.values(outcomes)) expect(count).toBeGreaterThan(50);
});

test('garbage is bad at once, or still unread', () => {
  fc.assert(
    fc.property(bytes(600), chunkSizes, (all, sizes) => {
      const { outcome } = read(cutInto(all, sizes), 'any');
      expect(outcome).toMatch(/^(?:bad|more)$/);
      if (all.length > 0 && ![0x50, 0x0d].includes(all[0]!)) expect(outcome).toBe('bad');
    }),
  );
});

test('the address of a right header comes out as it went in', () => {
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      const expected = JSON.stringify({ address, isTls: false });
      expect(read([proxyLine(address)], 'v1').outcome).toBe(expected);
      expect(read([proxyBlock({ addresses: ipv4Addresses(address) })], 'v2').outcome).toBe(expected);
    }),
  );
});
