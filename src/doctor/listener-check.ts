/** Owns the question whether LISTEN and ADMIN_LISTEN can be opened: each is opened for a moment. */

import { connect } from 'node:net';
import type { Socket, SocketConnectOpts } from 'node:net';
import { connect as connectTls } from 'node:tls';

import type { Config } from '../config/config.js';
import { hostPort } from '../net/host-port.js';
import { openListener } from '../net/listener.js';
import type { Listener, ListenerAddress } from '../net/listener.js';
import { NetworkList, isLoopback } from '../net/networks.js';
import { PROXY_V2_LOCAL } from '../net/proxy-v2.js';
import type { Report } from './report.js';

/** For whoever has the port already, to say who it is. */
const PEER_TIMEOUT_MS = 1_000;

interface Wanted {
  readonly variable: 'LISTEN' | 'ADMIN_LISTEN';
  readonly address: ListenerAddress;
  /** Whether it speaks TLS from the start. */
  readonly isTls: boolean;
  /** What a running ImapBouncer says there. */
  readonly signature: RegExp;
  /** What has to be sent before it says so, and before TLS. */
  readonly preface: Buffer;
}

/** Opens all of them side by side, so that two that are in each other's way are found, and closes them again. */
export async function checkListeners(report: Report, config: Config): Promise<void> {
  const wanted: Wanted[] = [
    ...config.listeners.map((address): Wanted => ({
      variable: 'LISTEN',
      address,
      isTls: address.kind === 'tcp' && address.isTls,
      signature: /^\* OK .*ImapBouncer/,
      preface: prefaceOf(address),
    })),
    {
      variable: 'ADMIN_LISTEN',
      address: { kind: 'tcp', ...config.admin },
      isTls: false,
      signature: /imapbouncer_build_info/,
      preface: Buffer.from('GET /metrics HTTP/1.0\r\n\r\n'),
    },
  ];
  const opened: Listener[] = [];
  for (const one of wanted) {
    try {
      opened.push(
        await openListener(one.address, {
          onConnection: (socket) => socket.destroy(),
          onError: () => undefined,
        }),
      );
      report.ok(one.variable, `${inWords(one.address)} can be opened`);
    } catch (error) {
      await reportFailure(report, one, error, opened);
    }
  }
  await Promise.all(opened.map((listener) => listener.close()));
  warnOfPlaintext(report, config);
}

async function reportFailure(
  report: Report,
  wanted: Wanted,
  error: unknown,
  opened: readonly Listener[],
): Promise<void> {
  const { variable, address, signature } = wanted;
  const { code = '', message } = error as NodeJS.ErrnoException;
  const what = inWords(address);
  const isTaken = code === 'EADDRINUSE' || message.includes('another process listens there');
  // By the port alone: 0.0.0.0 and [::] are in the way of every other address.
  const isOurs = address.kind === 'tcp' && opened.some(({ port }) => port === address.port);
  if (isTaken && !isOurs && signature.test(await firstWords(wanted))) {
    report.note(variable, `${what} is open already: an ImapBouncer runs there`);
    return;
  }
  const advice = address.kind === 'unix' ? UNIX_ADVICE[code] : TCP_ADVICE[code];
  report.problem(variable, `${what} can't be opened; ${isTaken ? taken(isOurs) : (advice ?? message)}`);
}

function taken(isOurs: boolean): string {
  return isOurs
    ? 'another listener of this configuration has that port; give it another one'
    : 'another program listens there; end it, or choose another port or path';
}

const TCP_ADVICE: Readonly<Record<string, string>> = {
  EACCES: 'this user may not; choose a port above 1023',
  EADDRNOTAVAIL: 'no interface of this machine has that address; choose one that it has, or 0.0.0.0 or [::]',
  ENOTFOUND: 'that name does not resolve; write the address of an interface of this machine',
};

const UNIX_ADVICE: Readonly<Record<string, string>> = {
  ENOENT: 'its folder does not exist; make it, or choose another',
  EACCES: 'this user may not write to its folder; let it, or choose another',
  EPERM: 'this user may not give it that group or mode; choose others, or another user',
  ENOTDIR: 'its folder is no folder; correct the path',
};

/** A listener is of no use to clients that may not log in there. */
function warnOfPlaintext(report: Report, { listeners, plaintextNetworks, clientTls }: Config): void {
  // Whoever may not log in without TLS has STARTTLS.
  if (clientTls !== undefined) return;
  for (const address of listeners) {
    // Behind a PROXY header of version 2 there may be TLS between the client and whoever forwards it.
    if (address.kind === 'unix' || address.proxy === 'v2' || address.proxy === 'any') continue;
    const obstacle = obstacleTo(address, plaintextNetworks);
    if (obstacle !== undefined) report.warn('PLAINTEXT_NETWORKS', obstacle);
  }
}

function obstacleTo(
  address: Config['listeners'][number] & { kind: 'tcp' },
  networks: readonly string[],
): string | undefined {
  const where = inWords(address);
  // With a PROXY header clients come from anywhere, wherever it listens.
  if (isLoopback(address.host) && address.proxy === undefined) {
    const allowed = new NetworkList(networks);
    return localClientsOf(address.host).some((client) => allowed.has(client))
      ? undefined
      : `nobody may log in at ${where} without TLS; add loopback`;
  }
  if (networks.length === 0)
    return `nobody may log in at ${where} without TLS; add the networks that you trust with passwords`;
  if (!networks.every((network) => /^(?:127\.|::1\/)/.test(network))) return undefined;
  return `other machines can connect to ${where}, but only clients on this one may log in without TLS; add the networks that you trust with passwords`;
}

/** The addresses that clients of a loopback host come from. */
function localClientsOf(host: string): readonly string[] {
  if (host === 'localhost') return ['127.0.0.1', '::1'];
  return host.includes(':') ? [host] : ['127.0.0.1', host];
}

function inWords(address: ListenerAddress): string {
  return address.kind === 'unix' ? address.path : hostPort(address.host, address.port);
}

/** A PROXY header that speaks for nobody else, where one is wanted. */
function prefaceOf({ proxy }: Config['listeners'][number]): Buffer {
  if (proxy === undefined) return Buffer.alloc(0);
  return proxy === 'v2' ? PROXY_V2_LOCAL : Buffer.from('PROXY UNKNOWN\r\n');
}

/** What somebody says to a new connection, up to the time-out. Never rejects. */
function firstWords({ address, isTls, signature, preface }: Wanted): Promise<string> {
  const target: SocketConnectOpts =
    address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port };
  return new Promise((resolve) => {
    let words = '';
    const socket = connect(target);
    const timer = setTimeout(() => socket.destroy(), PEER_TIMEOUT_MS);
    const listen = (to: Socket): void => {
      to.on('data', (chunk: Buffer) => {
        words += chunk.toString('latin1');
        if (signature.test(words)) socket.destroy();
      });
      // Whoever hangs up has said all that there is; `close` follows.
      to.on('error', () => undefined);
    };
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(words);
    });
    socket.on('connect', () => {
      socket.write(preface);
      // Nothing is told to whoever it is, so it may have any certificate.
      listen(isTls ? connectTls({ socket, rejectUnauthorized: false }) : socket);
    });
  });
}
