// FdRoom: what becomes of requests that the server has no room for, as it has no more FDs for us
// (EMFILE), or its host for anybody (ENFILE). What is kept there only for speed is given up, and
// the server is asked once more when it has closed that: first half of it, and if that isn't
// enough all, when nobody else's request is under way that takes FDs for a while. Linux: mm's
// direct reclaim; NFSv4.1 recalls what clients hold (RFC 8881, 20.3).

import { type LinuxError, linuxerr } from '../../abi/errno.ts';
import { Mutex, type Op, WaitQueue } from '../../lib/op.ts';
import { Settling } from './pending.ts';
import type { Pending, RemoteFd } from './remote.ts';

/** Who keeps FDs. */
export interface FdKeeper {
  /** There are fewer than was thought. */
  readonly isShort: boolean;
  /**
   * Gives up what is kept only for speed, the longest unused half of it or all. Returns how many
   * FDs were closed, at least.
   */
  giveUp(part: 'half' | 'all'): Op<number>;
}

export function isNoRoom(error: unknown): boolean {
  return error === linuxerr.EMFILE || error === linuxerr.ENFILE;
}

export class FdRoom {
  readonly #untilClosed: () => Op<void>;
  #keeper: FdKeeper | undefined;
  /** Those that were refused go on one after the other. */
  readonly #turn = new Mutex();
  #underWay = 0;
  /** One of them wants to be the only one. */
  #isAlone = false;
  readonly #changed = new WaitQueue();

  /** `untilClosed`: the server has closed what was closed here. */
  constructor(untilClosed: () => Op<void>) {
    this.#untilClosed = untilClosed;
  }

  /** Before that nothing is given up. */
  keepIn(keeper: FdKeeper): void {
    this.#keeper = keeper;
  }

  /** Whoever can do with fewer FDs should. */
  get isShort(): boolean {
    return this.#keeper?.isShort === true;
  }

  /**
   * Asks for what makes FDs. `run` sends one request and waits for it; it names `fds`, which are
   * not given up. Errors: those of `run`; EMFILE, ENFILE if nothing helps.
   */
  *ask<T>(fds: readonly RemoteFd[], run: () => Op<T>): Op<T> {
    for (const fd of fds) fd.useCount++;
    try {
      while (this.#isAlone) yield this.#changed;
      try {
        return yield* this.#counted(run);
      } catch (error) {
        if (!isNoRoom(error)) throw error;
        return yield* this.#askAgain(run, error as LinuxError);
      }
    } finally {
      for (const fd of fds) fd.useCount--;
    }
  }

  *#counted<T>(run: () => Op<T>): Op<T> {
    this.#underWay++;
    try {
      return yield* run();
    } finally {
      this.#underWay--;
      this.#changed.wakeAll();
    }
  }

  *#askAgain<T>(run: () => Op<T>, refusal: LinuxError): Op<T> {
    yield* this.#turn.lock();
    try {
      yield* this.#giveUp('half');
      try {
        return yield* run();
      } catch (error) {
        if (!isNoRoom(error)) throw error;
      }
      this.#isAlone = true;
      const isWaiting = this.#underWay > 0;
      while (this.#underWay > 0) yield this.#changed;
      if ((yield* this.#giveUp('all')) === 0 && !isWaiting) throw refusal;
      return yield* run();
    } finally {
      this.#isAlone = false;
      this.#changed.wakeAll();
      this.#turn.unlock();
    }
  }

  /** Returns how many FDs were. */
  *#giveUp(part: 'half' | 'all'): Op<number> {
    const count = this.#keeper === undefined ? 0 : yield* this.#keeper.giveUp(part);
    yield* this.#untilClosed();
    return count;
  }

  /** The same of a request that is sent at once, and waited for by whoever wants to. */
  send<T>(fds: readonly RemoteFd[], send: () => Pending<T>): Pending<T> {
    for (const fd of fds) fd.useCount++;
    const pending = new Settling<T>();
    pending.onSettled(() => {
      for (const fd of fds) fd.useCount--;
    });
    this.#underWay++;
    send().onSettled((refusal, value) => {
      this.#underWay--;
      this.#changed.wakeAll();
      if (refusal === undefined || !isNoRoom(refusal)) pending.settle(refusal, value);
      else pending.settleAs(this.#askAgain(() => send().wait(), refusal));
    });
    return pending;
  }
}
