// Mutex: first come, first served, also when somebody gives up.

import { expect, test } from 'vitest';
import { type Interruption, Mutex, type Op, runAsync, WaitQueue } from '../../../src/lib/op.ts';

/** Runs a task that notes when it holds the mutex, and lets go when told. */
function hold(mutex: Mutex, name: string, events: string[], interruption?: Interruption) {
  const release = new WaitQueue();
  function* run(): Op<void> {
    yield* mutex.lock();
    try {
      events.push(`${name} has it`);
      yield release;
    } finally {
      events.push(`${name} lets go`);
      mutex.unlock();
    }
  }
  const done = runAsync(run(), interruption);
  return { done, release };
}

/** Lets everything happen that needs no more than microtasks. */
function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function interruptible(): Interruption & { interrupt(): void } {
  let listener: ((reason: Error) => void) | undefined;
  return {
    subscribe(onInterrupt) {
      listener = onInterrupt;
      return () => {
        listener = undefined;
      };
    },
    interrupt() {
      listener?.(new Error('interrupted'));
    },
  };
}

test('first come, first served', async () => {
  const mutex = new Mutex();
  const events: string[] = [];
  const tasks = ['a', 'b', 'c'].map((name) => hold(mutex, name, events));
  for (const { release, done } of tasks) {
    await settle();
    release.wakeAll();
    await done;
  }
  expect(events.map((event) => event[0]).join('')).toBe('aabbcc');
  expect(mutex.isHeld).toBe(false);
});

test('tryLock takes a free mutex only, and never one that is promised to somebody', async () => {
  const mutex = new Mutex();
  expect(mutex.tryLock()).toBe(true);
  expect(mutex.tryLock()).toBe(false);
  const events: string[] = [];
  const waiting = hold(mutex, 'a', events);
  mutex.unlock();
  // It is a's from here on, though a has not gone on yet.
  expect(mutex.tryLock()).toBe(false);
  await settle();
  waiting.release.wakeAll();
  await waiting.done;
  expect(mutex.tryLock()).toBe(true);
});

test('who is interrupted in the queue leaves it, and the next one gets the mutex', async () => {
  const mutex = new Mutex();
  const events: string[] = [];
  const first = hold(mutex, 'a', events);
  const interruption = interruptible();
  const second = hold(mutex, 'b', events, interruption);
  const third = hold(mutex, 'c', events);
  interruption.interrupt();
  await expect(second.done).rejects.toThrow('interrupted');
  first.release.wakeAll();
  await first.done;
  await settle();
  third.release.wakeAll();
  await third.done;
  expect(events).toEqual(['a has it', 'a lets go', 'c has it', 'c lets go']);
  expect(mutex.isHeld).toBe(false);
});

test('who is interrupted just after it was given the mutex hands it on', async () => {
  const mutex = new Mutex();
  const events: string[] = [];
  mutex.tryLock();
  const interruption = interruptible();
  const second = hold(mutex, 'b', events, interruption);
  const third = hold(mutex, 'c', events);
  mutex.unlock();
  interruption.interrupt();
  await expect(second.done).rejects.toThrow('interrupted');
  await settle();
  third.release.wakeAll();
  await third.done;
  expect(events).toEqual(['c has it', 'c lets go']);
  expect(mutex.isHeld).toBe(false);
});
