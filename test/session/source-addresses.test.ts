// Connections that leave from several local addresses, one of which can't be used.

import { describe, expect, it } from 'vitest';
import { useStages } from './stage.js';
import type { Stage } from './stage.js';

const stage = useStages();

const NOT_HERE = '198.51.100.7';
const OTHER_FAMILY = '::1';
const FAILED = 'a source address can not be used, the others serve';

async function loginsOf(s: Stage, users: readonly string[]): Promise<string[]> {
  const answers: string[] = [];
  for (const user of users) {
    const client = await s.connect();
    const { status, text } = await client.command(`LOGIN ${user} secret`);
    answers.push(status === 'OK' ? status : text);
  }
  return answers;
}

function sourcesOf(s: Stage): (string | undefined)[] {
  return s.upstream.loginAttempts.map(({ connection }) => connection.socket.remoteAddress);
}

describe('a source address', () => {
  it('is the one with the fewest connections', async () => {
    const s = await stage({ environment: { UPSTREAM_SOURCE_ADDRESSES: '127.0.0.2,127.0.0.3' } });
    await s.lease('alice');
    await s.lease('bob');
    expect(new Set(sourcesOf(s))).toEqual(new Set(['127.0.0.2', '127.0.0.3']));
  });

  it.each([
    ['that is not of this machine', NOT_HERE, `${NOT_HERE},127.0.0.2`],
    ['that is not of this machine, behind one that is,', NOT_HERE, `127.0.0.2,${NOT_HERE}`],
    ['of another family than the server’s', OTHER_FAMILY, `${OTHER_FAMILY},127.0.0.2`],
  ])('%s holds nobody up, and is told of once', async (_which, address, list) => {
    const s = await stage({ environment: { UPSTREAM_SOURCE_ADDRESSES: list } });
    expect(await loginsOf(s, ['alice', 'bob', 'alice'])).toEqual(['OK', 'OK', 'OK']);
    expect(new Set(sourcesOf(s))).toEqual(new Set(['127.0.0.2']));
    expect(s.logged(FAILED)).toBe(1);
    expect(s.proxy.logLines.find(({ msg }) => msg === FAILED)).toMatchObject({ level: 'warn', address });
    expect(s.logged('upstream connection failed')).toBe(0);
    expect(s.logged('ports towards the upstream are running short')).toBe(0);
  });

  it('that the server does not take is not the next one’s, too, though it has the fewest connections', async () => {
    const s = await stage({ environment: { UPSTREAM_SOURCE_ADDRESSES: '127.0.0.2,127.0.0.3' } });
    const ready = '* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready';
    s.upstream.script.greeting = ({ socket }) =>
      Promise.resolve(socket.remoteAddress === '127.0.0.2' ? '* BYE not from there' : ready);
    const answers = await loginsOf(s, ['alice', 'bob', 'user1', 'user2', 'user3']);
    expect(answers.filter((answer) => answer !== 'OK').length).toBeLessThanOrEqual(1);
    expect(new Set(sourcesOf(s))).toEqual(new Set(['127.0.0.3']));
    expect(s.logged(FAILED)).toBe(0);
  });

  it('of which none can be used is the reason of a refusal', async () => {
    const s = await stage({ environment: { UPSTREAM_SOURCE_ADDRESSES: `${OTHER_FAMILY},2001:db8::7` } });
    expect(await loginsOf(s, ['alice', 'bob'])).toEqual([
      '[UNAVAILABLE] The mail server can not be reached; try again later',
      '[UNAVAILABLE] The mail server can not be reached; try again later',
    ]);
    expect(s.attempts).toBe(0);
    expect(await s.metric('ephemeral_ports_used', { state: 'open' })).toBe(0);
  });
});
