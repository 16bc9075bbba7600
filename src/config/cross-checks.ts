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
  certificateWithKey('UPSTREAM_TLS_CERT_FILE', 'UPSTREAM_TLS_KEY_FILE'),
  certificateWithKey('TLS_CERT_FILE', 'TLS_KEY_FILE'),
  {
    names: ['LISTEN', 'TLS_CERT_FILE', 'TLS_KEY_FILE'],
    problem: ({ LISTEN }, isSet) => {
      const needsTls = LISTEN.some((address) => address.kind === 'tcp' && address.isTls);
      // One of the two alone is a problem already.
      const hasAny = isSet('TLS_CERT_FILE') || isSet('TLS_KEY_FILE');
      return needsTls && !hasAny
        ? 'TLS_CERT_FILE and TLS_KEY_FILE are not set; LISTEN has an imaps:// listener, which needs both.'
        : undefined;
    },
  },
  {
    names: ['LISTEN', 'PROXY_TRUSTED'],
    problem: ({ LISTEN, PROXY_TRUSTED }) =>
      PROXY_TRUSTED.length === 0 && LISTEN.some(({ kind, proxy }) => kind === 'tcp' && proxy !== undefined)
        ? 'PROXY_TRUSTED is none; LISTEN has a listener with proxy=, where nobody could connect.'
        : undefined,
  },
];

/** A certificate is of no use without its key, nor a key without its certificate. */
function certificateWithKey(certificate: VariableName, key: VariableName): CrossCheck {
  return {
    names: [certificate, key],
    problem: (_values, isSet) => {
      if (isSet(certificate) === isSet(key)) return undefined;
      return isSet(certificate)
        ? `${key} is not set; ${certificate} needs the key that belongs to it.`
        : `${certificate} is not set; ${key} needs the certificate that belongs to it.`;
    },
  };
}

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
