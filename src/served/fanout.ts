// Fanout: what clients of one server change, told to the clients of the others that serve the same
// files. What is told within a server doesn't go this way.

/** A file of the tree, or one of its names, has changed. */
export interface Change {
  /** FileIndex.nameOf(): the same at all servers. */
  readonly file: string;
  /** Its time of birth, as far as it is known: an inode number may be another file's by now. */
  readonly birth: string;
  /** CHANGED_ flags. */
  readonly flags: number;
  /** Of a directory's entry. */
  readonly name: string;
}

export interface FanoutListener {
  readonly onChange: (change: Change) => void;
  /** Any number of changes were not heard of. */
  readonly onMissed: () => void;
}

/** One server's end. */
export interface FanoutMember {
  /** Tells all others, in order. Nobody waits for that. */
  publish(change: Change): void;
  leave(): void;
}

export interface Fanout {
  join(listener: FanoutListener): FanoutMember;
}

/** Between servers of this process; with one of them, for nobody. */
export class LocalFanout implements Fanout {
  readonly #listeners = new Set<FanoutListener>();

  join(listener: FanoutListener): FanoutMember {
    this.#listeners.add(listener);
    return {
      publish: (change) => {
        for (const other of this.#listeners) if (other !== listener) other.onChange(change);
      },
      leave: () => {
        this.#listeners.delete(listener);
      },
    };
  }
}
