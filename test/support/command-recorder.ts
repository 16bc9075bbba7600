// Feeds bytes to a command collector and keeps what it made of them.

import { CommandCollector } from '../../src/downstream/command-collector.js';
import { LineFramer } from '../../src/wire/line-framer.js';
import { bytesOf } from './chunks.js';

/**
 * What the collector makes of the chunks, in order: `command a LOGIN <alice> <secret>` with literals in angle
 * brackets, `continue`, `refused` with its line, or `fatal`, which ends it.
 */
export function recordCommands(chunks: readonly (Buffer | string)[]): string[] {
  const framer = new LineFramer();
  const collector = new CommandCollector(framer);
  const events: string[] = [];
  for (const chunk of chunks) {
    framer.push(typeof chunk === 'string' ? bytesOf(chunk) : Buffer.from(chunk));
    for (let isMore = false; !isMore;) {
      const collected = collector.next();
      switch (collected.kind) {
        case 'more':
          isMore = true;
          break;
        case 'continue':
          events.push('continue');
          break;
        case 'refused':
          events.push(`refused ${collected.line.toString('latin1')}`);
          break;
        case 'fatal':
          events.push('fatal');
          return events;
        case 'command': {
          const { lines, literals } = collected.command;
          const parts = lines.flatMap((line, at) => {
            const literal = literals[at];
            const text = line.toString('latin1');
            return literal === undefined ? [text] : [text, `<${literal.toString('latin1')}>`];
          });
          events.push(`command ${parts.join('')}`);
        }
      }
    }
  }
  return events;
}
