/** Owns the rules that hold between two variables. */
import type { Values, VariableName } from './variables.js';

/**
 * How many connections one identity may have: an explicit value above the total is refused, the default follows a
 * total that is lower.
 */
export function effectiveMaxPerUser(values: Values): number {
  return Math.min(values.UPSTREAM_MAX_CONNECTIONS_PER_USER, values.UPSTREAM_MAX_CONNECTIONS);
}

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
    names: ['UPSTREAM_RESERVED_PER_USER', 'UPSTREAM_MAX_CONNECTIONS_PER_USER', 'UPSTREAM_MAX_CONNECTIONS'],
    problem: (values, isSet) => {
      const reserved = values.UPSTREAM_RESERVED_PER_USER;
      const perUser = effectiveMaxPerUser(values);
      return isSet('UPSTREAM_RESERVED_PER_USER') && reserved >= perUser
        ? `UPSTREAM_RESERVED_PER_USER is ${reserved}; it must be less than UPSTREAM_MAX_CONNECTIONS_PER_USER, which is ${perUser}.`
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
