// @ts-check
// Owns a relay in front of Dovecot: one that never closes first, or one that makes the server distant.
//
// Its one argument is { address, port, upstreamPort, isPatient, delayMs } as JSON; it tells its parent when it listens.

import { connect, createServer } from 'node:net';
import process from 'node:process';

const { address, port, upstreamPort, isPatient, delayMs } = JSON.parse(process.argv[2] ?? '');

const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  const upstream = connect({ host: '127.0.0.1', port: upstreamPort, noDelay: true, allowHalfOpen: true });
  client.on('data', (chunk) => later(() => upstream.write(chunk)));
  client.on('end', () => {
    later(() => upstream.end());
    client.end();
  });
  upstream.on('data', (chunk) => later(() => client.write(chunk)));
  upstream.on('end', () => {
    if (!isPatient) later(() => client.end());
  });
  client.on('close', () => upstream.destroy());
  // `close` follows; a session that breaks shows in the load's figures.
  client.on('error', () => upstream.destroy());
  upstream.on('error', () => client.destroy());
});
server.listen({ port, host: address, backlog: 511 }, () => process.send?.({ isListening: true }));
process.once('disconnect', () => process.exit());

/**
 * Half a round trip later; timers of one length keep their order.
 *
 * @param {() => void} pass
 */
function later(pass) {
  if (delayMs === 0) pass();
  else setTimeout(pass, delayMs);
}
