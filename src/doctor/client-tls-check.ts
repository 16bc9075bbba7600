/** Owns what is said of the certificate that clients are shown. */

import { X509Certificate } from 'node:crypto';

import type { ServerTlsOptions } from '../net/server-tls.js';
import { SOON_DAYS, certificateFacts, certificateInWords } from './certificate.js';
import type { Report } from './report.js';

/**
 * Reports whose certificate it is, and how long it lasts.
 *
 * @param tls - what is in the files; undefined without TLS towards clients
 * @param today - by the wall clock, which is what certificates go by
 */
export function reportClientTls(report: Report, tls: ServerTlsOptions | undefined, today: Date): void {
  if (tls === undefined) return;
  const facts = certificateFacts(new X509Certificate(tls.cert).toLegacyObject(), today);
  const words = certificateInWords(facts);
  if (facts.daysLeft < 0) report.problem('TLS_CERT_FILE', `${words}; clients refuse it: renew it`);
  else if (facts.daysLeft < SOON_DAYS)
    report.warn('TLS_CERT_FILE', `${words}; renew it, or clients refuse it when it has expired`);
  else report.ok('TLS_CERT_FILE', `${words}; from ${tls.minVersion} on`);
}
