// How addresses are written in the labels of metrics.

import { expect, it } from 'vitest';
import { startProxy } from '../support/proxy.js';

it('puts IPv6 addresses into brackets, as LISTEN has them', async () => {
  const proxy = await startProxy({ host: '::1', port: 1 }, { LISTEN: 'imap://[::]:0' });
  try {
    const accepted = await proxy.metric('imapbouncer_client_connections_accepted_total', {
      listener: 'imap://[::]:0',
    });
    expect(accepted).toBe(0);
    expect(await proxy.metric('imapbouncer_leases_total', { upstream: '[::1]:1' })).toBe(0);
    expect(proxy.app.listeners[0]?.address).toBe(`[::]:${String(proxy.port)}`);
  } finally {
    await proxy.stop();
  }
});
