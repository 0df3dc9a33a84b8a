// HostFd: a descriptor of the host's that is closed exactly once, when nobody uses it any more.
// FdBudget: how many there may be. FdReservation: one of them, before it is there.
//
// A path through /proc/self/fd names a descriptor by its number. Were it closed while a call with
// such a path is under way, the next file to be opened could get its number, and the call.

import { LinuxError } from '../abi/errno.ts';
import { assert } from '../lib/assert.ts';
import { close } from './node-fs.ts';

export interface FdBudgetOptions {
  readonly fdsMax: number;
  /** EMFILE for a client's, ENFILE for a server's. */
  readonly error: LinuxError;
  /** What is taken here is taken there too. */
  readonly parent?: FdBudget;
}

/** What a descriptor is paid for from, and given back to. */
export interface FdSource {
  spend<T>(openIt: () => Promise<T>): Promise<T>;
  give(): void;
}

/** Nobody pays. */
const UNPAID: FdSource = {
  spend: (openIt) => openIt(),
  give: () => undefined,
};

export class FdBudget implements FdSource {
  readonly #fdsMax: number;
  readonly #error: LinuxError;
  readonly #parent: FdBudget | undefined;
  #fdCount = 0;
  /** Who has the one beyond the limit, or the last who has had it. */
  #brief: Promise<unknown> = Promise.resolve();

  constructor({ fdsMax, error, parent }: FdBudgetOptions) {
    this.#fdsMax = fdsMax;
    this.#error = error;
    this.#parent = parent;
  }

  /** Descriptors that are open. */
  get fdCount(): number {
    return this.#fdCount;
  }

  /** Descriptors that may still be opened. */
  get leftCount(): number {
    return this.#fdsMax - this.#fdCount;
  }

  /**
   * Of what several share, nobody has more than is left for all others: so each newcomer finds
   * something, however many have taken as much as they could, and those who give up what they
   * don't need end up with as much each.
   * Errors: its own, or its parent's, if there are too many.
   */
  take(): void {
    if (this.#fdCount >= this.#fdsMax) throw this.#error;
    const sharedLeft = this.#parent?.leftCount ?? Infinity;
    if (sharedLeft > 0 && this.#fdCount >= sharedLeft) throw this.#error;
    this.#parent?.take();
    this.#fdCount++;
  }

  give(): void {
    assert(this.#fdCount > 0, 'more descriptors are closed than were opened');
    this.#fdCount--;
    this.#parent?.give();
  }

  /** Takes up to `count` for later, each to be given back by itself. Returns how many. */
  takeUpTo(count: number): number {
    for (let taken = 0; taken < count; taken++) {
      try {
        this.take();
      } catch (error) {
        if (!(error instanceof LinuxError)) throw error;
        return taken;
      }
    }
    return count;
  }

  /**
   * Takes one for later, so that what is done until then isn't done in vain.
   * Errors: take()'s.
   */
  reserve(): FdReservation {
    this.take();
    return new FdReservation(this);
  }

  /**
   * For what takes one only for a moment, and isn't worth failing for: where there is none left,
   * one beyond the limit, in turn. Errors: those of `work`.
   */
  async briefly<T>(work: (source: FdSource) => Promise<T>): Promise<T> {
    if (this.takeUpTo(1) === 0) {
      const turn = this.#brief.then(() => work(UNPAID));
      this.#brief = turn.catch(() => undefined);
      return turn;
    }
    const reserved = new FdReservation(this);
    try {
      return await work(reserved);
    } finally {
      reserved.release();
    }
  }

  /** Opens something that takes one, and is given back by whoever closes it. Errors: take()'s. */
  async spend<T>(openIt: () => Promise<T>): Promise<T> {
    this.take();
    try {
      return await openIt();
    } catch (error) {
      this.give();
      throw error;
    }
  }
}

/** A descriptor that is paid for, and will be opened or not. */
export class FdReservation implements FdSource {
  readonly #budget: FdBudget;
  #isHeld = true;

  /** It was taken out of `budget`. */
  constructor(budget: FdBudget) {
    this.#budget = budget;
  }

  /** Once. */
  async spend<T>(openIt: () => Promise<T>): Promise<T> {
    assert(this.#isHeld, 'a reserved descriptor is opened twice');
    this.#isHeld = false;
    try {
      return await openIt();
    } catch (error) {
      this.give();
      throw error;
    }
  }

  give(): void {
    this.#budget.give();
  }

  /** Gives it back, unless it was opened. */
  release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.give();
  }
}

export class HostFd {
  readonly #fd: number;
  readonly #source: FdSource;
  /** The owner's, and one for each call under way. */
  #refCount = 1;
  #isClosed = false;
  readonly #gone: Promise<void>;
  #onGone!: (closing: Promise<void>) => void;

  /** Opens a file. Errors: those of `openIt`; the source's. */
  static async open(source: FdSource, openIt: () => Promise<number>): Promise<HostFd> {
    return new HostFd(await source.spend(openIt), source);
  }

  /** `fd` is paid for out of `source`. */
  private constructor(fd: number, source: FdSource) {
    this.#fd = fd;
    this.#source = source;
    this.#gone = new Promise((resolve) => {
      this.#onGone = resolve;
    });
  }

  /** Calls `work` with the descriptor, which stays open until its promise is settled. */
  async use<T>(work: (fd: number) => Promise<T>): Promise<T> {
    assert(!this.#isClosed, 'a descriptor is used after it was closed');
    this.#refCount++;
    try {
      return await work(this.#fd);
    } finally {
      this.#decRef();
    }
  }

  /** Closes it as soon as nobody uses it. Waits for that. Errors: close(2)'s. */
  async close(): Promise<void> {
    assert(!this.#isClosed, 'a descriptor is closed twice');
    this.#isClosed = true;
    this.#decRef();
    await this.#gone;
  }

  #decRef(): void {
    this.#refCount--;
    if (this.#refCount > 0) return;
    // Whatever close(2) says, the descriptor is gone.
    this.#onGone(
      close(this.#fd).finally(() => {
        this.#source.give();
      }),
    );
  }
}
