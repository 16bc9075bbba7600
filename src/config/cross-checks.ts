/** Owns the rules that hold between two variables. */
import type { Values, VariableName } from './variables.js';

interface CrossCheck {
  /** The variables that must be valid, each by itself, before they can be compared. */
  readonly names: readonly VariableName[];
  /** The sentence for the operator; undefined if all is well. */
  readonly problem: (values: Values, isSet: (name: VariableName) => boolean) => string | undefined;
}

const crossChecks: readonly CrossCheck[] = [
  {
    names: ['UPSTREAM_MAX_CONNECTIONS_PER_USER', 'UPSTREAM_MAX_CONNECTIONS'],
    problem: (values, isSet) => {
      const perUser = values.UPSTREAM_MAX_CONNECTIONS_PER_USER;
      const inAll = values.UPSTREAM_MAX_CONNECTIONS;
      return isSet('UPSTREAM_MAX_CONNECTIONS_PER_USER') && perUser > inAll
        ? `UPSTREAM_MAX_CONNECTIONS_PER_USER is ${perUser}; it must be at most UPSTREAM_MAX_CONNECTIONS, which is ${inAll}.`
        : undefined;
    },
  },
  {
    names: ['UPSTREAM_TLS_CERT_FILE', 'UPSTREAM_TLS_KEY_FILE'],
    problem: (_values, isSet) => {
      if (isSet('UPSTREAM_TLS_CERT_FILE') === isSet('UPSTREAM_TLS_KEY_FILE')) return undefined;
      return isSet('UPSTREAM_TLS_CERT_FILE')
        ? 'UPSTREAM_TLS_KEY_FILE is not set; UPSTREAM_TLS_CERT_FILE needs the key that belongs to it.'
        : 'UPSTREAM_TLS_CERT_FILE is not set; UPSTREAM_TLS_KEY_FILE needs the certificate that belongs to it.';
    },
  },
];

/**
 * Compares variables with each other.
 *
 * @param hasError - whether a variable is wrong by itself; rules about it are skipped
 * @param isSet - whether a variable is set, and not its default
 * @returns one sentence per broken rule
 */
export function crossCheck(
  values: Values,
  hasError: (name: VariableName) => boolean,
  isSet: (name: VariableName) => boolean,
): readonly string[] {
  return crossChecks
    .filter((rule) => !rule.names.some(hasError))
    .flatMap((rule) => rule.problem(values, isSet) ?? []);
}
