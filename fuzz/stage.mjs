// Owns one proxy in front of one scripted server: how both are set up, and what must be true of them.

import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Markers } from './markers.mjs';
import { SAID_BEFORE } from './plan.mjs';
import { Random } from './random.mjs';
import { Server } from './server.mjs';

/**
 * What is done wrong on purpose, to show that it is found: the server gives away what is another user's, or what the
 * session before was to get, or says that nothing is selected; a password is logged; nobody waits for an end; the event
 * loop stands still; a promise is rejected.
 */
export const SABOTAGES = /** @type {const} */ ([
  'leak',
  'late',
  'state',
  'secret',
  'haste',
  'block',
  'reject',
]);
/** @typedef {SABOTAGES[number]} Sabotage */

/**
 * From a client's FIN to the end of its connection, whatever the server does: longer than all time-outs of the stages
 * together, and than ACQUIRE_TIMEOUT for each command that is still to be refused.
 */
const END_DEADLINE_MS = 40_000;

/** The build: the loader of TypeScript would cost more than the proxy does. */
const built = (/** @type {string} */ path) => import(new URL(`../dist/${path}`, import.meta.url).href);
/** @type {typeof import('../src/app.js')} */
const { startApp } = await built('app.js');
/** @type {typeof import('../src/config/load.js')} */
const { loadConfig } = await built('config/load.js');
/** @type {typeof import('../src/log.js')} */
const { createLogger } = await built('log.js');

const QUIET_DEADLINE_MS = 20_000;

/** @typedef {{ index: number, mark: string, user: string }} Visit - a plan, or a canary's */
/**
 * @typedef {object} SessionRecord
 * @property {import('./plan.mjs').Plan} plan
 * @property {Map<string, number>} executed - how often the server ran the commands of each tag
 * @property {number} applied - misdeeds
 * @property {() => import('./plan.mjs').Misdeed | undefined} misdeedFor - what is to be done about the next answer
 */
/**
 * @typedef {object} Setting
 * @property {import('./server.mjs').Dialect} dialect
 * @property {Record<string, string>} environment
 * @property {boolean} [hasTls] - the client may STARTTLS
 */

const honest = { isHostile: false, isCurt: false, isStrict: false, hasUnselect: true, hasEnable: true };
/** Quick time-outs, so that sessions in doubt end soon. */
const quick = {
  RELEASE_TIMEOUT: '400ms',
  UPSTREAM_CONNECT_TIMEOUT: '1s',
  UPSTREAM_LOGIN_TIMEOUT: '1s',
  ACQUIRE_TIMEOUT: '3s',
  MAILBOX_CACHE_TTL: '2s',
  CLIENT_LOGIN_TIMEOUT: '5s',
  // The only thing that ends a session whose client vanished behind more than is read while the server is silent.
  CLIENT_INACTIVITY_TIMEOUT: '10s',
};

/** @type {Readonly<Record<string, Setting>>} */
export const SETTINGS = {
  generous: { dialect: { ...honest, literals: 'plus' }, environment: {} },
  curt: {
    dialect: { ...honest, literals: 'plus', isCurt: true },
    environment: {
      LISTEN: 'imap://127.0.0.1:0?proxy=any',
      PLAINTEXT_NETWORKS: '0.0.0.0/0,::/0',
      UPSTREAM_MAX_CONNECTIONS_PER_USER: '2',
    },
  },
  narrow: {
    dialect: { ...honest, literals: 'minus', isStrict: true, hasUnselect: false },
    environment: {
      UPSTREAM_MAX_CONNECTIONS: '3',
      UPSTREAM_MAX_CONNECTIONS_PER_USER: '1',
      UPSTREAM_RESERVED_PER_USER: '0',
      UPSTREAM_MAX_LEASES_PER_CONNECTION: '20',
      PROBE_AFTER: '50ms',
      ACQUIRE_TIMEOUT: '400ms',
    },
  },
  old: {
    dialect: { ...honest, literals: 'none', isCurt: true, hasEnable: false },
    environment: { AUTH_FAILURE_TTL: '100ms' },
    hasTls: true,
  },
  hostile: { dialect: { ...honest, literals: 'plus', isHostile: true }, environment: {} },
  'hostile-narrow': {
    dialect: { ...honest, literals: 'plus', isHostile: true },
    environment: {
      UPSTREAM_MAX_CONNECTIONS: '3',
      UPSTREAM_MAX_CONNECTIONS_PER_USER: '2',
      PROBE_AFTER: '20ms',
    },
  },
};

export class Stage {
  users = ['alice', 'bruno'];
  markers = new Markers();
  /** What is in everybody's mail. @type {Map<string, string>} */
  userMarks = new Map();
  /** @type {Map<number, SessionRecord>} */
  sessions = new Map();
  /** What a canary of each user is told. @type {Map<string, string>} */
  expected = new Map();
  counts = { opened: 0, ended: 0 };
  port = 0;
  #isSabotaged = false;
  #random;

