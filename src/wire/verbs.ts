/** Owns the table of commands: one row a verb, with what the relay must know of it before it passes a byte. */

/**
 * What a command does to the connection that carries it, after login:
 * - `none`: leaves nothing behind.
 * - `select`: selects a mailbox if it succeeds, deselects if it fails (RFC 9051 §6.3.2).
 * - `deselect`: leaves the selected state if it succeeds.
 * - `idle`: runs until the client's next line (RFC 2177).
 * - `sticky`: leaves state that no reset undoes, so the connection is retired at release.
 * - `answered`: the proxy answers it itself.
 * - `remembered`: leaves nothing behind, and is answered as this identity was answered before, if it was.
 * - `logout`: ends the session here; never forwarded.
 * - `refused`: would change the identity or the layer; BAD, never forwarded.
 */
export type VerbEffect =
  'none' | 'select' | 'deselect' | 'idle' | 'sticky' | 'answered' | 'remembered' | 'logout' | 'refused';

/**
 * What proves that a server took a non-synchronizing literal as one. If it did not, it has read the literal's bytes as
 * commands that nobody saw: servers skip the rest of a line that they don't understand, or don't need.
 * - `accepted`: any answer but BAD, if its line up to the first literal has its fixed form; else only OK.
 * - `succeeded`: a tagged OK, since all arguments have to be read for that.
 * - `never`: the server may stop reading before the literal and still say OK.
 */
export type LiteralProof = 'accepted' | 'succeeded' | 'never';

export interface VerbRow {
  readonly verb: string;
  readonly effect: VerbEffect;
  readonly literalProof: LiteralProof;
  /** Whether the grammar has a string or a literal anywhere in the arguments. */
  readonly hasLiterals: boolean;
  /** Whether its text may enable CONDSTORE (RFC 7162 §3.1). */
  readonly mayEnableCondstore: boolean;
  /** Whether running it a second time, unknown to the client, does what running it once does. */
  readonly isRepeatable: boolean;
}

const NONE = 0;
const LITERALS = 1;
const CONDSTORE = 2;
const ALL_READ = 4;
const FIXED_FORM = 8;
const REPEATABLE = 16;

const TABLE: readonly (readonly [effect: VerbEffect, flags: number, ...verbs: string[]])[] = [
  // RFC 9051 §6.1, §6.2: any state, not authenticated state
  ['none', REPEATABLE, 'NOOP'],
  ['answered', NONE, 'CAPABILITY'],
  ['answered', LITERALS, 'ID'], // RFC 2971
  ['logout', NONE, 'LOGOUT'],
  ['refused', LITERALS, 'LOGIN', 'AUTHENTICATE'],
  ['refused', NONE, 'STARTTLS', 'COMPRESS', 'UNAUTHENTICATE'], // RFC 4978, RFC 8437
  // RFC 9051 §6.3: authenticated state
  ['sticky', REPEATABLE, 'ENABLE'], // RFC 5161
  ['select', LITERALS | CONDSTORE | REPEATABLE, 'SELECT', 'EXAMINE'],
  ['none', LITERALS, 'CREATE', 'DELETE', 'RENAME', 'SUBSCRIBE', 'UNSUBSCRIBE'],
  ['none', LITERALS | REPEATABLE, 'LSUB'],
  ['none', LITERALS | CONDSTORE, 'XLIST'],
  ['none', LITERALS | CONDSTORE | REPEATABLE, 'LIST'], // RFC 5819: LIST … RETURN (STATUS (HIGHESTMODSEQ))
  ['remembered', REPEATABLE, 'NAMESPACE'], // RFC 2342
  ['none', LITERALS | CONDSTORE | REPEATABLE, 'STATUS'],
  ['none', LITERALS | FIXED_FORM, 'APPEND'], // RFC 3502, RFC 4469
  ['none', LITERALS, 'REPLACE', 'UID REPLACE'], // RFC 8508
  ['idle', NONE, 'IDLE'],
  ['none', LITERALS | REPEATABLE, 'GETQUOTA', 'GETQUOTAROOT'], // RFC 9208
  ['none', LITERALS, 'SETQUOTA'],
  ['none', LITERALS, 'GETACL', 'SETACL', 'DELETEACL', 'LISTRIGHTS', 'MYRIGHTS'], // RFC 4314
  ['none', LITERALS, 'GETMETADATA', 'SETMETADATA', 'GETANNOTATION', 'SETANNOTATION'], // RFC 5464
  ['none', LITERALS, 'GENURLAUTH', 'RESETKEY', 'URLFETCH'], // RFC 4467
  ['sticky', LITERALS, 'NOTIFY', 'LANGUAGE', 'COMPARATOR'], // RFC 5465, RFC 5255
  // RFC 9051 §6.4: selected state
  ['deselect', NONE, 'CLOSE', 'UNSELECT'], // RFC 3691
  ['none', NONE, 'EXPUNGE', 'UID EXPUNGE', 'CHECK'], // RFC 4315
  ['none', LITERALS | CONDSTORE | ALL_READ, 'SEARCH', 'UID SEARCH'],
  ['none', LITERALS | CONDSTORE | ALL_READ, 'SORT', 'UID SORT', 'THREAD', 'UID THREAD'], // RFC 5256
  ['none', LITERALS | CONDSTORE, 'ESEARCH'], // RFC 7377
  ['none', LITERALS | CONDSTORE, 'FETCH', 'UID FETCH', 'STORE', 'UID STORE'], // RFC 7162, RFC 5257
  ['none', LITERALS, 'COPY', 'UID COPY', 'MOVE', 'UID MOVE'], // RFC 6851
];

