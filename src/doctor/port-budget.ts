/** Owns what is said of the port budget: how many new connections a second this machine can open towards one server. */

import { portBudget, timeWaitMsOf } from '../ports/port-budget.js';
import { readPortFacts } from '../ports/read-port-facts.js';
import type { PortFactsOptions } from '../ports/read-port-facts.js';
import type { Report } from './report.js';

/** Reports the budget. Never rejects. */
export async function reportPortBudget(report: Report, sources?: PortFactsOptions): Promise<void> {
  const facts = await readPortFacts(sources);
  const budget = portBudget(facts);
  if (budget === undefined || !facts.range.isKnown) {
    const why = facts.range.isKnown ? '' : `: ${facts.range.why}`;
    report.note('ports', `the ephemeral port range can't be read${why}`);
    return;
  }
  const { lowest, highest } = facts.range.value;
  report.note(
    'ports',
    `${String(budget.limit)} ephemeral ports (${String(lowest)} to ${String(highest)}, less the reserved ones), each of them in TIME_WAIT for ${String(timeWaitMsOf(facts) / 1_000)} s when this side closed first: ${shortened(budget.sustainablePerSecond)} new connections a second towards one server can last`,
  );
}

/** Rounded down: whole, or with one digit where that matters. */
function shortened(rate: number): string {
  return String(rate < 100 ? Math.floor(rate * 10) / 10 : Math.floor(rate));
}
