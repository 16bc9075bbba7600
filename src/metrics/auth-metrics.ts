/** Owns the metrics of the credential cache. */

import type { CredentialLookup } from '../pool/authenticator.js';
import type { CredentialEviction } from '../pool/credential-cache.js';
import type { MetricRegistry } from './registry.js';
import type { Series } from './series.js';

const EVICTIONS = ['ttl', 'size', 'refused'] as const satisfies CredentialEviction[];

export class AuthMetrics {
  readonly #lookups: Series;
  readonly #hits: Series;
  readonly #failureHits: Series;
  readonly #evictions: Readonly<Record<CredentialEviction, Series>>;

  /** @param entries - how many credentials are known now */
  constructor(registry: MetricRegistry, entries: () => number) {
    this.#lookups = registry
      .counter('auth_cache_lookups_total', 'Credentials that were looked up before a login.')
      .with();
    this.#hits = registry.counter('auth_cache_hits_total', 'Lookups that found a known credential.').with();
    this.#failureHits = registry
      .counter('auth_failure_cache_hits_total', 'Lookups that found a credential known to be wrong.')
      .with();
    this.#evictions = registry
      .counter('auth_cache_evictions_total', 'Known credentials that were forgotten.', ['reason'])
      .by('reason', EVICTIONS);
    const gauge = registry.gauge('auth_cache_entries', 'Known credentials.').with();
    registry.beforeScrape(() => {
      gauge.value = entries();
    });
  }

  lookedUp(result: CredentialLookup): void {
    this.#lookups.add();
    if (result === 'hit') this.#hits.add();
    if (result === 'refused') this.#failureHits.add();
  }

  evicted(reason: CredentialEviction): void {
    this.#evictions[reason].add();
  }
}
