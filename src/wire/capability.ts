/** Owns capability lists: reading them, and taking out what the proxy can't let through (RFC 9051 §7.2.2). */

/** Never offered after login: what would change the layer or the identity of a pooled connection. */
const NEVER_AFTER_LOGIN =
  /^(?:STARTTLS|AUTH=.*|LOGINDISABLED|COMPRESS=.*|LOGIN-REFERRALS|UNAUTHENTICATE|XIMAPPROXY|XPROXYREUSE)$/i;

/** A server's capabilities: unordered, compared without case. */
export class CapabilitySet {
  /** As the server wrote them, in its order. */
  readonly names: readonly string[];
  readonly #upper: ReadonlySet<string>;

  constructor(names: readonly string[]) {
    this.names = names;
    this.#upper = new Set(names.map((name) => name.toUpperCase()));
  }

  /** @param name - upper case */
  has(name: string): boolean {
    return this.#upper.has(name);
  }

  get isEmpty(): boolean {
    return this.names.length === 0;
  }

  /** What a logged-in client may see. */
  get forClients(): readonly string[] {
    return this.names.filter((name) => !NEVER_AFTER_LOGIN.test(name));
  }
}

/**
 * A list stands behind `* CAPABILITY`, or as the response code of a status line: nowhere else (RFC 9051 §7.1, §7.2.2).
 * Clients skip a space too many, so it must not hide the list.
 */
const LIST = /^(\* CAPABILITY|[^ ]+ (?:OK|NO|BAD|PREAUTH|BYE) +\[CAPABILITY)((?: +[^ \]\r\n]+)*)/i;

/** The capabilities that a line carries; undefined if it carries none. */
export function readCapabilities(line: string): CapabilitySet | undefined {
  const list = LIST.exec(line)?.[2];
  return list === undefined ? undefined : new CapabilitySet(list.split(' ').filter((name) => name !== ''));
}

/** The same line without what a logged-in client may not see; everything else stays as it is. */
export function filterCapabilityLine(line: Buffer): Buffer {
  const text = line.toString('latin1');
  const filtered = text.replace(LIST, (_all, lead: string, list: string) => {
    return (
      lead + list.replace(/ +([^ ]+)/g, (item, name: string) => (NEVER_AFTER_LOGIN.test(name) ? '' : item))
    );
  });
  return filtered === text ? line : Buffer.from(filtered, 'latin1');
}
