// NameChanges: changes of a directory's names that are under way, and looks for names meanwhile.
//
// A name that is being changed at the server is looked for once that is done; what was found of a
// name while it was being changed is not taken for what there is. Other names of the directory are
// nobody's concern: however fast they change, a look gets through.

import { Mutex, type Wait, WaitQueue } from '../../lib/op.ts';

/** After those of descriptions, which list, and of data: src/fs/shared/inode.ts. */
const NAMES_LOCK_RANK = 3;

/** Somebody who is looking for a name at the server. */
export class Look {
  readonly name: string;
  /** The name has been changed since: what is found may not be so. */
  isStale = false;

  constructor(name: string) {
    this.name = name;
  }
}

export class NameChanges {
  /** Held while names are changed, and by who must see all of them as they are at one moment. */
  readonly mutex = new Mutex(NAMES_LOCK_RANK);
  /** Counts changes. */
  version = 0;
  readonly #changing = new Set<string>();
  readonly #changed = new WaitQueue();
  readonly #looks = new Set<Look>();

  /** Has the server been asked to change any? */
  get isAny(): boolean {
    return this.#changing.size > 0;
  }

  has(name: string): boolean {
    return this.#changing.has(name);
  }

  /** Woken when changes have ended. */
  get changed(): Wait {
    return this.#changed;
  }

  begin(name: string): void {
    this.#changing.add(name);
    this.onChanged(name);
  }

  /** All that began have ended, well or not. */
  end(): void {
    this.#changing.clear();
    this.version++;
    this.#changed.wakeAll();
  }

  onChanged(name: string): void {
    this.version++;
    for (const look of this.#looks) if (look.name === name) look.isStale = true;
  }

  /** End it with endLook(). */
  look(name: string): Look {
    const look = new Look(name);
    this.#looks.add(look);
    return look;
  }

  endLook(look: Look): void {
    this.#looks.delete(look);
  }
}
