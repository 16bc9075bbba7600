// Gives the tests of one client what all of them need: a Dovecot, three fresh users for each test, and a folder.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll } from 'vitest';
import type { RouteName } from './client-routes.js';
import { type Dovecot, type DovecotOptions, startDovecot } from './dovecot.js';
import { type Stage, useStage } from './stage.js';

export interface ClientStage {
  readonly stage: Stage;
  readonly dovecot: Dovecot;
  /** Nobody has used them before, and their mail differs by their name alone. */
  nextUsers(): Readonly<Record<RouteName, string>>;
  /** A new folder, removed after the test. */
  makeFolder(): Promise<string>;
}

/** To be called once in a `describe`. */
export function useClientStage(options: DovecotOptions = {}): ClientStage {
  const stage = useStage();
  const folders: string[] = [];
  let dovecot: Dovecot | undefined;
  // Of two digits each.
  let next = 10;
  beforeAll(async () => {
    dovecot = await startDovecot(options);
  }, 30_000);
  afterAll(() => dovecot?.stop());
  afterEach(async () => {
    for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
  });
  return {
    stage,
    get dovecot() {
      if (dovecot === undefined) throw new Error('no Dovecot before the tests');
      return dovecot;
    },
    nextUsers: () => {
      const [direct, cold, warm] = [next, next + 1, next + 2].map((n) => `user${String(n)}`);
      next += 3;
      return { direct: direct!, cold: cold!, warm: warm! };
    },
    makeFolder: async () => {
      const folder = await mkdtemp(join(tmpdir(), 'imapbouncer-client-'));
      folders.push(folder);
      return folder;
    },
  };
}
