// RedisFanout: changes as messages of Redis. They are kept for nobody: whoever wasn't connected, or
// couldn't tell, makes everybody look at everything again.

import { randomUUID } from 'node:crypto';
import type { Change, Fanout, FanoutListener, FanoutMember } from '../served/fanout.ts';
import type { RedisLink } from './redis-link.ts';

/** `missed`: what its sender could not tell. */
type Message = { readonly from: string } & (
  { readonly change: Change } | { readonly missed: true }
);

export class RedisFanout implements Fanout {
  readonly #link: RedisLink;
  readonly #members = new Map<string, FanoutListener>();
  /** Something couldn't be told, or its arrival is unknown. */
  #owes = false;
  readonly #onError: (error: unknown) => void;

  private constructor(link: RedisLink, onError: (error: unknown) => void) {
    this.#link = link;
    this.#onError = onError;
    link.listen({
      onUp: () => {
        this.#onUp();
      },
      onDown: () => undefined,
    });
  }

  /** Errors: RedisUnreachable. */
  static async open(link: RedisLink, onError: (error: unknown) => void): Promise<RedisFanout> {
    const fanout = new RedisFanout(link, onError);
    await link.subscribe('changes', (text) => {
      fanout.#onMessage(text);
    });
    return fanout;
  }

  join(listener: FanoutListener): FanoutMember {
    const from = randomUUID();
    this.#members.set(from, listener);
    return {
      publish: (change) => {
        this.#publish({ from, change });
      },
      leave: () => {
        this.#members.delete(from);
      },
    };
  }

  #publish(message: Message): void {
    this.#link.publish('changes', JSON.stringify(message)).catch((error: unknown) => {
      this.#owes = true;
      if (this.#link.isUp) this.#onError(error);
    });
  }

  #onUp(): void {
    for (const { onMissed } of this.#members.values()) onMissed();
    if (!this.#owes) return;
    this.#owes = false;
    const [from = ''] = this.#members.keys();
    this.#publish({ from, missed: true });
  }

  #onMessage(text: string): void {
    const message = this.#parse(text);
    if (message === undefined) return;
    for (const [name, listener] of this.#members) {
      if (name === message.from) continue;
      if ('missed' in message) listener.onMissed();
      else listener.onChange(message.change);
    }
  }

  /** Anything may come from Redis: what isn't understood may have been a change. */
  #parse(text: string): Message | undefined {
    try {
      const message: unknown = JSON.parse(text);
      if (isMessage(message)) return message;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
    for (const { onMissed } of this.#members.values()) onMissed();
    return undefined;
  }
}

function isMessage(value: unknown): value is Message {
  if (typeof value !== 'object' || value === null) return false;
  if (!('from' in value) || typeof value.from !== 'string') return false;
  if ('missed' in value) return true;
  return 'change' in value && isChange(value.change);
}

function isChange(value: unknown): value is Change {
  if (typeof value !== 'object' || value === null) return false;
  const { file, birth, flags, name } = value as Readonly<Record<string, unknown>>;
  const areTexts = [file, birth, name].every((text) => typeof text === 'string');
  return areTexts && typeof flags === 'number';
}
