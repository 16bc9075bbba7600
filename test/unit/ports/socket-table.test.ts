import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readSocketTable } from '../../../src/ports/socket-table.js';
import type { SocketTableOptions, TableReading } from '../../../src/ports/socket-table.js';
import { tableText } from './table-file.js';
import type { TableRow } from './table-file.js';

const ESTABLISHED = 1;
const SYN_SENT = 2;
const FIN_WAIT2 = 5;
const TIME_WAIT = 6;
const CLOSE_WAIT = 8;
const LISTEN = 10;

const SERVER = { address: '192.0.2.1', port: 993 };
const SERVER6 = { address: '2001:db8::1', port: 993 };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ports-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

let tables = 0;
async function tableFile(rows: readonly TableRow[]): Promise<string> {
  const path = join(folder, `table-${String((tables += 1))}`);
  await writeFile(path, tableText(rows), 'latin1');
  return path;
}

interface Rows {
  readonly v4?: readonly TableRow[];
  readonly v6?: readonly TableRow[];
}

async function pathsOf({ v4 = [], v6 = [] }: Rows): Promise<{ v4: string; v6: string }> {
  return { v4: await tableFile(v4), v6: await tableFile(v6) };
}

async function read(rows: Rows, options: Partial<SocketTableOptions> = {}): Promise<TableReading> {
  return readSocketTable({ endpoints: [SERVER, SERVER6], paths: await pathsOf(rows), ...options });
}

function longestTurnMs(reading: TableReading): number {
  return reading.isComplete ? reading.longestTurnMs : Infinity;
}

function row(localPort: number, state: number, others: Partial<TableRow> = {}): TableRow {
  return {
    local: '198.51.100.7',
    localPort,
    remote: SERVER.address,
    remotePort: SERVER.port,
    state,
    ...others,
  };
}

const v6 = { local: '2001:db8::7', remote: SERVER6.address };

describe('a socket table', () => {
  test('without a line has no socket', async () => {
    expect(await read({})).toMatchObject({ isComplete: true, open: 0, timeWait: 0 });
  });

  test('is counted by state; a listener takes no port', async () => {
    const states = [ESTABLISHED, SYN_SENT, FIN_WAIT2, CLOSE_WAIT, TIME_WAIT, TIME_WAIT, LISTEN];
    const v4 = states.map((state, at) => row(40_000 + at, state));
    expect(await read({ v4 })).toMatchObject({ open: 4, timeWait: 2 });
  });

  test('counts what leads to the server alone', async () => {
    const v4 = [
      row(40_000, ESTABLISHED),
      row(40_001, ESTABLISHED, { remotePort: 994 }),
      row(40_002, ESTABLISHED, { remote: '192.0.2.2' }),
      row(993, ESTABLISHED, { local: SERVER.address, remote: '198.51.100.7', remotePort: 40_000 }),
    ];
    expect(await read({ v4 })).toMatchObject({ open: 1, timeWait: 0 });
  });

  test('has an address in one table, in the other, or in both', async () => {
    const rows = {
      v4: [row(40_000, ESTABLISHED)],
      v6: [
        row(40_001, TIME_WAIT, v6),
        row(40_002, ESTABLISHED, { isMapped: true }),
        row(40_003, ESTABLISHED, { ...v6, remote: '2001:db8::2' }),
      ],
    };
    expect(await read(rows)).toMatchObject({ open: 2, timeWait: 1 });
    const mapped = [{ address: '::ffff:192.0.2.1', port: 993 }];
    expect(await read(rows, { endpoints: mapped })).toMatchObject({ open: 2, timeWait: 0 });
  });

  test('counts a port once, as open if it is so to one address', async () => {
    const other = { address: '192.0.2.9', port: 993 };
    const v4 = [
      row(40_000, TIME_WAIT),
      row(40_000, ESTABLISHED, { remote: other.address }),
      row(40_001, ESTABLISHED),
      row(40_001, TIME_WAIT, { remote: other.address }),
      row(40_002, TIME_WAIT),
      row(40_002, TIME_WAIT),
    ];
    expect(await read({ v4 }, { endpoints: [SERVER, other] })).toMatchObject({ open: 2, timeWait: 1 });
  });

  test('counts a port of two local addresses twice, in whichever table they are', async () => {
    const v4 = [row(40_000, TIME_WAIT), row(40_000, TIME_WAIT, { local: '198.51.100.8' })];
    const mapped = [row(40_000, TIME_WAIT, { isMapped: true })];
    expect(await read({ v4, v6: mapped })).toMatchObject({ open: 0, timeWait: 2 });
  });

  test('is not opened where nobody knows the addresses', async () => {
    const reading = await readSocketTable({ endpoints: [], paths: { v4: '/nowhere', v6: '/nowhere' } });
    expect(reading).toMatchObject({ isComplete: true, open: 0, timeWait: 0 });
  });

  test('may have no part for IPv6', async () => {
    const paths = { v4: await tableFile([row(40_000, TIME_WAIT)]), v6: join(folder, 'absent') };
    expect(await readSocketTable({ endpoints: [SERVER], paths })).toMatchObject({ timeWait: 1 });
  });

  test('that is not there is a failure with its reason', async () => {
    const paths = { v4: join(folder, 'absent'), v6: join(folder, 'absent') };
    const reading = await readSocketTable({ endpoints: [SERVER], paths });
    expect(reading).toMatchObject({ isComplete: false, why: expect.stringContaining('ENOENT') as string });
  });

  test('that never ends a line is a failure', async () => {
    const path = join(folder, 'endless');
    await writeFile(path, 'x'.repeat(200_000));
    const reading = await readSocketTable({ endpoints: [SERVER], paths: { v4: path, v6: path } });
    expect(reading).toMatchObject({ isComplete: false, why: `${path} has a line without an end` });
  });

  test('is no harm with lines that are none', async () => {
    const path = join(folder, 'odd');
    await writeFile(path, '\n:\n 0:\n 1: 0100007F:0016\n\0\0\n ZZ: Z\n');
    const reading = await readSocketTable({ endpoints: [SERVER], paths: { v4: path, v6: path } });
    expect(reading).toMatchObject({ isComplete: true, open: 0, timeWait: 0 });
  });

  test('is given up after the deadline', async () => {
    let now = 0;
    const rows = Array.from({ length: 1_000 }, (_, at) => row(40_000 + at, TIME_WAIT));
    const reading = await read({ v4: rows }, { deadlineMs: 50, now: () => (now += 20) });
    expect(reading).toMatchObject({ isComplete: false, why: 'not done after 50 ms' });
  });

  test('is left at once when that is asked for', async () => {
    const reading = await read({ v4: [row(40_000, TIME_WAIT)] }, { signal: AbortSignal.abort() });
    expect(reading).toMatchObject({ isComplete: false, why: 'stopped' });
  });
});

