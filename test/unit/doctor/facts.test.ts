import type { PeerCertificate } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { capabilityAdvice, passwordWay } from '../../../src/doctor/capability-advice.js';
import { certificateFacts, certificateInWords, namesInWords } from '../../../src/doctor/certificate.js';
import { reportPortBudget } from '../../../src/doctor/port-budget.js';
import { Report } from '../../../src/doctor/report.js';
import { CapabilitySet } from '../../../src/wire/capability.js';

describe('the port budget', () => {
  const lineOf = async (
    platform: NodeJS.Platform,
    files: Readonly<Record<string, string>>,
  ): Promise<string> => {
    const lines: string[] = [];
    const readFile = (path: string): Promise<string> => {
      const text = files[path.slice(path.lastIndexOf('/') + 1)];
      return text === undefined ? Promise.reject(new Error('ENOENT')) : Promise.resolve(text);
    };
    await reportPortBudget(new Report((line) => lines.push(line)), {
      platform,
      readFile,
      run: () => Promise.reject(new Error('ENOENT')),
    });
    return lines.join('\n');
  };

  test('is said in one line', async () => {
    const line = await lineOf('linux', { ip_local_port_range: '32768 60999', ip_local_reserved_ports: '' });
    expect(line).toMatch(/^note {5}ports: 28232 ephemeral ports .*: 470 new connections a second/);
  });

  test('does without the list of reserved ports, and keeps a digit of a low rate', async () => {
    expect(await lineOf('linux', { ip_local_port_range: '1024 2024' })).toMatch(/: 16\.6 new connections/);
  });

  test('is not guessed where it can not be read', async () => {
    for (const platform of ['darwin', 'linux', 'win32', 'aix'] as const)
      expect(await lineOf(platform, {})).toMatch(/^note {5}ports: the ephemeral port range can't be read: ./);
  });
});

describe('a certificate', () => {
  const made = (fields: Record<string, unknown>): PeerCertificate =>
    ({
      subject: { CN: 'mail.example', O: 'Example' },
      issuer: { CN: ['A', 'B'] },
      subjectaltname: 'DNS:mail.example, IP Address:192.0.2.1',
      valid_to: 'Jan 31 12:00:00 2026 GMT',
      ...fields,
    }) as unknown as PeerCertificate;
  const on = (day: string, fields: Record<string, unknown> = {}) =>
    certificateFacts(made(fields), new Date(day));

  test('is described in one clause', () => {
    expect(certificateInWords(on('2026-01-01T12:00:00Z'))).toBe(
      'CN=mail.example, O=Example, for mail.example, 192.0.2.1, issued by CN=A+B, 30 days left',
    );
    expect(certificateInWords(on('2026-02-03T12:00:00Z'))).toContain('expired 3 days ago');
  });

  test('may have no names at all', () => {
    const facts = on('2026-01-01T12:00:00Z', { subject: undefined, issuer: {}, subjectaltname: undefined });
    expect(certificateInWords(facts)).toBe('(no name), for no name, issued by (no name), 30 days left');
  });

  test('of many names shows the first', () => {
    expect(namesInWords(['a', 'b', 'c', 'd', 'e', 'f', 'g'])).toBe('a, b, c, d, e and 2 more');
  });
});

describe('capabilities', () => {
  const adviceFor = (names: string, isAfterLogin: boolean): Record<string, string> =>
    Object.fromEntries(
      capabilityAdvice(new CapabilitySet(names.split(' ')), isAfterLogin).map(({ topic, text }) => [
        topic,
        text,
      ]),
    );

  test('that are missing before the login may come after it', () => {
    expect(new Set(Object.values(adviceFor('IMAP4rev1', false)))).toEqual(
      new Set(['not shown before login']),
    );
    expect(adviceFor('IMAP4rev1', true)['UNSELECT']).toMatch(/^none; .*EXAMINE/);
  });

  test('say what they mean for the pool', () => {
    const advice = adviceFor('IMAP4rev1 UNSELECT LITERAL- ENABLE IDLE COMPRESS=DEFLATE', true);
    expect(advice['literals']).toMatch(/^LITERAL-; .*4096/);
    expect(adviceFor('LITERAL- LITERAL+', true)['literals']).toMatch(/^LITERAL\+; .*any size/);
    expect(Object.values(advice).every((text) => !text.startsWith('none'))).toBe(true);
  });

  test.each([
    ['AUTH=PLAIN SASL-IR', /one round trip/],
    ['AUTH=PLAIN LOGINDISABLED', /two round trips/],
    ['AUTH=GSSAPI', /^LOGIN/],
  ])('%s decide how passwords are sent', (names, way) => {
    expect(passwordWay(new CapabilitySet(names.split(' ')))).toMatch(way);
  });

  test('may leave no way', () => {
    expect(passwordWay(new CapabilitySet(['LOGINDISABLED', 'AUTH=XOAUTH2']))).toBeUndefined();
  });
});
