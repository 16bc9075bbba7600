/** Owns the warnings about a configuration that is right, and does nothing or not what was meant. */
import type { Config } from './config.js';

/** One clause each, for the log and for the doctor. */
export function configWarnings({ unsupported, auth }: Config): readonly string[] {
  const warnings = unsupported.map((name) => `${name} has no effect in this version`);
  if (auth.cacheTtlMs === 0)
    warnings.push('AUTH_CACHE_TTL is 0: every login goes upstream, so connections are hardly reused');
  return warnings;
}
