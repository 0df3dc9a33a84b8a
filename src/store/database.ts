// The database of a store: opening and formatting it, its transactions, and what browsers say when
// they lose it. Nothing is written to a database whose format is not known.

import { promisifyRequest } from 'idb-keyval';
import type { UseStore } from 'idb-keyval';
import { LinuxError, linuxerr } from '../abi/errno.ts';
import type { Clock } from '../lib/clock.ts';
import type { Markers } from './markers.ts';
import { RECORDS, SUPERBLOCK_KEY } from './records.ts';
import type { IndexedDb } from './records.ts';
import { StoreError } from './store-error.ts';
import type { Durability } from './store.ts';
import { checkSuperblock, newSuperblock, unknownFormat } from './superblock.ts';
import type { Superblock } from './superblock.ts';

/**
 * What to do where something was lost: refuse; begin with nothing if nothing is left; go on with
 * what is left.
 */
export type OnDataLoss = 'fail' | 'format' | 'accept';

export interface DatabaseOptions {
  readonly idb: IndexedDb;
  readonly markers: Markers | undefined;
  readonly source: string;
  readonly onDataLoss: OnDataLoss;
  /** There is another copy: that the database was lost is no reason to refuse. */
  readonly isMirrored: boolean;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly clock: Clock;
  /** How long the browser may take to open the database, in milliseconds. */
  readonly openTimeoutMs: number;
}

/** Chromium adds to the event of a database that is made anew what became of the old one. */
interface UpgradeEvent extends IDBVersionChangeEvent {
  readonly dataLoss?: string;
  readonly dataLossMessage?: string;
}

/** An open database. Every operation fails with EIO once it is closed, by us or by the browser. */
export class Database {
  readonly #db: IDBDatabase;
  #isOpen = true;

