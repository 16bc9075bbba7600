// Runs one client program three times on identical mailboxes: straight to Dovecot, through the proxy, and again when it is warm.

import { expect } from 'vitest';
import { ClientTap } from './client-tap.js';
import type { Dovecot } from './dovecot.js';
import { type MailSnapshot, snapshotMail } from './mailbox-snapshot.js';
import type { TestProxy } from './proxy.js';
import { type Stage, logOut } from './stage.js';

export type RouteName = 'direct' | 'cold' | 'warm';

/** Where a client is to connect to, as whom. */
export interface Route {
  readonly name: RouteName;
  /** The names of a test's users have one length, so that sizes are the same. */
  readonly user: string;
  readonly port: number;
  readonly tap: ClientTap;
}

/** What came of one run. Whatever names the user, names USER. */
export interface RouteRun<Result> {
  readonly result: Result;
  readonly mail: MailSnapshot;
  /** After the login, see `ClientTap`. */
  readonly commands: readonly string[];
  /** Connections that the client made. */
  readonly sessions: number;
  /** Upstream logins that the proxy made for it; 0 on the direct route. */
  readonly logins: number;
  /** Connections of the proxy that were closed because something of the client stayed on them. */
  readonly dirty: number;
}

export interface RouteOptions {
  readonly dovecot: Dovecot;
  readonly proxy: TestProxy;
  readonly stage: Stage;
  /** One for each route, with mailboxes that differ by the name alone. */
  readonly users: Readonly<Record<RouteName, string>>;
  /** Of listeners with TLS; what the client sends is then not looked at. */
  readonly tlsPorts?: { readonly direct: number; readonly proxy: number };
  /** Takes out what the client itself puts into mail by chance. */
  readonly cleanMail?: (text: string) => string;
  /**
   * What the user did before: through the proxy on the warm route, straight to Dovecot on the others.
   *
   * @defaultValue a session that selects a mailbox and logs out
   */
  readonly visit?: (user: string, port: number) => Promise<void>;
}

/** Runs on each route, one after the other, and waits each time until the proxy has nothing left of it but idle connections. */
export async function runRoutes<Result>(
  options: RouteOptions,
  run: (route: Route) => Promise<Result>,
): Promise<Record<RouteName, RouteRun<Result>>> {
  return {
    direct: await runRoute(options, 'direct', run),
    cold: await runRoute(options, 'cold', run),
    warm: await runRoute(options, 'warm', run),
  };
}

/** The client has got the same, done the same, and left the same, whichever way it went. */
export function expectSame<Result>(runs: Readonly<Record<RouteName, RouteRun<Result>>>): void {
  for (const name of ['cold', 'warm'] as const) {
    expect(runs[name].result, `${name}: what the client got`).toEqual(runs.direct.result);
    expect(runs[name].mail, `${name}: what is in the mailboxes`).toEqual(runs.direct.mail);
    expect(runs[name].commands, `${name}: what the client sent`).toEqual(runs.direct.commands);
    expect(runs[name].sessions, `${name}: sessions`).toBe(runs.direct.sessions);
  }
}

/** Without what differs between two direct sessions, too: who it was, how long it took, when a mailbox was made. */
export function withoutChance(output: string, user: string): string {
  return (
    output
      .replaceAll(user, 'USER')
      .replaceAll(/ \(\d\.\d{3} \+ [^)]*secs\)/g, '')
      .replaceAll(/(UIDVALIDITY|APPENDUID|COPYUID|HIGHESTMODSEQ) \d+/g, '$1 N')
      // Dovecot 2.3 has these from the times of files in whole seconds.
      .replaceAll(/(?: |,")\\+(?:Un)?Marked"?/g, '')
  );
}

/** No session, no lease, nobody waiting. */
export async function untilAtRest(proxy: TestProxy): Promise<void> {
  await proxy.until(async () => {
    const busy = await Promise.all([
      proxy.metric('imapbouncer_client_connections'),
      proxy.metric('imapbouncer_lease_waiters'),
      ...['connecting', 'leased', 'resetting', 'probing', 'closing'].map((state) =>
        proxy.metric('imapbouncer_upstream_connections', { state }),
      ),
    ]);
    return busy.every((count) => count === 0);
  }, 'a proxy without sessions and leases');
}

async function runRoute<Result>(
  options: RouteOptions,
  name: RouteName,
  run: (route: Route) => Promise<Result>,
): Promise<RouteRun<Result>> {
  const { dovecot, proxy, tlsPorts } = options;
  const user = options.users[name];
  const directPort = tlsPorts?.direct ?? dovecot.port;
  const proxyPort = tlsPorts?.proxy ?? proxy.port;
  const visit = options.visit ?? ((...by) => visitPlainly(options.stage, ...by));
  await visit(user, name === 'warm' ? proxyPort : directPort);
  await untilAtRest(proxy);
  const tap = await ClientTap.open(name === 'direct' ? directPort : proxyPort);
  try {
    const before = await counters(proxy);
    const result = await run({ name, user, port: tap.port, tap });
    await untilAtRest(proxy);
    const after = await counters(proxy);
    return {
      result,
      mail: await snapshotMail({ port: dovecot.port }, user, options.cleanMail),
      commands: tlsPorts === undefined ? commandsOf(tap, user) : [],
      sessions: tap.connections,
      logins: after.logins - before.logins,
      dirty: after.dirty - before.dirty,
    };
  } finally {
    await tap.close();
  }
}

/** Without those before the login: there each server has capabilities of its own, and clients do what these say. */
function commandsOf(tap: ClientTap, user: string): string[] {
  return tap.commands
    .filter((line) => !/^(?:CAPABILITY|LOGIN|AUTHENTICATE)\b/i.test(line))
    .map((line) => line.replaceAll(user, 'USER'));
}

async function visitPlainly(stage: Stage, user: string, port: number): Promise<void> {
  const client = await stage.logIn({ port }, user);
  await client.command(`SELECT of-${user}`);
  await logOut(client);
}

async function counters(proxy: TestProxy): Promise<{ logins: number; dirty: number }> {
  return {
    logins: await proxy.metric('imapbouncer_upstream_connections_opened_total'),
    dirty: await proxy.metric('imapbouncer_upstream_connections_closed_total', { reason: 'dirty' }),
  };
}
