import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readCapabilities } from '../../src/wire/capability.js';
import {
  capabilityLine,
  chunkSizes,
  garbage,
  responseStream,
  responses,
  taggedReply,
} from '../support/arbitrary-streams.js';
import { bytesOf, cutInto } from '../support/chunks.js';
import { recordResponses } from '../support/response-recorder.js';

/** More than any stream has replies for, so that few are desynced. */
const sent = ['a', 'b', 'A1', 'x.y', '[CAP'].flatMap((tag) => Array.from({ length: 8 }, () => ({ tag })));

/** What must not depend on the chunks once everything is read: held bytes of an unfinished line are left out. */
function outcome(chunks: readonly Buffer[]): unknown {
  const { facts, outstanding, selected } = recordResponses(chunks, sent);
  return { facts, outstanding, selected };
}

describe('any chunking', () => {
  test.each([
    ['responses', responseStream],
    ['garbage', garbage],
  ])('of %s gives the same facts', (_what, stream) => {
    fc.assert(
      fc.property(stream, chunkSizes, (bytes, sizes) => {
        expect(outcome(cutInto(bytes, sizes))).toEqual(outcome([bytes]));
      }),
      { numRuns: 1_000 },
    );
  });

  test.each([
    ['responses', responseStream],
    ['garbage', garbage],
  ])('of %s forwards the same bytes, but for what is held of an unfinished line', (_what, stream) => {
    fc.assert(
      fc.property(stream, chunkSizes, (bytes, sizes) => {
        // The line end makes the last line whole, unless it ends in a literal that never came.
        const stream = Buffer.concat([bytes, bytesOf('\r\n')]);
        const whole = recordResponses([stream], sent).forwarded;
        expect(recordResponses(cutInto(stream, sizes), sent).forwarded).toBe(whole);
      }),
      { numRuns: 1_000 },
    );
  });

  test.each([
    ['responses', responseStream],
    ['garbage', garbage],
  ])('of %s hands over the same lines', (_what, stream) => {
    fc.assert(
      fc.property(stream, chunkSizes, (bytes, sizes) => {
        expect(recordResponses(cutInto(bytes, sizes), sent).lines).toEqual(
          recordResponses([bytes], sent).lines,
        );
      }),
      { numRuns: 500 },
    );
  });
});

describe('what is forwarded', () => {
  test('is what came, where there are no capability lines and nothing is wrong', () => {
    fc.assert(
      fc.property(
        responses,
        fc.array(taggedReply, { maxLength: 3 }),
        chunkSizes,
        (untagged, tagged, sizes) => {
          const text = [...untagged, ...tagged].join('');
          const { facts, forwarded, isAtBoundary } = recordResponses(cutInto(bytesOf(text), sizes), sent);
          expect(facts).not.toContain('desynced');
          expect(forwarded).toBe(text);
          expect(isAtBoundary).toBe(true);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test('of a capability line lacks only what no client may see', () => {
    fc.assert(
      fc.property(capabilityLine, responses, chunkSizes, (line, others, sizes) => {
        const others_ = others.join('');
        const { forwarded } = recordResponses(cutInto(bytesOf(line + others_), sizes), sent);
        expect(forwarded.endsWith(others_)).toBe(true);
        const filtered = forwarded.slice(0, forwarded.length - others_.length);
        expect(filtered).toBe(line.replaceAll(/ (?:STARTTLS|AUTH=PLAIN|COMPRESS=DEFLATE)(?=[ \]\r])/g, ''));
        expect(readCapabilities(filtered)?.names).toEqual(readCapabilities(line)?.forClients);
      }),
      { numRuns: 500 },
    );
  });

  test('is never more than what came, and nothing throws', () => {
    fc.assert(
      fc.property(garbage, chunkSizes, (bytes, sizes) => {
        const { forwarded } = recordResponses(cutInto(bytes, sizes));
        expect(forwarded.length).toBeLessThanOrEqual(bytes.length);
      }),
      { numRuns: 1_000 },
    );
  });
});
