/** Owns the question whether a server reads a literal as one where it stands (RFC 7888 §4, §5). */

import type { CapabilitySet } from './capability.js';
import type { MarkerResult } from './literal.js';
import type { VerbRow } from './verbs.js';

/** The largest non-synchronizing literal of a server with LITERAL- only. */
const MAX_LITERAL_MINUS_BYTES = 4_096;

/**
 * Whether the line may be passed on. A non-synchronizing literal that the server doesn't take would leave its bytes to
 * be read as commands that nobody saw. A synchronizing one is the server's to refuse: its bytes come only after `+`.
 */
export function canTakeLiteral(capabilities: CapabilitySet, row: VerbRow, marker: MarkerResult): boolean {
  // IDLE's own `+` could not be told from the literal's.
  if (row.effect === 'idle') return marker === undefined;
  if (typeof marker !== 'object' || marker.isSynchronizing) return true;
  if (!row.hasLiterals) return false;
  if (capabilities.has('LITERAL+')) return true;
  const hasLiteralMinus = capabilities.has('LITERAL-') || capabilities.has('IMAP4REV2');
  return hasLiteralMinus && marker.size <= MAX_LITERAL_MINUS_BYTES;
}
