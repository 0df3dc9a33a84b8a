// The store on IndexedDB. README.md says what it writes and what survives which crash.
//
// engine/ does the work, on a device that database.ts opens; here is what comes before: the
// platform's parts, the lock, and the upgrade of older formats.

import { linuxerr } from '../abi/errno.ts';
import { type Clock, RealClock, timespecToMs } from '../lib/clock.ts';
import { runAsync } from '../lib/op.ts';
import { openDatabase } from './database.ts';
import { loadChecksum } from './engine/checksum.ts';
import { Engine } from './engine/engine.ts';
import { IdbDevice } from './engine/idb-device.ts';
import type { Checksum } from './engine/node-cache.ts';
import type { PageDevice } from './engine/page-device.ts';
import { upgradeFormat1 } from './format-1/upgrade.ts';
import { type Markers, OpfsMarkers } from './markers.ts';
import { type IndexedDb, SUPERBLOCK_KEY } from './records.ts';
import { acquireSourceLock, type LockManagerLike, NO_LOCKS } from './source-lock.ts';
import { StoreError } from './store-error.ts';
import { FORMAT_1 } from './superblock.ts';

const CACHE_BYTES_DEFAULT = 16 * 1024 * 1024;
const LOCK_TIMEOUT_MS_DEFAULT = 5000;

export interface IdbStoreOptions {
  /** Name of the store within this origin. */
  readonly source: string;
  /** Bound of the cache of decoded leaf pages, in bytes. Default: 16 MiB. */
  readonly cacheBytes?: number | undefined;
  /** How long to wait for another tab to close the store. Default: 5000. */
  readonly lockTimeoutMs?: number | undefined;
  /** Aborts waiting for the lock. */
  readonly signal?: AbortSignal | undefined;
  /** 'fail' (default), or 'format': start an empty store where the browser lost one. */
  readonly onDataLoss?: 'fail' | 'format' | undefined;
  readonly clock?: Clock | undefined;
  /** The platform's parts that are to be replaced; null: do without. */
  readonly idb?: IndexedDb | undefined;
  readonly locks?: LockManagerLike | null | undefined;
  readonly markers?: Markers | null | undefined;
  readonly estimate?: (() => Promise<StorageEstimate>) | undefined;
}

/**
 * Opens the store of a source, making it if there is none. A store of an older format is upgraded.
 *
 * Errors:
 *  - StoreError 'unavailable' if the browser has no IndexedDB or no Web Locks, or refuses.
 *  - StoreError 'locked' if another tab has it open; the signal's reason if that came first.
 *  - StoreError 'unknown-format', 'data-loss'; 'damaged' if what leads to everything else is.
 */
export async function openIdbStore(options: IdbStoreOptions): Promise<Engine> {
  const { device, checksum } = await openIdbDevice(options);
  const cacheBytes = options.cacheBytes ?? CACHE_BYTES_DEFAULT;
  try {
    return await runAsync(Engine.open({ device, checksum, cacheBytes }));
  } catch (error) {
    await runAsync(device.close());
    throw error === linuxerr.EIO ? damaged(options.source) : error;
  }
}

/** A medium, and how what lies on it is checked. */
export interface OpenDevice {
  readonly device: PageDevice;
  readonly checksum: Checksum;
}

/**
 * Opens the medium of a source, whatever is on it. Closing it gives up the lock.
 *
 * Errors: as openIdbStore(), but for 'damaged'.
 */
export async function openIdbDevice(options: IdbStoreOptions): Promise<OpenDevice> {
  const { source } = options;
  const platform = platformParts(options);
  let onLost = (): void => undefined;
  const lock =
    platform.locks === null
      ? undefined
      : await acquireSourceLock({
          locks: platform.locks,
          source,
          timeoutMs: options.lockTimeoutMs ?? LOCK_TIMEOUT_MS_DEFAULT,
          signal: options.signal,
          onLost: () => {
            onLost();
          },
        });
  try {
    const release = (): Promise<void> => lock?.release() ?? Promise.resolve();
    return await openDevice(options, platform, {
      release,
      setOnLost: (callback) => {
        onLost = callback;
      },
    });
  } catch (error) {
    await lock?.release();
    throw error;
  }
}

async function openDevice(
  options: IdbStoreOptions,
  platform: PlatformParts,
  lock: { release: () => Promise<void>; setOnLost: (onLost: () => void) => void },
): Promise<OpenDevice> {
  const clock = options.clock ?? new RealClock();
  const { idb, estimate } = platform;
  const { source } = options;
  const { database, superblock: found } = await openDatabase({
    idb,
    markers: platform.markers ?? undefined,
    source,
    onDataLoss: options.onDataLoss ?? 'fail',
    now: Math.floor(timespecToMs(clock.now())),
  });
  lock.setOnLost(() => {
    database.close();
  });
  try {
    const checksum = await loadChecksum();
    const isOld = found.formatVersion === FORMAT_1;
    const upgrade = { database, KeyRange: idb.KeyRange, checksum };
    const superblock = isOld ? await upgradeFormat1(found, upgrade) : found;
    const device = new IdbDevice({
      database,
      superblock,
      superblockKey: SUPERBLOCK_KEY,
      KeyRange: idb.KeyRange,
      estimate,
      onClosed: lock.release,
    });
    return { device, checksum };
  } catch (error) {
    database.close();
    throw error === linuxerr.EIO ? damaged(source) : error;
  }
}

function damaged(source: string): StoreError {
  return new StoreError(
    'damaged',
    `The superblock of the filesystem "${source}" is damaged: nothing that is stored can be ` +
      'found without it. Nothing was changed. kernel.repair() finds what is left; or restore it ' +
      'from a copy if there is one.',
  );
}

interface PlatformParts {
  readonly idb: IndexedDb;
  readonly locks: LockManagerLike | null;
  readonly markers: Markers | null;
  readonly estimate: (() => Promise<StorageEstimate>) | undefined;
}

function platformParts(options: IdbStoreOptions): PlatformParts {
  const { navigator, indexedDB, IDBKeyRange } = globalThis as {
    navigator?: { locks?: LockManager; storage?: Partial<StorageManager> };
    indexedDB?: IDBFactory;
    IDBKeyRange?: IndexedDb['KeyRange'];
  };
  const isComplete = indexedDB !== undefined && IDBKeyRange !== undefined;
  const idb =
    options.idb ?? (isComplete ? { factory: indexedDB, KeyRange: IDBKeyRange } : undefined);
  if (idb === undefined) {
    throw new StoreError(
      'unavailable',
      'There is no IndexedDB here to keep a persistent filesystem in. Mount a tmpfs instead.',
    );
  }
  const locks = options.locks === undefined ? navigator?.locks : options.locks;
  if (locks === undefined) throw new StoreError('unavailable', NO_LOCKS);
  const storage = navigator?.storage;
  const opfs = storage?.getDirectory === undefined ? null : (storage as StorageManager);
  const markers = opfs === null ? null : new OpfsMarkers(opfs);
  return {
    idb,
    locks,
    markers: options.markers === undefined ? markers : options.markers,
    estimate: options.estimate ?? storage?.estimate?.bind(storage),
  };
}
