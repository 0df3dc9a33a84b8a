// A link for tests that is slow, and counts what goes through it.

import { PUSHED } from '../../src/lisafs/frame.ts';
import type { Receiver, Transport } from '../../src/transport/transport.ts';

/** How long answers are on their way, in milliseconds. */
const DELAY_MS = 20;

/** A link on which answers take a while, and what goes through it is counted. */
export class SlowLink {
  requests = 0;
  /** How often somebody may have waited: answers that come together count as one. */
  rounds = 0;
  /** Most requests each of which was sent after the answer to the one before had come. */
  chain = 0;
  readonly #delayMs: number;
  readonly #arePushesFirst: boolean;
  #answered = 0;
  /** By tag. */
  readonly #chains = new Map<number, number>();

  /**
   * `delayMs` 0: it counts only. `arePushesFirst`: what the server sends unasked comes at once, and
   * so before the answers to what it tells of.
   */
  constructor(delayMs = DELAY_MS, { arePushesFirst = false } = {}) {
    this.#delayMs = delayMs;
    this.#arePushesFirst = arePushesFirst;
  }

  wrap(transport: Transport): Transport {
    let held: Uint8Array[] = [];
    return new Proxy(transport, {
      get: (target, key): unknown => {
        if (key === 'send') {
          return (message: Uint8Array) => {
            this.requests++;
            const chain = this.#answered + 1;
            this.chain = Math.max(this.chain, chain);
            this.#chains.set(tagOf(message), chain);
            target.send(message);
          };
        }
        if (key === 'start') {
          return (receiver: Receiver) => {
            const deliver = (): void => {
              this.rounds++;
              for (const message of held.splice(0)) {
                const tag = tagOf(message);
                this.#answered = Math.max(this.#answered, this.#chains.get(tag) ?? 0);
                this.#chains.delete(tag);
                receiver.onMessage(message);
              }
            };
            target.start({
              onMessage: (message) => {
                const isFirst = this.#arePushesFirst && tagOf(message) === PUSHED;
                if (this.#delayMs === 0 || isFirst) {
                  receiver.onMessage(message);
                  return;
                }
                if (held.length === 0) setTimeout(deliver, this.#delayMs);
                held.push(message);
              },
              onClose: (info) => {
                held = [];
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

  reset(): void {
    this.requests = 0;
    this.rounds = 0;
    this.chain = this.#answered = 0;
    this.#chains.clear();
  }
}

/** Of a lisafs frame with one: src/lisafs/README.md. Those of a session's beginning have none. */
function tagOf(message: Uint8Array): number {
  if (message.length < 12) return 0;
  return new DataView(message.buffer, message.byteOffset).getUint32(8, true);
}
