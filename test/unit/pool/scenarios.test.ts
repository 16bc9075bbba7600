import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ScenarioRunner } from './scenario-runner.js';
import { BACK_OFF } from './scenarios/back-off.js';
import { CAPS } from './scenarios/caps.js';
import { ENABLE_ANSWERS } from './scenarios/enable-answers.js';
import { ENABLED_SETS } from './scenarios/enabled-sets.js';
import { EXCHANGE } from './scenarios/exchange.js';
import { FAIRNESS } from './scenarios/fairness.js';
import { LIFETIME } from './scenarios/lifetime.js';
import { OUTDATED } from './scenarios/outdated.js';
import { PRESSURE } from './scenarios/pressure.js';
import { PROOF } from './scenarios/proof.js';
import { RATE } from './scenarios/rate.js';
import { RESERVE } from './scenarios/reserve.js';
import { TOKENS } from './scenarios/tokens.js';
import { WAITING } from './scenarios/waiting.js';

const THEMES = {
  'enabled sets': ENABLED_SETS,
  'answers to ENABLE': ENABLE_ANSWERS,
  exchange: EXCHANGE,
  lifetime: LIFETIME,
  'outdated connections': OUTDATED,
  caps: CAPS,
  waiting: WAITING,
  fairness: FAIRNESS,
  'back-off': BACK_OFF,
  'connection rate': RATE,
  pressure: PRESSURE,
  'proof of life': PROOF,
  reserve: RESERVE,
  tokens: TOKENS,
};

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});

afterEach(() => {
  vi.useRealTimers();
});

test('no two scenarios have one name', () => {
  const names = Object.values(THEMES).flatMap((scenarios) => scenarios.map(({ name }) => name));
  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeGreaterThanOrEqual(100);
});

describe.each(Object.entries(THEMES))('%s', (_theme, scenarios) => {
  test.each(scenarios)('$name', async (scenario) => {
    const runner = new ScenarioRunner(scenario);
    try {
      await runner.run();
    } finally {
      await runner.end();
    }
    runner.checkNothingIsLeft();
  });
});
