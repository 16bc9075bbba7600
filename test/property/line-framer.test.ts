import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HEAD_BYTES, LineFramer, TAIL_BYTES } from '../../src/wire/line-framer.js';
import { readCommandLiteral, readResponseLiteral } from '../../src/wire/literal.js';
import type { MarkerResult } from '../../src/wire/literal.js';
import { chunkSizes, commandStream, garbage, responseStream } from '../support/arbitrary-streams.js';
import { cutInto } from '../support/chunks.js';

type ReadMarker = (buffer: Buffer, start: number, end: number) => MarkerResult;

interface Framed {
  /** Each whole line and literal, in order; what came of an unfinished one, at the end. */
  readonly units: readonly string[];
  readonly pending: string;
}

/** Splits the chunks with a reader that opens every literal; also checks what a segment promises. */
function frame(chunks: readonly Buffer[], readMarker: ReadMarker): Framed {
  const framer = new LineFramer();
  const units: string[] = [];
  let line = '';
  let literal = '';
  for (const chunk of chunks) {
    framer.push(Buffer.from(chunk));
    while (framer.next()) {
      const { buffer, start, end, kind } = framer;
      const text = buffer.toString('latin1', start, end);
      expect(end).toBeGreaterThan(start);
      if (kind === 'literal') {
        literal += text;
        if (framer.literalRemaining > 0) continue;
        units.push(`literal ${literal}`);
        literal = '';
        continue;
      }
      expect(framer.isLineStart).toBe(line === '');
      if (framer.isLineStart && kind === 'part') expect(buffer.length - start).toBeGreaterThan(HEAD_BYTES);
      if (!framer.isLineStart && kind === 'line') expect(end - start).toBeGreaterThan(TAIL_BYTES);
      line += text;
      if (kind === 'part') continue;
      units.push(`line ${line}`);
      line = '';
      const marker = readMarker(buffer, start, end);
      if (typeof marker === 'object') framer.openLiteral(marker.size);
    }
  }
  const pending = framer.buffer.toString('latin1', framer.offset);
  return { units, pending: line + literal + pending };
}

test.each([
  ['commands', commandStream, readCommandLiteral],
  ['responses', responseStream, readResponseLiteral],
  ['garbage, read as commands', garbage, readCommandLiteral],
  ['garbage, read as responses', garbage, readResponseLiteral],
])(
  'any chunking of %s gives the same lines and literals, and all of the bytes',
  (_what, stream, readMarker) => {
    fc.assert(
      fc.property(stream, chunkSizes, (bytes, sizes) => {
        const whole = frame([bytes], readMarker);
        expect(frame(cutInto(bytes, sizes), readMarker)).toEqual(whole);
        const all = whole.units.map((unit) => unit.slice(unit.indexOf(' ') + 1)).join('') + whole.pending;
        expect(all).toBe(bytes.toString('latin1'));
      }),
      { numRuns: 500 },
    );
  },
);

test('any chunking of a long line reads the marker at its end in the same way', () => {
  const mark = fc
    .tuple(
      fc.constantFrom(' ', '', '(', '~', ' ~'),
      fc.oneof(
        fc.stringMatching(/^\d{0,24}$/),
        fc.integer({ min: 0, max: 24 }).map((zeros) => `${'0'.repeat(zeros)}7`),
      ),
      fc.constantFrom('', '+'),
    )
    .map(([lead, digits, plus]) => `${lead}{${digits}${plus}}`);
  fc.assert(
    fc.property(mark, fc.integer({ min: 100, max: 200 }), chunkSizes, (marker, size, sizes) => {
      for (const readMarker of [readCommandLiteral, readResponseLiteral]) {
        const line = Buffer.from(`${'x'.repeat(size)}${marker}\r\n`, 'latin1');
        const results = [[line], cutInto(line, sizes)].map((chunks) => {
          const found: MarkerResult[] = [];
          frame(chunks, (buffer, start, end) => {
            found.push(readMarker(buffer, start, end));
            return undefined;
          });
          return found;
        });
        expect(results[1]).toEqual(results[0]);
      }
    }),
    { numRuns: 2_000 },
  );
});

test('a segment that was given back is found again, and nothing is lost', () => {
  fc.assert(
    fc.property(
      commandStream,
      chunkSizes,
      fc.array(fc.boolean(), { minLength: 1 }),
      (bytes, sizes, returns) => {
        const framer = new LineFramer();
        let turn = 0;
        let all = '';
        for (const chunk of cutInto(bytes, sizes)) {
          framer.push(Buffer.from(chunk));
          while (framer.next()) {
            const text = framer.buffer.toString('latin1', framer.start, framer.end);
            const { kind, isLineStart } = framer;
            if (returns[turn++ % returns.length] === true) {
              framer.unread();
              expect(framer.next()).toBe(true);
              expect(framer.buffer.toString('latin1', framer.start, framer.end)).toBe(text);
              expect([framer.kind, framer.isLineStart]).toEqual([kind, isLineStart]);
            }
            all += text;
            if (kind !== 'line') continue;
            const marker = readCommandLiteral(framer.buffer, framer.start, framer.end);
            if (typeof marker === 'object') framer.openLiteral(marker.size);
          }
        }
        expect(all + framer.buffer.toString('latin1', framer.offset)).toBe(bytes.toString('latin1'));
      },
    ),
  );
});
