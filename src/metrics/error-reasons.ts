/** Owns how an error becomes the `reason` label of a metric: every error code has a row in every table. */

import type { ErrorCode } from '../errors.js';

export const LOGIN_FAILURE_REASONS = [
  'credentials',
  'unavailable',
  'limit',
  'timeout',
  'throttled',
  'protocol',
] as const;
export type LoginFailureReason = (typeof LOGIN_FAILURE_REASONS)[number];

export const CONNECT_FAILURE_REASONS = [
  'ephemeral_ports',
  'refused',
  'timeout',
  'dns',
  'tls',
  'greeting',
  'credentials',
  'limit',
  'throttled',
  'pressure',
  'network',
] as const;
export type ConnectFailureReason = (typeof CONNECT_FAILURE_REASONS)[number];

export const LEASE_REJECTION_REASONS = ['queue_full', 'paused', 'draining', 'backoff', 'pressure'] as const;
export type LeaseRejectionReason = (typeof LEASE_REJECTION_REASONS)[number];

/** Undefined is not counted: a client that went away has not failed to log in. */
export const LOGIN_FAILURE_REASON: Readonly<Record<ErrorCode, LoginFailureReason | undefined>> = {
  ephemeral_ports: 'unavailable',
  refused: 'unavailable',
  timeout: 'timeout',
  dns: 'unavailable',
  tls: 'unavailable',
  greeting: 'unavailable',
  mechanism: 'protocol',
  credentials: 'credentials',
  limit: 'limit',
  throttled: 'throttled',
  network: 'unavailable',
  lease_timeout: 'timeout',
  queue_full: 'limit',
  draining: 'unavailable',
  pressure: 'unavailable',
  backoff: 'limit',
  upstream_lost: 'unavailable',
  upstream_protocol: 'protocol',
  cancelled: undefined,
};

/** Whatever else ends an attempt to connect is a failure of the network. */
export const CONNECT_FAILURE_REASON: Readonly<Record<ErrorCode, ConnectFailureReason>> = {
  ephemeral_ports: 'ephemeral_ports',
  refused: 'refused',
  timeout: 'timeout',
  dns: 'dns',
  tls: 'tls',
  greeting: 'greeting',
  mechanism: 'greeting',
  credentials: 'credentials',
  limit: 'limit',
  throttled: 'throttled',
  network: 'network',
  lease_timeout: 'network',
  queue_full: 'network',
  draining: 'network',
  pressure: 'pressure',
  backoff: 'limit',
  upstream_lost: 'network',
  upstream_protocol: 'network',
  cancelled: 'network',
};

/**
 * `timeout` is counted as a lease time-out. Undefined is not counted here: no connection could be opened, which the
 * connect failures count, or the client went away.
 */
export const LEASE_REJECTION_REASON: Readonly<
  Record<ErrorCode, LeaseRejectionReason | 'timeout' | undefined>
> = {
  ephemeral_ports: undefined,
  refused: undefined,
  timeout: undefined,
  dns: undefined,
  tls: undefined,
  greeting: undefined,
  mechanism: undefined,
  credentials: undefined,
  limit: undefined,
  throttled: 'timeout',
  network: undefined,
  lease_timeout: 'timeout',
  queue_full: 'queue_full',
  draining: 'draining',
  pressure: 'pressure',
  backoff: 'backoff',
  upstream_lost: undefined,
  upstream_protocol: undefined,
  cancelled: undefined,
};
