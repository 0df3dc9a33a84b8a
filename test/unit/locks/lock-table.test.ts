// Locks of three sessions against a model that knows of each byte who has it.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LinuxError, linuxerr } from '../../../src/abi/errno.ts';
import { F_RDLCK, F_UNLCK, F_WRLCK } from '../../../src/abi/fcntl.ts';
import { runAsync } from '../../../src/lib/op.ts';
import {
  LocalLockTable,
  type LockOwnerId,
  type LockRequest,
} from '../../../src/locks/lock-table.ts';

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

class Run {
  readonly table = new LocalLockTable({ locksMax: 1000 });
  readonly #model = new Model();
  /** Requests that wait, by owner. */
  readonly #waiting = new Map<
    string,
    { readonly request: LockRequest; readonly interrupt: () => void }
  >();
  readonly #granted: LockRequest[] = [];

  async step({ what, file, owner, type, start, length }: Step): Promise<void> {
    const end = length > BYTES ? Infinity : start + length;
    const request: LockRequest = { file, owner, pid: 1, type, start, end };
    if (what === 'release') {
      await runAsync(this.table.release(file, owner));
      const own = nameOf(owner);
      this.#model.deleteWhere((each, key) => each === own && key.startsWith(`${file} `));
    } else if (what === 'end') {
      await runAsync(this.table.endSession(owner.session));
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
    const error = await errorOf(runAsync(this.table.set(request, { mayWait })));
    expect(error).toBe(isInTheWay ? linuxerr.EAGAIN : undefined);
    if (!isInTheWay) this.#model.set(request);
  }

  #wait(request: LockRequest): void {
    const name = nameOf(request.owner);
    let interrupt = (): void => undefined;
    const op = this.table.set(request, { mayWait: true });
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
    for (let turn = 0; turn < 3; turn++) {
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
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
    for (const session of SESSIONS) await runAsync(this.table.endSession(session));
    expect(this.table.size).toBe(0);
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

test('whatever three sessions do, each lock is granted as it would be byte by byte', async () => {
  const steps = fc.array(step, { minLength: 5, maxLength: 40 });
  const property = fc.asyncProperty(steps, async (all) => {
    const run = new Run();
    for (const each of all) await run.step(each);
    await run.end();
  });
  await fc.assert(property, { seed: 20_261_128, numRuns: 150 });
});
