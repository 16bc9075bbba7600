import { it } from 'vitest';
import { startDovecot } from '../support/dovecot.js';
import { RawClient } from '../support/raw-client.js';
it('x', async () => {
  const d = await startDovecot();
  const { client } = await RawClient.connectAndGreet({ port: d.port });
  await client.command('LOGIN alice secret');
  await client.command('CREATE "brace}"');
  console.log(JSON.stringify((await client.command('LIST "" *')).untagged));
  const kinds = ['NOOP','CAPABILITY','UID FETCH 1:* (FLAGS BODY.PEEK[])','STATUS INBOX {8+}\r\n(UIDNEXT)','ID NIL','LIST "" {1+}\r\n*'];
  await client.send(Array.from({ length: 600 }, (_, n) => `p${n} ${n === 0 ? 'SELECT INBOX' : kinds[n % 6]!}\r\n`).join(''));
  const text = await client.waitFor(/^[^]*p599 \S+ .*\r\n/, 20_000);
  console.log([...text.matchAll(/^p(\d+) (OK|NO|BAD)/gm)].map((m) => m[1]).slice(0, 60).join(' '));
  client.destroy();
  await d.stop();
});
