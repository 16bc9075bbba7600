// @ts-check
// Owns what a reader must know of the machine to judge the figures.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import process from 'node:process';

/**
 * @typedef {object} Machine
 * @property {number} cpus
 * @property {string} kernel
 * @property {string} node
 * @property {string} dovecot
 * @property {number} tcpTwReuse - of the client host; 2: on the loopback alone
 */

/** @returns {Machine} */
export function describeMachine() {
  return {
    cpus: cpus().length,
    kernel: release().split('-')[0] ?? '',
    node: process.version,
    dovecot: execFileSync('dovecot', ['--version'], { encoding: 'utf8' }).split(' ')[0] ?? '',
    tcpTwReuse: Number(readFileSync('/proc/sys/net/ipv4/tcp_tw_reuse', 'utf8')),
  };
}
