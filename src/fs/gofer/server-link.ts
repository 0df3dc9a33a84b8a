// ServerLink: the link of a gofer, as its mount shows it.

import type { Clock } from '../../lib/clock.ts';
import type { LinkStatus } from '../../link/connection.ts';
import type { RemoteLink, RemoteStatus } from '../../vfs/remote-link.ts';
import type { CacheMode } from './options.ts';

/** A client, of whichever protocol. */
export interface LinkClient {
  readonly status: LinkStatus;
  measure(): void;
  reconnectNow(): void;
  abort(): void;
}

/** A client that is used has connected once, and one that is closed doesn't come back. */
const STATES: Readonly<Record<LinkStatus['state'], RemoteStatus['state']>> = {
  connecting: 'reconnecting',
  connected: 'connected',
  reconnecting: 'reconnecting',
  failed: 'failed',
  closed: 'failed',
};

/** At most so often, for a page that looks every second. */
const MEASURE_MS = 5000;

export interface ServerLinkOptions {
  readonly cache: CacheMode;
  readonly clock: Clock;
  readonly savedCount: () => number;
  readonly lockPlace: () => RemoteStatus['locks'];
}

export class ServerLink implements RemoteLink {
  readonly #client: LinkClient;
  readonly #cache: CacheMode;
  readonly #clock: Clock;
  readonly #savedCount: () => number;
  readonly #lockPlace: () => RemoteStatus['locks'];
  #measuredMs = -Infinity;

  constructor(client: LinkClient, options: ServerLinkOptions) {
    const { cache, clock, savedCount, lockPlace } = options;
    this.#client = client;
    this.#cache = cache;
    this.#clock = clock;
    this.#savedCount = savedCount;
    this.#lockPlace = lockPlace;
  }

  get status(): RemoteStatus {
    const { state, ...rest } = this.#client.status;
    return {
      ...rest,
      state: STATES[state],
      cache: this.#cache,
      savedCount: this.#savedCount(),
      locks: this.#lockPlace(),
    };
  }

  measure(): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#measuredMs < MEASURE_MS) return;
    this.#measuredMs = nowMs;
    this.#client.measure();
  }

  reconnectNow(): void {
    this.#client.reconnectNow();
  }

  abort(): void {
    this.#client.abort();
  }
}
