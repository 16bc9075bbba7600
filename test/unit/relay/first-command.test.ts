import { describe, expect, test } from 'vitest';
import { Lease } from '../../../src/pool/lease.js';
import { FirstCommand } from '../../../src/relay/first-command.js';
import type { UpstreamConnection } from '../../../src/upstream/connection.js';
import { KNOWN_VERBS, verbRow } from '../../../src/wire/verbs.js';

/** The table of the documentation, and nothing besides. */
const REPEATABLE = [
  'NOOP',
  'LIST',
  'LSUB',
  'STATUS',
  'ENABLE',
  'EXAMINE',
  'SELECT',
  'GETQUOTA',
  'GETQUOTAROOT',
  'NAMESPACE',
];

function watching(isReuse = true): FirstCommand {
  const connection = Object.create(null) as UpstreamConnection;
  const end = { released: () => undefined, discarded: () => undefined };
  const first = new FirstCommand();
  first.watch(new Lease({ connection, isReuse, set: '', enabled: undefined }, end));
  return first;
}

function begin(first: FirstCommand, verb = 'NOOP'): void {
  first.begin({ tag: 'a', row: verbRow(verb), hasTwin: false });
}

/** A whole command in these pieces. */
function send(first: FirstCommand, verb: string, ...pieces: string[]): void {
  begin(first, verb);
  for (const piece of pieces) first.add(Buffer.from(piece));
  first.end();
}

describe('the first command of a pooled connection', () => {
  test.each([...KNOWN_VERBS, 'XUNKNOWN'])('may be sent again if that does no harm: %s', (verb) => {
    const first = watching();
    send(first, verb, `a ${verb}\r\n`);
    expect(first.repeatable?.toString()).toBe(REPEATABLE.includes(verb) ? `a ${verb}\r\n` : undefined);
  });

  test('is kept with its literals, byte for byte, whatever becomes of the buffer that it came in', () => {
    const first = watching();
    begin(first, 'SELECT');
    const shared = Buffer.from('a SELECT {3+}\r\n\0\xff\n\r\n', 'latin1');
    first.add(shared.subarray(0, 15));
    expect(first.repeatable).toBeUndefined();
    first.add(shared.subarray(15, 18));
    first.add(shared.subarray(18));
    first.end();
    const expected = Buffer.from(shared);
    shared.fill(0x7a);
    expect(first.repeatable).toEqual(expected);
  });

  test('is nothing before it was sent, and nothing before it is whole', () => {
    const first = watching();
    expect(first.repeatable).toBeUndefined();
    begin(first, 'LIST');
    first.add(Buffer.from('a LIST "" '));
    expect(first.repeatable).toBeUndefined();
  });

  test('is not sent again when another one was begun behind it', () => {
    const first = watching();
    send(first, 'NOOP', 'a NOOP\r\n');
    begin(first, 'NOOP');
    expect(first.repeatable).toBeUndefined();
    first.end();
    expect(first.repeatable).toBeUndefined();
  });

  test('is not sent again when the server has said something, nor is the next one', () => {
    const first = watching();
    send(first, 'NOOP', 'a NOOP\r\n');
    first.spoil();
    expect(first.repeatable).toBeUndefined();
    send(first, 'LIST', 'b LIST "" *\r\n');
    expect(first.repeatable).toBeUndefined();
  });

  test('is not sent again when the server said something before it', () => {
    const first = watching();
    first.spoil();
    send(first, 'NOOP', 'a NOOP\r\n');
    expect(first.repeatable).toBeUndefined();
  });

  test('is not sent again on a connection that was opened for it', () => {
    const first = watching(false);
    send(first, 'NOOP', 'a NOOP\r\n');
    expect(first.repeatable).toBeUndefined();
  });

  test('is not kept without a bound', () => {
    const fits = watching();
    send(fits, 'LIST', 'x'.repeat(8_192));
    expect(fits.repeatable).toHaveLength(8_192);
    const first = watching();
    send(first, 'LIST', 'x'.repeat(8_192), 'x');
    expect(first.repeatable).toBeUndefined();
  });

  test('is another one with each lease', () => {
    const first = watching();
    send(first, 'NOOP', 'a NOOP\r\n');
    const connection = Object.create(null) as UpstreamConnection;
    const end = { released: () => undefined, discarded: () => undefined };
    first.watch(new Lease({ connection, isReuse: true, set: '', enabled: undefined }, end));
    expect(first.repeatable).toBeUndefined();
    send(first, 'LIST', 'b LIST "" *\r\n');
    expect(first.repeatable?.toString()).toBe('b LIST "" *\r\n');
  });
});
