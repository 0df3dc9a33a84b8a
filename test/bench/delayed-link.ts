// A link whose answers take a while, and what is counted on it.

import type { Receiver, Transport } from '../../src/transport/transport.ts';

/** Which request a message is, or answers. */
export type TagOf = (message: Uint8Array) => number;

export class DelayedLink {
  requests = 0;
  /**
   * Requests of the longest chain in which each was sent after the answer to the one before had
   * come: how many round trips somebody may have waited for. What is never answered is none: Ack.
   */
  rounds = 0;
  readonly #delayMs: number;
  readonly #tagOf: TagOf;
  /** Of what was answered, the longest chain. */
  #answered = 0;
  /** By tag. */
  readonly #chains = new Map<number, number>();

  constructor(delayMs: number, tagOf: TagOf) {
    this.#delayMs = delayMs;
    this.#tagOf = tagOf;
  }

  reset(): void {
    this.requests = 0;
    this.rounds = 0;
    this.#answered = 0;
    this.#chains.clear();
  }

  #sent(message: Uint8Array): void {
    this.requests++;
    this.#chains.set(this.#tagOf(message), this.#answered + 1);
  }

  #arrived(message: Uint8Array): void {
    const tag = this.#tagOf(message);
    const chain = this.#chains.get(tag) ?? 0;
    this.#answered = Math.max(this.#answered, chain);
    this.rounds = Math.max(this.rounds, chain);
    this.#chains.delete(tag);
  }

  /** Answers come as late as this link's are. */
  wrap(transport: Transport): Transport {
    return new Proxy(transport, {
      get: (target, key): unknown => {
        if (key === 'send') {
          return (message: Uint8Array) => {
            this.#sent(message);
            target.send(message);
          };
        }
        if (key === 'start') {
          return (receiver: Receiver) => {
            target.start({
              onMessage: (message) => {
                setTimeout(() => {
                  this.#arrived(message);
                  receiver.onMessage(message);
                }, this.#delayMs);
              },
              onClose: (info) => {
                receiver.onClose(info);
              },
            });
          };
        }
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? (value as () => unknown).bind(target) : value;
      },
    });
  }
}
