// A real Redis for tests, which keeps nothing, at a free port.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { assertDefined } from '../../src/lib/assert.ts';
import { type Clock, RealClock } from '../../src/lib/clock.ts';
import { RedisState } from '../../src/redis/redis-state.ts';

export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;
/** Why tests are left out without it. */
export const NO_REDIS = 'redis-server is not installed';

export interface LoggedLine {
  readonly level: 'info' | 'error';
  readonly fields: object;
  readonly message: string;
}

export interface OpenOptions {
  readonly prefix: string;
  readonly leaseMs?: number;
  readonly clock?: Clock;
  readonly log?: LoggedLine[];
}

export class TestRedis {
  readonly #folder = mkdtempSync(join(tmpdir(), 'burrow-redis-'));
  readonly port: number;
  #child: ChildProcess | undefined;
  #prefixes = 0;

  constructor(port: number) {
    this.port = port;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** That nobody else uses. */
  newPrefix(): string {
    return `test-${++this.#prefixes}`;
  }

  /** Returns when it can be connected to. */
  async start(): Promise<void> {
    const where = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.#folder];
    const args = [...where, '--save', '', '--appendonly', 'no'];
    this.#child = spawn('redis-server', args, { stdio: 'ignore' });
    while (!(await this.#answers()));
  }

  #answers(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(this.port, '127.0.0.1');
      socket.on('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.on('error', () => setTimeout(resolve, 20, false));
    });
  }

  /** As if it had crashed: what it knew is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    const closed = once(child, 'close');
    child.kill('SIGKILL');
    await closed;
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  open({ clock = new RealClock(), log = [], ...options }: OpenOptions): Promise<RedisState> {
    const add = (level: LoggedLine['level']) => (fields: object, message: string) => {
      log.push({ level, fields, message });
    };
    const logger = { info: add('info'), error: add('error') };
    // As many locks as the table of cases has.
    return RedisState.open({ url: this.url, clock, log: logger, locksMax: 20, ...options });
  }
}

export async function startRedis(): Promise<TestRedis> {
  const finder = createServer().listen(0, '127.0.0.1');
  await once(finder, 'listening');
  const { port } = finder.address() as AddressInfo;
  finder.close();
  await once(finder, 'close');
  const redis = new TestRedis(port);
  await redis.start();
  return redis;
}

/** One for all tests of a file, which are left out where there is none. */
export function useRedis(): () => TestRedis {
  let redis: TestRedis | undefined;
  beforeAll(async () => {
    if (hasRedis) redis = await startRedis();
  });
  afterAll(() => redis?.stop());
  beforeEach(({ skip }) => {
    skip(!hasRedis, NO_REDIS);
  });
  return () => assertDefined(redis);
}
