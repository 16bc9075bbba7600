// @ts-check
// Owns what the lab needs of a machine, said in sentences.

import { spawnSync } from 'node:child_process';
import process from 'node:process';

const commands = [
  { name: 'ip', flag: '-V', package: 'iproute2' },
  { name: 'dovecot', flag: '--version', package: 'dovecot-imapd' },
];

/** @returns {string | undefined} why the lab can't run here; whether namespaces can be made shows when it makes them */
export function reasonAgainstLab() {
  if (process.platform !== 'linux')
    return `it needs Linux and its network namespaces; this is ${process.platform}`;
  if (process.getuid?.() !== 0) return 'it needs root, to make network namespaces; use sudo';
  for (const { name, flag, package: packageName } of commands) {
    const { status, stdout } = spawnSync(name, [flag], { encoding: 'utf8' });
    if (status !== 0) return `the command ${name} is missing; apt-get install ${packageName}`;
    if (name === 'dovecot' && !stdout.startsWith('2.3.'))
      return `it needs Dovecot 2.3, for its configuration; this is ${stdout.trim()}`;
  }
  return undefined;
}
