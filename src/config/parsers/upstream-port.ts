/** Owns the upstream's port, whose name Kubernetes claims too. */
import { BadValue } from '../bad-value.js';
import { integer } from './integer.js';

const port = integer({ min: 1, max: 65_535 });

/**
 * Parses a TCP port.
 *
 * @throws BadValue that explains where `tcp://…` comes from: Kubernetes sets `<SERVICE>_PORT` for every service
 */
export function upstreamPort(text: string): number {
  if (/^(?:tcp|udp|sctp):\/\//.test(text)) {
    throw new BadValue(
      'Kubernetes sets this for a service named "upstream": set UPSTREAM_PORT to a port number in the pod, ' +
        'rename the service, or set enableServiceLinks to false',
    );
  }
  return port(text);
}
