/** Owns the shape of one row in the table of environment variables. */

/** The headings under which variables are listed in `--help` and in the documentation. */
export const variableGroups = ['Upstream', 'Clients', 'Pool', 'Credentials', 'Operation'] as const;

/** One of the headings. */
export type VariableGroup = (typeof variableGroups)[number];

/** One environment variable. */
export interface Variable {
  readonly group: VariableGroup;
  /** Turns the text into a value; throws `BadValue`. */
  readonly parse: (text: string) => unknown;
  /** The default as it would be written. Undefined: may be left out. No such property: must be set. */
  readonly default?: string | undefined;
  /** What the documentation says in the place of a default, where there is no single one. */
  readonly defaultNote?: string;
  /** One sentence for the operator. */
  readonly doc: string;
  /** What 0 means, where it has a meaning of its own. */
  readonly zero?: string;
  /** The value is never shown, and may come from the file that `<NAME>_FILE` names. */
  readonly secret?: boolean;
}
