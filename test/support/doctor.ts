// Runs the doctor in this process, configured as a user would.

import { Readable } from 'node:stream';
import { loadConfig } from '../../src/config/load.js';
import { checkCommand } from '../../src/doctor/command.js';

export interface Diagnosis {
  readonly code: number;
  /** As printed, line by line. */
  readonly lines: readonly string[];
  /** The lines about a topic, without the topic: `ok: …`, `note: …`, `warning: …` or `PROBLEM: …`. */
  about(topic: string): string[];
  /** The lines with this mark. */
  marked(mark: 'ok' | 'note' | 'warning' | 'PROBLEM'): string[];
}

export interface DiagnoseOptions {
  /** Over the defaults of tests: plain text to the upstream, free ports. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  /** On standard input; the diagnosis fails if it is in the output, in any of its forms. */
  readonly password?: string | Buffer;
}

/** @param target - where the server is, or is said to be */
export async function diagnose(
  target: { readonly host: string; readonly port: number },
  { environment = {}, args = [], password }: DiagnoseOptions = {},
): Promise<Diagnosis> {
  const lines: string[] = [];
  const code = await checkCommand({
    args,
    loadConfig: () =>
      loadConfig({
        UPSTREAM_HOST: target.host,
        UPSTREAM_PORT: String(target.port),
        UPSTREAM_TLS: 'off',
        LISTEN: 'imap://127.0.0.1:0',
        ADMIN_LISTEN: '127.0.0.1:0',
        ...environment,
      }),
    input: Readable.from(password === undefined ? [] : [Buffer.from(password)]),
    print: (line) => lines.push(line),
  });
  const text = lines.join('\n');
  for (const form of password === undefined ? [] : formsOf(password)) {
    if (text.includes(form)) throw new Error(`the doctor printed the password as ${form}`);
  }
  return {
    code,
    lines,
    about: (topic) =>
      lines.flatMap((line) => {
        const [, mark = '', about, words = ''] = /^(\S+) +([^:]+): (.*)$/.exec(line) ?? [];
        return about === topic ? [`${mark}: ${words}`] : [];
      }),
    marked: (mark) => lines.filter((line) => line.startsWith(`${mark} `)),
  };
}

function formsOf(password: string | Buffer): string[] {
  const bytes = Buffer.from(password);
  return [...new Set([bytes.toString('latin1'), bytes.toString('utf8'), bytes.toString('base64')])];
}
