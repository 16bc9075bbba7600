// What a way of leaving has to do with, and the steps that many of them share.

import type { RawClient } from '../raw-client.js';

/** A client that is about to leave; it is connected and greeted, nothing more. */
export interface Scene {
  readonly client: RawClient;
  readonly user: string;
  /** Another session of the same user, straight to the server, logged in. */
  direct(): Promise<RawClient>;
}

/** What becomes of the user's one warm connection. */
export type Fate =
  /** The client never took it. */
  | 'untouched'
  | 'reused'
  /** It is closed, and the next client's is a new one. */
  | 'retired'
  /** The client had another one, with something enabled, which is kept for those who want the same. */
  | 'apart';

export type Exit = 'LOGOUT' | 'FIN' | 'RST' | 'half-close';

export const allExits: readonly Exit[] = ['LOGOUT', 'FIN', 'RST', 'half-close'];
/** For those who would have to finish something before LOGOUT. */
export const withoutLogout: readonly Exit[] = ['FIN', 'RST', 'half-close'];

/** One way of leaving: how the client comes into its state, and what is expected of the connection. */
export interface Way {
  readonly name: string;
  run(scene: Scene): Promise<void>;
  readonly fate: Fate;
  /** Where it depends on how the client leaves. */
  readonly fateBy?: Partial<Record<Exit, Fate>>;
  /** @defaultValue all */
  readonly exits?: readonly Exit[];
  /** What has to be sent for LOGOUT to be read as a command. */
  readonly beforeLogout?: string;
}

export async function logIn({ client, user }: Scene): Promise<void> {
  await expectOk(client, `LOGIN ${user} secret`);
}

/** Logged in, and the connection is leased. */
export async function lease(scene: Scene): Promise<void> {
  await logIn(scene);
  await expectOk(scene.client, 'NOOP');
}

export async function select(scene: Scene, mailbox = 'INBOX'): Promise<void> {
  await logIn(scene);
  await expectOk(scene.client, `SELECT ${mailbox}`);
}

export async function expectOk(client: RawClient, ...texts: string[]): Promise<void> {
  for (const text of texts) await expectStatus(client, 'OK', text);
}

export async function expectStatus(client: RawClient, status: string, ...texts: string[]): Promise<void> {
  for (const text of texts) {
    const result = await client.command(text);
    if (result.status !== status)
      throw new Error(`${text}: ${result.status} ${result.text} instead of ${status}`);
  }
}
