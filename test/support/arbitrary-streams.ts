// Generates byte streams of both directions for property tests: grammatical ones, broken ones, and garbage.

import fc from 'fast-check';
import { bytesOf } from './chunks.js';

const pick = (...texts: string[]): fc.Arbitrary<string> => fc.constantFrom(...texts);
const joined = (...parts: fc.Arbitrary<string>[]): fc.Arbitrary<string> =>
  fc.tuple(...parts).map((texts) => texts.join(''));
const repeated = (part: fc.Arbitrary<string>, maxLength: number): fc.Arbitrary<string> =>
  fc.array(part, { maxLength }).map((texts) => texts.join(''));

const lineEnd = fc.oneof(
  { weight: 9, arbitrary: fc.constant('\r\n') },
  { weight: 1, arbitrary: fc.constant('\n') },
);
/** Bytes that have everything in them that a framer may stumble over. */
const content = fc.oneof(
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
  pick(
    '',
    '\r\n',
    'a OK done\r\n',
    '* BYE\r\n+ x\r\n',
    'x {10}\r\n',
    '* CAPABILITY STARTTLS\r\n',
    '\n\n',
    '{3}',
  ),
  fc.integer({ min: 100, max: 400 }).map((size) => 'm'.repeat(size)),
);
const literal = (kinds: readonly ((size: number) => string)[]): fc.Arbitrary<string> =>
  fc
    .tuple(fc.constantFrom(...kinds), content, lineEnd)
    .map(([mark, text, end]) => `${mark(text.length)}${end}${text}`);
const filler = fc.oneof(
  pick('', ' x', ' "a b"', ' foo}', ' {x', ' (\\Seen $x)'),
  fc.integer({ min: 90, max: 160 }).map((size) => ` ${'w'.repeat(size)}`),
);

const tag = pick('a', 'b', 'A1', 'x.y', '[CAP');
const commandLiteral = literal([
  (size) => `{${size}}`,
  (size) => `{${size}+}`,
  (size) => `~{${size}}`,
  (size) => `~{${size}+}`,
]);
const command = joined(
  tag,
  fc.constant(' '),
  pick('NOOP', 'LOGIN', 'select', 'UID FETCH', 'APPEND', 'XYZZY', 'AUTHENTICATE PLAIN'),
  repeated(
    fc.oneof(filler, joined(fc.constant(' '), commandLiteral), joined(fc.constant(' ('), commandLiteral)),
    4,
  ),
  lineEnd,
);
const brokenCommand = pick(
  '\r\n',
  'a\r\n',
  'a  b\r\n',
  'a LOGIN {05}\r\n',
  'a LOGIN x{3}\r\n',
  'a {99999999999999999999}\r\n',
  'a LOGIN {5000}\r\n',
);

const responseLiteral = literal([(size) => `{${size}}`, (size) => `~{${size}}`]);
const data = joined(
  pick('* 1 FETCH (', '* LIST () "/" ', '* 12 EXISTS', '* X-ODD', '* SEARCH'),
  repeated(fc.oneof(filler, joined(fc.constant(' BODY[]'), responseLiteral)), 4),
  pick('', ')'),
  lineEnd,
);
const statusText = joined(filler, pick('', ' {10}', ' {3+}', ' ~{0}', ' see [CAPABILITY STARTTLS]'));
const status = joined(
  pick('* OK', '* NO', '* BAD', '* PREAUTH', '* BYE', '+', '* ENABLED'),
  statusText,
  lineEnd,
);
const tagged = joined(tag, fc.constant(' '), pick('OK', 'NO', 'BAD', 'ok'), statusText, lineEnd);
const capabilityNames = repeated(
  pick(' IDLE', ' STARTTLS', ' AUTH=PLAIN', ' LITERAL+', ' COMPRESS=DEFLATE', ' X-LONG-CAPABILITY-NAME'),
  12,
);

export const commandStream = fc
  .array(fc.oneof({ weight: 8, arbitrary: command }, { weight: 1, arbitrary: brokenCommand }), {
    maxLength: 6,
  })
  .map((commands) => bytesOf(commands.join('')));

/** Responses without capability lines. */
export const responses = fc.array(fc.oneof(data, status), { maxLength: 6 });
export const taggedReply = tagged;
export const capabilityLine = joined(
  fc.oneof(fc.constant('* CAPABILITY'), pick('* OK [CAPABILITY', '* PREAUTH [CAPABILITY')),
  capabilityNames,
).map((text) => (text.includes('[') ? `${text}] ready\r\n` : `${text}\r\n`));

const brokenResponse = pick(
  '\r\n',
  '*\r\n',
  'hello\r\n',
  '* 1 FETCH (BODY[] {5+}\r\n',
  '* 1 FETCH {99999999999999999999}\r\n',
  `hello ${'w'.repeat(200)}\r\n`,
  `zz OK ${'w'.repeat(200)}\r\n`,
);
export const responseStream = fc
  .array(
    fc.oneof(
      { weight: 8, arbitrary: fc.oneof(data, status, tagged, capabilityLine) },
      { weight: 1, arbitrary: brokenResponse },
    ),
    { maxLength: 8 },
  )
  .map((lines) => bytesOf(lines.join('')));

/** Bytes of a small alphabet, which hit the grammar's corners, and of the whole one. */
export const garbage = fc.oneof(
  fc
    .array(
      pick(
        '*',
        '+',
        ' ',
        '\r',
        '\n',
        '{',
        '}',
        '0',
        '1',
        '12',
        'a',
        'OK',
        '~',
        '[CAPABILITY',
        ']',
        '\0',
        '\xff',
        '"',
      ),
      {
        maxLength: 200,
      },
    )
    .map((texts) => bytesOf(texts.join(''))),
  fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
);

/** Sizes of the chunks that a stream comes in: small ones more often than large ones. */
export const chunkSizes = fc.array(
  fc.oneof(
    fc.integer({ min: 1, max: 4 }),
    fc.integer({ min: 1, max: 60 }),
    fc.integer({ min: 100, max: 200 }),
  ),
  { minLength: 1, maxLength: 12 },
);
