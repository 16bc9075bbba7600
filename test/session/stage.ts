// One proxy between a scripted upstream and raw clients, and the check that nothing is left of any of them.

import { afterEach, expect } from 'vitest';
import { RawClient } from '../support/raw-client.js';
import type { CommandResult, RawTarget } from '../support/raw-client.js';
import { startProxy } from '../support/proxy.js';
import type { TestProxy } from '../support/proxy.js';
import { startScriptedUpstream } from '../support/scripted-upstream.js';
import type {
  ScriptedUpstream,
  ScriptedUpstreamOptions,
  UpstreamConnection,
} from '../support/scripted-upstream.js';

export interface StageOptions {
  readonly upstream?: ScriptedUpstreamOptions;
  /** Variables over the defaults of `startProxy`. */
  readonly environment?: Readonly<Record<string, string>>;
  /** The upstream refuses connections until `upstream.listen()` is called. */
  readonly isUpstreamDown?: boolean;
}

/** The states of the gauge `upstream_connections`. */
export type PoolState = 'connecting' | 'idle' | 'leased' | 'resetting' | 'probing' | 'closing';

export class Stage {
  readonly upstream: ScriptedUpstream;
  readonly proxy: TestProxy;
  /** Texts that no log line and no metric may contain. */
  readonly secrets = new Set<string>();
  readonly #clients: RawClient[] = [];
  #struck: Promise<void> | undefined;
  #hasStopped = false;

  constructor(upstream: ScriptedUpstream, proxy: TestProxy) {
    this.upstream = upstream;
    this.proxy = proxy;
  }

  /** Connects and reads the greeting. */
  async connect(target: RawTarget = { port: this.proxy.port }): Promise<RawClient> {
    const { client } = await RawClient.connectAndGreet(target);
    this.#clients.push(client);
    return client;
  }

  /** A client that is logged in. */
  async logIn(user = 'alice', password = 'secret'): Promise<RawClient> {
    const client = await this.connect();
    const result = await client.command(`LOGIN ${user} ${password}`);
    expect(result, `login of ${user}`).toMatchObject({ status: 'OK' });
    return client;
  }

  /** A client that is logged in, and the upstream connection that it has leased by a first NOOP. */
  async lease(
    user = 'alice',
    password = 'secret',
  ): Promise<{ client: RawClient; connection: UpstreamConnection }> {
    const client = await this.logIn(user, password);
    const noops = (connection: UpstreamConnection): number =>
      connection.verbs.filter((verb) => verb === 'NOOP').length;
    const before = new Map(this.upstream.connections.map((connection) => [connection, noops(connection)]));
    expect((await client.command('NOOP')).text).toBe(`NOOP done (${user})`);
    const connection = this.upstream.connections.find(
      (candidate) => candidate.user === user && noops(candidate) > (before.get(candidate) ?? 0),
    );
    if (connection === undefined) throw new Error('no upstream connection got the NOOP');
    return { client, connection };
  }

  /** The n-th upstream connection on which this user has logged in; 1 is the first. */
  async connectionOf(user = 'alice', nth = 1): Promise<UpstreamConnection> {
    for (let at = 1, found = 0; ; at++) {
      const attempt = await this.upstream.waitForLoginAttempts(at);
      if (attempt.user === user && attempt.isAccepted && ++found === nth) return attempt.connection;
    }
  }

  /** How many logins the upstream has seen, right or wrong. */
  get attempts(): number {
    return this.upstream.loginAttempts.length;
  }

  /** How often the upstream got this verb, on all connections together. */
  count(verb: string): number {
    return this.upstream.connections.flatMap(({ verbs }) => verbs).filter((seen) => seen === verb).length;
  }

  connections(state: PoolState): Promise<number> {
    return this.proxy.metric('imapbouncer_upstream_connections', { state });
  }

  sessions(labels: Readonly<Record<string, string>> = {}): Promise<number> {
    return this.proxy.metric('imapbouncer_client_connections', labels);
  }

