// Two hundred clients of twenty users whose sessions, and their server's, die at random: no byte crosses over, nothing is lost.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { KillingRelay } from '../support/crosstalk/killing-relay.js';
import { prepareMailboxes, runCrosstalk } from '../support/crosstalk/crosstalk.js';
import { describeWithDovecot } from '../support/describe-with-dovecot.js';
import { pollUntil } from '../support/dovecot/process-table.js';
import { type Dovecot, startDovecot } from '../support/dovecot.js';
import { useStage } from '../support/stage.js';
import { crosstalkSettings, leftovers } from '../support/crosstalk/crosstalk-proxy.js';

const users = 20;

describeWithDovecot('among random clients of many users', () => {
  const stage = useStage();
  let dovecot: Dovecot;
  let relay: KillingRelay;

  beforeAll(async () => {
    dovecot = await startDovecot({ messagesPerUser: 0 });
    await prepareMailboxes(dovecot, users);
    relay = await KillingRelay.start(dovecot);
  }, 30_000);

  afterAll(async () => {
    await relay.stop();
    await dovecot.stop();
  });

  it.each([
    { title: 'as long as the server lives', hasKills: false, clients: 100, seconds: 4, seed: 1 },
    {
      title: 'and while connections of the server are killed',
      hasKills: true,
      clients: 200,
      seconds: 8,
      seed: 2,
    },
  ])(
    'nothing is mixed up, lost or doubled $title',
    { timeout: 60_000 },
    async ({ hasKills, clients, seconds, seed }) => {
      const proxy = await stage.proxy({ host: '127.0.0.1', port: relay.port }, crosstalkSettings);
      const result = await runCrosstalk({
        dovecot,
        relay,
        port: proxy.port,
        users,
        clients,
        seconds,
        seed,
        hasKills,
      });
      expect(result.faults.slice(0, 20)).toEqual([]);
      await proxy.until(
        async () => (await leftovers((name, labels) => proxy.metric(name, labels), relay)).length === 0,
        'nothing to be left',
        20_000,
      );
      // The checks have had something to check.
      for (const end of ['logout', 'half-close', 'death'] as const)
        expect(result.ends[end], end).toBeGreaterThan(5);
      expect(result.ends.lost > 0).toBe(hasKills);
      expect(result.appends.stored).toBeGreaterThan(20);
      expect(await proxy.metric('imapbouncer_lease_reuses_total')).toBeGreaterThan(result.sessions / 5);
      await proxy.stop();
      await pollUntil(async () => relay.open === 0, 'the end of all connections');
    },
  );
});
