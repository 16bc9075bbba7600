// What an identity was answered before is answered again without asking, and only that.

import { expect, it } from 'vitest';
import { useStages } from './stage.js';

const stage = useStages();

const namespaces = (user: string): string => `* NAMESPACE (("${user}." ".")) NIL NIL`;

it('answers NAMESPACE to later sessions of the same credentials as the server answered the first', async () => {
  const s = await stage();
  s.upstream.on('NAMESPACE', (command, connection) => {
    connection.send(`${namespaces(connection.user ?? '')}\r\n${command.tag} OK [X] done for this one\r\n`);
  });
  for (const user of ['alice', 'bob', 'alice', 'bob']) {
    const client = await s.logIn(user);
    const { untagged, status, text } = await client.command('NAMESPACE');
    expect([...untagged, status, text]).toEqual([namespaces(user), 'OK', '[X] done for this one']);
    await s.leave(client);
  }
  expect(s.count('NAMESPACE')).toBe(2);
});

it('asks again after a refusal, and after ENABLE, which may change the answer', async () => {
  const s = await stage();
  let answers = 0;
  s.upstream.on('NAMESPACE', (command, connection) => {
    answers += 1;
    if (answers === 1) connection.send(`${command.tag} NO not now\r\n`);
    else connection.send(`${namespaces(`n${String(answers)}`)}\r\n${command.tag} OK done\r\n`);
  });
  const client = await s.logIn('alice');
  expect((await client.command('NAMESPACE')).status).toBe('NO');
  expect((await client.command('NAMESPACE')).untagged).toEqual([namespaces('n2')]);
  expect((await client.command('NAMESPACE')).untagged).toEqual([namespaces('n2')]);
  await client.command('ENABLE UTF8=ACCEPT');
  expect((await client.command('NAMESPACE')).untagged).toEqual([namespaces('n3')]);
  await s.leave(client);
  const next = await s.logIn('alice');
  expect((await next.command('NAMESPACE')).untagged).toEqual([namespaces('n2')]);
});

it('keeps the order of a pipeline', async () => {
  const s = await stage();
  const first = await s.logIn('alice');
  await first.command('NAMESPACE');
  await first.send('a NOOP\r\nb NAMESPACE\r\nc NOOP\r\n');
  const tags: string[] = [];
  while (tags.length < 3) {
    const line = await first.readLine();
    if (!line.startsWith('*')) tags.push(line.slice(0, 1));
  }
  expect(tags).toEqual(['a', 'b', 'c']);
});
