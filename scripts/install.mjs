// Owns what a fresh clone lacks: the npm packages, the compiled program, and the mail servers and clients that the tests run.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import process from 'node:process';

/**
 * Debian packages that the tests use, each with a file that proves it is there. A new server or client is a new row.
 */
const serverPackages = [
  { name: 'dovecot-core', proof: '/usr/sbin/dovecot' },
  { name: 'dovecot-imapd', proof: '/usr/lib/dovecot/imap' },
  { name: 'openssl', proof: '/usr/bin/openssl' },
  { name: 'iproute2', proof: '/bin/ss' },
  { name: 'curl', proof: '/usr/bin/curl' },
  { name: 'isync', proof: '/usr/bin/mbsync' },
  { name: 'fetchmail', proof: '/usr/bin/fetchmail' },
  { name: 'mutt', proof: '/usr/bin/mutt' },
  { name: 'python3', proof: '/usr/bin/python3' },
  { name: 'bsdutils', proof: '/usr/bin/script' },
];

/**
 * Runs a command with our own output streams.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ env?: Record<string, string>, shell?: boolean }} [options]
 * @returns {number} its exit code; 1 if it couldn't start or was killed
 */
export function run(command, args, { env = {}, shell = false } = {}) {
  const result = spawnSync(command, args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
    shell,
  });
  if (result.error !== undefined) console.error(`${command}: ${result.error.message}`);
  return result.status ?? 1;
}

/**
 * Runs the npm that runs us, or else the one of the path. That is a batch file on Windows, which only a shell can start.
 *
 * @param {string[]} args - without anything that a shell would take for its own
 */
export function runNpm(args) {
  const script = process.env['npm_execpath'] ?? '';
  if (script.endsWith('npm-cli.js')) return run(process.execPath, [script, ...args]);
  if (process.platform === 'win32') return run(['npm.cmd', ...args].join(' '), [], { shell: true });
  return run('npm', args);
}

/** Compiles src/ to dist/; returns an exit code. */
export function build() {
  return run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json']);
}

/**
 * Whether node_modules has every package of the lock file in its version, as far as npm installs it here: optional and peer
 * packages may be missing. Contents are compared, not times: a fresh checkout gives the lock file a new time without
 * changing it.
 */
function arePackagesInstalled() {
  try {
    const wanted = JSON.parse(readFileSync('package-lock.json', 'utf8')).packages;
    const installed = JSON.parse(readFileSync('node_modules/.package-lock.json', 'utf8')).packages;
    return Object.entries(wanted).every(
      ([path, entry]) =>
        path === '' ||
        (installed[path] === undefined
          ? entry.optional === true || entry.peer === true
          : installed[path].version === entry.version),
    );
  } catch {
    return false;
  }
}

/** Runs `npm ci` if node_modules is missing or doesn't fit the lock file; returns an exit code. */
export function installNodePackages() {
  if (arePackagesInstalled()) return 0;
  console.log('> npm ci (node_modules is missing or differs from package-lock.json)');
  return runNpm(['ci', '--include=dev', '--no-audit', '--no-fund']);
}

const consequence =
  process.env.CI === 'true' ? 'Tests that need it will fail' : 'Tests that need it will be skipped';

function reasonAgainstApt() {
  if (!existsSync('/etc/debian_version')) return 'this is not a Debian system';
  if (process.getuid?.() !== 0) return 'only root may install packages';
  return undefined;
}

/**
 * Installs the missing servers where it can, and says why where it can't. Never fails: the tests that need a
 * server then skip with a reason, or fail when CI=true.
 */
export function installServers() {
  const missing = serverPackages.filter(({ proof }) => !existsSync(proof)).map(({ name }) => name);
  if (missing.length === 0) return;

  const reason = reasonAgainstApt();
  if (reason !== undefined) {
    console.log(`> ${missing.join(', ')} not installed: ${reason}. ${consequence}.`);
    return;
  }

  const quiet = { env: { DEBIAN_FRONTEND: 'noninteractive' } };
  const options = ['-q', '-o', 'Acquire::Retries=3', '-o', 'DPkg::Lock::Timeout=120'];
  console.log(`> apt-get install ${missing.join(' ')}`);
  run('apt-get', [...options, 'update'], quiet);
  const code = run('apt-get', [...options, 'install', '-y', '--no-install-recommends', ...missing], quiet);
  const still = serverPackages.filter(({ proof }) => !existsSync(proof)).map(({ name }) => name);
  if (still.length > 0) {
    console.log(`> ${still.join(', ')} could not be installed (apt-get exit code ${code}). ${consequence}.`);
  }
}
