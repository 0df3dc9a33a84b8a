// The store of a browser. README.md says what it writes and what survives which crash.
//
// engine/ does the work, on the media that media.ts opens; here is what comes before: the
// platform's parts and the lock.

import { linuxerr } from '../abi/errno.ts';
import { type Clock, RealClock } from '../lib/clock.ts';
import { runAsync } from '../lib/op.ts';
import type { OnDataLoss } from './database.ts';
import { defragmentInBackground } from './defragment-in-background.ts';
import { loadChecksum } from './engine/checksum.ts';
import { Engine } from './engine/engine.ts';
import type { Checksum } from './engine/node-cache.ts';
import type { PageDevice } from './engine/page-device.ts';
import { type Markers, OpfsMarkers } from './markers.ts';
import { type Media, type Medium, openMedia } from './media.ts';
import { OpfsFiles, type StoreFiles } from './opfs-files.ts';
import type { IndexedDb } from './records.ts';
import {
  acquireSourceLock,
  type HeldSourceLock,
  type LockManagerLike,
  NO_LOCKS,
  type SourceLock,
} from './source-lock.ts';
import { StoreError } from './store-error.ts';

const CACHE_BYTES_DEFAULT = 16 * 1024 * 1024;
const LOCK_TIMEOUT_MS_DEFAULT = 5000;
/** The file of a tab that is gone is given back a little after its lock, however loaded it is. */
const HANDLE_TIMEOUT_MS = 10_000;
/** Opening takes as long as the browser needs to read its log. */
const OPEN_TIMEOUT_MS_DEFAULT = 30_000;

export interface IdbStoreOptions {
  /** Name of the store within this origin. */
  readonly source: string;
  /** Random number of this session, of 48 bits. */
  readonly session: number;
  /** Bound of the cache of decoded leaf pages, in bytes. Default: 16 MiB. */
  readonly cacheBytes?: number | undefined;
  /** How long to wait for another tab to close the store. Default: 5000. */
  readonly lockTimeoutMs?: number | undefined;
  /** How long the browser may take to open the database. Default: 30,000. */
  readonly openTimeoutMs?: number | undefined;
  /** The lock, if it is held already: the store gives it up in the end. */
  readonly lock?: HeldSourceLock | undefined;
  /** Aborts waiting for the lock. */
  readonly signal?: AbortSignal | undefined;
  /** Default: 'fail'. */
  readonly onDataLoss?: OnDataLoss | undefined;
  /**
   * 'mirrored' (default): on IndexedDB and, where there is OPFS, in a file beside it. 'indexeddb':
   * there alone; a file that is there is copied back and removed.
   */
  readonly media?: Media | undefined;
  /** Of openIdbDevice(): opens what is damaged as well. Default: false. */
  readonly forRepair?: boolean | undefined;
  readonly clock?: Clock | undefined;
  /** The platform's parts that are to be replaced; null: do without. */
  readonly idb?: IndexedDb | undefined;
  readonly locks?: LockManagerLike | null | undefined;
  readonly markers?: Markers | null | undefined;
  readonly files?: StoreFiles | null | undefined;
  readonly estimate?: (() => Promise<StorageEstimate>) | undefined;
}

/**
 * Opens the store of a source, making it if there is none. A store of an older format is upgraded.
 *
 * Errors:
 *  - StoreError 'unavailable' if the browser has no IndexedDB or no Web Locks, or refuses.
 *  - StoreError 'locked' if another tab has it open; the signal's reason if that came first.
 *  - StoreError 'unknown-format', 'data-loss'; 'damaged' if what leads to everything else is;
 *    'diverged' if the copies on two media were changed apart.
 */
export async function openIdbStore(options: IdbStoreOptions): Promise<Engine> {
  const { device, checksum } = await openIdbDevice(options);
  const cacheBytes = options.cacheBytes ?? CACHE_BYTES_DEFAULT;
  try {
    const { session } = options;
    const engine = await runAsync(Engine.open({ device, checksum, cacheBytes, session }));
    defragmentInBackground(engine, options.clock ?? new RealClock());
    return engine;
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
  const timeoutMs = options.lockTimeoutMs ?? LOCK_TIMEOUT_MS_DEFAULT;
  const tellLost = (): void => {
    onLost();
  };
  let lock: SourceLock | undefined = options.lock;
  if (options.lock !== undefined) options.lock.onLost = tellLost;
  else if (platform.locks !== null) {
    const { signal } = options;
    const { locks } = platform;
    lock = await acquireSourceLock({ locks, source, timeoutMs, signal, onLost: tellLost });
  }
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
  const { source, onDataLoss = 'fail', media = 'mirrored' } = options;
  const checksum = await loadChecksum();
  const clock = options.clock ?? new RealClock();
  const settings = {
    forRepair: options.forRepair,
    source,
    onDataLoss,
    media,
    clock,
    checksum,
    openTimeoutMs: options.openTimeoutMs ?? OPEN_TIMEOUT_MS_DEFAULT,
    onClosed: lock.release,
  };
  let medium: Medium | undefined;
  try {
    medium = await openMedia({ ...platform, ...settings });
    lock.setOnLost(medium.abandon);
    return { device: medium.device, checksum };
  } catch (error) {
    medium?.abandon();
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
  readonly files: StoreFiles | null;
  readonly locks: LockManagerLike | null;
  readonly markers: Markers | null;
  readonly estimate: (() => Promise<StorageEstimate>) | undefined;
}

function platformParts(options: IdbStoreOptions): PlatformParts {
  const { navigator, indexedDB, IDBKeyRange } = globalThis as {
    navigator?: {
      locks?: LockManager;
      storage?: Partial<StorageManager>;
      userAgentData?: unknown;
    };
    indexedDB?: IDBFactory;
    IDBKeyRange?: IndexedDb['KeyRange'];
  };
  const isComplete = indexedDB !== undefined && IDBKeyRange !== undefined;
  // Chromium and what is built on it, alone, say what they are this way.
  const prefersBlobs = navigator?.userAgentData !== undefined;
  const platform = isComplete
    ? { factory: indexedDB, KeyRange: IDBKeyRange, prefersBlobs }
    : undefined;
  const idb = options.idb ?? platform;
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
  const files = opfs === null ? null : new OpfsFiles(opfs, HANDLE_TIMEOUT_MS);
  return {
    idb,
    locks,
    files: options.files === undefined ? files : options.files,
    markers: options.markers === undefined ? markers : options.markers,
    estimate: options.estimate ?? storage?.estimate?.bind(storage),
  };
}
