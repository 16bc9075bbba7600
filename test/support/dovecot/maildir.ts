// Puts mail into a user's Maildir without asking the server.

import { chown, mkdir, rename, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { mailOwner } from './config.js';

let delivered = 0;

/** Makes a mailbox (INBOX or a top-level one) if it isn't there, and returns its folder. */
export async function makeMailbox(home: string, mailbox: string): Promise<string> {
  const inbox = join(home, 'Maildir');
  const folder = mailbox.toUpperCase() === 'INBOX' ? inbox : join(inbox, `.${mailbox}`);
  const folders = [home, inbox, folder, ...['cur', 'new', 'tmp'].map((part) => join(folder, part))];
  for (const path of folders) {
    const isNew = (await mkdir(path, { recursive: true })) !== undefined;
    if (isNew) await giveAway(path);
  }
  return folder;
}

/** Writes one message into `new`, as a delivery agent does. */
export async function deliverToMaildir(
  home: string,
  mailbox: string,
  message: string | Buffer,
): Promise<void> {
  const folder = await makeMailbox(home, mailbox);
  delivered += 1;
  const serial = String(delivered).padStart(9, '0');
  const name = `${String(Math.floor(Date.now() / 1_000))}.M${serial}P${String(process.pid)}.${hostname()}`;
  const path = join(folder, 'tmp', name);
  await writeFile(path, message);
  await giveAway(path);
  await rename(path, join(folder, 'new', name));
}

async function giveAway(path: string): Promise<void> {
  const { uid, gid, isRoot } = mailOwner();
  if (isRoot) await chown(path, uid, gid);
}
