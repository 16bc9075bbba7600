// Every fault, one after the other, by one runner: after each of them nothing is left, nobody sees what is another's.

import { afterEach, describe, expect, it, vi } from 'vitest';
import { makeGate } from '../support/gate.js';
import { clientStates, waysToLeave } from './fault-clients.js';
import { FaultScene } from './fault-scene.js';
import { answerFaults, idleFaults, openingFaults, resetFaults } from './fault-table.js';
import type { Fault } from './fault-table.js';
import { useStages } from './stage.js';

const stage = useStages();
const scenes: FaultScene[] = [];

afterEach(() => {
  for (const scene of scenes.splice(0)) scene.dispose();
});

/** Runs a fault, and checks what must hold after it. */
async function run(
  { upstream = {}, environment = {} }: Omit<Fault, 'name'>,
  happen: (scene: FaultScene) => Promise<void>,
) {
  const s = await stage({
    upstream,
    environment: { RELEASE_TIMEOUT: '300ms', AUTH_FAILURE_TTL: '100ms', ...environment },
  });
  const scene = new FaultScene(s);
  scenes.push(scene);
  await scene.begin();
  await happen(scene);
  await scene.end();
}

describe('while a connection is opened', () => {
  it.each(openingFaults)('$name: a login that has to be checked gets $login', (fault) =>
    run(fault, async (scene) => {
      fault.begin(scene);
      const client = await scene.connect();
      expect(await scene.outcome(client, 'LOGIN alice secret')).toBe(fault.login);
    }),
  );

  it.each(openingFaults)('$name: the first command of a known user gets $command', (fault) =>
    run(fault, async (scene) => {
      const first = await scene.select();
      fault.begin(scene);
      const second = await scene.logIn();
      expect(await scene.outcome(second, 'STATUS INBOX (MESSAGES)')).toBe(fault.command);
      expect((await first.client.command('NOOP')).text).toBe('NOOP done (alice)');
    }),
  );
});

describe('instead of an answer', () => {
  it.each(answerFaults)('$name: the client gets $outcome', (fault) =>
    run(fault, async (scene) => {
      const { client } = await scene.select();
      scene.s.upstream.once('CHECK', async (_command, connection) => {
        await fault.answer(connection);
      });
      expect(await scene.outcome(client, 'CHECK')).toBe(fault.outcome);
    }),
  );

  it.each(answerFaults)('$name: a client that is gone leaves nothing of it to the next', (fault) =>
    run(fault, async (scene) => {
      const { client, connection } = await scene.select();
      const gate = makeGate();
      scene.s.upstream.once('CHECK', async (_command, at) => {
        await gate.opened;
        await fault.answer(at);
      });
      await client.send('q CHECK\r\n');
      await connection.waitForCommand('CHECK');
      client.reset();
      await scene.s.untilSessions(1);
      gate.open();
      const next = await scene.logIn();
      expect((await next.command('NOOP')).untagged).toEqual([]);
    }),
  );
});

describe('on an idle connection', () => {
  it.each(idleFaults)('$name: the next client sees nothing of it', (fault) =>
    run(fault, async (scene) => {
      const connection = await scene.pooled();
      fault.happen(connection);
      const next = await scene.logIn();
      expect(await next.command('NOOP', 10_000)).toMatchObject({ untagged: [], text: 'NOOP done (alice)' });
      await scene.s.untilPool({ probing: 0, closing: 0 });
      expect(connection.isOpen).toBe(fault.isKept || fault.environment !== undefined);
    }),
  );
});

describe('in answer to the reset', () => {
  it.each(resetFaults)('$name: nobody gets a connection that is not proven clean', (fault) =>
    run(fault, async (scene) => {
      const { client, connection } = await scene.select();
      scene.s.upstream.once(fault.verb, fault.hook);
      client.reset();
      await scene.s.untilSessions(1);
      await scene.s.untilPool({ leased: 1, resetting: 0, closing: 0 });
      const next = await scene.select();
      expect(next.connection === connection).toBe(fault.isKept);
      expect(next.client.received.toString('latin1')).not.toMatch(/FETCH|BYE/);
    }),
  );
});

describe('a client that is gone', () => {
  const cases = clientStates.flatMap((state) =>
    waysToLeave.map(([way, leave]) => ({ ...state, way, leave })),
  );
  it.each(cases)('$name, by $way', (fault) =>
    run(fault, async (scene) => {
      fault.leave(await fault.reach(scene));
    }),
  );
});

describe('a clock that jumps', () => {
  const year = 365 * 24 * 3_600_000;
  it.each([-10 * year, -3_600_000, 3_600_000, 10 * year])('by %d ms changes nothing', (jump) =>
    run({}, async (scene) => {
      const { s } = scene;
      const connection = await scene.pooled();
      const { client } = await scene.select();
      const attempts = s.attempts;
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + jump });
      scene.onHeal(() => vi.useRealTimers());
      expect((await client.command('NOOP')).text).toBe('NOOP done (alice)');
      await s.leave(client);
      await s.untilPool({ idle: 1, leased: 1, resetting: 0 });
      const next = await scene.select();
      expect(next.connection).toBe(connection);
      expect(s.attempts).toBe(attempts);
    }),
  );
});
