// What the scripted server answers when no hook does: the commands of every state, and the way to the others.

import type { Socket } from 'node:net';
import { TLSSocket, type SecureContext } from 'node:tls';
import type { ParsedCommand } from './command.js';
import type { UpstreamConnection } from './connection.js';
import { type Credentials, credentialsOfAuthenticate, credentialsOfLogin } from './login-commands.js';
import { mailCommands } from './mail-commands.js';
import type { MailStore } from './mail-store.js';

/** What the default answers need of their server. */
export interface AnswerContext {
  readonly store: MailStore;
  readonly secureContext: SecureContext | undefined;
  /** Judges and records an attempt. */
  judge(credentials: Credentials, connection: UpstreamConnection): boolean;
}

type Answer = (
  command: ParsedCommand,
  connection: UpstreamConnection,
  context: AnswerContext,
) => void | Promise<void>;

const answers: Readonly<Record<string, Answer>> = {
  CAPABILITY: (command, connection) => {
    connection.send(`* CAPABILITY ${capabilities(connection)}\r\n`);
    connection.ok(command);
  },
  NOOP: (command, connection) => {
    connection.ok(command);
  },
  ID: (command, connection) => {
    connection.send('* ID ("name" "scripted")\r\n');
    connection.ok(command);
  },
  LOGOUT: (command, connection) => {
    connection.send('* BYE logging out\r\n');
    connection.ok(command);
    if (connection.script.closesOnLogout) connection.end();
  },
  LOGIN: (command, connection, context) => {
    finishLogin(command, connection, context, credentialsOfLogin(command));
  },
  AUTHENTICATE: async (command, connection, context) => {
    finishLogin(command, connection, context, await credentialsOfAuthenticate(command, connection));
  },
  STARTTLS: startTls,
  IDLE: async (command, connection) => {
    if (connection.user === undefined) {
      connection.bad(command, 'log in first');
      return;
    }
    connection.isIdling = true;
    connection.send('+ idling\r\n');
    connection.touch();
    const line = await connection.readLine();
    connection.isIdling = false;
    if (line.toUpperCase() === 'DONE') connection.ok(command);
    else connection.bad(command, 'expected DONE');
  },
};

/** Answers as a small correct server. */
export async function answerByDefault(
  command: ParsedCommand,
  connection: UpstreamConnection,
  context: AnswerContext,
): Promise<void> {
  const answer = answers[command.verb];
  if (answer !== undefined) {
    await answer(command, connection, context);
    return;
  }
  const mailCommand = mailCommands[command.verb];
  if (mailCommand === undefined) connection.bad(command, 'unknown command');
  else if (connection.user === undefined) connection.bad(command, 'log in first');
  else mailCommand(command, connection, context.store);
}

function capabilities(connection: UpstreamConnection): string {
  const { capabilitiesBeforeLogin, capabilitiesAfterLogin } = connection.script;
  return (connection.user === undefined ? capabilitiesBeforeLogin : capabilitiesAfterLogin).join(' ');
}

function finishLogin(
  command: ParsedCommand,
  connection: UpstreamConnection,
  context: AnswerContext,
  credentials: Credentials | undefined,
): void {
  if (connection.user !== undefined || credentials === undefined) {
    connection.bad(command);
    return;
  }
  if (!context.judge(credentials, connection)) {
    connection.no(command, '[AUTHENTICATIONFAILED] wrong user name or password');
    return;
  }
  const { loginCapabilities, tokenOwners } = connection.script;
  const { user, authorizationUser, secret } = credentials;
  connection.user = tokenOwners[secret.toString()] ?? (authorizationUser === '' ? user : authorizationUser);
  if (loginCapabilities === 'untagged') connection.send(`* CAPABILITY ${capabilities(connection)}\r\n`);
  connection.ok(
    command,
    loginCapabilities === 'code' ? `[CAPABILITY ${capabilities(connection)}] logged in` : 'logged in',
  );
}

function startTls(command: ParsedCommand, connection: UpstreamConnection, context: AnswerContext): void {
  const { secureContext } = context;
  if (secureContext === undefined) {
    connection.bad(command);
    return;
  }
  connection.ok(command, 'begin TLS');
  const plain: Socket = connection.socket;
  plain.removeAllListeners('data');
  plain.removeAllListeners('end');
  connection.replaceSocket(new TLSSocket(plain, { isServer: true, secureContext }));
}
