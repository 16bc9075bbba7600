// Owns the password hashes of the embedded server: what a login costs a server that keeps no passwords in the clear.
import { Buffer } from 'node:buffer';
import { pbkdf2, pbkdf2Sync } from 'node:crypto';

/** The defaults of Dovecot's PBKDF2 scheme (`doveadm pw -s PBKDF2`). */
export const rounds = 5_000;
const digest = 'sha1';
const bytes = 20;

/** hoodiecrow hands over arguments as binary strings. */
const bytesOf = (password) => Buffer.from(password, 'latin1');

/** For the few that are made at the start. The salt of a demo: the user's name. */
export function hashSyncOf(name, password) {
  return pbkdf2Sync(bytesOf(password), name, rounds, bytes, digest).toString('hex');
}

/**
 * Off the event loop, so that one login doesn't hold up the other sessions.
 *
 * @param {string} name
 * @param {string} password
 * @param {(hash: string) => void} done
 */
export function hashOf(name, password, done) {
  pbkdf2(bytesOf(password), name, rounds, bytes, digest, (error, hash) => {
    if (error) throw error;
    done(hash.toString('hex'));
  });
}
