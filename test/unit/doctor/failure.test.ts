import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/load.js';
import type { CertificateFacts } from '../../../src/doctor/certificate.js';
import { explainFailure } from '../../../src/doctor/failure.js';
import type { FailureContext } from '../../../src/doctor/failure.js';
import { ProxyError } from '../../../src/errors.js';
import type { ErrorCode } from '../../../src/errors.js';

const certificate: CertificateFacts = {
  subject: 'CN=mail.example',
  issuer: 'CN=Small CA',
  names: ['mail.example', 'imap.example'],
  daysLeft: -3,
  validTo: 'Feb  1 00:00:00 2020 GMT',
};

function explain(
  code: ErrorCode,
  { detail, system, ...context }: { detail?: string; system?: string } & Partial<FailureContext> = {},
  environment: Readonly<Record<string, string>> = {},
): string {
  const { upstream } = loadConfig({ UPSTREAM_HOST: 'mail.example.org', ...environment });
  const cause = new Error('inner', { cause: Object.assign(new Error('x'), { code: system }) });
  const error = new ProxyError(code, { cause, ...(detail === undefined ? {} : { detail }) });
  const { topic, text } = explainFailure(error, { upstream, ...context });
  return `${topic}: ${text}`;
}

test.each<[ErrorCode, RegExp]>([
  ['dns', /^DNS: mail\.example\.org does not resolve; correct UPSTREAM_HOST/],
  ['refused', /^TCP: mail\.example\.org:993 refuses connections; start/],
  ['ephemeral_ports', /^TCP: this machine has no free port .*ip_local_port_range/],
  ['network', /^TCP: mail\.example\.org:993 can't be reached .*firewalls/],
])('has a sentence for %s', (code, sentence) => {
  expect(explain(code)).toMatch(sentence);
});

test('puts an IPv6 address into brackets', () => {
  expect(explain('refused', {}, { UPSTREAM_HOST: '2001:db8::1' })).toMatch(
    /^TCP: \[2001:db8::1\]:993 refuses/,
  );
});

describe('a time-out', () => {
  test('of a port that does not open blames the way there', () => {
    expect(explain('timeout', { acceptsTcp: false })).toMatch(
      /^TCP: .* does not answer within 10 s \(UPSTREAM_CONNECT_TIMEOUT\); .*firewall/,
    );
  });

  test.each([
    [
      'what the upstream sends is no IMAP greeting',
      /^greeting: what .*:993 sends within 10 s .* is no IMAP greeting/,
    ],
    [
      'the upstream greets, and then does not answer',
      /^greeting: .*:993 greets, and then does not answer within 10 s/,
    ],
  ])('of an open port where "%s" says so', (detail, sentence) => {
    expect(explain('timeout', { acceptsTcp: true, detail })).toMatch(sentence);
  });

  test('of an open port blames the server, and TLS only where there is none', () => {
    expect(explain('timeout', { acceptsTcp: true })).toMatch(/^greeting: .* stays silent .*look at its load/);
    expect(explain('timeout', { acceptsTcp: true }, { UPSTREAM_TLS: 'off' })).toContain(
      'UPSTREAM_TLS=implicit',
    );
  });
});

describe('TLS', () => {
  test.each([
    ['CERT_HAS_EXPIRED', /expired on Feb {2}1 00:00:00 2020 GMT, 3 days ago; renew it/],
    ['CERT_NOT_YET_VALID', /correct the clock/],
    [
      'ERR_TLS_CERT_ALTNAME_INVALID',
      /is for mail\.example, imap\.example and not for mail\.example\.org; .*UPSTREAM_TLS_SERVERNAME/,
    ],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', /is self-signed; .*UPSTREAM_TLS_CA_FILE/],
    ['SELF_SIGNED_CERT_IN_CHAIN', /signed by CN=Small CA, which is not known here; set UPSTREAM_TLS_CA_FILE/],
    [
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      /let the server send its intermediate certificates, or set UPSTREAM_TLS_CA_FILE/,
    ],
    ['STARTTLS_INJECTION', /as an attacker in between would/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', /does not speak TLS from the start; set UPSTREAM_TLS=starttls/],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', /client certificate: UPSTREAM_TLS_CERT_FILE/],
    ['ERR_SSL_UNSUPPORTED_PROTOCOL', /there is no TLS 1\.2 or later/],
  ])('has a sentence for %s', (system, sentence) => {
    expect(explain('tls', { system, certificate })).toMatch(sentence);
    expect(explain('tls', { system })).toMatch(/^TLS: .+; /);
  });

  test('that is missing from a server that is asked for STARTTLS', () => {
    expect(explain('tls', { detail: 'Server does not support STARTTLS' })).toMatch(
      /set UPSTREAM_TLS=implicit/,
    );
  });
});

test.each([
  [
    'the upstream greets with PREAUTH, so it checks no password',
    /greets with PREAUTH, so it checks no password/,
  ],
  ['x; the server said BYE: go away', /greets with BYE \(go away\); look into its log/],
  ['Unexpected close', /hangs up without a greeting; look into its log/],
  [
    'the upstream announces more than 256 kB before the login',
    /:993 announces more than 256 kB before the login,/,
  ],
])('has a sentence for the greeting "%s"', (detail, sentence) => {
  expect(explain('greeting', { detail })).toMatch(sentence);
});
