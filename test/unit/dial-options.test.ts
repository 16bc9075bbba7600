import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ConfigError } from '../../src/config/config-error.js';
import { loadConfig } from '../../src/config/load.js';
import { dialOptionsOf } from '../../src/dial-options.js';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dial-options-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

const [certificate = '', another = ''] = rootCertificates;
const key = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
}).privateKey;
const withHole = certificate.replace(/\n[^\n]{9}/, '\n?????????');

/** The settings that name files with these contents. */
async function filesOf(contents: Readonly<Record<string, string>>): Promise<Record<string, string>> {
  for (const [name, content] of Object.entries(contents)) await writeFile(join(folder, name), content);
  return Object.fromEntries(
    Object.keys(contents).map((name) => [`UPSTREAM_TLS_${name}_FILE`, join(folder, name)]),
  );
}

async function optionsOf(contents: Readonly<Record<string, string>>) {
  return dialOptionsOf(loadConfig({ UPSTREAM_HOST: 'imap.example.org', ...(await filesOf(contents)) }));
}

/** What is wrong, with the folder left out. */
async function problemsOf(contents: Readonly<Record<string, string>>): Promise<string[]> {
  const error: unknown = await optionsOf(contents).catch((reason: unknown) => reason);
  if (!(error instanceof ConfigError)) throw new Error('no ConfigError', { cause: error });
  return error.problems.map((problem) => problem.replaceAll(`${folder}/`, ''));
}

test('come without files from the configuration alone', async () => {
  expect(await optionsOf({})).toEqual({
    host: 'imap.example.org',
    port: 993,
    tls: 'implicit',
    tlsVerify: true,
    tlsFiles: {},
    timeoutMs: 10_000,
  });
});

test('carry the certificates of all authorities as they are in the file', async () => {
  const CA = `Some authority\n${certificate}\nanother one\n${another}`;
  expect((await optionsOf({ CA })).tlsFiles).toEqual({ ca: Buffer.from(CA) });
});

test.each([
  ['text', 'hello', /\(there is no certificate in it\)/],
  ['nothing', '', /\(there is no certificate in it\)/],
  ['a key', key, /\(there is no certificate in it\)/],
  ['a broken certificate', withHole, /bad base64 decode/],
  ['a broken certificate behind a right one', `${another}\n${withHole}`, /bad base64 decode/],
  ['half a certificate', certificate.slice(0, 500), /PEM/],
])('are refused for authorities that are %s', async (_name, CA, detail) => {
  const problems = await problemsOf({ CA });
  expect(problems).toEqual([
    expect.stringMatching(
      /^UPSTREAM_TLS_CA_FILE is "CA"; it must hold the certificates of authorities in PEM \(.*\)\.$/,
    ),
  ]);
  expect(problems[0]).toMatch(detail);
});

test('are refused for a client certificate and a key that are none, each in its own sentence', async () => {
  expect(await problemsOf({ CERT: 'hello', KEY: certificate })).toEqual([
    expect.stringMatching(/^UPSTREAM_TLS_CERT_FILE is "CERT"; it must hold a certificate in PEM \(.*\)\.$/),
    expect.stringMatching(
      /^UPSTREAM_TLS_KEY_FILE is "KEY"; it must hold a private key in PEM, without a passphrase \(.*\)\.$/,
    ),
  ]);
});

test('are refused for the key of another certificate', async () => {
  expect(await problemsOf({ CERT: certificate, KEY: key })).toEqual([
    expect.stringMatching(
      /^UPSTREAM_TLS_KEY_FILE is "KEY"; .* \(it is not the key of UPSTREAM_TLS_CERT_FILE\)\.$/,
    ),
  ]);
});

test('are refused for a file that has gone since the configuration was read', async () => {
  const config = loadConfig({ UPSTREAM_HOST: 'imap.example.org', ...(await filesOf({ CA: certificate })) });
  await rm(join(folder, 'CA'));
  await expect(dialOptionsOf(config)).rejects.toThrow(/^UPSTREAM_TLS_CA_FILE is .*ENOENT/);
});
