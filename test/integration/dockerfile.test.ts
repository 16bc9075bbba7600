// The container image without Docker: its steps in clean folders, and the result as the image would run it.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { buildImage, isInContext } from '../support/dockerfile.js';
import type { BuiltImage } from '../support/dockerfile.js';
import { pickFreePorts } from '../support/dovecot/ports.js';
import { RawClient } from '../support/raw-client.js';
import { startScriptedUpstream } from '../support/scripted-upstream.js';
import type { ScriptedUpstream } from '../support/scripted-upstream.js';

const context = fileURLToPath(new URL('../..', import.meta.url));
const REVISION = '0123456789abcdef';
/** Some account that is not root, as `USER node` is. */
const UNPRIVILEGED = 65_534;

/** What a shell of a user has, without what the test runner and npm added to it. */
function cleanEnvironment(): Record<string, string> {
  const entries = Object.entries(process.env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined &&
      !/^(?:NODE_|VITEST|TEST|CI$|INIT_CWD|npm_(?:package|lifecycle|command|execpath|node_execpath|config_local_prefix))/.test(
        entry[0],
      ),
  );
  // What was installed before need not be fetched again.
  return { ...Object.fromEntries(entries), npm_config_prefer_offline: 'true' };
}

describe('.dockerignore', () => {
  it.each([
    '.env',
    '.git/config',
    'node_modules/imapflow/package.json',
    'test/support/proxy.ts',
    'dist/main.js',
    'scripts/test.mjs',
  ])('keeps %s from the builder', (path) => {
    expect(isInContext(context, path)).toBe(false);
  });

  it('lets the sources through', () => {
    expect(isInContext(context, 'src/wire/verbs.ts')).toBe(true);
  });
});

describe('the image', () => {
  let folder: string;
  let image: BuiltImage;
  let upstream: ScriptedUpstream;
  let environment: Record<string, string>;
  let ports: { imap: number; admin: number };
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'imapbouncer-image-'));
    await chmod(folder, 0o755);
    image = buildImage({ context, folder, args: { REVISION }, environment: cleanEnvironment() });
    upstream = await startScriptedUpstream();
    const [imap = 0, admin = 0] = await pickFreePorts(2);
    ports = { imap, admin };
    environment = {
      PATH: process.env['PATH'] ?? '',
      ...image.environment,
      LISTEN: image.environment['LISTEN']!.replace(/:1143$/, `:${String(imap)}`),
      ADMIN_LISTEN: image.environment['ADMIN_LISTEN']!.replace(/:9143$/, `:${String(admin)}`),
      UPSTREAM_HOST: upstream.host,
      UPSTREAM_PORT: String(upstream.port),
      UPSTREAM_TLS: 'off',
    };
  }, 120_000);

  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  });

  afterAll(async () => {
    await upstream.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** As the image's user, where the tests may become another user at all. */
  const options = () => ({
    cwd: join(image.root, image.workdir),
    env: environment,
    ...(process.getuid?.() === 0 ? { uid: UNPRIVILEGED, gid: UNPRIVILEGED } : {}),
  });

  async function start(): Promise<ChildProcess> {
    const [command = '', ...args] = image.entrypoint;
    const child = spawn(command, args, { ...options(), stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    let log = '';
    child.stdout.on('data', (chunk: Buffer) => (log += chunk.toString()));
    while (!log.includes('ready for clients')) {
      if (child.exitCode !== null) throw new Error(`it ended: ${log}`);
      await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
    }
    return child;
  }

  /** Runs one of the image's commands to its end. */
  async function run([command = '', ...args]: readonly string[]): Promise<{
    code: number | null;
    output: string;
  }> {
    const child = spawn(command, args, { ...options(), stdio: ['ignore', 'pipe', 'pipe'] });
    children.push(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, output };
  }

  it('is described as it behaves', () => {
    expect(image).toMatchObject({
      user: 'node',
      workdir: '/app',
      ports: ['1143', '9143'],
      stopSignal: 'SIGTERM',
      entrypoint: ['node', 'dist/main.js'],
      environment: { NODE_ENV: 'production', LISTEN: 'imap://0.0.0.0:1143', ADMIN_LISTEN: '0.0.0.0:9143' },
    });
    expect(image.labels['org.opencontainers.image.revision']).toBe(REVISION);
    expect(image.environment['PLAINTEXT_NETWORKS']).toBeUndefined();
  });

  it('holds what it needs to run, and nothing that builds or tests', async () => {
    const app = join(image.root, image.workdir);
    expect((await readdir(app)).sort()).toEqual(['dist', 'node_modules', 'package.json', 'scripts']);
    expect(await readdir(join(app, 'scripts'))).toEqual(['healthcheck.mjs']);
    const packages = await readdir(join(app, 'node_modules'));
    expect(packages).toContain('imapflow');
    expect(packages).not.toContain('typescript');
    expect(packages).not.toContain('vitest');
  });

  it('serves clients, is healthy, says its revision, and ends on STOPSIGNAL', async () => {
    const child = await start();
    const { client } = await RawClient.connectAndGreet({ port: ports.imap });
    expect((await client.command('LOGIN alice secret')).status).toBe('OK');
    expect((await client.command('SELECT INBOX')).untagged).toContain('* 3 EXISTS');
    expect((await client.command('LOGOUT')).status).toBe('OK');
    await client.closed;
    expect(await run(image.healthcheck)).toEqual({ code: 0, output: '' });
    const metrics = await (await fetch(`http://127.0.0.1:${String(ports.admin)}/metrics`)).text();
    expect(metrics).toMatch(
      new RegExp(`imapbouncer_build_info\\{version="[^"]+",revision="${REVISION}"\\} 1`),
    );
    child.kill(image.stopSignal as NodeJS.Signals);
    const [code] = (await once(child, 'exit')) as [number | null];
    expect(code).toBe(0);
  });

  it('is not healthy when nothing answers', async () => {
    const { code, output } = await run(image.healthcheck);
    expect(code).toBe(1);
    expect(output).toMatch(/^not healthy: .*ECONNREFUSED/);
  });

  it('has the doctor in it', async () => {
    const { code, output } = await run([...image.entrypoint, '--check']);
    expect(output).toMatch(/^warning {2}PLAINTEXT_NETWORKS: other machines can connect to 0\.0\.0\.0/m);
    expect(output).toMatch(/\nFine: nothing here makes logins fail, 1 warning\.\n$/);
    expect(code).toBe(0);
  });
});
