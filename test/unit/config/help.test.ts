import { expect, test } from 'vitest';
import { describeDefault, variablesHelp } from '../../../src/config/help.js';
import { variableGroups } from '../../../src/config/variable.js';
import { variables } from '../../../src/config/variables.js';

test('names every variable and every group once', () => {
  const lines = variablesHelp().split('\n');
  for (const name of Object.keys(variables)) {
    expect(
      lines.filter((line) => line.startsWith(`  ${name} (`)),
      name,
    ).toHaveLength(1);
  }
  for (const group of variableGroups) {
    expect(
      lines.filter((line) => line === `${group}:`),
      group,
    ).toHaveLength(1);
  }
});

test('tells the default and what 0 means', () => {
  expect(variablesHelp()).toContain('  UPSTREAM_HOST (required)\n');
  expect(variablesHelp()).toContain('  MAILBOX_CACHE_TTL (5m; 0: closed at release)\n');
});

test('has words for each kind of default', () => {
  expect(describeDefault(variables.UPSTREAM_HOST)).toBe('required');
  expect(describeDefault(variables.LOG_LEVEL)).toBe('info');
  expect(describeDefault(variables.UPSTREAM_PORT)).toBe('993, or 143 unless UPSTREAM_TLS is implicit');
  expect(describeDefault({ group: 'Pool', parse: String, doc: 'x', default: undefined })).toBe('none');
});
