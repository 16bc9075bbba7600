/** Owns the only look at this process's own environment. */
import process from 'node:process';
import type { Config } from './config.js';
import { loadConfig } from './load.js';

/**
 * Reads the configuration from this process's environment.
 *
 * @throws ConfigError with every problem at once
 */
export function loadConfigFromProcess(): Config {
  return loadConfig(process.env);
}
