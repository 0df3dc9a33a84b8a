// Running Ops: to their end, until they wait, until they are interrupted.

import { describe, expect, test } from 'vitest';
import { FakeClock } from '../../../src/lib/clock.ts';
import type { WouldWait } from '../../../src/lib/op.ts';
import {
  anyOf,
  type Interruption,
  type Op,
  resumeAsync,
  runAsync,
  runSync,
  startOp,
  timer,
  uninterrupted,
  waitFor,
  WaitQueue,
} from '../../../src/lib/op.ts';

/** Something that can be interrupted, and by whom. */
class Interrupter implements Interruption {
  readonly #listeners = new Set<(reason: Error) => void>();

  get listenerCount(): number {
    return this.#listeners.size;
  }

  subscribe(onInterrupt: (reason: Error) => void): () => void {
    this.#listeners.add(onInterrupt);
    return () => {
      this.#listeners.delete(onInterrupt);
    };
  }

  interrupt(reason: Error): void {
    for (const listener of [...this.#listeners]) listener(reason);
  }
}

function* waitOnce(queue: WaitQueue): Op<string> {
  yield queue;
  return 'woken';
}

function* fail(): Op<void> {
  throw new Error('failed');
}

describe('runSync', () => {
  test('gives the value of an Op that needs no waiting', () => {
    expect(
      runSync(
        (function* (): Op<number> {
          return 5;
        })(),
      ),
    ).toBe(5);
  });

  test('throws what the Op throws', () => {
    expect(() => {
      runSync(fail());
    }).toThrow('failed');
  });

  test('hands out an Op that waits, intact', async () => {
    const queue = new WaitQueue();
    let caught: unknown;
    try {
      runSync(waitOnce(queue));
    } catch (error) {
      caught = error;
    }
    const { op, wait } = caught as WouldWait<string>;
    const result = resumeAsync(op, wait);
    queue.wakeAll();
    expect(await result).toBe('woken');
  });
});

describe('runAsync', () => {
  test('has done what needs no waiting when it returns', () => {
    let done = '';
    void runAsync(
      (function* (): Op<void> {
        done = 'before waiting';
        yield new WaitQueue();
      })(),
    );
    expect(done).toBe('before waiting');
  });

  test('rejects with what the Op throws after it has waited', async () => {
    const queue = new WaitQueue();
    const result = runAsync(
      (function* (): Op<void> {
        yield queue;
        yield* fail();
      })(),
    );
    queue.wakeAll();
    await expect(result).rejects.toThrow('failed');
  });

  test('an interruption is thrown where the Op waits, and finally blocks run', async () => {
    const queue = new WaitQueue();
    const interrupter = new Interrupter();
    const events: string[] = [];
    const result = runAsync(
      (function* (): Op<void> {
        try {
          yield queue;
        } catch (error) {
          events.push(String(error));
          throw error;
        } finally {
          events.push('finally');
        }
      })(),
      interrupter,
    );
    interrupter.interrupt(new Error('stop'));
    await expect(result).rejects.toThrow('stop');
    expect(events).toEqual(['Error: stop', 'finally']);
    expect(queue.isEmpty).toBe(true);
    expect(interrupter.listenerCount).toBe(0);
  });

  test('an Op that was woken and interrupted at once is resumed only once', async () => {
    const queue = new WaitQueue();
    const interrupter = new Interrupter();
    const result = runAsync(waitOnce(queue), interrupter);
    queue.wakeAll();
    interrupter.interrupt(new Error('stop'));
    await expect(result).rejects.toThrow('stop');
    await Promise.resolve();
  });

  test('an Op may wait again in its finally block after an interruption', async () => {
    const cleanUp = new WaitQueue();
    const interrupter = new Interrupter();
    let isClean = false;
    const result = runAsync(
      (function* (): Op<void> {
        try {
          yield new WaitQueue();
        } finally {
          yield cleanUp;
          isClean = true;
        }
      })(),
      interrupter,
    );
    interrupter.interrupt(new Error('stop'));
    cleanUp.wakeAll();
    await expect(result).rejects.toThrow('stop');
    expect(isClean).toBe(true);
  });

  test('nobody listens for interruptions of an Op that has ended', async () => {
    const interrupter = new Interrupter();
    await runAsync(waitFor(Promise.resolve()), interrupter);
    await expect(runAsync(fail(), interrupter)).rejects.toThrow('failed');
    expect(interrupter.listenerCount).toBe(0);
  });
});

test('startOp tells of an end that comes at once before it returns', () => {
  const ends: string[] = [];
  const completion = {
    resolve: (value: unknown) => {
      ends.push(`resolved ${String(value)}`);
    },
    reject: (error: unknown) => {
      ends.push(`rejected ${String(error)}`);
    },
  };
  startOp(
    (function* (): Op<number> {
      return 1;
    })(),
    completion,
  );
  startOp(fail(), completion);
  expect(ends).toEqual(['resolved 1', 'rejected Error: failed']);
});

describe('waitFor', () => {
  test('gives the value of a promise', async () => {
    expect(await runAsync(waitFor(Promise.resolve('value')))).toBe('value');
  });

  test('throws the reason of a promise', async () => {
    await expect(runAsync(waitFor(Promise.reject(new Error('no'))))).rejects.toThrow('no');
  });

  test('can be interrupted, whatever becomes of the promise', async () => {
    const interrupter = new Interrupter();
    let settle: (() => void) | undefined;
    const promise = new Promise<void>((resolve) => {
      settle = resolve;
    });
    const result = runAsync(waitFor(promise), interrupter);
    interrupter.interrupt(new Error('stop'));
    await expect(result).rejects.toThrow('stop');
    settle?.();
    await promise;
  });
});

describe('WaitQueue', () => {
  test('wakes everybody who waits, later, in their order, and only once', async () => {
    const queue = new WaitQueue();
    const woken: number[] = [];
    for (const number of [1, 2, 3]) queue.subscribe(() => woken.push(number));
    queue.wakeAll();
    expect(woken).toEqual([]);
    queue.wakeAll();
    await Promise.resolve();
    expect(woken).toEqual([1, 2, 3]);
  });

  test('does not wake who has withdrawn, even after wakeAll()', async () => {
    const queue = new WaitQueue();
    const woken: number[] = [];
    const withdraw = queue.subscribe(() => woken.push(1));
    queue.subscribe(() => woken.push(2))();
    expect(queue.isEmpty).toBe(false);
    queue.wakeAll();
    withdraw();
    await Promise.resolve();
    expect(woken).toEqual([]);
    expect(queue.isEmpty).toBe(true);
  });

  test('who waits again while being woken waits for the next time', async () => {
    const queue = new WaitQueue();
    let count = 0;
    const again = (): void => {
      count++;
      queue.subscribe(again);
    };
    queue.subscribe(again);
    queue.wakeAll();
    await Promise.resolve();
    expect(count).toBe(1);
  });
});

describe('anyOf', () => {
  test('wakes once, and withdraws from the others', async () => {
    const queues = [new WaitQueue(), new WaitQueue()] as const;
    let count = 0;
    anyOf(queues).subscribe(() => count++);
    queues[1].wakeAll();
    queues[0].wakeAll();
    await Promise.resolve();
    expect(count).toBe(1);
    expect(queues.map(({ isEmpty }) => isEmpty)).toEqual([true, true]);
  });

  test('withdraws from all', () => {
    const queues = [new WaitQueue(), new WaitQueue()];
    anyOf(queues).subscribe(() => undefined)();
    expect(queues.map(({ isEmpty }) => isEmpty)).toEqual([true, true]);
  });

  test('of nothing never wakes', async () => {
    let count = 0;
    anyOf([]).subscribe(() => count++)();
    await Promise.resolve();
    expect(count).toBe(0);
  });
});

test('timer wakes after its time, unless withdrawn', () => {
  const clock = new FakeClock();
  const woken: string[] = [];
  timer(clock, 10).subscribe(() => woken.push('a'));
  timer(clock, 10).subscribe(() => woken.push('b'))();
  clock.advance(9);
  expect(woken).toEqual([]);
  clock.advance(1);
  expect(woken).toEqual(['a']);
  clock.advance(100);
  expect(woken).toEqual(['a']);
});

describe('uninterrupted', () => {
  test('an interruption is not thrown, and the Op waits on', async () => {
    const queue = new WaitQueue();
    const interrupter = new Interrupter();
    let isReady = false;
    let woken = 0;
    const result = runAsync(
      uninterrupted(
        (function* (): Op<string> {
          for (; !isReady; woken++) yield queue;
          return 'done';
        })(),
      ),
      interrupter,
    );
    interrupter.interrupt(new Error('stop'));
    expect(woken).toBe(1);
    isReady = true;
    queue.wakeAll();
    expect(await result).toBe('done');
  });

  test("the Op's own errors are", async () => {
    await expect(runAsync(uninterrupted(fail()))).rejects.toThrow('failed');
  });
});
