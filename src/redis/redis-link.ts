// RedisLink: the one connection a server has to Redis or Valkey, made anew whenever it breaks. With
// RESP3 messages and replies come by the same connection, in the order in which Redis made them:
// whoever is answered has been told of all that was published before.

import { createClient } from '@redis/client';
import type { Clock } from '../lib/clock.ts';

/** How long a connection may take, and an answer to a ping. */
const TIMEOUT_MS = 5000;
const PING_INTERVAL_MS = 5000;
/** Between two attempts to connect: longer each time, up to the second. */
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 3000;

export interface RedisLog {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface RedisLinkOptions {
  /** `redis://[user[:password]@]host[:port][/database]`, or `rediss:` for TLS. */
  readonly url: string;
  /** What all keys and channels begin with: the same for servers of the same files only. */
  readonly prefix: string;
  readonly clock: Clock;
  readonly log: RedisLog;
}

/** There is no connection, or it broke before the answer was there: it may have been done. */
export class RedisUnreachable extends Error {
  override readonly name = 'RedisUnreachable';
}

/** Calls are made in the order they are called in, also those of listeners. */
export interface LinkListener {
  /** Connected again, or for the first time: what was published meanwhile is lost. */
  readonly onUp: () => void;
  readonly onDown: () => void;
}

type Client = ReturnType<typeof makeClient>;

function makeClient(url: string) {
  return createClient({
    url,
    RESP: 3,
    disableOfflineQueue: true,
    // It is made anew here, so that one that doesn't answer is given up, too.
    socket: { connectTimeout: TIMEOUT_MS, reconnectStrategy: false },
  });
}

export class RedisLink {
  readonly #options: RedisLinkOptions;
  readonly #listeners = new Set<LinkListener>();
  readonly #channels = new Map<string, (message: string) => void>();
  /** Undefined while there is no connection. */
  #client: Client | undefined;
  /** One that isn't ready yet. */
  #pending: Client | undefined;
  #cancelTimer: () => void = () => undefined;
  #retryMs = RETRY_MIN_MS;
  #isClosed = false;

  private constructor(options: RedisLinkOptions) {
    this.#options = options;
  }

  /** Errors: RedisUnreachable, whose message says why. */
  static async open(options: RedisLinkOptions): Promise<RedisLink> {
    const link = new RedisLink(options);
    await link.#connect();
    return link;
  }

  get prefix(): string {
    return this.#options.prefix;
  }

  get isUp(): boolean {
    return this.#client !== undefined;
  }

  /** Where it leads to, without a password. */
  get address(): string {
    return addressOf(this.#options.url);
  }

  /** Returns what takes it away again. */
  listen(listener: LinkListener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Also by later connections. Errors: RedisUnreachable; it is heard from the next one on then. */
  async subscribe(name: string, onMessage: (message: string) => void): Promise<void> {
    const channel = `${this.prefix}:${name}`;
    this.#channels.set(channel, onMessage);
    await this.#call((client) => client.subscribe(channel, onMessage));
  }

  /** Errors: RedisUnreachable. */
  async publish(name: string, message: string): Promise<void> {
    await this.#call((client) => client.publish(`${this.prefix}:${name}`, message));
  }

  /** Errors: RedisUnreachable; Error for what is wrong with the script. */
  async run(script: RedisScript, args: readonly string[]): Promise<string[]> {
    const rest = ['1', this.prefix, ...args];
    const reply = await this.#call(async (client) => {
      try {
        return await client.sendCommand<string[]>(['EVALSHA', script.sha1, ...rest]);
      } catch (error) {
        if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
        return await client.sendCommand<string[]>(['EVAL', script.text, ...rest]);
      }
    });
    return reply;
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelTimer();
    this.#pending?.destroy();
    this.#client?.destroy();
    this.#client = undefined;
  }

  async #call<T>(call: (client: Client) => Promise<T>): Promise<T> {
    const client = this.#client;
    if (client === undefined) throw new RedisUnreachable('there is no connection to Redis');
    try {
      return await call(client);
    } catch (error) {
      // What it is told isn't worth a connection that is gone.
      if (this.#client === client && client.isReady) throw error;
      throw new RedisUnreachable('the connection to Redis broke', { cause: error });
    }
  }

  /** Errors: RedisUnreachable. */
  async #connect(): Promise<void> {
    const client = makeClient(this.#options.url);
    this.#pending = client;
    let problem: unknown;
    client.on('error', (error: unknown) => {
      problem = error;
      this.#lose(client, error);
    });
    client.on('end', () => {
      this.#lose(client, problem);
    });
    try {
      await client.connect();
      for (const [channel, onMessage] of this.#channels) await client.subscribe(channel, onMessage);
    } catch (error) {
      if (client.isOpen) client.destroy();
      throw new RedisUnreachable(textOf(error), { cause: error });
    } finally {
      this.#pending = undefined;
    }
    if (this.#isClosed || !client.isReady) {
      if (client.isOpen) client.destroy();
      throw new RedisUnreachable('the connection broke at once');
    }
    this.#client = client;
    this.#retryMs = RETRY_MIN_MS;
    this.#watch(client);
    for (const listener of this.#listeners) listener.onUp();
  }

  /** A Redis that doesn't answer is as good as none. */
  #watch(client: Client): void {
    const { clock } = this.#options;
    this.#cancelTimer = clock.setTimer(PING_INTERVAL_MS, () => {
      this.#cancelTimer = clock.setTimer(TIMEOUT_MS, () => {
        this.#lose(client, new Error(`no answer within ${TIMEOUT_MS} ms`));
      });
      client.ping().then(
        () => {
          if (this.#client !== client) return;
          this.#cancelTimer();
          this.#watch(client);
        },
        (error: unknown) => {
          this.#lose(client, error);
        },
      );
    });
  }

  #lose(client: Client, error: unknown): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    this.#cancelTimer();
    if (client.isOpen) client.destroy();
    const { log } = this.#options;
    const fields = { redis: this.address, problem: textOf(error) };
    log.error(fields, 'redis is unreachable: no locks are given, and caches may be stale');
    for (const listener of this.#listeners) listener.onDown();
    this.#retryLater();
  }

  #retryLater(): void {
    this.#cancelTimer = this.#options.clock.setTimer(this.#retryMs, () => {
      this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MAX_MS);
      this.#connect().then(
        () => {
          this.#options.log.info({ redis: this.address }, 'redis is there again');
        },
        () => {
          if (!this.#isClosed) this.#retryLater();
        },
      );
    });
  }
}

export interface RedisScript {
  readonly text: string;
  /** By which Redis knows it: in hex. */
  readonly sha1: string;
}

/** Without user and password. */
function addressOf(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

function textOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(textOf).join('; ');
  return error instanceof Error ? error.message : 'it closed the connection';
}
