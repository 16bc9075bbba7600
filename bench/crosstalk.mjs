// Random clients of many users at once, random deaths on both sides: no byte may cross over, nothing may be lost or doubled.
//
//   node bench/crosstalk.mjs [--seconds 60] [--clients 200] [--users 20] [--seed n] [--no-kills] [--main dist/main.js]
//
// --seed n     the sessions and the deaths that are drawn; their timing is the machine's
// --no-kills   only clients die
// Exit code 1 if anything is wrong.

import '../scripts/typescript-loader.mjs';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { startProxy } from './support/proxy-process.mjs';

const { startDovecot } = await import('../test/support/dovecot.js');
const { pickFreePorts } = await import('../test/support/dovecot/ports.js');
const { pollUntil } = await import('../test/support/dovecot/process-table.js');
const { crosstalkSettings, leftovers } = await import('../test/support/crosstalk/crosstalk-proxy.js');
const { KillingRelay } = await import('../test/support/crosstalk/killing-relay.js');
const { prepareMailboxes, runCrosstalk } = await import('../test/support/crosstalk/crosstalk.js');

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    clients: { type: 'string', default: '200' },
    users: { type: 'string', default: '20' },
    seed: { type: 'string', default: String(process.pid) },
    'no-kills': { type: 'boolean', default: false },
    main: { type: 'string', default: 'dist/main.js' },
  },
});

const users = Number(values.users);
/** @type {(() => Promise<void>)[]} */
const ends = [];
const faults = [];
try {
  const dovecot = await startDovecot({ messagesPerUser: 0 });
  ends.push(() => dovecot.stop());
  await prepareMailboxes(dovecot, users);
  const relay = await KillingRelay.start(dovecot);
  ends.push(() => relay.stop());
  const [port = 0, adminPort = 0] = await pickFreePorts(2);
  const proxy = await startProxy(
    adminPort,
    {
      ...crosstalkSettings,
      UPSTREAM_HOST: '127.0.0.1',
      UPSTREAM_PORT: String(relay.port),
      UPSTREAM_TLS: 'off',
      LISTEN: `imap://127.0.0.1:${port}`,
      ADMIN_LISTEN: `127.0.0.1:${adminPort}`,
    },
    [values.main],
  );
  ends.push(proxy.stop);

  console.log(`${values.clients} clients of ${users} users for ${values.seconds} s, seed ${values.seed}`);
  const run = runCrosstalk({
    dovecot,
    relay,
    port,
    users,
    clients: Number(values.clients),
    seconds: Number(values.seconds),
    seed: Number(values.seed),
    hasKills: !values['no-kills'],
  });
  const { faults: found, ...figures } = await Promise.race([run, proxy.failed]);
  faults.push(...found);

  /** @type {(name: string, labels?: Readonly<Record<string, string>>) => Promise<number>} */
  const metric = (name, labels = {}) => {
    const [label = ''] = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
    return proxy.metric(name, label);
  };
  const [leases, reuses, opened] = await Promise.all(
    ['leases_total', 'lease_reuses_total', 'upstream_connections_opened_total'].map((name) =>
      metric(`imapbouncer_${name}`),
    ),
  );
  console.log({ ...figures, leases, reuses, opened });
  /** @type {string[]} */
  let left = [];
  const isEmpty = async () => (left = await leftovers(metric, relay)).length === 0;
  await pollUntil(isEmpty, 'nothing to be left', 30_000).catch(() => faults.push(...left));
  await proxy.stop();
  await pollUntil(async () => relay.open === 0, 'the end of all connections').catch(() =>
    faults.push(`${relay.open} connections outlive the proxy`),
  );
} finally {
  for (const end of ends.reverse()) await end();
}

console.log(faults.length === 0 ? 'nothing is wrong' : faults.slice(0, 50).join('\n'));
if (faults.length > 50) console.log(`and ${faults.length - 50} more`);
process.exitCode = faults.length === 0 ? 0 : 1;
