/** Owns what follows AUTHENTICATE on its connection: challenges, responses, and the reason why a token was refused (RFC 9051 §6.2.2). */

import type { ProxyError } from '../errors.js';
import type { Credentials } from '../identity.js';
import { badReply, refusalReply } from '../relay/local-replies.js';
import type { WholeCommand } from '../wire/argument-reader.js';
import { decodeBase64 } from './sasl.js';
import type { SaslEnd, SaslExchange, SaslMechanism } from './sasl-mechanism.js';

/** A SASL exchange, and the tag of its command. */
interface OpenExchange {
  readonly tag: string;
  readonly take: SaslExchange;
}

/**
 * What the client's next line is.
 *
 * - `response`: the answer to a challenge.
 * - `acknowledgement`: the answer to the reason why a token was refused, behind which comes the refusal (RFC 7628 §3.2.3).
 */
type Awaited =
  | ({ readonly kind: 'response' } & OpenExchange)
  | { readonly kind: 'acknowledgement'; readonly tag: string; readonly reply: string };

export interface SaslDialogueOptions {
  write(reply: string): void;
  /** The client has presented these; they are the listener's to wipe. */
  onCredentials(tag: string, credentials: Credentials): void;
}

/** Of one connection, for one exchange after the other. */
export class SaslDialogue {
  readonly #options: SaslDialogueOptions;
  #awaited: Awaited | undefined;

  constructor(options: SaslDialogueOptions) {
    this.#options = options;
  }

  /** Whether the client's next line is for {@link take}, and no command. */
  get isOpen(): boolean {
    return this.#awaited !== undefined;
  }

  /** @param initial - the initial response in Base64, if the client sent one (RFC 4959) */
  begin(tag: string, mechanism: SaslMechanism, initial: string | undefined): void {
    const exchange = { tag, take: mechanism.begin() };
    if (initial === undefined) this.#challenge(exchange, mechanism.firstChallenge);
    else this.#respond(exchange, initial);
  }

  /** Takes the line that the client was asked for; `*` cancels. */
  take({ lines: [line], literals }: WholeCommand): void {
    const awaited = this.#awaited;
    if (awaited === undefined) throw new Error('no line was asked for');
    this.#awaited = undefined;
    const text = line?.toString('latin1') ?? '';
    const isCancelled = text === '*' || (awaited.kind === 'response' && literals.length > 0);
    if (isCancelled) this.#options.write(badReply(awaited.tag, 'AUTHENTICATE cancelled'));
    else if (awaited.kind === 'response') this.#respond(awaited, text);
    // What else an acknowledgement says means nothing.
    else this.#options.write(awaited.reply);
  }

  /** Ends a command whose one step this is: LOGIN. */
  conclude(tag: string, step: SaslEnd): void {
    if (step.kind === 'malformed') this.#options.write(badReply(tag, step.reason));
    else this.#options.onCredentials(tag, step.credentials);
  }

  /** In the server's own words, from the challenge on; this is one attempt there, however often it is said here. */
  refuse(tag: string, { refusal, upstreamRefusal }: ProxyError): void {
    const reply = refusalReply(tag, refusal);
    const challenge = upstreamRefusal?.challenge;
    if (challenge === undefined) {
      this.#options.write(reply);
      return;
    }
    this.#awaited = { kind: 'acknowledgement', tag, reply };
    this.#options.write(`+ ${challenge}\r\n`);
  }

  #challenge(exchange: OpenExchange, text: string): void {
    this.#awaited = { kind: 'response', ...exchange };
    this.#options.write(`+ ${text}\r\n`);
  }

  #respond(exchange: OpenExchange, base64: string): void {
    const response = decodeBase64(base64);
    if (response === undefined) {
      this.#options.write(badReply(exchange.tag, 'That is no base64'));
      return;
    }
    const step = exchange.take(response);
    if (step.kind === 'challenge') this.#challenge(exchange, step.text);
    else this.conclude(exchange.tag, step);
  }
}
