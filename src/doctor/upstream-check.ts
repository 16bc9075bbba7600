/** Owns the doctor's look at the server: from its name to what a login there would need. */

import type { Config } from '../config/config.js';
import { ProxyError } from '../errors.js';
import type { Credentials } from '../identity.js';
import type { DialOptions } from '../upstream/dial.js';
import type { CapabilitySet } from '../wire/capability.js';
import { capabilityAdvice, passwordWay } from './capability-advice.js';
import { certificateInWords } from './certificate.js';
import type { CertificateFacts } from './certificate.js';
import { reportConnection } from './connection-lines.js';
import { attempt, converse, leave, medianRoundTripMs } from './conversation.js';
import type { Conversation } from './conversation.js';
import { explainFailure } from './failure.js';
import { checkLogin, checkWrongLogin, inMs, tellOfWrongLogin } from './login-check.js';
import type { LoginContext } from './login-check.js';
import { acceptsTcp, certificateOf, resolveHost } from './reach.js';
import type { Report } from './report.js';

const NOOPS = 5;
/** The dial had its time already: whether the port is open shows at once. */
const TCP_TIMEOUT_MS = 2_000;

export interface UpstreamCheckOptions {
  readonly config: Config;
  readonly dialOptions: DialOptions;
  readonly credentials: Credentials | undefined;
  readonly hasWrongLogin: boolean;
  readonly now: () => number;
}

/** Never rejects for what the server does; leaves nothing open. */
export async function checkUpstream(report: Report, options: UpstreamCheckOptions): Promise<void> {
  const { config, dialOptions, now } = options;
  const open = (over: Partial<DialOptions> = {}): Promise<Conversation> =>
    converse({ ...dialOptions, ...over }, (fault) => {
      report.problem('defect', `the doctor itself failed (${String(fault)}); report that, please`);
    });
  if (!(await checkName(report, config))) return;
  const conversation = await attempt(open);
  if (conversation instanceof ProxyError) {
    await reportFailure(report, config, conversation, open);
    return;
  }
  const context = { report, loginTimeoutMs: config.upstream.loginTimeoutMs, now, open };
  let rightLoginMs: number | undefined;
  try {
    reportConnection(report, config.upstream, conversation);
    const isAlive = await checkRoundTrip(report, options, conversation);
    const canLogIn = checkCapabilities(report, config, conversation.capabilities);
    if (!isAlive || !canLogIn) return;
    rightLoginMs = await checkRightLogin(context, options, conversation);
  } finally {
    await leave(conversation);
  }
  if (!options.hasWrongLogin) tellOfWrongLogin(context);
  else await checkWrongLogin(context, rightLogin(options.credentials, rightLoginMs));
}

async function checkName(report: Report, { upstream }: Config): Promise<boolean> {
  const { host, connectTimeoutMs } = upstream;
  const addresses = await attempt(() => resolveHost(host, connectTimeoutMs));
  if (addresses instanceof ProxyError) {
    const { topic, text } = explainFailure(addresses, { upstream });
    report.problem(topic, text);
    return false;
  }
  report.ok('DNS', addresses === undefined ? `${host} is an address` : `${host} is ${addresses.join(', ')}`);
  return true;
}

async function reportFailure(
  report: Report,
  { upstream }: Config,
  error: ProxyError,
  open: (over: Partial<DialOptions>) => Promise<Conversation>,
): Promise<void> {
  const certificate = error.code === 'tls' ? await lookAtCertificate(open) : undefined;
  const isOpen =
    error.code === 'timeout' ? await acceptsTcp(upstream.host, upstream.port, TCP_TIMEOUT_MS) : undefined;
  const { topic, text } = explainFailure(error, { upstream, certificate, acceptsTcp: isOpen });
  if (certificate !== undefined)
    report.note('TLS', `the certificate, not verified: ${certificateInWords(certificate)}`);
  report.problem(topic, text);
}

/** A second look at a certificate that was refused: nothing is sent that matters. Never rejects. */
async function lookAtCertificate(
  open: (over: Partial<DialOptions>) => Promise<Conversation>,
): Promise<CertificateFacts | undefined> {
  const conversation = await attempt(() => open({ tlsVerify: false }));
  if (conversation instanceof ProxyError) return undefined;
  const facts = certificateOf(conversation.socket, new Date());
  await leave(conversation);
  return facts;
}

async function checkRoundTrip(
  report: Report,
  { config, now }: UpstreamCheckOptions,
  { connection }: Conversation,
): Promise<boolean> {
  const { connectTimeoutMs } = config.upstream;
  const median = await attempt(() => medianRoundTripMs(connection, NOOPS, connectTimeoutMs, now));
  if (median instanceof ProxyError) {
    report.problem('round trip', `the server greets, and then fails: ${median.message}; look into its log`);
    return false;
  }
  report.ok('round trip', `${inMs(median)} (median of ${NOOPS} NOOPs)`);
  return true;
}

/** @returns whether there is a way to log in */
function checkCapabilities(report: Report, { upstream }: Config, capabilities: CapabilitySet): boolean {
  report.note('capabilities before login', capabilities.names.join(' '));
  const way = passwordWay(capabilities);
  if (way !== undefined) {
    report.ok('passwords', `are sent by ${way}`);
    return true;
  }
  const advice =
    upstream.tls === 'off' && capabilities.has('STARTTLS')
      ? 'it wants TLS first: set UPSTREAM_TLS=starttls'
      : 'let the server offer AUTH=PLAIN, or LOGIN, on this port';
  report.problem(
    'passwords',
    `the server takes none: it says LOGINDISABLED and offers no AUTH=PLAIN; ${advice}`,
  );
  return false;
}

/** @returns how long the login took, or undefined if there was none or it failed */
async function checkRightLogin(
  context: LoginContext,
  { credentials }: UpstreamCheckOptions,
  conversation: Conversation,
): Promise<number | undefined> {
  const { report } = context;
  if (credentials === undefined) {
    advise(report, conversation.capabilities, false);
    report.note(
      'login',
      'not tried, and some servers show UNSELECT and others only after it; --user NAME --password-stdin tries one',
    );
    return undefined;
  }
  const durationMs = await checkLogin(context, conversation, credentials);
  const { capabilities } = durationMs === undefined ? conversation : conversation.connection;
  if (durationMs !== undefined) report.note('capabilities after login', capabilities.names.join(' '));
  advise(report, capabilities, durationMs !== undefined);
  return durationMs;
}

function advise(report: Report, capabilities: CapabilitySet, isAfterLogin: boolean): void {
  for (const { topic, text } of capabilityAdvice(capabilities, isAfterLogin)) report.note(topic, text);
}

function rightLogin(
  credentials: Credentials | undefined,
  durationMs: number | undefined,
): { credentials: Credentials; durationMs: number } | undefined {
  return credentials === undefined || durationMs === undefined ? undefined : { credentials, durationMs };
}
