import { describe, expect, test } from 'vitest';
import { Lease } from '../../../src/pool/lease.js';
import { Provability } from '../../../src/relay/provability.js';
import type { UpstreamConnection } from '../../../src/upstream/connection.js';
import { CommandLedger } from '../../../src/wire/command-ledger.js';
import type { OutstandingCommand } from '../../../src/wire/command-ledger.js';
import { LineFramer } from '../../../src/wire/line-framer.js';
import { readCommandLiteral } from '../../../src/wire/literal.js';
import type { TaggedStatus } from '../../../src/wire/response-head.js';
import { verbRow } from '../../../src/wire/verbs.js';
import { bytesOf } from '../../support/chunks.js';

class Sender {
  readonly lease = new Lease(
    {
      connection: Object.create(null) as UpstreamConnection,
      isReuse: false,
      set: '',
      enabled: undefined,
    },
    { released: () => undefined, discarded: () => undefined },
  );
  readonly #provability = new Provability();
  readonly #ledger = new CommandLedger();

  /** Sends lines of one command; literals between them are left out. */
  send(verb: string, lines: readonly string[], tag = 'a'): OutstandingCommand {
    const command = this.#ledger.begin(tag, verbRow(verb));
    lines.forEach((line, index) => {
      const framer = new LineFramer();
      framer.push(bytesOf(line));
      framer.next();
      const marker = readCommandLiteral(framer.buffer, framer.start, framer.end);
      this.#provability.sending(this.lease, command, framer, marker, index === 0);
    });
    return command;
  }

  answer(command: OutstandingCommand, status: TaggedStatus): boolean {
    this.#ledger.complete(command.tag, status);
    this.#provability.answered(this.lease, command, status);
    return this.lease.isDirty;
  }
}

describe('a non-synchronizing literal', () => {
  test.each([
    ['APPEND', 'a APPEND INBOX {5+}\r\n', 'OK', false],
    ['APPEND', 'a APPEND INBOX {5+}\r\n', 'NO', false],
    ['APPEND', 'a APPEND INBOX {5+}\r\n', 'BAD', true],
    ['APPEND', 'a APPEND INBOX ) {5+}\r\n', 'OK', true],
    ['SEARCH', 'a SEARCH TEXT {5+}\r\n', 'OK', false],
    ['SEARCH', 'a SEARCH TEXT {5+}\r\n', 'NO', true],
    ['SEARCH', 'a SEARCH TEXT {5+}\r\n', 'BAD', true],
    ['DELETE', 'a DELETE x {5+}\r\n', 'OK', true],
    ['LIST', 'a LIST "" {5+}\r\n', 'OK', true],
  ] as const)('of %s in %j answered with %s: dirty is %s', (verb, line, status, isDirty) => {
    const sender = new Sender();
    expect(sender.answer(sender.send(verb, [line]), status)).toBe(isDirty);
  });

  test('behind another one has no fixed form, even if it looks like the beginning of APPEND', () => {
    const sender = new Sender();
    const lines = ['a APPEND INBOX {5+}\r\n', 'x APPEND INBOX {5+}\r\n'];
    expect(sender.answer(sender.send('APPEND', lines), 'OK')).toBe(true);
  });

  test('is not proven by a reply that may be another command’s', () => {
    const sender = new Sender();
    const status = sender.send('STATUS', ['a STATUS INBOX (MESSAGES)\r\n']);
    const search = sender.send('SEARCH', ['a SEARCH TEXT {5+}\r\n']);
    expect(sender.answer(status, 'NO')).toBe(false);
    expect(sender.answer(search, 'OK')).toBe(true);
  });
});

test.each([
  ['a synchronizing literal', 'APPEND', 'a APPEND INBOX {5}\r\n', false],
  ['a bare LF', 'NOOP', 'a NOOP\n', true],
  ['a bare CR', 'NOOP', 'a NO\rOP\r\n', true],
  ['a NUL', 'LIST', 'a LIST "" "\0"\r\n', true],
  ['a malformed marker', 'LIST', 'a LIST "" {007}\r\n', true],
  ['a sticky command', 'ENABLE', 'a ENABLE X\r\n', true],
  ['a word of CONDSTORE', 'FETCH', 'a FETCH 1 (FLAGS) (changedsince 1)\r\n', true],
  ['that word where it enables nothing', 'LSUB', 'a LSUB "" MODSEQ\r\n', false],
])('after %s a lease is dirty: %4$s', (_what, verb, line, isDirty) => {
  const sender = new Sender();
  expect(sender.answer(sender.send(verb, [line]), 'OK')).toBe(isDirty);
});

test('an APPEND of its fixed form that is refused later leaves no doubt', () => {
  const sender = new Sender();
  const lines = ['a APPEND Full {5+}\r\n', '\r\n'];
  expect(sender.answer(sender.send('APPEND', lines), 'NO')).toBe(false);
});

test('several messages in one APPEND need OK', () => {
  const lines = ['a APPEND INBOX {5}\r\n', ' {5}\r\n', '\r\n'];
  const [lucky, unlucky] = [new Sender(), new Sender()];
  expect(lucky.answer(lucky.send('APPEND', lines), 'OK')).toBe(false);
  expect(unlucky.answer(unlucky.send('APPEND', lines), 'NO')).toBe(true);
});

test.each([
  ['NOOP', 'a NOOP x\r\n', 'BAD', true],
  ['SELECT', 'a SELECT nowhere\r\n', 'NO', false],
  ['APPEND', 'a APPEND nowhere {5}\r\n', 'NO', false],
  ['APPEND', 'a APPEND nowhere junk {5}\r\n', 'NO', true],
  ['APPEND', 'a APPEND nowhere "h SELECT INBOX\r\n', 'NO', true],
  ['APPEND', 'a APPEND {7}\r\n', 'NO', true],
  ['APPEND', 'a APPEND {7}\r\n', 'OK', false],
] as const)('of %s in %j answered with %s: dirty is %s', (verb, line, status, isDirty) => {
  const sender = new Sender();
  expect(sender.answer(sender.send(verb, [line]), status)).toBe(isDirty);
});
