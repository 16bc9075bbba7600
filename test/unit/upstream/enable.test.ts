import { afterEach, describe, expect, test, vi } from 'vitest';
import { enable } from '../../../src/upstream/enable.js';
import type { EnableReply } from '../../../src/wire/enable.js';
import { MemoryServer } from '../../support/memory-server.js';
import type { MemorySession } from '../../support/memory-server.js';
import { settled, stateOf } from '../../support/pool-fixture.js';

const TIMEOUT_MS = 5_000;

afterEach(() => {
  vi.useRealTimers();
});

/** Runs ENABLE; the server says this to it, where `TAG` stands for the tag. */
async function enabling(
  answer: (session: MemorySession, tag: string) => void,
  prepare: (session: MemorySession) => void = () => undefined,
): Promise<{ session: MemorySession; reply: Promise<EnableReply | undefined> }> {
  const server = new MemoryServer();
  const session = server.sessionOf(server.connect());
  session.onCommand = (tag) => {
    answer(session, tag);
    return true;
  };
  prepare(session);
  await settled();
  return { session, reply: enable(session.connection, 'CONDSTORE X', TIMEOUT_MS) };
}

function says(text: string): (session: MemorySession, tag: string) => void {
  return (session, tag) => {
    session.send(text.replaceAll('TAG', tag));
  };
}

function textOf(reply: EnableReply | undefined): [untagged: string, tagged: string] | undefined {
  return reply === undefined
    ? undefined
    : [reply.untagged.toString('latin1'), reply.tagged.toString('latin1')];
}

describe('ENABLE of our own', () => {
  test.each([
    ['* ENABLED CONDSTORE\r\nTAG OK done\r\n', ['* ENABLED CONDSTORE\r\n', ' OK done\r\n']],
    ['TAG OK\r\n', ['', ' OK\r\n']],
    [
      '* enabled  x\r\n* 3 EXISTS\r\n* ENABLED\r\nTAG ok y\r\n',
      ['* enabled  x\r\n* ENABLED\r\n', ' ok y\r\n'],
    ],
    [
      '* ENABLED X\r\nTAG OK [CAPABILITY IMAP4rev1 STARTTLS X COMPRESS=DEFLATE] z\r\n',
      ['* ENABLED X\r\n', ' OK [CAPABILITY IMAP4rev1 X] z\r\n'],
    ],
  ])('gives the server’s words without the tag: %j', async (text, expected) => {
    const { session, reply } = await enabling(says(text));
    expect(textOf(await reply)).toEqual(expected);
    expect(session.lines).toHaveLength(1);
    expect(session.lines[0]).toMatch(/^P[0-9a-f-]{36} ENABLE CONDSTORE X$/);
    expect(session.connection.isUsable).toBe(true);
  });

  test('leaves the connection to nobody: what is said later is no answer', async () => {
    const { session, reply } = await enabling(says('TAG OK\r\n'));
    expect(await reply).toBeDefined();
    session.send('* ENABLED Y\r\n');
    await settled();
    expect(session.connection.isOver).toBe(true);
  });

  test.each([
    ['NO', says('TAG NO [X] no\r\n')],
    ['BAD', says('* ENABLED X\r\nTAG BAD what\r\n')],
    ['a continuation', says('+ more\r\n')],
    ['a tag that nobody sent', says('x OK\r\n')],
    ['a line of no grammar', says('huh\r\n')],
    ['an end', (session: MemorySession): void => session.end()],
    ['a break', (session: MemorySession): void => session.break()],
    [
      'BYE and an end',
      (session: MemorySession): void => {
        session.send('* BYE enough\r\n');
        session.end();
      },
    ],
  ])('gives nothing after %s', async (_name, answer) => {
    const { reply } = await enabling(answer);
    expect(await reply).toBeUndefined();
  });

  test('gives nothing at once after BYE: what is enabled then is of no use', async () => {
    const { reply } = await enabling(says('* BYE enough\r\n'));
    await settled();
    expect(await stateOf(reply)).toBe('resolved');
    expect(await reply).toBeUndefined();
  });

  test('gives nothing if the server takes too long', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { reply } = await enabling(() => undefined);
    await settled();
    vi.advanceTimersByTime(TIMEOUT_MS - 1);
    expect(await stateOf(reply)).toBe('pending');
    vi.advanceTimersByTime(1);
    expect(await reply).toBeUndefined();
  });

  test.each([
    ['that is gone', (session: MemorySession): void => session.break()],
    ['that said BYE', (session: MemorySession): void => session.send('* BYE\r\n')],
    ['that stopped inside a line', (session: MemorySession): void => session.send('* LIST ()')],
  ])('sends nothing on a connection %s', async (_name, prepare) => {
    const { session, reply } = await enabling(says('TAG OK\r\n'), prepare);
    expect(await reply).toBeUndefined();
    expect(session.lines.filter((line) => line.includes('ENABLE'))).toEqual([]);
    session.break();
  });
});
