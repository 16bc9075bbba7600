// The faults, one row each: what goes wrong at the server, at which moment, and what a client is told of it.

import type { Hook, ScriptedUpstreamOptions, UpstreamConnection } from '../support/scripted-upstream.js';
import type { FaultScene, Outcome } from './fault-scene.js';

export interface Fault {
  readonly name: string;
  readonly upstream?: ScriptedUpstreamOptions;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Happens while a connection is opened. */
export interface OpeningFault extends Fault {
  begin(scene: FaultScene): void;
  /** What a login gets whose password has to be checked. */
  readonly login: Outcome;
  /** What the first command gets of a session whose password is known. */
  readonly command: Outcome;
}

const wait = (durationMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, durationMs));
/** Nobody waits for long, neither for the server nor for a connection of his own that is in use. */
const short = {
  UPSTREAM_CONNECT_TIMEOUT: '300ms',
  UPSTREAM_LOGIN_TIMEOUT: '300ms',
  ACQUIRE_TIMEOUT: '600ms',
};
const overlong = 'x'.repeat(300_000);

function greeting(
  name: string,
  greet: (connection: UpstreamConnection) => unknown,
  outcome: Outcome,
): OpeningFault {
  return {
    name,
    environment: short,
    begin: (scene) => {
      scene.script({
        greeting: async (connection) => {
          await greet(connection);
          return undefined;
        },
      });
    },
    login: outcome,
    command: outcome,
  };
}

function answer(name: string, hook: Hook, login: Outcome, command: Outcome = login): OpeningFault {
  const begin = (scene: FaultScene): void => {
    scene.onHeal(scene.s.upstream.on('AUTHENTICATE', hook));
  };
  return { name, environment: short, begin, login, command };
}

const ready = '* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready\r\n';
/** Lets the user in by the default answer, and then does this. */
function accepted(then: (connection: UpstreamConnection) => unknown): Hook {
  return (command, connection) => {
    connection.user = 'alice';
    connection.send(`${command.tag} OK [CAPABILITY IMAP4rev1 UNSELECT LITERAL+] in\r\n`);
    return then(connection);
  };
}

export const openingFaults: readonly OpeningFault[] = [
  {
    name: 'refused',
    begin: (scene) => {
      const { upstream } = scene.s;
      upstream.stopListening();
      scene.onHeal(() => upstream.listen());
    },
    login: 'NO',
    command: 'NO',
  },
  greeting('accepted and never greeted', () => undefined, 'NO'),
  greeting('a slow greeting', async (at) => wait(150).then(() => at.send(ready)), 'OK'),
  greeting('half a greeting', (at) => at.send('* OK [CAPAB'), 'NO'),
  greeting('half a greeting, then FIN', (at) => at.end('* OK [CAPAB'), 'NO'),
  greeting('BYE as greeting', (at) => at.end('* BYE [UNAVAILABLE] busy\r\n'), 'NO'),
  greeting('BYE as greeting, and no FIN', (at) => at.send('* BYE busy\r\n'), 'NO'),
  greeting('FIN instead of a greeting', (at) => at.end(), 'NO'),
  greeting('RST instead of a greeting', (at) => at.reset(), 'NO'),
  greeting('PREAUTH', (at) => at.send('* PREAUTH you are bob\r\n'), 'NO'),
  greeting('garbage as greeting', (at) => at.send('\0\xff\x16\x03 garbage\r\n'), 'NO'),
  greeting('an overlong greeting', (at) => at.send(`* OK ${overlong}`), 'NO'),
  greeting('a greeting, then FIN', (at) => at.end(ready), 'NO'),
  greeting(
    'a greeting, then nothing',
    (at) => {
      at.socket.pause();
      at.send(ready);
    },
    'NO',
  ),
  {
    name: 'one byte at a time',
    begin: (scene) => scene.script({ writeMode: 'bytewise' }),
    login: 'OK',
    command: 'OK',
  },
  answer('[LIMIT]', (command, at) => at.no(command, '[LIMIT] too many connections'), 'NO'),
  answer('auth NO', (command, at) => at.no(command, '[AUTHENTICATIONFAILED] no'), 'NO', 'ended'),
  answer('auth BAD', (command, at) => at.bad(command), 'NO'),
  answer('auth slow', async () => wait(100).then(() => 'default'), 'OK'),
  answer('auth never answered', () => undefined, 'NO'),
  answer('auth with FIN', (_command, at) => at.end(), 'NO'),
  answer('auth with RST', (_command, at) => at.reset(), 'NO'),
  answer('auth with BYE', (_command, at) => at.end('* BYE overloaded\r\n'), 'NO'),
  answer('auth with half an answer, then FIN', (command, at) => at.end(`${command.tag} O`), 'NO'),
  answer('auth under a wrong tag', (_command, at) => at.send('wrong OK in\r\n'), 'NO'),
  answer('auth with NUL and 8-bit bytes', (_command, at) => at.send('\0\xff\0\r\n'), 'NO'),
  answer('auth with an overlong line', (command, at) => at.send(`${command.tag} OK ${overlong}\r\n`), 'NO'),
  answer('auth with a huge literal', (_command, at) => at.send('* LIST () "/" {4294967296}\r\n'), 'NO'),
  answer('auth with a challenge too many', (_command, at) => at.send('+ \r\n+ \r\n'), 'NO'),
  answer(
    'auth OK, then BYE',
    accepted((at) => at.end('* BYE over quota\r\n')),
    'NO',
  ),
  answer(
    'auth OK, then BYE and no FIN',
    accepted((at) => at.send('* BYE over quota\r\n')),
    'NO',
  ),
  answer(
    'auth OK, then FIN in the same moment',
    accepted((at) => at.end()),
    'OK',
    // Another connection is tried once, and has the same fate.
    'ended',
  ),
];

