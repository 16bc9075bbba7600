/** Owns the choice of who reads this system's port facts. */

import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import process from 'node:process';

import { readLinuxPortFacts } from './linux-port-facts.js';
import { readMacosPortFacts } from './macos-port-facts.js';
import { unknown } from './port-facts.js';
import type { FactSources, PortFacts } from './port-facts.js';
import { readWindowsPortFacts } from './windows-port-facts.js';

const COMMAND_TIMEOUT_MS = 5_000;
const MAX_OUTPUT_BYTES = 1_048_576;

type FactReader = (sources: FactSources) => Promise<PortFacts>;

const READERS: Readonly<Partial<Record<NodeJS.Platform, FactReader>>> = {
  linux: readLinuxPortFacts,
  android: readLinuxPortFacts,
  darwin: readMacosPortFacts,
  win32: readWindowsPortFacts,
};

export interface PortFactsOptions extends Partial<FactSources> {
  /** @defaultValue this system's */
  readonly platform?: NodeJS.Platform;
}

/**
 * Reads once what the system says of its ephemeral ports; meant for the start, since all of it needs root to change.
 * Never rejects: what can't be read is unknown, and says why.
 */
export function readPortFacts(options: PortFactsOptions = {}): Promise<PortFacts> {
  const { platform = process.platform } = options;
  const read = READERS[platform] ?? (() => Promise.resolve(nothingKnown(platform)));
  return read({
    readFile: options.readFile ?? ((path) => readFile(path, 'latin1')),
    run: options.run ?? runCommand,
  });
}

function nothingKnown(platform: string): PortFacts {
  const fact = unknown(`nobody reads this on ${platform}`);
  return { range: fact, timeWaitMs: fact, maxTimeWaitSockets: fact, timeWaitReuse: fact };
}

/** Without a shell, and with latin1, which takes whatever code page a Windows console has. */
function runCommand(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(
      command,
      args,
      { encoding: 'latin1', timeout: COMMAND_TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES, windowsHide: true },
      (error, stdout) => {
        if (error === null) resolve(stdout);
        // execFile makes an Error of whatever went wrong; a killed one doesn't say so itself.
        else reject(error.killed === true ? new Error(`no end after ${COMMAND_TIMEOUT_MS} ms`) : error);
      },
    );
  });
}
