/** Owns the search for misspelt names: a variable that nobody reads is a setting that silently doesn't hold. */

/** Names shorter than this are close to too many ordinary words (`LISTEN` to `LISTENER`) for two slips. */
const shortLength = 8;

/**
 * The edit distance of two words: insertions, deletions and changes of one character; `swapCost` is the price of
 * exchanging two neighbours.
 */
export function editDistance(a: string, b: string, swapCost: 1 | 2): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const change = (last[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      const insertion = (current[column - 1] ?? 0) + 1;
      const deletion = (last[column] ?? 0) + 1;
      const isSwap = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      const swap = isSwap ? (beforeLast[column - 2] ?? 0) + swapCost : Infinity;
      current.push(Math.min(change, insertion, deletion, swap));
    }
    beforeLast = last;
    last = current;
  }
  return last[b.length] ?? 0;
}

/**
 * How far `name` is from `known`; undefined if too far to be a slip. In a long name two slips count, and exchanged
 * neighbours are two: otherwise OpenSSL's SSL_CERT_FILE, which ordinary hosts set, would be our TLS_CERT_FILE. In a
 * short name one slip counts.
 */
function slips(name: string, known: string): number | undefined {
  const isShort = known.length < shortLength;
  const limit = isShort ? 1 : 2;
  if (Math.abs(name.length - known.length) > limit) return undefined;
  const distance = editDistance(name, known, isShort ? 1 : 2);
  return distance <= limit ? distance : undefined;
}

/**
 * The name in `known` that `name` was probably meant to be: the nearest within edit distance 2 (1 for names with
 * fewer than 8 characters).
 *
 * @returns undefined if none is near, and if `name` itself is known
 */
export function nearMiss(name: string, known: readonly string[]): string | undefined {
  if (known.includes(name)) return undefined;
  let best: { readonly name: string; readonly distance: number } | undefined;
  for (const candidate of known) {
    const distance = slips(name, candidate);
    if (distance !== undefined && (best === undefined || distance < best.distance)) {
      best = { name: candidate, distance };
    }
  }
  return best?.name;
}