  constructor(db: IDBDatabase) {
    this.#db = db;
    // The user cleared the site's data, or the disk failed.
    db.onclose = () => {
      this.#isOpen = false;
    };
    // Someone deletes the database.
    db.onversionchange = () => {
      this.close();
    };
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  close(): void {
    this.#isOpen = false;
    this.#db.close();
  }

  /** The records, for transactions of the given durability. Errors are LinuxErrors. */
  records(durability: Durability): UseStore {
    return async (mode, callback) => {
      try {
        if (!this.#isOpen) throw linuxerr.EIO;
        const transaction = this.#db.transaction(RECORDS, mode, { durability });
        return await callback(transaction.objectStore(RECORDS));
      } catch (error) {
        throw toLinuxError(error);
      }
    };
  }

  /** One transaction: all that `fill` requests, or nothing. Resolved when it is complete. */
  write(durability: Durability, fill: (store: IDBObjectStore) => void): Promise<void> {
    return this.records(durability)('readwrite', (store) => {
      const { transaction } = store;
      let cause: unknown;
      transaction.addEventListener('error', ({ target }) => {
        cause ??= (target as IDBRequest).error;
      });
      try {
        fill(store);
        transaction.commit();
      } catch (error) {
        cause = error;
        transaction.abort();
      }
      // A transaction that a request failed has no error of its own yet when that is reported.
      return promisifyRequest(transaction).catch((error: unknown) => {
        const reason: unknown = error ?? cause;
        throw reason;
      });
    });
  }
}

/** Errors: StoreError 'unavailable', 'unknown-format', 'data-loss'. */
export async function openDatabase(
  options: DatabaseOptions,
): Promise<{ database: Database; superblock: Superblock }> {
  const marker = await options.markers?.read(options.source);
  const database = new Database(await openConnection(options, marker));
  try {
    const superblock = await readSuperblock(database, options);
    if (marker !== markerText(superblock)) {
      await options.markers?.write(options.source, markerText(superblock));
    }
    return { database, superblock };
  } catch (error) {
    database.close();
    if (error !== linuxerr.EIO) throw error;
    throw new StoreError('unavailable', `The browser could not read ${describe(options)}.`);
  }
}

async function openConnection(
  options: DatabaseOptions,
  marker: string | undefined,
): Promise<IDBDatabase> {
  try {
    // Without a version: a database that exists is opened as it is, whatever its version.
    const request = options.idb.factory.open(databaseName(options));
    request.onupgradeneeded = (event) => {
      const store = request.result.createObjectStore(RECORDS);
      const lost = lossMessage(event, marker);
      format(store, options, options.onDataLoss === 'format' ? undefined : lost);
    };
    const db = await withinTime(request, options);
    if (db.objectStoreNames.contains(RECORDS)) return db;
    db.close();
  } catch (error) {
    if (error instanceof StoreError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new StoreError(
      'unavailable',
      `The browser refused to open ${describe(options)}: ${message} ` +
        'Private windows, blocked site data or a full disk can be the reason.',
      { cause: error },
    );
  }
  throw unknownFormat(databaseName(options), 'another program’s records');
}

/**
 * The connection, unless the browser keeps it waiting: behind a deletion, for example, that another
 * page's connection doesn't make way for. No event tells of that.
 */
function withinTime(request: IDBOpenDBRequest, options: DatabaseOptions): Promise<IDBDatabase> {
  const { clock, openTimeoutMs } = options;
  return new Promise((resolve, reject) => {
    const cancel = clock.setTimer(openTimeoutMs, () => {
      // What comes after this is unwanted, a new database most of all.
      request.onupgradeneeded = () => request.transaction?.abort();
      request.onsuccess = () => {
        request.result.close();
      };
      reject(
        new StoreError(
          'unavailable',
          `The browser has not opened ${describe(options)} for ${openTimeoutMs / 1000} s. ` +
            'Another tab of this site may be deleting or upgrading it: close the others, then ' +
            'try again.',
        ),
      );
    });
    promisifyRequest(request).then(resolve, reject).finally(cancel);
  });
}

/** Why a database that is made now ought to have been there; undefined if it is a new one. */
function lossMessage(event: UpgradeEvent, marker: string | undefined): string | undefined {
  if (event.dataLoss !== undefined && event.dataLoss !== 'none') {
    return event.dataLossMessage ?? 'it was corrupt';
  }
  return marker === undefined ? undefined : 'it is missing, though it was there before';
}

/** Writes an empty store, or what says that there was one. */
function format(store: IDBObjectStore, options: DatabaseOptions, lost: string | undefined): void {
  const superblock = newSuperblock({ source: options.source, createdAt: options.now, lost });
  store.put(superblock, SUPERBLOCK_KEY);
}

async function readSuperblock(database: Database, options: DatabaseOptions): Promise<Superblock> {
  const read = async (): Promise<Superblock> => {
    const found: unknown = await database.records('relaxed')('readonly', (store) =>
      promisifyRequest(store.get(SUPERBLOCK_KEY)),
    );
    return checkSuperblock(found, databaseName(options));
  };
  const superblock = await read();
  if (superblock.lost === undefined || options.isMirrored) return superblock;
  if (options.onDataLoss !== 'format') throw dataLoss(options, superblock.lost);
  await database.write('strict', (store) => {
    store.clear();
    format(store, options, undefined);
  });
  return read();
}

function dataLoss(
  options: DatabaseOptions,
  { at, message }: NonNullable<Superblock['lost']>,
): StoreError {
  return new StoreError(
    'data-loss',
    `The browser reports that it lost ${describe(options)} (${message}; noticed ` +
      `${new Date(at).toISOString()}). What was stored there is gone. Restore it from a copy if ` +
      "there is one; to start with an empty filesystem, open it with onDataLoss: 'format'.",
  );
}

function databaseName({ source }: DatabaseOptions): string {
  return `burrow:${source}`;
}

function describe(options: DatabaseOptions): string {
  return `the database "${databaseName(options)}" of the filesystem "${options.source}"`;
}

function markerText({ source, createdAt }: Superblock): string {
  return JSON.stringify({ source, createdAt });
}

function toLinuxError(error: unknown): unknown {
  if (error instanceof DOMException) {
    return error.name === 'QuotaExceededError' ? linuxerr.ENOSPC : linuxerr.EIO;
  }
  return error instanceof LinuxError || error instanceof Error ? error : linuxerr.EIO;
}
