// What servers of one directory share, if --redis says where.

import type { RedisState, RedisStateOptions } from '../redis/redis-state.ts';
import { UsageError } from './usage-error.ts';

/** Errors: UsageError. */
export async function openRedis(options: RedisStateOptions): Promise<RedisState> {
  const loaded = await load();
  try {
    return await loaded.RedisState.open(options);
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'RedisUnreachable') throw error;
    const { host } = new URL(options.url);
    throw new UsageError(`--redis: the server at ${host} can not be used (${error.message})`);
  }
}

/** Only here, as its package is optional. */
async function load(): Promise<{ readonly RedisState: typeof RedisState }> {
  try {
    return await import('../redis/redis-state.ts');
  } catch (error) {
    const { code } = error as { readonly code?: unknown };
    if (code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new UsageError('--redis needs the package @redis/client: npm install @redis/client');
  }
}
