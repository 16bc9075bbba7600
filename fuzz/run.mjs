// Owns a whole run: who plays which sessions on which stage, until there are enough inputs, no time, or a finding.

import { sendCanary } from './canary.mjs';
import { makePlan } from './plan.mjs';
import { play } from './session.mjs';
import { Stage } from './stage.mjs';
import { Watch } from './watch.mjs';

/** @typedef {import('./plan.mjs').Direction} Direction */
/** @typedef {{ what: string, stage: string, session: number | undefined, suspects: import('./plan.mjs').Plan[] }} Finding */
/** @typedef {{ direction: Direction, stage: string, user: string }} Seat */

/** Who plays at once. A session's number says which seat it has, whichever of the others are taken. */
export const SEATS = /** @type {readonly Seat[]} */ ([
  ...['generous', 'curt', 'narrow', 'old'].flatMap((stage) =>
    [...times(6, 'client-before-login'), ...times(6, 'client-after-login')].flatMap((direction) =>
      ['alice', 'bruno'].map((user) => ({ direction, stage, user })),
    ),
  ),
  ...[...times(12, 'hostile'), ...times(3, 'hostile-narrow')].flatMap((stage) =>
    ['alice', 'bruno'].map((user) => ({ direction: 'upstream', stage, user })),
  ),
]);

/** How long sessions are played before everybody leaves and the books are looked at. */
const ROUND_MS = 30_000;

export class Run {
  /** @type {Finding | undefined} */
  finding;
  inputs = 0;
  sessions = 0;
  /** @type {Record<Direction, number>} */
  inputsBy = { 'client-before-login': 0, 'client-after-login': 0, upstream: 0 };
  /** @type {Map<string, Stage>} */
  #stages = new Map();
  /** The plans that are played, and the one before of each seat. @type {Map<number, import('./plan.mjs').Plan[]>} */
  #recent = new Map();
  #next = SEATS.map(() => 0);
  #watch = new Watch((what) => this.#found(what));

  /**
   * @param {object} options
   * @param {number} options.seed
   * @param {readonly Direction[]} options.directions
   * @param {import('./stage.mjs').Sabotage} [options.sabotage]
   */
  constructor(options) {
    this.options = options;
  }

  get peaks() {
    return this.#watch.peaks;
  }

  /** @param {{ inputs: number, seconds: number, onRound: () => void }} limits - 0 seconds: no limit */
  async play({ inputs, seconds, onRound }) {
    const endsAt = seconds === 0 ? Infinity : performance.now() + seconds * 1_000;
    const seats = SEATS.map((seat, at) => ({ seat, at })).filter(({ seat }) =>
      this.options.directions.includes(seat.direction),
    );
    for (const { seat } of seats) await this.stageNamed(seat.stage);
    const isOver = () => this.finding !== undefined || this.inputs >= inputs || performance.now() >= endsAt;
    while (!isOver()) {
      const roundEnd = performance.now() + ROUND_MS;
      await Promise.all(
        seats.map(async ({ seat, at }) => {
          while (!isOver() && performance.now() < roundEnd) await this.#playNext(seat, at);
        }),
      );
      await this.#checkBooks();
      onRound();
    }
  }

  /** @param {readonly import('./plan.mjs').Plan[]} plans - played one after the other */
  async replay(/** @type {string} */ stageName, plans) {
    const stage = await this.stageNamed(stageName);
    for (const plan of plans) {
      stage.markers.take(plan.mark, plan.user.split('+')[0], plan.index);
      await this.#playOne(stage, plan);
      if (this.finding !== undefined) return;
    }
    await this.#checkBooks();
  }

  async #playNext(/** @type {Seat} */ { direction, stage: name, user }, /** @type {number} */ at) {
    const stage = await this.stageNamed(name);
    const index = SEATS.length * this.#next[at]++ + at;
    const plan = makePlan({ seed: this.options.seed, index, direction, stage, user });
    this.#recent.set(at, [...(this.#recent.get(at) ?? []).slice(-2), plan]);
    await this.#playOne(stage, plan);
  }

  async #playOne(/** @type {Stage} */ stage, /** @type {import('./plan.mjs').Plan} */ plan) {
    const inputs = await play(stage, plan);
    this.inputs += inputs;
    this.inputsBy[plan.direction] += inputs;
    this.sessions += 1;
    // A server that lies about the login may have said anything of what it can do.
    if (plan.loginMisdeed === undefined && plan.greeting === undefined)
      await sendCanary(stage, plan.user, plan.index);
  }

  async #checkBooks() {
    // Others would be held responsible for what a finding has left.
    if (this.finding !== undefined) return;
    for (const stage of this.#stages.values()) await stage.checkQuiet();
    this.#watch.checkHeap();
  }

  /** @returns {Promise<Stage>} */
  async stageNamed(/** @type {string} */ name) {
    const known = this.#stages.get(name);
    if (known !== undefined) return known;
    const { seed, sabotage } = this.options;
    const stage = new Stage(name, seed, (what, from, session) => this.#found(what, from, session), sabotage);
    this.#stages.set(name, stage);
    await stage.start();
    return stage;
  }

  /**
   * @param {string} what
   * @param {Stage} [stage]
   * @param {number} [session]
   */
  #found(what, stage, session) {
    // Only the first: what comes behind it may come from it.
    this.finding ??= { what, stage: stage?.name ?? '', session, suspects: this.#suspects(stage, session) };
  }

  /** The plans that may have to do with it, the likeliest last. */
  #suspects(/** @type {Stage | undefined} */ stage, /** @type {number | undefined} */ session) {
    const plans = [...this.#recent]
      .filter(([at]) => stage === undefined || SEATS[at].stage === stage.name)
      .flatMap(([, recent]) => recent);
    const guilty =
      session === undefined
        ? undefined
        : plans.find(({ index }) => index === (session < 0 ? -1 - session : session));
    return guilty === undefined ? plans : [...plans.filter((plan) => plan !== guilty), guilty];
  }

  async stop() {
    for (const stage of this.#stages.values()) await stage.stop();
    this.#watch.stop();
  }
}

/** More sessions wait than run: for a deadline, for room, or for each other. */
function times(/** @type {number} */ count, /** @type {string} */ name) {
  return Array.from({ length: count }, () => name);
}