describe('30,000 sockets', () => {
  const COUNT = 30_000;

  test.each([
    ['IPv4', 'v4', {}],
    ['IPv6', 'v6', v6],
    ['IPv4 on IPv6 sockets', 'v6', { isMapped: true }],
  ] as const)('of %s are counted right, and never hold up the event loop', async (_name, table, others) => {
    // Every third one is in TIME_WAIT, every fifth leads elsewhere.
    const rows = Array.from({ length: COUNT }, (_, at) =>
      row(30_000 + at, at % 3 === 0 ? TIME_WAIT : ESTABLISHED, {
        ...others,
        ...(at % 5 === 0 ? { remotePort: 143 } : {}),
      }),
    );
    const ours = Array.from({ length: COUNT }, (_, at) => at).filter((at) => at % 5 !== 0);
    const timeWait = ours.filter((at) => at % 3 === 0).length;
    const options = { endpoints: [SERVER, SERVER6], paths: await pathsOf({ [table]: rows }) };
    const readings: TableReading[] = [];
    for (let round = 0; round < 5; round += 1) readings.push(await readSocketTable(options));
    for (const reading of readings)
      expect(reading).toMatchObject({ isComplete: true, open: ours.length - timeWait, timeWait });
    // A busy machine may hold up any one of them.
    expect(Math.min(...readings.map(longestTurnMs))).toBeLessThan(10);
  });
});

/** Connections of this process to a server of its own; some of them closed by the client, and some by the server. */
class Loopback {
  readonly #server: Server;
  readonly #peers: Socket[] = [];
  readonly #clients: Socket[] = [];

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => this.#peers.push(socket.resume()));
  }

  static async listening(address: string): Promise<Loopback> {
    const loopback = new Loopback(createServer());
    loopback.#server.listen(0, address);
    await once(loopback.#server, 'listening');
    return loopback;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async connect(host: string, count: number): Promise<void> {
    for (let made = 0; made < count; made += 1) {
      const client = connect({ host, port: this.port });
      await once(client, 'connect');
      this.#clients.push(client.resume());
    }
  }

  async leave(count: number): Promise<void> {
    const leaving = this.#clients.splice(0, count);
    const closed = leaving.map((client) => once(client, 'close'));
    for (const client of leaving) client.end();
    await Promise.all(closed);
  }

  async close(): Promise<void> {
    for (const socket of [...this.#clients, ...this.#peers]) socket.resetAndDestroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

interface SsCount {
  open: number;
  timeWait: number;
}

/** What ss counts of the sockets that lead to this port. */
async function countedBySs(port: number): Promise<SsCount> {
  const { stdout } = await promisify(execFile)('ss', ['-Htan'], { maxBuffer: 100_000_000 });
  const counts = { open: 0, timeWait: 0 };
  for (const line of stdout.split('\n')) {
    const [state, , , , peer = ''] = line.split(/\s+/);
    if (!peer.endsWith(`:${port}`) || state === 'LISTEN') continue;
    if (state === 'TIME-WAIT') counts.timeWait += 1;
    else counts.open += 1;
  }
  return counts;
}

const hasSs = process.platform === 'linux' && ['/usr/bin/ss', '/bin/ss', '/usr/sbin/ss'].some(existsSync);
const hasIpv6 = existsSync('/proc/net/if_inet6');

const ADDRESSES = [
  ['IPv4', '127.0.0.1', '127.0.0.1'],
  ['IPv6', '::1', '::1'],
  ['IPv4 on IPv6 sockets', '::', '::ffff:127.0.0.1'],
].filter(([name]) => hasIpv6 || name === 'IPv4') as [string, string, string][];

describe.runIf(hasSs)('the table of this system', () => {
  test.each(ADDRESSES)('agrees with ss on %s', async (_name, listening, address) => {
    const loopback = await Loopback.listening(listening);
    try {
      await loopback.connect(address, 300);
      await loopback.leave(120);
      const { port } = loopback;
      const reading = await readSocketTable({ endpoints: [{ address, port }] });
      expect(reading).toMatchObject({ isComplete: true, ...(await countedBySs(port)) });
      expect(reading).toMatchObject({ open: 180, timeWait: 120 });
    } finally {
      await loopback.close();
    }
  });
});
