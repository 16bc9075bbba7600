// Owns what the scripted server's commands do and say; all state that they leave shows in every tagged reply.

/** @typedef {import('./server-connection.mjs').Command} Command */
/** @typedef {{ untagged: string, status: 'OK' | 'NO' | 'BAD', words: string }} Answer */

const SELECTED_ONLY = /^(?:UID |FETCH|STORE|COPY|MOVE|SEARCH|SORT|THREAD|EXPUNGE|CHECK)/;
const KNOWN =
  /^(?:CREATE|DELETE|RENAME|SUBSCRIBE|UNSUBSCRIBE|REPLACE|GETQUOTA|GETQUOTAROOT|SETQUOTA|GETACL|SETACL|MYRIGHTS|SETMETADATA|GETMETADATA|URLFETCH|ESEARCH|APPEND)$/;
const BIG = 'B'.repeat(65_536);
const BIG_PIECES = 64;

export class Mailboxes {
  #selected = '';
  /** @type {Set<string>} */
  #enabled = new Set();
  /** What NOTIFY, LANGUAGE, COMPARATOR and COMPRESS have set. @type {Set<string>} */
  #set = new Set();

  /** @param {import('./server-connection.mjs').ServerConnection} connection */
  constructor(connection) {
    this.connection = connection;
  }

  get state() {
    return `(selected=${this.#selected} enabled=${[...this.#enabled].sort().join('+')} set=${[...this.#set].join('+')})`;
  }

  get #userMark() {
    const { stage, user } = this.connection;
    const victim = stage.sabotage === 'leak' ? stage.users.find((name) => name !== user) : undefined;
    return stage.userMarks.get(victim ?? user) ?? '';
  }

  /** @returns {Answer} */
  answer(/** @type {Command} */ { tag, verb, text, session }) {
    const { dialect, server, stage, output } = this.connection;
    const ok = (untagged = '') => ({ untagged, status: /** @type {const} */ ('OK'), words: `${verb} done` });
    const no = () => ({ untagged: '', status: /** @type {const} */ ('NO'), words: `${verb} failed` });
    const bad = () => ({ untagged: '', status: /** @type {const} */ ('BAD'), words: 'not understood' });
    if (
      /CONDSTORE|MODSEQ|CHANGEDSINCE|QRESYNC/i.test(text) &&
      dialect.hasEnable &&
      verb !== 'ENABLE' &&
      verb !== 'APPEND'
    )
      this.#enabled.add('CONDSTORE');
    switch (verb) {
      case 'NOOP':
        return ok();
      case 'CAPABILITY':
        return ok(`* CAPABILITY ${server.capabilities}\r\n`);
      case 'NAMESPACE':
        return ok('* NAMESPACE (("" "/")) NIL NIL\r\n');
      case 'LOGOUT':
        return ok('* BYE leaving\r\n');
      case 'ENABLE':
        return this.#enable(text, ok, bad);
      case 'SELECT':
      case 'EXAMINE':
        return this.#select(text, ok, no);
      case 'CLOSE':
      case 'UNSELECT':
        if (this.#selected === '' && !dialect.isHostile) return bad();
        // A server that says so and does not.
        if (stage.sabotage !== 'state') this.#selected = '';
        return ok();
      case 'NOTIFY':
      case 'LANGUAGE':
      case 'COMPARATOR':
      case 'COMPRESS':
        this.#set.add(verb);
        return ok();
      case 'LIST':
      case 'LSUB':
        return ok(`* ${verb} () "/" "${session?.plan.mark ?? 'box'}"\r\n`);
      case 'STATUS':
        return ok(`* STATUS {5}\r\nINBOX (MESSAGES 3)\r\n`);
      case 'APPEND':
        return / missing /.test(text) ? no() : /[{}]/.test(text) ? ok() : bad();
      default:
        if (KNOWN.test(verb)) return ok();
        if (!SELECTED_ONLY.test(verb)) return bad();
        if (this.#selected === '' || / early /.test(text)) return bad();
        if (/SEARCH$/.test(verb)) return ok('* SEARCH 1 2 3\r\n');
        if (!/FETCH$/.test(verb)) return ok();
        if (/ BIG\r/.test(text)) {
          output.add(`* 1 FETCH (BODY[] {${BIG.length * BIG_PIECES}}\r\n`);
          for (let n = 0; n < BIG_PIECES; n++) output.add(BIG);
          return ok(')\r\n');
        }
        return ok(this.#messages(tag));
    }
  }

  #messages(/** @type {string} */ tag) {
    const body = `Subject: ${this.#userMark}\r\n\r\n${tag} OK mail\r\n* BYE\r\n`;
    return `* 1 FETCH (FLAGS () BODY[] {${body.length}}\r\n${body})\r\n* 2 EXISTS\r\n`;
  }

  /**
   * @param {string} text
   * @param {(untagged?: string) => Answer} ok
   * @param {() => Answer} bad
   */
  #enable(text, ok, bad) {
    if (!this.connection.dialect.hasEnable) return bad();
    const names = text
      .toUpperCase()
      .trimEnd()
      .split(' ')
      .slice(2)
      .filter((name) => this.connection.server.capabilities.split(' ').includes(name));
    if (names.includes('QRESYNC')) this.#enabled.add('CONDSTORE');
    for (const name of names) this.#enabled.add(name);
    return ok(`* ENABLED${names.map((name) => ` ${name}`).join('')}\r\n`);
  }

  /**
   * @param {string} text
   * @param {(untagged?: string) => Answer} ok
   * @param {() => Answer} no
   */
  #select(text, ok, no) {
    this.#selected = '';
    if (!/ "?INBOX|Drafts|a b/i.test(text)) return no();
    this.#selected = 'yes';
    return ok('* 3 EXISTS\r\n* FLAGS (\\Seen)\r\n* OK [UIDVALIDITY 1] valid {10}\r\n');
  }

  /** Of a server that lies about its state there is nothing to be compared. */
  forget() {
    this.#selected = '';
    this.#enabled.clear();
    this.#set.clear();
  }
}
