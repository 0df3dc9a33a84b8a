// FileLocks: one lock for each file that is held, whatever names it was found by, so that what is
// done with it by any of them is done in the order in which it was asked for. Linux: i_rwsem.

import { assertDefined } from '../lib/assert.ts';
import { RwLock } from '../lib/rw-lock.ts';

interface Counted {
  readonly mu: RwLock;
  count: number;
}

export class FileLocks {
  readonly #byKey = new Map<string, Counted>();

  /** Files that have one. */
  get size(): number {
    return this.#byKey.size;
  }

  /**
   * For a holder, to be given back by letGo() only when no request uses it any more: whoever holds
   * the file next stands in line with those.
   */
  hold(fileKey: string): RwLock {
    const known = this.#byKey.get(fileKey);
    if (known !== undefined) {
      known.count++;
      return known.mu;
    }
    const mu = new RwLock();
    this.#byKey.set(fileKey, { mu, count: 1 });
    return mu;
  }

  letGo(fileKey: string): void {
    const known = assertDefined(this.#byKey.get(fileKey), 'a lock is let go that nobody holds');
    known.count--;
    if (known.count === 0) this.#byKey.delete(fileKey);
  }
}
