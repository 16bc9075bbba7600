/** Owns `--check`: everything that the doctor looks at, in the order in which it looks. */

import { readClientTls } from '../client-tls.js';
import type { Config } from '../config/config.js';
import { configWarnings } from '../config/warnings.js';
import { dialOptionsOf } from '../dial-options.js';
import { wipeCredentials } from '../identity.js';
import type { Credentials } from '../identity.js';
import { reportClientTls } from './client-tls-check.js';
import { checkListeners } from './listener-check.js';
import { reportPortBudget } from './port-budget.js';
import { Report } from './report.js';
import type { ExitCode } from './report.js';
import { checkUpstream } from './upstream-check.js';

export interface CheckOptions {
  /** Valid in itself: that is checked where it is loaded. */
  readonly config: Config;
  /** Whom to log in; wiped at the end. Undefined: nobody. */
  readonly credentials: Credentials | undefined;
  readonly hasWrongLogin: boolean;
  /** Takes one line, without its line end. */
  readonly print: (line: string) => void;
  readonly now: () => number;
}

/**
 * Looks at everything that a start and a login need. Never rejects for what it finds.
 *
 * @returns the exit code
 * @throws ConfigError if a TLS file can't be used
 */
export async function runCheck(options: CheckOptions): Promise<ExitCode> {
  const { config, credentials } = options;
  const report = new Report(options.print);
  try {
    const dialOptions = await dialOptionsOf(config);
    const clientTls = await readClientTls(config);
    report.ok('configuration', 'every variable is right by itself');
    for (const warning of configWarnings(config)) report.warn('configuration', warning);
    await checkListeners(report, config);
    reportClientTls(report, clientTls, new Date());
    await reportPortBudget(report);
    await checkUpstream(report, { ...options, dialOptions });
    return report.finish();
  } finally {
    if (credentials !== undefined) wipeCredentials(credentials);
  }
}
