// RwLock: readers together, writers alone, everybody in turn, also when somebody gives up.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvariantError } from '../../../src/lib/assert.ts';
import { type Interruption, type Op, runAsync, runSync, WaitQueue } from '../../../src/lib/op.ts';
import { RwLock } from '../../../src/lib/rw-lock.ts';

const SEED = 20_251;

class Interrupter implements Interruption {
  #listener: ((reason: Error) => void) | undefined;

  subscribe(onInterrupt: (reason: Error) => void): () => void {
    this.#listener = onInterrupt;
    return () => {
      this.#listener = undefined;
    };
  }

  interrupt(): void {
    this.#listener?.(new Error('interrupted'));
  }
}

/** Lets everything happen that needs no more than microtasks. */
function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

type Kind = 'read' | 'write';

/** An Op that takes the lock and holds it until told. */
class Holder {
  readonly name: string;
  readonly kind: Kind;
  isHolding = false;
  isOver = false;
  readonly interrupter = new Interrupter();
  readonly #lock: RwLock;
  readonly #events: string[];
  readonly #released = new WaitQueue();
  readonly done: Promise<unknown>;

  constructor(lock: RwLock, kind: Kind, name: string, events: string[]) {
    this.name = name;
    this.kind = kind;
    this.#lock = lock;
    this.#events = events;
    this.done = runAsync(this.#run(), this.interrupter).then(
      () => 'released',
      (error: unknown) => (error as Error).message,
    );
  }

  *#run(): Op<void> {
    try {
      yield* this.kind === 'read' ? this.#lock.lockRead() : this.#lock.lockWrite();
      try {
        this.isHolding = true;
        this.#events.push(this.name);
        yield this.#released;
      } finally {
        this.isHolding = false;
        if (this.kind === 'read') this.#lock.unlockRead();
        else this.#lock.unlockWrite();
      }
    } finally {
      this.isOver = true;
    }
  }

  async release(): Promise<void> {
    this.#released.wakeAll();
    await this.done;
    await settle();
  }
}

function holders(lock: RwLock, kinds: string): { all: Holder[]; events: string[] } {
  const events: string[] = [];
  const all = Array.from(
    kinds,
    (kind, index) => new Holder(lock, kind === 'r' ? 'read' : 'write', `${kind}${index}`, events),
  );
  return { all, events };
}

test('a free lock is taken without waiting', () => {
  const lock = new RwLock();
  runSync(lock.lockRead());
  runSync(lock.lockRead());
  expect(lock.readerCount).toBe(2);
  lock.unlockRead();
  lock.unlockRead();
  runSync(lock.lockWrite());
  expect(lock.hasWriter).toBe(true);
  lock.unlockWrite();
  expect(lock.isHeld).toBe(false);
});

test('readers share the lock; a writer waits for all of them', async () => {
  const lock = new RwLock();
  const { all, events } = holders(lock, 'rrw');
  expect(events).toEqual(['r0', 'r1']);
  await all[0]!.release();
  expect(lock.hasWriter).toBe(false);
  await all[1]!.release();
  expect(events).toEqual(['r0', 'r1', 'w2']);
  await all[2]!.release();
  expect(lock.isHeld).toBe(false);
});

test('a reader waits behind a writer that waits', async () => {
  const lock = new RwLock();
  const { all, events } = holders(lock, 'rwrrw');
  await settle();
  expect(events).toEqual(['r0']);
  await all[0]!.release();
  expect(events).toEqual(['r0', 'w1']);
  await all[1]!.release();
  expect(events).toEqual(['r0', 'w1', 'r2', 'r3']);
  await all[3]!.release();
  await all[2]!.release();
  expect(events).toEqual(['r0', 'w1', 'r2', 'r3', 'w4']);
  await all[4]!.release();
  expect(lock.isHeld).toBe(false);
});

test('tryRead and tryWrite take nothing that is held, waited for or promised', async () => {
  const lock = new RwLock();
  expect(lock.tryWrite()).toBe(true);
  expect(lock.tryRead()).toBe(false);
  expect(lock.tryWrite()).toBe(false);
  lock.unlockWrite();
  expect(lock.tryRead()).toBe(true);
  expect(lock.tryRead()).toBe(true);
  expect(lock.tryWrite()).toBe(false);
  const { all } = holders(lock, 'w');
  // A writer waits.
  expect(lock.tryRead()).toBe(false);
  lock.unlockRead();
  lock.unlockRead();
  // It is the writer's from here on, though that has not gone on yet.
  expect(lock.tryRead()).toBe(false);
  expect(lock.tryWrite()).toBe(false);
  await settle();
  await all[0]!.release();
  expect(lock.tryWrite()).toBe(true);
});