/** Happens while a client of Alice's waits for an answer: `a` is its tag. */
export interface AnswerFault extends Fault {
  answer(connection: UpstreamConnection): unknown;
  readonly outcome: Outcome;
}

const says = (name: string, bytes: string, outcome: Outcome): AnswerFault => ({
  name,
  answer: (at) => at.send(Buffer.from(bytes, 'latin1')),
  outcome,
});
const ends = (name: string, bytes: string, outcome: Outcome = 'ended'): readonly AnswerFault[] => [
  { name: `${name}, then FIN`, answer: (at) => at.end(Buffer.from(bytes, 'latin1')), outcome },
  {
    name: `${name}, then RST`,
    answer: async (at) => {
      at.send(Buffer.from(bytes, 'latin1'));
      await wait(20);
      at.reset();
    },
    outcome,
  },
];

export const answerFaults: readonly AnswerFault[] = [
  ...ends('nothing', ''),
  ...ends('half a response', '* 1 FETCH (FLA'),
  ...ends('half a long line', `* SEARCH${' 1'.repeat(500)}`),
  ...ends('half a literal', '* 1 FETCH (BODY[] {100}\r\nhalf'),
  ...ends('half a capability line', '* CAPABILITY IMAP4rev1 X'),
  ...ends('a huge literal, begun', `* 1 FETCH (BODY[] {4294967296}\r\n${'h'.repeat(200_000)}`),
  ...ends('a BYE', '* BYE maintenance\r\n'),
  ...ends('an answer', 'q OK done\r\n', 'OK'),
  says('a BYE, and no FIN', '* BYE maintenance\r\n', 'ended'),
  says('a BYE behind an answer, and no FIN', 'q OK done\r\n* BYE maintenance\r\n', 'OK'),
  says('a wrong tag', 'zz OK done\r\n', 'ended'),
  says('an answer twice', 'q OK done\r\nq OK again\r\n', 'OK'),
  says('NUL', '* OK \0\0\r\nq OK \0\r\n', 'OK'),
  says('8-bit bytes', '* LIST () "/" "\x80\xff"\r\nq OK \xff\r\n', 'OK'),
  says('a line of NUL', '\0\0\0\r\n', 'ended'),
  says('an overlong data line', `* SEARCH${' 1'.repeat(1_000_000)}\r\nq OK done\r\n`, 'OK'),
  says('an overlong status line', `q OK ${overlong}\r\n`, 'ended'),
  says('a literal of a size beyond all', '* LIST () "/" {99999999999999999999}\r\n', 'ended'),
  says('a continuation', '+ go on\r\n', 'ended'),
  says('capabilities', '* CAPABILITY IMAP4rev1\r\nq OK [CAPABILITY IMAP4rev1 UNSELECT] x\r\n', 'OK'),
  {
    name: 'an answer that comes late',
    answer: async (at) => wait(200).then(() => at.send('q OK x\r\n')),
    outcome: 'OK',
  },
];

