/** Owns the tags of the proxy's own commands. */

import { randomUUID } from 'node:crypto';

/** A tag that no client can guess, so that no client's output can pass for the answer to it. */
export function randomTag(): string {
  return `P${randomUUID()}`;
}