test('a writer that goes on as a reader lets in readers, and no writer before them', async () => {
  const lock = new RwLock();
  runSync(lock.lockWrite());
  const { all, events } = holders(lock, 'rrwr');
  lock.downgrade();
  await settle();
  expect(events).toEqual(['r0', 'r1']);
  lock.unlockRead();
  await all[0]!.release();
  await all[1]!.release();
  expect(events).toEqual(['r0', 'r1', 'w2']);
  await all[2]!.release();
  await all[3]!.release();
  expect(lock.isHeld).toBe(false);
});

describe('an interruption', () => {
  test('of a waiting writer lets in the readers behind it', async () => {
    const lock = new RwLock();
    const { all, events } = holders(lock, 'rwr');
    all[1]!.interrupter.interrupt();
    expect(await all[1]!.done).toBe('interrupted');
    await settle();
    expect(events).toEqual(['r0', 'r2']);
    await all[0]!.release();
    await all[2]!.release();
    expect(lock.isHeld).toBe(false);
  });

  test('of a reader in the middle of the queue leaves no hole', async () => {
    const lock = new RwLock();
    const { all, events } = holders(lock, 'wrwr');
    all[1]!.interrupter.interrupt();
    await all[0]!.release();
    expect(events).toEqual(['w0', 'w2']);
    await all[2]!.release();
    expect(events).toEqual(['w0', 'w2', 'r3']);
    await all[3]!.release();
    expect(lock.isHeld).toBe(false);
  });

  test.each(['wwr', 'wrw'])('just after the lock was granted hands it on (%s)', async (kinds) => {
    const lock = new RwLock();
    const { all, events } = holders(lock, kinds);
    const released = all[0]!.release();
    // The first lets go in a microtask; the second is granted the lock, and not yet told.
    while (all[0]!.isHolding) await Promise.resolve();
    all[1]!.interrupter.interrupt();
    expect(await all[1]!.done).toBe('interrupted');
    await released;
    expect(events).toEqual(['w0', `${kinds[2]!}2`]);
    await all[2]!.release();
    expect(lock.isHeld).toBe(false);
  });

  test('an Op that is abandoned while it waits leaves the queue', () => {
    const lock = new RwLock();
    runSync(lock.lockWrite());
    const op = lock.lockRead();
    op.next();
    op.return();
    lock.unlockWrite();
    expect(lock.isHeld).toBe(false);
    expect(lock.tryWrite()).toBe(true);
  });
});

test('unlocking what is not held is a bug', () => {
  const lock = new RwLock();
  const wrong = [
    () => {
      lock.unlockRead();
    },
    () => {
      lock.unlockWrite();
    },
    () => {
      lock.downgrade();
    },
  ];
  for (const unlock of wrong) expect(unlock).toThrow(InvariantError);
  lock.tryRead();
  expect(wrong[1]).toThrow(InvariantError);
  expect(wrong[2]).toThrow(InvariantError);
  lock.unlockRead();
  lock.tryWrite();
  expect(wrong[0]).toThrow(InvariantError);
});

/** What a history of holders may do at each step. */
const step = fc.record({
  action: fc.constantFrom('read', 'write', 'release', 'interrupt'),
  which: fc.nat(20),
});

test('whatever happens: no two writers, nobody overtakes, nobody is forgotten', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const lock = new RwLock();
      const events: string[] = [];
      const all: Holder[] = [];
      for (const { action, which } of steps) {
        const live = all.filter(({ isOver }) => !isOver);
        const chosen = live[which % Math.max(live.length, 1)];
        if (action === 'read' || action === 'write') {
          all.push(new Holder(lock, action, String(all.length), events));
        } else if (action === 'interrupt') chosen?.interrupter.interrupt();
        else if (chosen?.isHolding === true) await chosen.release();
        if (which % 3 === 0) await settle();
        checkHolders(all);
      }
      await finish(all);
      expect(lock.isHeld).toBe(false);
      const order = events.map(Number);
      expect(order).toEqual(order.toSorted((a, b) => a - b));
    }),
    { seed: SEED, numRuns: 300 },
  );
});

function checkHolders(all: readonly Holder[]): void {
  const holding = all.filter(({ isHolding }) => isHolding);
  if (holding.some(({ kind }) => kind === 'write')) expect(holding).toHaveLength(1);
}

/** Everybody gets the lock, and lets go. */
async function finish(all: readonly Holder[]): Promise<void> {
  await settle();
  while (all.some(({ isOver }) => !isOver)) {
    const holder = all.find(({ isHolding }) => isHolding);
    expect(holder, 'somebody waits for a lock that nobody has').toBeDefined();
    await holder!.release();
    checkHolders(all);
  }
}

test('nobody goes past one who was let in and has yet to go on', async () => {
  const lock = new RwLock();
  runSync(lock.lockWrite());
  const { all, events } = holders(lock, 'rr');
  lock.unlockWrite();
  // They share the lock, but come first.
  expect([lock.readerCount, lock.tryRead()]).toEqual([2, false]);
  const { done, value } = lock.lockRead().next();
  expect([done, value === undefined]).toEqual([false, false]);
  await settle();
  expect(events).toEqual(['r0', 'r1']);
  for (const each of all) await each.release();
});
