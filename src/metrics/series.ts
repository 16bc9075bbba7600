/** Owns the numbers behind a metric: one per label set, bumped by an addition and read at scrape time. */

export type Labels = Readonly<Record<string, string>>;

/** One series of a counter or a gauge; 0 until somebody says otherwise. */
export class Series {
  /** NaN if nobody knows: a scrape leaves the series out then. */
  value = 0;

  /** @param amount - never negative for a counter */
  add(amount = 1): void {
    this.value += amount;
  }
}

/** All series of one metric. They are made when the program starts and never later, so their number is fixed. */
export class SeriesFamily {
  readonly #members: { readonly labels: Labels; readonly series: Series }[] = [];

  /** The series with these labels; to be asked for once. */
  with(labels: Labels = {}): Series {
    const series = new Series();
    this.#members.push({ labels, series });
    return series;
  }

  /**
   * One series for each value that a label can have.
   *
   * @param others - the labels that all of them share
   */
  by<K extends string>(
    label: string,
    values: readonly K[],
    others: Labels = {},
  ): Readonly<Record<K, Series>> {
    return recordOf(values, (value) => this.with({ ...others, [label]: value }));
  }

  /** Like {@link by}, for values that are known only at run time. */
  mapBy(label: string, values: Iterable<string>): ReadonlyMap<string, Series> {
    return new Map([...new Set(values)].map((value) => [value, this.with({ [label]: value })]));
  }

  each(visit: (labels: Labels, value: number) => void): void {
    for (const { labels, series } of this.#members) visit(labels, series.value);
  }
}

/** A record with one value for each key. */
export function recordOf<K extends string, V>(
  keys: readonly K[],
  make: (key: K) => V,
): Readonly<Record<K, V>> {
  return Object.fromEntries(keys.map((key) => [key, make(key)])) as Record<K, V>;
}
