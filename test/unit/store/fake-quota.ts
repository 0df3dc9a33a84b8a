// FakeQuota: an origin's quota for fake-indexeddb, as Chromium keeps it: a transaction that writes
// anything fails at its end if what it writes is more than what was left before; one that only
// deletes never does. estimate() always leaves the same.

import { IDBObjectStore, IDBTransaction } from 'fake-indexeddb';

type Key = string;

interface Changes {
  readonly puts: Map<Key, number>;
  readonly deletes: Set<Key>;
}

interface Patched {
  put: (this: IDBObjectStore, value: unknown, key?: IDBValidKey) => IDBRequest;
  delete: (this: IDBObjectStore, key: IDBValidKey) => IDBRequest;
}

const ESTIMATE_LEFT = 10 * 2 ** 30;

export class FakeQuota {
  /** Bytes the origin may use. */
  bytes: number;
  /** Whether estimate() tells the truth, as other browsers do. */
  isTold = false;
  /** Transactions that were refused. */
  refusals = 0;
  readonly #sizes = new Map<Key, number>();
  readonly #undo: () => void;

  /** From now on, until remove() is called. */
  constructor(bytes: number) {
    this.bytes = bytes;
    const store = IDBObjectStore.prototype as unknown as Patched;
    const transactions = IDBTransaction.prototype as unknown as { commit: () => void };
    const { put, delete: remove } = store;
    const { commit } = transactions;
    const open = new Map<IDBTransaction, Changes>();
    const changesOf = (transaction: IDBTransaction): Changes => {
      const changes = open.get(transaction) ?? { puts: new Map(), deletes: new Set() };
      open.set(transaction, changes);
      return changes;
    };
    store.put = function (this: IDBObjectStore, value: unknown, key?: IDBValidKey): IDBRequest {
      changesOf(this.transaction).puts.set(JSON.stringify(key), sizeOf(value));
      return put.call(this, value, key);
    };
    store.delete = function (this: IDBObjectStore, key: IDBValidKey): IDBRequest {
      changesOf(this.transaction).deletes.add(JSON.stringify(key));
      return remove.call(this, key);
    };
    const fits = (changes: Changes): boolean => this.#fits(changes);
    const apply = (changes: Changes): void => {
      this.#apply(changes);
    };
    transactions.commit = function (this: IDBTransaction): void {
      const changes = changesOf(this);
      open.delete(this);
      if (fits(changes)) {
        this.addEventListener('complete', () => {
          apply(changes);
        });
        commit.call(this);
      } else (this as unknown as { _abort(name: string): void })._abort('QuotaExceededError');
    };
    this.#undo = () => {
      Object.assign(store, { put, delete: remove });
      transactions.commit = commit;
    };
  }

  remove(): void {
    this.#undo();
  }

  get usage(): number {
    return [...this.#sizes.values()].reduce((sum, size) => sum + size, 0);
  }

  readonly estimate = (): Promise<StorageEstimate> => {
    const { usage } = this;
    return Promise.resolve({ usage, quota: this.isTold ? this.bytes : usage + ESTIMATE_LEFT });
  };

  #fits({ puts }: Changes): boolean {
    const written = [...puts.values()].reduce((sum, size) => sum + size, 0);
    const isFitting = written === 0 || this.usage + written <= this.bytes;
    if (!isFitting) this.refusals++;
    return isFitting;
  }

  #apply({ puts, deletes }: Changes): void {
    for (const key of deletes) this.#sizes.delete(key);
    for (const [key, size] of puts) this.#sizes.set(key, size);
  }
}

function sizeOf(value: unknown): number {
  if (value instanceof Uint8Array) return value.length + 100;
  if (value instanceof Blob) return value.size + 100;
  const root = (value as { readonly root?: Uint8Array } | null)?.root;
  return 200 + (root?.length ?? 0);
}
