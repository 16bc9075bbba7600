// What is in a user's mailboxes, in a form in which those of two users can be compared.

import { RawClient } from './raw-client.js';
import type { RawTarget } from './raw-target.js';

/** By mailbox: the number that its next message gets, and all messages in order, each as `uid flags date` and its text. */
export type MailSnapshot = Readonly<Record<string, readonly string[]>>;

/** Reads everything and changes nothing. Dates since this process began are `now`: nobody asked for them. */
export async function snapshotMail(
  target: RawTarget,
  user: string,
  clean = (text: string): string => text,
): Promise<MailSnapshot> {
  const { client } = await RawClient.connectAndGreet(target);
  try {
    await expectOk(client, `LOGIN ${user} secret`);
    const { untagged } = await expectOk(client, 'LIST "" "*" RETURN (SUBSCRIBED)');
    const names = untagged.map((line) => ({
      name: /"\/" "?([^"]*)"?$/.exec(line)?.[1] ?? line,
      isSubscribed: line.includes('\\Subscribed'),
    }));
    const snapshot: Record<string, readonly string[]> = {};
    for (const { name, isSubscribed } of names) {
      const title = `${name.replaceAll(user, 'USER')}${isSubscribed ? ', subscribed' : ''}`;
      snapshot[title] = (await readMailbox(client, name)).map((line) => clean(line.replaceAll(user, 'USER')));
    }
    return snapshot;
  } finally {
    client.destroy();
    await client.closed;
  }
}

async function readMailbox(client: RawClient, name: string): Promise<string[]> {
  const selected = await expectOk(client, `EXAMINE "${name}"`);
  const next = selected.untagged.find((line) => line.includes('[UIDNEXT '));
  const fetched = await expectOk(client, 'UID FETCH 1:* (UID FLAGS INTERNALDATE BODY.PEEK[])');
  const messages = fetched.untagged.filter((line) => / FETCH \(/.test(line));
  return [
    next?.replace(/^.*\[(UIDNEXT \d+)\].*$/, '$1') ?? 'no UIDNEXT',
    ...messages.map((line, n) => {
      const uid = /UID (\d+)/.exec(line)?.[1] ?? '?';
      const flags = (/FLAGS \(([^)]*)\)/.exec(line)?.[1] ?? '?').split(' ').toSorted().join(' ');
      const date = /INTERNALDATE "([^"]*)"/.exec(line)?.[1] ?? '?';
      // Whole seconds on the server's side.
      const isNow = Date.parse(date.trim()) >= performance.timeOrigin - 1_000;
      return `${uid} (${flags}) ${isNow ? 'now' : date}\n${fetched.literals[n]?.toString('latin1') ?? '?'}`;
    }),
  ];
}

async function expectOk(
  client: RawClient,
  command: string,
): Promise<Awaited<ReturnType<RawClient['command']>>> {
  const result = await client.command(command, 20_000);
  if (result.status !== 'OK') throw new Error(`${command}: ${result.status} ${result.text}`);
  return result;
}
