import { describe, expect, test } from 'vitest';
import { CommandLedger } from '../../../src/wire/command-ledger.js';
import type { SelectedState } from '../../../src/wire/command-ledger.js';
import type { TaggedStatus } from '../../../src/wire/response-head.js';
import { verbRow } from '../../../src/wire/verbs.js';

/** A ledger on which these commands ran, one after the other. */
function ledgerAfter(...steps: readonly (readonly [verb: string, status: TaggedStatus])[]): CommandLedger {
  const ledger = new CommandLedger();
  for (const [verb, status] of steps) {
    ledger.begin('t', verbRow(verb));
    ledger.complete('t', status);
  }
  return ledger;
}

describe('outstanding commands', () => {
  test('of one tag cost the same each, however many there are', () => {
    const ledger = new CommandLedger();
    const startedAt = performance.now();
    const commands = Array.from({ length: 200_000 }, () => ledger.begin('a', verbRow('NOOP')));
    expect(commands.every(({ hasTwin }) => hasTwin)).toBe(true);
    for (const command of commands)
      if (ledger.complete('a', 'OK') !== command) throw new Error('out of order');
    expect(ledger.size).toBe(0);
    expect(ledger.has('a')).toBe(false);
    // Squared, this would take minutes.
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  test('are counted with their tags', () => {
    const ledger = new CommandLedger();
    const first = ledger.begin('a', verbRow('NOOP'));
    const second = ledger.begin('a', verbRow('NOOP'));
    const other = ledger.begin('b', verbRow('NOOP'));
    expect(ledger.size).toBe(3);
    expect(ledger.complete('b', 'OK')).toBe(other);
    expect(ledger.complete('a', 'OK')).toBe(first);
    expect(ledger.complete('a', 'NO')).toBe(second);
    expect(ledger.size).toBe(0);
  });

  test('are not touched by a reply that answers none', () => {
    const ledger = new CommandLedger();
    ledger.begin('a', verbRow('SELECT'));
    expect(ledger.complete('b', 'OK')).toBeUndefined();
    expect(ledger.size).toBe(1);
    expect(ledger.complete('a', 'OK')).toBeDefined();
    expect(ledger.complete('a', 'OK')).toBeUndefined();
    expect(ledger.size).toBe(0);
  });

  test.each(['__proto__', 'constructor', 'toString'])('may have the tag %s', (tag) => {
    const ledger = new CommandLedger();
    expect(ledger.complete(tag, 'OK')).toBeUndefined();
    const command = ledger.begin(tag, verbRow('NOOP'));
    expect(ledger.complete(tag, 'OK')).toBe(command);
  });
});

describe('the selected state', () => {
  test.each<[readonly (readonly [string, TaggedStatus])[], SelectedState]>([
    [[], 'no'],
    [[['SELECT', 'OK']], 'yes'],
    [[['EXAMINE', 'OK']], 'yes'],
    [[['SELECT', 'NO']], 'no'],
    [[['SELECT', 'BAD']], 'unknown'],
    [
      [
        ['SELECT', 'OK'],
        ['SELECT', 'NO'],
      ],
      'no',
    ],
    [
      [
        ['SELECT', 'OK'],
        ['SELECT', 'BAD'],
      ],
      'unknown',
    ],
    [
      [
        ['SELECT', 'OK'],
        ['CLOSE', 'OK'],
      ],
      'no',
    ],
    [
      [
        ['SELECT', 'OK'],
        ['UNSELECT', 'OK'],
      ],
      'no',
    ],
    [
      [
        ['SELECT', 'OK'],
        ['CLOSE', 'NO'],
      ],
      'yes',
    ],
    [
      [
        ['SELECT', 'OK'],
        ['UNSELECT', 'BAD'],
      ],
      'yes',
    ],
    [[['UNSELECT', 'BAD']], 'no'],
    [
      [
        ['SELECT', 'BAD'],
        ['CLOSE', 'OK'],
      ],
      'no',
    ],
    [
      [
        ['SELECT', 'BAD'],
        ['CLOSE', 'NO'],
      ],
      'unknown',
    ],
    [
      [
        ['SELECT', 'OK'],
        ['FETCH', 'BAD'],
        ['NOOP', 'OK'],
        ['LIST', 'NO'],
      ],
      'yes',
    ],
  ])('after %j is %s', (steps, expected) => {
    expect(ledgerAfter(...steps).selected).toBe(expected);
  });

  test('is unknown while a SELECT runs', () => {
    const ledger = ledgerAfter(['SELECT', 'OK']);
    ledger.begin('a', verbRow('SELECT'));
    expect(ledger.selected).toBe('unknown');
    ledger.complete('a', 'NO');
    expect(ledger.selected).toBe('no');
  });

  test.each<[TaggedStatus, TaggedStatus, SelectedState]>([
    ['OK', 'OK', 'yes'],
    ['OK', 'NO', 'no'],
    ['NO', 'OK', 'yes'],
    ['NO', 'BAD', 'unknown'],
  ])('of two pipelined SELECTs, answered %s and %s, is %s at the end and unknown before', (one, two, end) => {
    const ledger = new CommandLedger();
    ledger.begin('a', verbRow('SELECT'));
    ledger.begin('b', verbRow('SELECT'));
    expect(ledger.selected).toBe('unknown');
    ledger.complete('a', one);
    expect(ledger.selected).toBe('unknown');
    ledger.complete('b', two);
    expect(ledger.selected).toBe(end);
  });

  test('of a SELECT with a pipelined CLOSE is what the CLOSE left', () => {
    const ledger = new CommandLedger();
    ledger.begin('a', verbRow('SELECT'));
    ledger.begin('b', verbRow('CLOSE'));
    ledger.complete('a', 'OK');
    expect(ledger.selected).toBe('unknown');
    ledger.complete('b', 'OK');
    expect(ledger.selected).toBe('no');
  });
});
