/** Owns what is said of a server's certificate: whose it is, who vouches for it, and how long. */

import type { PeerCertificate } from 'node:tls';

const DAY_MS = 86_400_000;
const MAX_NAMES = 5;

/** A certificate with less than this is reported before it is too late. */
export const SOON_DAYS = 14;

/** A certificate in words; every field is text of the server's, or made of it. */
export interface CertificateFacts {
  readonly subject: string;
  readonly issuer: string;
  /** What it may be shown for: host names and addresses. */
  readonly names: readonly string[];
  /** Whole days from `today` to its end; negative if that is over. */
  readonly daysLeft: number;
  /** As the server wrote it. */
  readonly validTo: string;
}

/** @param today - by the wall clock, which is what certificates go by */
export function certificateFacts(certificate: PeerCertificate, today: Date): CertificateFacts {
  const { subject, issuer, subjectaltname = '', valid_to: validTo } = certificate;
  const names = subjectaltname
    .split(', ')
    .map((name) => name.replace(/^(?:DNS|IP Address):/, ''))
    .filter((name) => name !== '');
  return {
    subject: distinguished(subject),
    issuer: distinguished(issuer),
    names,
    daysLeft: Math.floor((Date.parse(validTo) - today.getTime()) / DAY_MS),
    validTo,
  };
}

/** The names of a certificate in one clause, the first few of them. */
export function namesInWords(names: readonly string[]): string {
  if (names.length === 0) return 'no name';
  const shown = names.slice(0, MAX_NAMES).join(', ');
  return names.length > MAX_NAMES ? `${shown} and ${names.length - MAX_NAMES} more` : shown;
}

/** A certificate in one clause. */
export function certificateInWords({ subject, issuer, names, daysLeft }: CertificateFacts): string {
  const left = daysLeft < 0 ? `expired ${-daysLeft} days ago` : `${daysLeft} days left`;
  return `${subject}, for ${namesInWords(names)}, issued by ${issuer}, ${left}`;
}

/** `CN=…, O=…`: the parts that tell people who it is; Node's types promise more than certificates hold. */
function distinguished(name: Partial<PeerCertificate['subject']> | undefined): string {
  const parts = (['CN', 'O'] as const).flatMap((key) => {
    const value: string | string[] | undefined = name?.[key];
    return value === undefined ? [] : [`${key}=${[value].flat().join('+')}`];
  });
  return parts.length === 0 ? '(no name)' : parts.join(', ');
}
