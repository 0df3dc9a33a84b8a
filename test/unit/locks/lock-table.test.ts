// Locks of three sessions against a model that knows of each byte who has it: of a table in this
// process, and of two servers' tables in a real Redis.

import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { LinuxError, linuxerr } from '../../../src/abi/errno.ts';
import { F_RDLCK, F_UNLCK, F_WRLCK } from '../../../src/abi/fcntl.ts';
import { runAsync } from '../../../src/lib/op.ts';
import {
  LocalLockTable,
  type LockOwnerId,
  type LockRequest,
  type LockTable,
} from '../../../src/locks/lock-table.ts';
import { hasRedis, NO_REDIS, type TestRedis, startRedis } from '../../support/redis.ts';

const BYTES = 8;
const FILES = ['1:1:5', '1:1:6'];
const SESSIONS = ['a', 'b', 'c'];
const KINDS = ['record', 'ofd', 'flock'] as const;

function nameOf({ session, kind, id }: LockOwnerId): string {
  return `${session} ${kind} ${id}`;
}

/** What each owner has of each byte; flock locks have one. */
class Model {
  readonly #cells = new Map<string, Map<string, number>>();

  #keysOf({ file, owner, start, end }: LockRequest): string[] {
    if (owner.kind === 'flock') return [`${file} flock`];
    const bytes = Array.from({ length: BYTES }, (_, at) => at);
    return bytes.filter((at) => at >= start && at < end).map((at) => `${file} ${at}`);
  }

  isInTheWay(request: LockRequest): boolean {
    if (request.type === F_UNLCK) return false;
    const own = nameOf(request.owner);
    return this.#keysOf(request).some((key) =>
      [...(this.#cells.get(key) ?? [])].some(
        ([owner, type]) => owner !== own && (type === F_WRLCK || request.type === F_WRLCK),
      ),
    );
  }

  set(request: LockRequest): void {
    for (const key of this.#keysOf(request)) {
      const cell = this.#cells.get(key) ?? new Map<string, number>();
      this.#cells.set(key, cell);
      if (request.type === F_UNLCK) cell.delete(nameOf(request.owner));
      else cell.set(nameOf(request.owner), request.type);
    }
  }

  deleteWhere(isMeant: (owner: string, key: string) => boolean): void {
    for (const [key, cell] of this.#cells) {
      for (const owner of [...cell.keys()]) if (isMeant(owner, key)) cell.delete(owner);
    }
  }
}

const owner = fc.record({
  session: fc.constantFrom(...SESSIONS),
  kind: fc.constantFrom(...KINDS),
  id: fc.integer({ min: 1, max: 2 }),
});
const step = fc.record({
  what: fc.constantFrom('set', 'set', 'set', 'set', 'wait', 'release', 'end'),
  file: fc.constantFrom(...FILES),
  owner,
  type: fc.constantFrom(F_RDLCK, F_WRLCK, F_WRLCK, F_UNLCK),
  start: fc.integer({ min: 0, max: BYTES - 1 }),
  length: fc.integer({ min: 1, max: BYTES + 1 }),
});
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** Tables of one or more servers, which have the same locks. */
interface Tables {
  /** Of the server where the session is. */
  of(session: string): LockTable;
  /** Lets everything happen that waits for nobody. */
  settle(): Promise<void>;
  /** What the tables still know of. */
  readonly size: number;
  close(): Promise<void>;
}

