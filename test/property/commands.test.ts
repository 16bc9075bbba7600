import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ArgumentReader } from '../../src/wire/argument-reader.js';
import { readCommandHead, readTag } from '../../src/wire/command-head.js';
import { HEAD_BYTES, LineFramer } from '../../src/wire/line-framer.js';
import { chunkSizes, commandStream, garbage } from '../support/arbitrary-streams.js';
import { cutInto } from '../support/chunks.js';
import { recordCommands } from '../support/command-recorder.js';

test.each([
  ['commands', commandStream],
  ['garbage', garbage],
])('any chunking of %s is collected into the same commands', (_what, stream) => {
  fc.assert(
    fc.property(stream, chunkSizes, (bytes, sizes) => {
      expect(recordCommands(cutInto(bytes, sizes))).toEqual(recordCommands([bytes]));
    }),
    { numRuns: 1_000 },
  );
});

test.each([
  ['commands', commandStream],
  ['garbage', garbage],
])('any chunking of %s gives the same heads', (_what, stream) => {
  const headsOf = (chunks: readonly Buffer[]): unknown[] => {
    const framer = new LineFramer();
    const heads: unknown[] = [];
    for (const chunk of chunks) {
      framer.push(Buffer.from(chunk));
      while (framer.next()) {
        if (!framer.isLineStart) continue;
        const end = framer.kind === 'line' ? framer.end : framer.buffer.length;
        const head = readCommandHead(framer.buffer, framer.start, end);
        heads.push([head?.tag, head?.row.verb, readTag(framer.buffer, framer.start, end)]);
      }
    }
    return heads;
  };
  fc.assert(
    fc.property(stream, chunkSizes, (bytes, sizes) => {
      const ended = Buffer.concat([bytes, Buffer.from('\r\n')]);
      expect(headsOf(cutInto(ended, sizes))).toEqual(headsOf([ended]));
    }),
    { numRuns: 500 },
  );
});

test('a head is decided by the first bytes of its line alone', () => {
  fc.assert(
    fc.property(garbage, garbage, (begin, rest) => {
      const head = Buffer.concat([begin, Buffer.alloc(HEAD_BYTES, 'x')]).subarray(0, HEAD_BYTES);
      const longer = Buffer.concat([head, rest]);
      expect(readCommandHead(longer, 0, longer.length)).toEqual(readCommandHead(head, 0, head.length));
    }),
  );
});

test('the reader of arguments never throws, and always ends', () => {
  fc.assert(
    fc.property(fc.array(garbage, { minLength: 1, maxLength: 4 }), (lines) => {
      const reader = new ArgumentReader({ lines, literals: lines.slice(1) }, 0);
      const total = lines.reduce((sum, line) => sum + line.length + 1, 0);
      let steps = 0;
      while (reader.astring() !== undefined || reader.space()) expect(++steps).toBeLessThanOrEqual(2 * total);
    }),
  );
});
