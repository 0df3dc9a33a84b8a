// RedisState: all that servers of the same files share, by one connection to Redis.

import type { Clock } from '../lib/clock.ts';
import { RedisFanout } from './redis-fanout.ts';
import { RedisLink, type RedisLog } from './redis-link.ts';
import { RedisLockTable } from './redis-lock-table.ts';

export interface RedisStateOptions {
  readonly url: string;
  readonly prefix: string;
  readonly clock: Clock;
  readonly log: RedisLog;
  readonly leaseMs?: number;
  /** Most locks of a session: ranges and flock locks. */
  readonly locksMax?: number;
}

export class RedisState {
  readonly #link: RedisLink;
  readonly locks: RedisLockTable;
  readonly fanout: RedisFanout;

  private constructor(link: RedisLink, locks: RedisLockTable, fanout: RedisFanout) {
    this.#link = link;
    this.locks = locks;
    this.fanout = fanout;
  }

  /** Errors: RedisUnreachable. */
  static async open(options: RedisStateOptions): Promise<RedisState> {
    const { clock, log, url, prefix, ...limits } = options;
    const link = await RedisLink.open({ url, prefix, clock, log });
    try {
      const locks = await RedisLockTable.open({ link, clock, log, ...limits });
      const fanout = await RedisFanout.open(link, (error) => {
        log.error({ err: error }, 'redis refused a call');
      });
      return new RedisState(link, locks, fanout);
    } catch (error) {
      link.close();
      throw error;
    }
  }

  get address(): string {
    return this.#link.address;
  }

  /** When all sessions have ended. Errors: none: whoever can't be told finds out by the lease. */
  async close(): Promise<void> {
    await this.locks.close();
    this.#link.close();
  }
}
