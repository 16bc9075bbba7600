// What the recorded script must have: every command, and something of each capability that its server offers.

/** By the document that defines them; those that the server doesn't know are in the script for their BAD. */
export const commands: readonly string[] = [
  // RFC 9051 §6.1 and §6.2
  ...['CAPABILITY', 'NOOP', 'LOGOUT', 'STARTTLS', 'AUTHENTICATE', 'LOGIN'],
  // RFC 9051 §6.3
  ...['ENABLE', 'SELECT', 'EXAMINE', 'CREATE', 'DELETE', 'RENAME', 'SUBSCRIBE', 'UNSUBSCRIBE', 'LIST'],
  ...['NAMESPACE', 'STATUS', 'APPEND', 'IDLE'],
  // RFC 9051 §6.4
  ...['CLOSE', 'UNSELECT', 'EXPUNGE', 'SEARCH', 'FETCH', 'STORE', 'COPY', 'MOVE'],
  ...['UID FETCH', 'UID STORE', 'UID COPY', 'UID MOVE', 'UID EXPUNGE', 'UID SEARCH'],
  // RFC 3501, and gone since
  ...['CHECK', 'LSUB'],
  // RFC 2971, RFC 4978, RFC 8437
  ...['ID', 'COMPRESS', 'UNAUTHENTICATE'],
  // RFC 5256
  ...['SORT', 'THREAD', 'UID SORT', 'UID THREAD'],
  // RFC 5267, RFC 5465
  ...['CANCELUPDATE', 'NOTIFY'],
  // RFC 4314, RFC 9208, RFC 5464
  ...['GETACL', 'SETACL', 'DELETEACL', 'LISTRIGHTS', 'MYRIGHTS'],
  ...['GETQUOTA', 'GETQUOTAROOT', 'SETQUOTA', 'GETMETADATA', 'SETMETADATA'],
  // RFC 4467
  ...['GENURLAUTH', 'RESETKEY', 'URLFETCH'],
  // RFC 5255, RFC 5257, RFC 5259, RFC 7377, RFC 8508, and what was never one
  ...[
    'LANGUAGE',
    'COMPARATOR',
    'GETANNOTATION',
    'SETANNOTATION',
    'CONVERT',
    'ESEARCH',
    'REPLACE',
    'UID REPLACE',
  ],
  ...['XLIST', 'NONSENSE'],
];

/** In the server's order: what it offers to a direct session after login, and what shows that the script uses it. */
export const capabilities: Readonly<Record<string, RegExp>> = {
  IMAP4rev1: /^CAPABILITY$/,
  'SASL-IR': /^AUTHENTICATE PLAIN </,
  ID: /^ID \(/,
  ENABLE: /^ENABLE /,
  IDLE: /^IDLE$/,
  SORT: /^SORT \(/,
  'SORT=DISPLAY': /SORT \(DISPLAYFROM\)/,
  'THREAD=REFERENCES': /THREAD REFERENCES/,
  'THREAD=REFS': /THREAD REFS/,
  'THREAD=ORDEREDSUBJECT': /THREAD ORDEREDSUBJECT/,
  MULTIAPPEND: /^APPEND .*\{n\} .*\{n\+\}$/,
  'URL-PARTIAL': /;PARTIAL=/,
  CATENATE: /CATENATE \(TEXT/,
  UNSELECT: /^UNSELECT/,
  CHILDREN: /RETURN \(.*CHILDREN/,
  NAMESPACE: /^NAMESPACE/,
  UIDPLUS: /^UID EXPUNGE/,
  'LIST-EXTENDED': /^LIST \(SUBSCRIBED/,
  'I18NLEVEL=1': /CHARSET UTF-8/,
  CONDSTORE: /UNCHANGEDSINCE/,
  QRESYNC: /\(QRESYNC \(/,
  ESEARCH: /^SEARCH RETURN \(/,
  ESORT: /^SORT RETURN \(/,
  SEARCHRES: /^FETCH \$/,
  WITHIN: /YOUNGER/,
  'CONTEXT=SEARCH': /RETURN \(UPDATE/,
  'LIST-STATUS': /RETURN \(STATUS/,
  BINARY: /BINARY\.PEEK/,
  MOVE: /^MOVE/,
  'SNIPPET=FUZZY': /SNIPPET/,
  'PREVIEW=FUZZY': /PREVIEW \(LAZY/,
  PREVIEW: /PREVIEW$/,
  'STATUS=SIZE': /^STATUS .*SIZE/,
  SAVEDATE: /SAVEDATE$/,
  'LITERAL+': /\{n\+\}/,
  NOTIFY: /^NOTIFY SET/,
  URLAUTH: /urlauth=user/,
  'URLAUTH=BINARY': /^URLFETCH .* BINARY/,
  METADATA: /^SETMETADATA/,
  'SPECIAL-USE': /\(SPECIAL-USE\)/,
  QUOTA: /^GETQUOTA /,
  ACL: /^SETACL/,
  'RIGHTS=texk': /\+k$/,
};

/** The list as both a direct session and one through the proxy see it. */
export const offered = Object.keys(capabilities).join(' ');
