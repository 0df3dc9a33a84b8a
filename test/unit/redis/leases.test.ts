// What becomes of locks when a server dies, or Redis does. Time is the test's own where a server's
// is meant; Redis has its own, so that leases which are to be over are short.

import { afterEach, describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { F_UNLCK, F_WRLCK } from '../../../src/abi/fcntl.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { runAsync } from '../../../src/lib/op.ts';
import type { LockRequest } from '../../../src/locks/lock-table.ts';
import type { RedisState } from '../../../src/redis/redis-state.ts';
import { type LoggedLine, type OpenOptions, useRedis } from '../../support/redis.ts';

const LEASE_MS = 60_000;
/** Of a lease that is to be over. */
const SHORT_MS = 300;
const FILE = ':5';

const redis = useRedis();
let prefix: string;
const states: RedisState[] = [];

async function open(options: Partial<OpenOptions> = {}): Promise<RedisState> {
  const state = await redis().open({ prefix, leaseMs: LEASE_MS, ...options });
  states.push(state);
  return state;
}

function lock(session: string, type = F_WRLCK): LockRequest {
  const owner = { session, kind: 'record', id: 1 } as const;
  return { file: FILE, owner, pid: 1, type, start: 0, end: Infinity };
}

function take({ locks }: RedisState, session: string, mayWait = false): Promise<void> {
  return runAsync(locks.set(lock(session), { mayWait }));
}

/** Asks until it is granted: only Redis knows when a lease is over. */
async function takeInTime(state: RedisState, session: string): Promise<void> {
  for (;;) {
    try {
      await take(state, session);
      return;
    } catch (error) {
      if (error !== linuxerr.EAGAIN) throw error;
    }
  }
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) {
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
}

describe('leases', () => {
  afterEach(async () => {
    for (const state of states.splice(0)) await state.close();
  });

  function newTest(): void {
    prefix = redis().newPrefix();
  }

  test('a server that is gone keeps its locks until the lease is over, and no longer', async () => {
    newTest();
    const clock = new FakeClock();
    const dead = await open({ clock, leaseMs: SHORT_MS });
    const other = await open();
    await take(dead, 'a');
    await expect(take(other, 'b')).rejects.toBe(linuxerr.EAGAIN);
    // Its clock stands still: it renews nothing.
    await takeInTime(other, 'b');
  });

  test('who waits for a lock of a server that is gone is woken by another’s sweep', async () => {
    newTest();
    const dead = await open({ clock: new FakeClock(), leaseMs: SHORT_MS });
    const other = await open({ leaseMs: SHORT_MS });
    await take(dead, 'a');
    await take(other, 'b', true);
    await expect(take(other, 'c')).rejects.toBe(linuxerr.EAGAIN);
  });

  test('a lease is renewed three times before it is over', async () => {
    newTest();
    const clock = new FakeClock();
    const state = await open({ clock, leaseMs: LEASE_MS });
    const lost: string[] = [];
    state.locks.onSessionsLost = (names) => lost.push(...names);
    await take(state, 'a');
    for (let round = 0; round < 10; round++) {
      clock.advance(LEASE_MS / 3);
      // By the same connection: it comes after the renewal.
      await runAsync(state.locks.find(lock('b')));
    }
    expect(lost).toEqual([]);
  });

  test('a server that finds its lease over ends the sessions, and is told ENOLCK', async () => {
    newTest();
    const state = await open({ clock: new FakeClock(), leaseMs: SHORT_MS });
    const other = await open();
    const lost: string[] = [];
    state.locks.onSessionsLost = (names) => lost.push(...names);
    await take(state, 'a');
    await takeInTime(other, 'b');
    await expect(take(state, 'a')).rejects.toBe(linuxerr.ENOLCK);
    expect(lost).toEqual(['a']);
  });

  test('what a client had at a server that is gone is kept for its new session', async () => {
    newTest();
    const dead = await open({ clock: new FakeClock() });
    const other = await open();
    await take(dead, 'a');
    await runAsync(other.locks.inherit('a', 'heir'));
    await expect(take(other, 'b')).rejects.toBe(linuxerr.EAGAIN);
    await take(other, 'heir');
    await expect(take(other, 'b')).rejects.toBe(linuxerr.EAGAIN);
    await runAsync(other.locks.inherit('heir', 'next'));
    await take(other, 'next');
  });

  test('what the new session gives up is not kept for it any more', async () => {
    newTest();
    const dead = await open({ clock: new FakeClock() });
    const other = await open();
    const rest = { ...lock('b'), start: 10, end: 20 };
    await take(dead, 'a');
    await runAsync(other.locks.inherit('a', 'heir'));
    await runAsync(other.locks.inherit('heir', 'next'));
    await take(other, 'next');
    // A part of it.
    const part = { ...lock('next', F_UNLCK), start: 10, end: 20 };
    await runAsync(other.locks.set(part, { mayWait: false }));
    await expect(take(other, 'b')).rejects.toBe(linuxerr.EAGAIN);
    await runAsync(other.locks.set(rest, { mayWait: false }));
    await runAsync(other.locks.release(FILE, lock('next').owner));
    await take(other, 'b');
  });

  test('what was kept for a session ends with it', async () => {
    newTest();
    const dead = await open({ clock: new FakeClock() });
    const other = await open();
    await take(dead, 'a');
    await runAsync(other.locks.inherit('a', 'heir'));
    await runAsync(other.locks.endSession('heir'));
    await take(other, 'b');
  });

  test('without Redis nothing is given, and what is given up is told it later', async () => {
    newTest();
    const log: LoggedLine[] = [];
    const state = await open({ log });
    const other = await open();
    await take(state, 'a');
    const waiting = expect(take(other, 'b', true)).rejects.toBe(linuxerr.ENOLCK);
    await redis().kill();
    await waiting;
    await expect(take(state, 'c')).rejects.toBe(linuxerr.ENOLCK);
    await runAsync(state.locks.set(lock('a', F_UNLCK), { mayWait: false }));
    expect(log.map(({ message }) => message)).toContain(
      'redis is unreachable: no locks are given, and caches may be stale',
    );
    await redis().start();
    await until(() => log.some(({ message }) => message === 'redis is there again'));
    await until(() => log.some(({ message }) => message.startsWith('locks were lost')));
    await takeInTime(state, 'd');
  });

  test('a Redis that has forgotten everything ends the sessions that had locks', async () => {
    newTest();
    const state = await open();
    const lost: string[] = [];
    state.locks.onSessionsLost = (names) => lost.push(...names);
    await take(state, 'a');
    await redis().kill();
    await redis().start();
    await until(() => lost.length > 0);
    expect(lost).toEqual(['a']);
  });

  test('without Redis for a whole lease, sessions end by the server’s own clock', async () => {
    newTest();
    const clock = new FakeClock();
    const log: LoggedLine[] = [];
    const state = await open({ clock, log });
    const lost: string[] = [];
    state.locks.onSessionsLost = (names) => lost.push(...names);
    await take(state, 'a');
    await redis().kill();
    await until(() => log.length > 0);
    clock.advance(LEASE_MS - 1);
    expect(lost).toEqual([]);
    clock.advance(1);
    expect(lost).toEqual(['a']);
    await redis().start();
  });
});