/** Happens to a connection that nobody uses. */
export interface IdleFault extends Fault {
  happen(connection: UpstreamConnection): void;
  readonly isKept: boolean;
}

const always = { PROBE_AFTER: '0' };
const idle = (name: string, bytes: string, isKept: boolean): IdleFault => ({
  name,
  happen: (at) => at.send(Buffer.from(bytes, 'latin1')),
  isKept,
});

export const idleFaults: readonly IdleFault[] = [
  idle('EXISTS', '* 9 EXISTS\r\n', true),
  idle('EXPUNGE', '* 1 EXPUNGE\r\n* 1 EXPUNGE\r\n', true),
  idle('a message', '* 1 FETCH (BODY[] {9}\r\nunasked! )\r\n', true),
  idle('an overlong data line', `* SEARCH${' 1'.repeat(500_000)}\r\n`, true),
  idle('other capabilities', '* CAPABILITY IMAP4rev1 UNSELECT\r\n', true),
  idle('BYE', '* BYE autologout\r\n', false),
  idle('half a response', '* 1 FETCH (BODY[] {100}\r\nhalf', false),
  idle('half a line', '* LIST () "/" "', false),
  idle('a wrong tag', 'a1 OK huh\r\n', false),
  idle('NUL and 8-bit bytes', '\0\xff\r\n', false),
  idle('an overlong status line', `a OK ${overlong}\r\n`, false),
  idle('a continuation', '+ more\r\n', false),
  idle('ENABLED', '* ENABLED QRESYNC\r\n', false),
  { name: 'BYE and FIN', happen: (at) => at.end('* BYE autologout\r\n'), isKept: false },
  { name: 'FIN', happen: (at) => at.end(), isKept: false },
  { name: 'RST', happen: (at) => at.reset(), isKept: false },
  // As when a firewall has forgotten it: nothing arrives, and nothing says so.
  { name: 'half-open', happen: (at) => at.socket.pause(), isKept: false, environment: always },
];

/** Happens in the reset, whose command gets this answer. */
export interface ResetFault extends Fault {
  readonly verb: 'UNSELECT' | 'EXAMINE';
  readonly hook: Hook;
  readonly isKept: boolean;
}

const withoutUnselect: ScriptedUpstreamOptions = { capabilitiesAfterLogin: ['IMAP4rev1', 'LITERAL+'] };
const reset = (name: string, hook: Hook, isKept = false): ResetFault => ({
  name,
  verb: 'UNSELECT',
  hook,
  isKept,
});
const examine = (name: string, hook: Hook, isKept = false): ResetFault => ({
  name: `no UNSELECT, and ${name}`,
  upstream: withoutUnselect,
  verb: 'EXAMINE',
  hook,
  isKept,
});

export const resetFaults: readonly ResetFault[] = [
  reset('unanswered', () => undefined),
  reset('BAD', (command, at) => at.bad(command)),
  reset('NO', (command, at) => at.no(command)),
  reset('a wrong tag', (_command, at) => at.send('wrong OK done\r\n')),
  reset('half an answer', (command, at) => at.send(`${command.tag} O`)),
  reset('FIN', (_command, at) => at.end()),
  reset('RST', (_command, at) => at.reset()),
  reset('BYE', (_command, at) => at.end('* BYE now\r\n')),
  reset('BYE, and no FIN', (_command, at) => at.send('* BYE now\r\n')),
  reset('OK, then BYE', (command, at) => at.end(`${command.tag} OK done\r\n* BYE now\r\n`)),
  reset(
    'a message, then OK',
    (_command, at) => {
      at.send('* 1 FETCH (BODY[] {4}\r\nmail)\r\n');
      return 'default';
    },
    true,
  ),
  reset('half a message', (_command, at) => at.send('* 1 FETCH (BODY[] {40}\r\nmail')),
  examine('NO to the random name', () => 'default', true),
  examine('OK to the random name', (command, at) => at.ok(command)),
  examine('BAD to the random name', (command, at) => at.bad(command)),
  examine('no answer', () => undefined),
];
