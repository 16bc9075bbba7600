/** Owns the list of variables that `--help` prints. */
import { fileTwin } from './contract.js';
import type { Variable } from './variable.js';
import { variableGroups } from './variable.js';
import { variables } from './variables.js';

/** A row's default in the words of the documentation: `required`, a note, or the default as it would be written. */
export function describeDefault(row: Variable): string {
  if (!('default' in row)) return 'required';
  return row.defaultNote ?? row.default ?? 'none';
}

function describeRow(name: string, row: Variable): string {
  const zero = row.zero === undefined ? '' : `; 0: ${row.zero}`;
  const twin = row.secret === true ? ` Or ${fileTwin(name)}: a file that holds it.` : '';
  return `  ${name} (${describeDefault(row)}${zero})\n      ${row.doc}${twin}`;
}

/** Every variable that this version acts on, with its default and one sentence, as text for a terminal. */
export function variablesHelp(): string {
  const rows = Object.entries<Variable>(variables);
  return variableGroups
    .map((group) => {
      const lines = rows
        .filter(([, row]) => row.group === group)
        .map(([name, row]) => describeRow(name, row));
      return [`${group}:`, ...lines].join('\n');
    })
    .join('\n\n');
}