class Run {
  readonly #tables: Tables;
  readonly #model = new Model();
  /** Requests that wait, by owner. */
  readonly #waiting = new Map<
    string,
    { readonly request: LockRequest; readonly interrupt: () => void }
  >();
  readonly #granted: LockRequest[] = [];

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  async step({ what, file, owner, type, start, length }: Step): Promise<void> {
    const end = length > BYTES ? Infinity : start + length;
    const request: LockRequest = { file, owner, pid: 1, type, start, end };
    if (what === 'release') {
      await runAsync(this.#tables.of(owner.session).release(file, owner));
      const own = nameOf(owner);
      this.#model.deleteWhere((each, key) => each === own && key.startsWith(`${file} `));
    } else if (what === 'end') {
      await runAsync(this.#tables.of(owner.session).endSession(owner.session));
      this.#model.deleteWhere((each) => each.startsWith(`${owner.session} `));
    } else if (!this.#waiting.has(nameOf(owner))) await this.#set(request, what === 'wait');
    await this.#settle();
  }

  async #set(request: LockRequest, mayWait: boolean): Promise<void> {
    const isInTheWay = this.#model.isInTheWay(request);
    // A conversion that has to wait, or fails, has lost what it had: flock(2).
    if (isInTheWay && request.owner.kind === 'flock')
      this.#model.set({ ...request, type: F_UNLCK });
    if (mayWait) {
      this.#wait(request);
      return;
    }
    const table = this.#tables.of(request.owner.session);
    const error = await errorOf(runAsync(table.set(request, { mayWait })));
    expect(error).toBe(isInTheWay ? linuxerr.EAGAIN : undefined);
    if (!isInTheWay) this.#model.set(request);
  }

  #wait(request: LockRequest): void {
    const name = nameOf(request.owner);
    let interrupt = (): void => undefined;
    const op = this.#tables.of(request.owner.session).set(request, { mayWait: true });
    const done = runAsync(op, {
      subscribe(onInterrupt) {
        interrupt = () => {
          onInterrupt(linuxerr.EINTR);
        };
        return () => undefined;
      },
    });
    this.#waiting.set(name, { request, interrupt });
    void errorOf(done).then((error) => {
      this.#waiting.delete(name);
      if (error === undefined) this.#granted.push(request);
      else expect([linuxerr.EINTR, linuxerr.EDEADLK]).toContain(error);
    });
  }

  /** What has been granted meanwhile was free; what waits isn't. */
  async #settle(): Promise<void> {
    await this.#tables.settle();
    for (const request of this.#granted.splice(0)) {
      expect(this.#model.isInTheWay(request)).toBe(false);
      this.#model.set(request);
    }
    for (const { request } of this.#waiting.values()) {
      expect(this.#model.isInTheWay(request)).toBe(true);
    }
  }

  async end(): Promise<void> {
    for (const { interrupt } of [...this.#waiting.values()]) interrupt();
    await this.#settle();
    expect(this.#waiting.size).toBe(0);
    for (const session of SESSIONS) await runAsync(this.#tables.of(session).endSession(session));
    expect(this.#tables.size).toBe(0);
  }
}

async function errorOf(work: Promise<void>): Promise<LinuxError | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof LinuxError) return error;
    throw error;
  }
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

function localTables(): Tables {
  const table = new LocalLockTable({ locksMax: LOCKS_MAX });
  return {
    of: () => table,
    settle: () => turns(3),
    get size() {
      return table.size;
    },
    close: () => Promise.resolve(),
  };
}

/** Session c is at another server than a and b. */
async function redisTables(redis: TestRedis): Promise<Tables> {
  const prefix = redis.newPrefix();
  const states = [await redis.open({ prefix }), await redis.open({ prefix })] as const;
  return {
    of: (session) => states[session === 'c' ? 1 : 0].locks,
    settle: async () => {
      // Each lets what was published come, and what that leads to be asked and answered.
      for (let round = 0; round < 4; round++) {
        for (const { locks } of states) await runAsync(locks.find(NOTHING));
        await turns(1);
      }
    },
    get size() {
      return states.reduce((sum, { locks }) => sum + locks.size, 0);
    },
    close: async () => {
      for (const state of states) await state.close();
    },
  };
}

const LOCKS_MAX = 20;
const NOTHING: LockRequest = {
  file: 'none',
  owner: { session: 'nobody', kind: 'record', id: 0 },
  pid: 0,
  type: F_WRLCK,
  start: 0,
  end: 1,
};

let redis: TestRedis;
beforeAll(async () => {
  if (hasRedis) redis = await startRedis();
});
afterAll(async () => {
  if (hasRedis) await redis.stop();
});

const TABLES = [
  { name: 'in this process', isThere: true, runs: 150, make: () => Promise.resolve(localTables()) },
  { name: 'in Redis', isThere: hasRedis, runs: 25, make: () => redisTables(redis) },
];

describe.each(TABLES)('a table $name', ({ isThere, runs, make }) => {
  let tables: Tables;

  beforeEach(({ skip }) => {
    skip(!isThere, NO_REDIS);
  });

  function asked(session: string, type: number, more: Partial<LockRequest> = {}): LockRequest {
    const owner: LockOwnerId = { session, kind: 'record', id: 1 };
    return { file: ':5', owner, pid: 7, type, start: 0, end: 10, ...more };
  }

  function set(request: LockRequest, mayWait = false): Promise<void> {
    return runAsync(tables.of(request.owner.session).set(request, { mayWait }));
  }

  test(
    'whatever three sessions do, each lock is granted as it would be byte by byte',
    { timeout: 120_000 },
    async () => {
      const steps = fc.array(step, { minLength: 5, maxLength: 40 });
      const property = fc.asyncProperty(steps, async (all) => {
        const own = await make();
        const run = new Run(own);
        for (const each of all) await run.step(each);
        await run.end();
        await own.close();
      });
      await fc.assert(property, { seed: 20_261_128, numRuns: runs });
    },
  );

  test('the lock in the way is found, to the last byte there can be', async () => {
    tables = await make();
    const start = Number.MAX_SAFE_INTEGER - 2;
    await set(asked('a', F_WRLCK, { start, end: start + 1 }));
    const found = await runAsync(tables.of('c').find(asked('c', F_RDLCK, { end: Infinity })));
    const owner = { session: 'a', kind: 'record', id: 1 };
    expect(found).toEqual({ type: F_WRLCK, start, end: start + 1, pid: 7, owner });
    const own = await runAsync(tables.of('a').find(asked('a', F_UNLCK, { end: Infinity })));
    expect(own).toEqual(found);
    const before = asked('c', F_WRLCK, { end: start });
    expect(await runAsync(tables.of('c').find(before))).toBeUndefined();
    await tables.close();
  });

  test('EDEADLK if those in the way wait for this owner', async () => {
    tables = await make();
    await set(asked('a', F_WRLCK, { file: ':1' }));
    await set(asked('c', F_WRLCK, { file: ':2' }));
    const waiting = set(asked('a', F_WRLCK, { file: ':2' }), true);
    await tables.settle();
    const error = await errorOf(set(asked('c', F_WRLCK, { file: ':1' }), true));
    expect(error).toBe(linuxerr.EDEADLK);
    await runAsync(tables.of('c').endSession('c'));
    await waiting;
    await tables.close();
  });

  test('ENOLCK for more than a session may have, and nothing changes', async () => {
    tables = await make();
    for (let at = 0; at < LOCKS_MAX; at++) {
      await set(asked('a', F_WRLCK, { start: 10 * at, end: 10 * at + 5 }));
    }
    const more = asked('a', F_WRLCK, { start: 1000, end: 1001 });
    expect(await errorOf(set(more))).toBe(linuxerr.ENOLCK);
    const middle = asked('a', F_UNLCK, { start: 1, end: 2 });
    expect(await errorOf(set(middle))).toBe(linuxerr.ENOLCK);
    expect(await errorOf(set(asked('c', F_RDLCK, { start: 1, end: 2 })))).toBe(linuxerr.EAGAIN);
    await set(asked('c', F_WRLCK, { start: 1000, end: 1001 }));
    await tables.close();
  });
});