const ROWS: ReadonlyMap<string, VerbRow> = new Map(
  TABLE.flatMap(([effect, flags, ...verbs]) =>
    verbs.map((verb): [string, VerbRow] => [
      verb,
      Object.freeze({
        verb,
        effect,
        literalProof: literalProofOf(flags),
        hasLiterals: (flags & LITERALS) !== 0,
        mayEnableCondstore: (flags & CONDSTORE) !== 0,
        isRepeatable: (flags & REPEATABLE) !== 0,
      }),
    ]),
  ),
);

function literalProofOf(flags: number): LiteralProof {
  if ((flags & FIXED_FORM) !== 0) return 'accepted';
  return (flags & ALL_READ) !== 0 ? 'succeeded' : 'never';
}

/** What nobody knows may leave anything: it is forwarded, and the connection is retired at release. */
const UNKNOWN: VerbRow = Object.freeze({
  verb: 'other',
  effect: 'sticky',
  literalProof: 'never',
  hasLiterals: false,
  mayEnableCondstore: false,
  isRepeatable: false,
});

/**
 * The row of a verb; unknown verbs share one row, whose verb is `other`.
 *
 * @param verb - upper case; commands with UID in front are one verb, as in `UID FETCH`
 */
export function verbRow(verb: string): VerbRow {
  return ROWS.get(verb) ?? UNKNOWN;
}

/** Every verb that has a row of its own, for metrics and tests. */
export const KNOWN_VERBS: readonly string[] = [...ROWS.keys()];

/** tag APPEND mailbox [flags] [date], up to its first literal (RFC 9051 §6.3.12): nothing else is of a fixed form. */
const APPEND_FORM =
  /^[^ ]+ APPEND (?:"(?:[^"\\\r\n\0\x80-\xff]|\\["\\])*"|[^ "(){%*\\\0-\x1f\x7f-\xff]+)(?: \((?:\\?[\w$.-]+(?: \\?[\w$.-]+)*)?\))?(?: "[ \w:+-]{26}")? ~?\{\d+\+?\}\r\n$/i;

/** Whether a command's first line has the fixed form that `accepted` speaks of. */
export function hasFixedForm(row: VerbRow, buffer: Buffer, start: number, end: number): boolean {
  return row.literalProof === 'accepted' && APPEND_FORM.test(buffer.toString('latin1', start, end));
}

const CONDSTORE_WORDS = /CONDSTORE|QRESYNC|MODSEQ|CHANGEDSINCE/i;

/** Whether command text may enable CONDSTORE; a false positive costs only the reuse of one connection. */
export function mentionsCondstore(buffer: Buffer, start: number, end: number): boolean {
  return CONDSTORE_WORDS.test(buffer.toString('latin1', start, end));
}
