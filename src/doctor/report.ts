/** Owns what the doctor prints: one line for each thing it looked at, and the verdict at the end. */

/** `ok` and `note` are facts; a `warning` costs something; a `problem` makes logins fail. */
export type Mark = 'ok' | 'note' | 'warning' | 'problem';

/** Exit codes of `--check`; a configuration that can't be used ends it like a start, before anything is reported. */
export const EXIT = Object.freeze({ fine: 0, problems: 1 });
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

const MARK_WIDTH = 'PROBLEM'.length + 2;

export class Report {
  readonly #print: (line: string) => void;
  #problems = 0;
  #warnings = 0;

  /** @param print - takes one line, without its line end */
  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  ok(topic: string, text: string): void {
    this.#line('ok', topic, text);
  }

  note(topic: string, text: string): void {
    this.#line('note', topic, text);
  }

  warn(topic: string, text: string): void {
    this.#warnings += 1;
    this.#line('warning', topic, text);
  }

  /** Something because of which logins fail; the text says what to do. */
  problem(topic: string, text: string): void {
    this.#problems += 1;
    this.#line('PROBLEM', topic, text);
  }

  /** Prints the summary. To be called once, at the end. */
  finish(): ExitCode {
    const warnings = this.#warnings === 0 ? '' : `, ${counted(this.#warnings, 'warning')}`;
    this.#print('');
    if (this.#problems === 0) {
      this.#print(`Fine: nothing here makes logins fail${warnings}.`);
      return EXIT.fine;
    }
    const verb = this.#problems === 1 ? 'makes' : 'make';
    this.#print(`Not fine: ${counted(this.#problems, 'problem')} ${verb} logins fail${warnings}.`);
    return EXIT.problems;
  }

  #line(mark: string, topic: string, text: string): void {
    this.#print(`${mark.padEnd(MARK_WIDTH)}${oneLine(topic)}: ${oneLine(text)}`);
  }
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** Servers and certificates are quoted: none of their bytes may move the cursor of a terminal or begin a line. */
function oneLine(text: string): string {
  return text
    .replace(/[\t\r\n]+/g, ' ')
    .replace(/\p{C}/gu, '?')
    .trim();
}
