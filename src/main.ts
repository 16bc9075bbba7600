#!/usr/bin/env node
/** Owns the process: arguments, configuration, signals and exit codes. */

import process from 'node:process';

import { startApp } from './app.js';
import { ConfigError } from './config/config-error.js';
import { variablesHelp } from './config/help.js';
import { loadConfigFromProcess } from './config/process-env.js';
import { configWarnings } from './config/warnings.js';
import { CHECK_USAGE } from './doctor/arguments.js';
import { UsageError, checkCommand } from './doctor/command.js';
import { createLogger } from './log.js';
import type { Logger } from './log.js';
import { standardOutput } from './log-output.js';
import { VERSION, revision } from './version.js';

/** sysexits.h EX_CONFIG: supervisors need not start us again before the configuration has changed. */
const EXIT_CONFIG = 78;
/** sysexits.h EX_USAGE. */
const EXIT_USAGE = 64;
const EXIT_FAILURE = 1;
/** 128 + SIGPIPE: what shells say of a tool whose reader left, `--check | head -1`; 0 would say that all was looked at. */
const EXIT_SIGPIPE = 141;

const USAGE = `Usage: imapbouncer [--help | --version]
       imapbouncer ${CHECK_USAGE}

A local proxy that pools logged-in IMAP connections. --check looks at the configuration, the IMAP server and this
machine, says in one line each what is right and wrong, and ends. Both are told what to do by environment variables:
`;

async function main(): Promise<void> {
  const [argument, ...rest] = process.argv.slice(2);
  if (argument === undefined) {
    await serve();
    return;
  }
  process.stdout.on('error', endWithoutOutput);
  if (argument === '--check') process.exit(await check(rest));
  else if (argument === '--version' && rest.length === 0) process.stdout.write(`${VERSION}\n`);
  else if (argument === '--help' && rest.length === 0) process.stdout.write(`${USAGE}\n${variablesHelp()}\n`);
  // What is not known is not repeated: it may be a password that was typed in the wrong place.
  else throw new UsageError('unknown argument; see --help');
}

/** A command whose output goes nowhere has failed, whatever it found. */
function endWithoutOutput({ code = '' }: NodeJS.ErrnoException): never {
  if (code === 'EPIPE') process.exit(EXIT_SIGPIPE);
  process.stderr.write(`imapbouncer: standard output can't be written (${code})\n`);
  process.exit(EXIT_FAILURE);
}

async function check(args: readonly string[]): Promise<number> {
  const print = (line: string): unknown => process.stdout.write(`${line}\n`);
  const code = await checkCommand({ args, loadConfig: loadConfigFromProcess, input: process.stdin, print });
  // The last lines may still be on their way; if they can't be written, the listener of the error ends the process.
  await new Promise<void>((resolve) => {
    process.stdout.write('', (error) => {
      if (!error) resolve();
    });
  });
  return code;
}

async function serve(): Promise<void> {
  const config = loadConfigFromProcess();
  const output = standardOutput();
  const logger = createLogger(config.log, output);
  // However the process ends: what it said last is what its end is explained by.
  process.on('exit', () => {
    output.flush();
  });
  watchForDefects(logger);
  for (const warning of configWarnings(config)) logger.warn({}, warning);
  const app = await startApp({ config, logger, version: VERSION, revision });
  logger.info({ version: VERSION, admin: app.admin.port }, 'ready for clients');
  onSignals(logger, () => app.drain());
  const { renewCertificate } = app;
  // Without TLS there is nothing to read again, and a terminal that is closed ends the process as it always does.
  if (renewCertificate !== undefined) process.on('SIGHUP', () => void renewCertificate());
}

/** The first signal drains, the second one ends at once. */
function onSignals(logger: Logger, drain: () => Promise<void>): void {
  let isDraining = false;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (isDraining) {
      logger.warn({ signal }, 'second signal: ending at once');
      process.exit(EXIT_FAILURE);
    }
    isDraining = true;
    logger.info({ signal }, 'draining');
    drain().then(
      () => {
        logger.info({}, 'drained');
        process.exit(0);
      },
      (err: unknown) => {
        logger.error({ err }, 'draining failed');
        process.exit(EXIT_FAILURE);
      },
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

/** The last net: whatever a client provoked, the others' sessions go on. The logger never throws, or this would end them. */
function watchForDefects(logger: Logger): void {
  process.on('uncaughtException', (err) => {
    logger.error({ err }, 'a defect: an exception that nothing caught');
  });
  process.on('unhandledRejection', (err) => {
    logger.error({ err }, 'a defect: a rejection that nothing handled');
  });
}

function exitCodeOf(error: unknown): number {
  if (error instanceof ConfigError) return EXIT_CONFIG;
  return error instanceof UsageError ? EXIT_USAGE : EXIT_FAILURE;
}

main().catch((error: unknown) => {
  process.stderr.write(`imapbouncer: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(exitCodeOf(error));
});
