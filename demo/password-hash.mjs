// Owns the password hashes of the embedded server: what a login costs a server that keeps no passwords in the clear.
import { Buffer } from 'node:buffer';
import { pbkdf2, pbkdf2Sync } from 'node:crypto';

/** The defaults of Dovecot's PBKDF2 scheme (`doveadm pw -s PBKDF2`). */
export const rounds = 5_000;
const digest = 'sha1';
const bytes = 20;

/** The salt of a demo: the user's name. hoodiecrow hands over arguments as binary strings. */
const inputOf = (name, password) => [Buffer.from(password, 'latin1'), name, rounds, bytes, digest];

/** For the few that are made at the start. */
export function hashSyncOf(name, password) {
  return pbkdf2Sync(...inputOf(name, password)).toString('hex');
}

/**
 * Off the event loop, so that one login doesn't hold up the other sessions.
 *
 * @param {string} name
 * @param {string} password
 * @param {(hash: string) => void} done
 */
export function hashOf(name, password, done) {
  pbkdf2(...inputOf(name, password), (error, hash) => {
    if (error) throw error;
    done(hash.toString('hex'));
  });
}
