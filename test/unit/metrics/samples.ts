/** Owns the reading of a Prometheus text exposition, as far as these tests need it. */

export interface Exposed {
  /** Metric name → type. */
  readonly types: ReadonlyMap<string, string>;
  /** `name{label="value"}` → value, histogram buckets left out. */
  readonly samples: ReadonlyMap<string, number>;
}

export function parseExposition(text: string): Exposed {
  const types = new Map<string, string>();
  const samples = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [hash, keyword, name = '', type = ''] = line.split(' ');
    if (hash === '#' && keyword === 'TYPE') types.set(name, type);
    if (line === '' || line.startsWith('#') || /_bucket\{/.test(line)) continue;
    const valueAt = line.lastIndexOf(' ');
    samples.set(line.slice(0, valueAt), Number(line.slice(valueAt + 1)));
  }
  return { types, samples };
}

/** What differs, as new minus old; a series that is new counts as such, whatever its value. */
export function changes(before: Exposed, after: Exposed): Record<string, number> {
  return Object.fromEntries(
    [...after.samples]
      .map(([key, value]): [string, number] => [key, value - (before.samples.get(key) ?? NaN)])
      .filter(([, change]) => change !== 0),
  );
}