  /** A counter or gauge by its name behind the prefix. */
  metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    return this.proxy.metric(`imapbouncer_${name}`, labels);
  }

  /** How many upstream connections were closed for this reason. */
  closedFor(reason: string): Promise<number> {
    return this.metric('upstream_connections_closed_total', { reason });
  }

  /** Leaves a connection of the user in the pool that was used, and returns it. */
  async warm(user = 'alice'): Promise<UpstreamConnection> {
    const { client, connection } = await this.lease(user);
    const idle = await this.connections('idle');
    await this.leave(client);
    await this.untilPool({ idle: idle + 1 });
    return connection;
  }

  /** How often this was logged. */
  logged(text: string): number {
    return this.proxy.logLines.filter(({ msg }) => msg === text).length;
  }

  /** Waits until the pool's gauges have these values. */
  async untilPool(wanted: Readonly<Partial<Record<PoolState, number>>>): Promise<void> {
    const states = Object.entries(wanted) as [PoolState, number][];
    await this.proxy.until(
      async () => {
        const counts = await Promise.all(states.map(([state]) => this.connections(state)));
        return states.every(([, count], at) => counts[at] === count);
      },
      `upstream connections ${JSON.stringify(wanted)}`,
    );
  }

  async untilSessions(count: number): Promise<void> {
    await this.proxy.until(async () => (await this.sessions()) === count, `${String(count)} sessions`);
  }

  async untilWaiting(count: number): Promise<void> {
    await this.proxy.until(
      async () => (await this.proxy.metric('imapbouncer_lease_waiters')) === count,
      `${String(count)} waiting clients`,
    );
  }

  /** LOGOUT, and waits until the connection is closed and the session is gone. */
  async leave(client: RawClient): Promise<CommandResult> {
    const result = await client.command('LOGOUT');
    expect(result).toMatchObject({ status: 'OK', untagged: ['* BYE Logging out'] });
    expect((await client.waitForClose()).unread).toBe('');
    return result;
  }

  /** Stops the proxy while clients may still be there. */
  async stop(): Promise<void> {
    this.#hasStopped = true;
    await this.proxy.stop();
  }

  /** Ends everything, and fails if anything is left. Safe to call twice. */
  strike(): Promise<void> {
    return (this.#struck ??= this.#strike());
  }

  async #strike(): Promise<void> {
    for (const client of this.#clients) client.destroy();
    await Promise.all(this.#clients.map((client) => client.closed));
    try {
      const metrics = this.#hasStopped ? '' : await this.#metricsAtTheEnd();
      await this.proxy.stop();
      await this.upstream.waitForOpenConnections(0, 1_500);
      expect(this.logged('upstream connection ended'), 'connections that ended').toBe(
        this.logged('upstream connection opened'),
      );
      for (const secret of this.secrets) {
        expect(this.proxy.logText(), 'the log').not.toContain(secret);
        expect(metrics, 'the metrics').not.toContain(secret);
      }
    } finally {
      await this.proxy.app.stop();
      await this.upstream.close();
    }
  }

  /** Without clients no session, no lease and nobody waiting is left. */
  async #metricsAtTheEnd(): Promise<string> {
    await this.untilSessions(0);
    await this.untilPool({ leased: 0, connecting: 0, resetting: 0 });
    expect(await this.proxy.metric('imapbouncer_lease_waiters')).toBe(0);
    return this.proxy.metricsText();
  }
}

/** Makes stages; each is struck at the end of its test. To be called once in a file, at its top level. */
export function useStages(): (options?: StageOptions) => Promise<Stage> {
  const stages: Stage[] = [];
  afterEach(async () => {
    for (const stage of stages.splice(0)) await stage.strike();
  });
  return async ({ upstream: upstreamOptions, environment, isUpstreamDown = false } = {}) => {
    const upstream = await startScriptedUpstream(upstreamOptions);
    if (isUpstreamDown) upstream.stopListening();
    const proxy = await startProxy(upstream, environment).catch(async (error: unknown) => {
      await upstream.close();
      throw error;
    });
    const stage = new Stage(upstream, proxy);
    stages.push(stage);
    for (const [user, password] of Object.entries(upstream.script.users)) {
      stage.secrets.add(Buffer.from(password).toString('latin1'));
      stage.secrets.add(plain(user, password));
    }
    return stage;
  };
}

/** A PLAIN message in base64 (RFC 4616). */
export function plain(user: string | Buffer, password: string | Buffer, authorizationId = ''): string {
  const nul = Buffer.alloc(1);
  return Buffer.concat([
    Buffer.from(authorizationId),
    nul,
    Buffer.from(user),
    nul,
    Buffer.from(password),
  ]).toString('base64');
}
