/** Owns the names that the environment may hold without being a mistake. */
import { variables } from './variables.js';
import type { Variable } from './variable.js';

/** Variables that ImapBouncer's contract names and this version doesn't act on yet. Their values aren't read. */
export const plannedNames: readonly string[] = [
  'UPSTREAM_MAX_CONNECTIONS_PER_DOMAIN',
  'ADMIN_TOKEN',
  'ADMIN_TOKEN_FILE',
  'CLIENT_MAX_CONNECTIONS_PER_SOURCE',
  'CLIENT_MAX_CONNECTIONS_PERCENT_PER_SOURCE',
  'CLIENT_CONNECTION_TIMEOUT',
  'COMMAND_RATE_LIMIT',
  'COMMAND_RATE_SOURCE',
  'TARPIT_INTERVAL',
  'LOGIN_MAX_FAILURES',
  'LOGIN_MAX_FAILURES_PER_SOURCE',
  'TRUSTED_SOURCES',
  'THROTTLING_POLICIES',
];

/** The name of the variable that may hold the path of a file with the secret in it. */
export function fileTwin(secretName: string): string {
  return `${secretName}_FILE`;
}

/** Every name of a table: each row's own, and the file twin of each secret. */
export function namesOf(table: Readonly<Record<string, Variable>>): readonly string[] {
  return Object.entries(table).flatMap(([name, row]) =>
    row.secret === true ? [name, fileTwin(name)] : [name],
  );
}

/** Every name of the contract, whether this version acts on it or not. */
export const contractNames: readonly string[] = [...namesOf(variables), ...plannedNames];

/** Names that others set for a purpose of their own and that look like ours. */
export const foreignNames: readonly string[] = [
  // systemd, for socket activation
  'LISTEN_FDS',
  'LISTEN_PID',
  'LISTEN_FDNAMES',
];
