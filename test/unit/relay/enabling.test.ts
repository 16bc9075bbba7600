import { describe, expect, test } from 'vitest';
import { Lease } from '../../../src/pool/lease.js';
import { Enabling } from '../../../src/relay/enabling.js';
import type { EnablingStep } from '../../../src/relay/enabling.js';
import type { UpstreamConnection } from '../../../src/upstream/connection.js';
import { readCommandHead } from '../../../src/wire/command-head.js';
import { CommandLedger } from '../../../src/wire/command-ledger.js';
import type { EnableReply } from '../../../src/wire/enable.js';
import { LineFramer } from '../../../src/wire/line-framer.js';
import { verbRow } from '../../../src/wire/verbs.js';

const reply: EnableReply = {
  untagged: Buffer.from('* ENABLED CONDSTORE\r\n'),
  tagged: Buffer.from(' OK\r\n'),
};

function leaseOf({ set = '', enableReply }: { set?: string; enableReply?: EnableReply } = {}): {
  lease: Lease;
  ledger: CommandLedger;
} {
  const ledger = new CommandLedger();
  const connection = { ledger } as unknown as UpstreamConnection;
  const end = { released: () => undefined, discarded: () => undefined };
  const enabled = enableReply && { request: { text: set, set }, reply: enableReply };
  return { lease: new Lease({ connection, isReuse: true, set, enabled }, end), ledger };
}

function next(enabling: Enabling, line: string, lease: Lease | undefined, isQuiet = true): EnablingStep {
  const framer = new LineFramer();
  framer.push(Buffer.from(line, 'latin1'));
  framer.next();
  const head = readCommandHead(framer.buffer, framer.start, framer.end);
  if (head === undefined) throw new Error('no command');
  return enabling.next(head, framer, lease, isQuiet);
}

const CONDSTORE = { text: 'CONDSTORE', set: 'CONDSTORE' };

describe('a command that enables something', () => {
  test.each(['a ENABLE CONDSTORE\r\n', 'a SELECT INBOX (CONDSTORE)\r\n', 'a STATUS x (HIGHESTMODSEQ)\r\n'])(
    'asks for a lease of its set, with none or a pristine one: %j',
    (line) => {
      expect(next(new Enabling(), line, undefined)).toEqual({ kind: 'ask', request: CONDSTORE });
      expect(next(new Enabling(), line, leaseOf().lease)).toEqual({ kind: 'ask', request: CONDSTORE });
    },
  );

  test('waits until everything before it is answered', () => {
    const enabling = new Enabling();
    const { lease } = leaseOf();
    expect(next(enabling, 'a ENABLE CONDSTORE\r\n', lease, false)).toEqual({ kind: 'quiet' });
    expect(next(enabling, 'a ENABLE CONDSTORE\r\n', lease)).toMatchObject({ kind: 'ask' });
  });

  test('is answered by what the server said, once it is enabled: if it is ENABLE', () => {
    for (const [line, kind] of [
      ['a ENABLE CONDSTORE\r\n', 'answer'],
      ['a SELECT INBOX (CONDSTORE)\r\n', 'pass'],
    ] as const) {
      const enabling = new Enabling();
      expect(next(enabling, line, undefined)).toMatchObject({ kind: 'ask' });
      const { lease } = leaseOf({ set: 'CONDSTORE', enableReply: reply });
      const step = next(enabling, line, lease);
      expect(step).toEqual(kind === 'answer' ? { kind, reply } : { kind });
    }
  });

  test('is passed on where the server did not say OK, and not asked for twice', () => {
    const enabling = new Enabling();
    expect(next(enabling, 'a ENABLE CONDSTORE\r\n', undefined)).toMatchObject({ kind: 'ask' });
    expect(next(enabling, 'a ENABLE CONDSTORE\r\n', leaseOf().lease)).toEqual({ kind: 'pass' });
  });

  test('is passed on, and never answered from memory, when it comes a second time', () => {
    const enabling = new Enabling();
    const { lease } = leaseOf({ set: 'CONDSTORE', enableReply: reply });
    next(enabling, 'a ENABLE CONDSTORE\r\n', undefined);
    expect(next(enabling, 'a ENABLE CONDSTORE\r\n', lease)).toMatchObject({ kind: 'answer' });
    expect(next(enabling, 'b ENABLE CONDSTORE\r\n', lease)).toEqual({ kind: 'pass' });
    expect(next(enabling, 'c ENABLE QRESYNC\r\n', lease)).toEqual({ kind: 'pass' });
  });

  test('is passed on where the session is not pristine', () => {
    const selected = leaseOf();
    selected.ledger.begin('s', verbRow('SELECT'));
    expect(next(new Enabling(), 'a ENABLE X\r\n', selected.lease)).toEqual({ kind: 'pass' });
    selected.ledger.complete('s', 'OK');
    expect(next(new Enabling(), 'a ENABLE X\r\n', selected.lease)).toEqual({ kind: 'pass' });
    const dirty = leaseOf();
    dirty.lease.markDirty();
    expect(next(new Enabling(), 'a ENABLE X\r\n', dirty.lease)).toEqual({ kind: 'pass' });
    expect(next(new Enabling(), 'a ENABLE X\r\n', leaseOf({ set: 'Y' }).lease)).toEqual({ kind: 'pass' });
  });

  test('is asked for again behind SELECT and UNSELECT', () => {
    const { lease, ledger } = leaseOf();
    for (const verb of ['SELECT', 'UNSELECT']) {
      ledger.begin('s', verbRow(verb));
      ledger.complete('s', 'OK');
    }
    expect(next(new Enabling(), 'a ENABLE X\r\n', lease)).toMatchObject({ kind: 'ask' });
  });
});

test.each(['a NOOP\r\n', 'a ENABLE\r\n', 'a ENABLE "X"\r\n', 'a SELECT CONDSTORE\r\n', 'a SELECT INBOX\r\n'])(
  'all other commands are passed on: %j',
  (line) => {
    expect(next(new Enabling(), line, undefined)).toEqual({ kind: 'pass' });
    expect(next(new Enabling(), line, leaseOf().lease, false)).toEqual({ kind: 'pass' });
  },
);
