/** Owns the way from an environment to a configuration; the only file that knows envalid. */
import { cleanEnv, EnvMissingError, makeExactValidator } from 'envalid';
import { buildConfig } from './config.js';
import type { Config } from './config.js';
import { ConfigError } from './config-error.js';
import { contractNames, foreignNames, plannedNames } from './contract.js';
import { crossCheck } from './cross-checks.js';
import { nearMiss } from './near-miss.js';
import { describeMissing, describeProblem } from './problem.js';
import { readSecretFiles } from './secret-file.js';
import type { Variable } from './variable.js';
import { variables } from './variables.js';
import type { Values } from './variables.js';

type SetVariables = Readonly<Record<string, string>>;

const table: Readonly<Record<string, Variable>> = variables;

/** An empty variable counts as not set: `NAME=${NAME:-}` in a compose file must not switch a default off. */
function setVariables(env: NodeJS.ProcessEnv): SetVariables {
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => (entry[1] ?? '') !== ''),
  );
}

function misspeltNames(env: NodeJS.ProcessEnv): readonly string[] {
  const known = [...contractNames, ...foreignNames];
  return Object.keys(env).flatMap((name) => {
    const meant = nearMiss(name, known);
    return meant === undefined ? [] : [`${name} is not a variable of ImapBouncer; did you mean ${meant}?`];
  });
}

function specFor(row: Variable) {
  const validator = makeExactValidator<unknown>(row.parse);
  if (!('default' in row)) return validator();
  return validator({
    default: row.default === undefined ? undefined : (row.parse(row.default) ?? undefined),
  });
}

function describe(name: string, env: SetVariables, error: Error): string {
  const row = table[name];
  if (error instanceof EnvMissingError) return describeMissing(name, row?.doc ?? '');
  return describeProblem(name, row?.secret === true ? undefined : env[name], error);
}

interface Parsed {
  /** Complete only if there is no error. */
  readonly values: Values;
  /** One sentence for each variable that is wrong by itself. */
  readonly errors: ReadonlyMap<string, string>;
}

function parse(env: SetVariables): Parsed {
  const errors = new Map<string, string>();
  const specs = Object.fromEntries(Object.entries(table).map(([name, row]) => [name, specFor(row)]));
  const values = cleanEnv(env, specs, {
    // envalid's own reporter prints and ends the process.
    reporter: ({ errors: found }) => {
      for (const [name, error] of Object.entries(found)) {
        if (error !== undefined) errors.set(name, describe(name, env, error));
      }
    },
  });
  // The table gives each value its type, which a computed record of validators can't carry.
  return { values: values as unknown as Values, errors };
}

/**
 * Reads the configuration from an environment.
 *
 * @param env - is only read; empty variables count as not set
 * @throws ConfigError with every problem at once
 */
export function loadConfig(env: NodeJS.ProcessEnv): Config {
  const secrets = readSecretFiles(setVariables(env), table);
  const { values, errors } = parse(secrets.env);
  const isSet = (name: string) => Object.hasOwn(secrets.env, name);
  const problems = [
    ...misspeltNames(env),
    ...secrets.problems,
    ...errors.values(),
    ...crossCheck(values, (name) => errors.has(name), isSet),
  ];
  if (problems.length > 0) throw new ConfigError(problems);
  return buildConfig(values, plannedNames.filter(isSet));
}
