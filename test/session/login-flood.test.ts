// A client before its login that sends as fast as it can: the others are served in between.

import { expect, it } from 'vitest';
import { useStages } from './stage.js';

const stage = useStages();

const COUNT = 5_000;

it.each([
  ['NOOP', 'a NOOP\r\n', /^a OK /gm],
  ['a bad command', 'a\r\n', /^(?:a|\*) BAD /gm],
])('a packet with thousands of %s does not hold up who comes behind it', async (_what, line, reply) => {
  const s = await stage();
  const [flooder, other] = [await s.connect(), await s.connect()];
  const repliesToFlooder = (): number => flooder.received.toString('latin1').match(reply)?.length ?? 0;
  // Both are in the kernel before the proxy looks for either.
  const sent = Promise.all([flooder.send(`${line.repeat(COUNT)}z NOOP\r\n`), other.send('b NOOP\r\n')]);
  await other.waitFor(/b OK .*\r\n/);
  expect(repliesToFlooder()).toBeLessThan(COUNT / 4);
  await sent;
  await flooder.waitFor(/^z OK .*\r\n$/m);
  expect(repliesToFlooder()).toBe(COUNT);
});