  /**
   * @param {string} name
   * @param {number} seed
   * @param {(what: string, stage: Stage, session?: number) => void} onFinding
   * @param {Sabotage | undefined} sabotage
   */
  constructor(name, seed, onFinding, sabotage) {
    this.sabotage = sabotage;
    this.endDeadlineMs = sabotage === 'haste' ? 0 : END_DEADLINE_MS;
    this.name = name;
    this.setting = SETTINGS[name];
    this.onFinding = onFinding;
    this.server = new Server(this.setting.dialect, this);
    this.takesProxyHeader = this.setting.environment.LISTEN?.includes('proxy=') === true;
    this.#random = Random.of(seed, -2);
    for (const user of this.users) this.userMarks.set(user, this.markers.make(this.#random, user));
    this.secrets = this.users.flatMap((user) => {
      const password = this.server.passwordOf(user);
      return [
        password,
        Buffer.from(`\0${user}\0${password}`).toString('base64'),
        this.userMarks.get(user) ?? '',
      ];
    });
  }

  async start() {
    const config = loadConfig({
      UPSTREAM_HOST: '127.0.0.1',
      UPSTREAM_PORT: String(await this.server.listen()),
      UPSTREAM_TLS: 'off',
      LISTEN: 'imap://127.0.0.1:0',
      ADMIN_LISTEN: '127.0.0.1:0',
      LOG_LEVEL: 'debug',
      ...quick,
      ...(this.setting.hasTls ? await clientTls() : {}),
      ...this.setting.environment,
    });
    const logger = createLogger(config.log, { write: (/** @type {string} */ line) => this.logged(line) });
    this.app = await startApp({ config, logger, version: '0.0.0-fuzz', revision: 'fuzz' });
    this.port = this.app.listeners[0].port ?? 0;
  }

  report(/** @type {string} */ what, /** @type {number | undefined} */ session = undefined) {
    this.onFinding(what, this, session);
  }

  makeMark(/** @type {string} */ user, /** @type {number} */ session) {
    return this.markers.make(this.#random, user, session);
  }

  /** @returns {SessionRecord} */
  begin(/** @type {Visit} */ visit) {
    const plan = /** @type {import('./plan.mjs').Plan} */ (visit);
    let answers = 0;
    const record = {
      plan,
      executed: new Map(),
      applied: 0,
      misdeedFor: () => {
        const at = answers++;
        const misdeed = plan.misdeeds?.find((candidate) => candidate.at === at);
        if (misdeed !== undefined) record.applied += misdeed.how === 'before' ? SAID_BEFORE : 1;
        return misdeed;
      },
    };
    this.sessions.set(plan.index, record);
    this.#sabotageOnce();
    return record;
  }

  #sabotageOnce() {
    if (this.#isSabotaged) return;
    this.#isSabotaged = true;
    if (this.sabotage === 'secret')
      this.logged(JSON.stringify({ level: 'info', msg: `login with ${this.secrets[0]}` }));
    if (this.sabotage === 'reject') void Promise.reject(new Error('nobody waits for this'));
    const start = process.cpuUsage();
    while (this.sabotage === 'block' && process.cpuUsage(start).user < 1_500_000);
  }

  /** Every line of the proxy's log. */
  logged(/** @type {string} */ line) {
    const { msg, ...fields } = JSON.parse(line);
    if (msg === 'upstream connection opened') this.counts.opened += 1;
    if (msg === 'upstream connection ended') this.counts.ended += 1;
    if (msg.startsWith('a defect') || fields.level === 'error')
      this.report(`the proxy logs ${line}`, fields.session);
    // Who takes a password for a name is logged as who he says he is.
    const text = line.replace(/"user":"(?:[^"\\]|\\.)*"/, '');
    const secret = this.secrets.find((candidate) => text.includes(candidate));
    if (secret !== undefined) this.report(`the proxy logs a secret: ${line}`, fields.session);
  }

  /** To be called while no client is there: nothing may be left of any of them. */
  async checkQuiet() {
    const end = performance.now() + QUIET_DEADLINE_MS;
    for (;;) {
      const left = await this.#left();
      if (left.length === 0) {
        // Up to now what a client had sent before it vanished may still have been on its way.
        this.sessions.clear();
        return;
      }
      if (performance.now() > end) {
        this.report(`${left.join(', ')}, and nobody is there`);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async #left() {
    const response = await fetch(`http://127.0.0.1:${this.app?.admin.port}/metrics`);
    const samples = (await response.text()).split('\n').filter((line) => line.startsWith('imapbouncer_'));
    const sum = (/** @type {string} */ name, label = '') =>
      samples
        .filter((line) => /^\w+/.exec(line)?.[0] === `imapbouncer_${name}` && line.includes(label))
        .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' '))), 0);
    const live = this.counts.opened - this.counts.ended;
    const { size } = this.server.connections;
    return [
      ['sessions', sum('client_connections')],
      ['waiters', sum('lease_waiters')],
      ...['leased', 'resetting', 'connecting'].map((state) => [
        state,
        sum('upstream_connections', `state="${state}"`),
      ]),
      ['connections that the server does not have', Math.max(0, live - size)],
    ]
      .filter(([, count]) => count !== 0)
      .map(([what, count]) => `${count} ${what}`);
  }

  async stop() {
    await this.app?.stop();
    const { opened, ended } = this.counts;
    if (opened !== ended) this.report(`${opened} upstream connections opened, ${ended} ended`);
    await this.server.close();
  }
}

/** @type {Promise<{ folder: string, environment: Record<string, string> }> | undefined} */
let certificate;

async function clientTls() {
  certificate ??= (async () => {
    const folder = await mkdtemp(join(tmpdir(), 'imapbouncer-fuzz-'));
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    const ofKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key];
    const ofSubject = ['-out', cert, '-days', '2', '-subj', '/CN=localhost'];
    await promisify(execFile)('openssl', ['req', '-x509', ...ofKey, ...ofSubject]);
    const environment = { TLS_CERT_FILE: cert, TLS_KEY_FILE: key };
    return { folder, environment };
  })();
  return (await certificate).environment;
}

/** To be called when no stage is there any more. */
export async function removeCertificate() {
  const { folder } = (await certificate) ?? {};
  if (folder !== undefined) await rm(folder, { recursive: true });
}
