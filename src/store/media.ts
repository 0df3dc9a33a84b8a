// The media of a store: a database of IndexedDB and, where there is OPFS, a file beside it that
// holds the same. Chromium now and then loses all of an origin's databases when it is killed; the
// file stays. engine/mirrored-device.ts keeps the two together.

import { LinuxError } from '../abi/errno.ts';
import { type Clock, timespecToMs } from '../lib/clock.ts';
import { runAsync } from '../lib/op.ts';
import { type Database, type DatabaseOptions, type OnDataLoss, openDatabase } from './database.ts';
import { IdbDevice } from './engine/idb-device.ts';
import { openMirror } from './engine/mirror-open.ts';
import type { MirroredDevice } from './engine/mirrored-device.ts';
import type { Checksum } from './engine/node-cache.ts';
import type { Ballast } from './engine/ballast.ts';
import { FileBallast } from './engine/file-ballast.ts';
import { type AccessHandle, OpfsDevice } from './engine/opfs-device.ts';
import type { PageDevice } from './engine/page-device.ts';
import { RecordBallast } from './engine/record-ballast.ts';
import { upgradeFormat1 } from './format-1/upgrade.ts';
import { rotateLog } from './log-rotation.ts';
import type { Markers } from './markers.ts';
import type { StoreFiles } from './opfs-files.ts';
import { SUPERBLOCK_KEY } from './records.ts';
import { StoreError } from './store-error.ts';
import { FORMAT_1, type Superblock } from './superblock.ts';

export type Media = 'mirrored' | 'indexeddb';

export interface MediaOptions {
  readonly source: string;
  readonly media: Media;
  readonly onDataLoss: OnDataLoss;
  readonly idb: DatabaseOptions['idb'];
  /** Null: there is no OPFS. */
  readonly files: StoreFiles | null;
  readonly markers: Markers | null;
  readonly estimate: (() => Promise<StorageEstimate>) | undefined;
  readonly clock: Clock;
  readonly checksum: Checksum;
  /** How long the browser may take to open the database. */
  readonly openTimeoutMs: number;
  /** Called once everything is closed. */
  readonly onClosed: () => Promise<void>;
  /** Opens what is damaged as well. Default: false. */
  readonly forRepair?: boolean | undefined;
}

/** What an engine runs on. */
export interface Medium {
  readonly device: PageDevice;
  /** Gives all up at once, with nothing more written. */
  readonly abandon: () => void;
}

/** Errors: StoreError; EIO if what leads to everything else is damaged. */
export async function openMedia(options: MediaOptions): Promise<Medium> {
  const file = await openFile(options);
  let database: Database | undefined;
  let ballast: Ballast | undefined;
  const abandon = (): void => {
    if (file !== undefined) void runAsync(file.close());
    if (ballast !== undefined) void runAsync(ballast.close());
    database?.close();
  };
  try {
    const isMirrored = file !== undefined && (await runAsync(file.readSuperblock())) !== undefined;
    const { idb, markers, source, onDataLoss, clock } = options;
    const opened = await openDatabase({
      idb,
      markers: markers ?? undefined,
      source,
      onDataLoss,
      isMirrored,
      clock,
      openTimeoutMs: options.openTimeoutMs,
      now: Math.floor(timespecToMs(clock.now())),
    });
    database = opened.database;
    const superblock = await prepare(opened, options);
    ballast = ballastFor(database, options);
    const parts = { database, superblock, ballast, hasFile: file !== undefined };
    const device = deviceOn(parts, options);
    if (file !== undefined) return { device: await mirrorOf(file, device, options), abandon };
    if (superblock.isMirrored === true && onDataLoss !== 'accept') throw fileIsMissing(source);
    return { device, abandon };
  } catch (error) {
    abandon();
    throw error;
  }
}

async function openFile(options: MediaOptions): Promise<OpfsDevice | undefined> {
  const { source, files, media, checksum, onDataLoss } = options;
  if (files === null) return undefined;
  if (media === 'indexeddb' && !(await files.exists(source))) return undefined;
  try {
    const handle = await files.open(source);
    if (handle === undefined) return undefined;
    return new OpfsDevice({ handle, checksum, name: source });
  } catch (error) {
    const isRefused = error instanceof StoreError && error.reason === 'unavailable';
    if (isRefused && onDataLoss === 'accept') return undefined;
    throw error;
  }
}

/** What is to be done before anything is read. Returns the superblock that counts. */
async function prepare(
  { database, superblock }: { readonly database: Database; readonly superblock: Superblock },
  { idb: { KeyRange }, checksum }: MediaOptions,
): Promise<Superblock> {
  if (superblock.root !== undefined && superblock.isClean !== true) {
    try {
      await rotateLog(database, KeyRange);
    } catch (error) {
      // A precaution, for which there may be no room.
      if (!(error instanceof LinuxError)) throw error;
    }
  }
  if (superblock.formatVersion !== FORMAT_1) return superblock;
  return await upgradeFormat1(superblock, { database, KeyRange, checksum });
}

function ballastFor(database: Database, { files, source, clock }: MediaOptions): Ballast {
  const open = (): Promise<AccessHandle | undefined> =>
    files?.openBallast(source) ?? Promise.resolve(undefined);
  return new FileBallast({ open, records: new RecordBallast(database), clock });
}

function deviceOn(
  parts: {
    readonly database: Database;
    readonly superblock: Superblock;
    readonly ballast: Ballast;
    readonly hasFile: boolean;
  },
  { idb, media, estimate, clock, onClosed }: MediaOptions,
): IdbDevice {
  const { KeyRange, prefersBlobs } = idb;
  const { hasFile, ...rest } = parts;
  const isMirrored = hasFile && media === 'mirrored';
  const superblockKey = SUPERBLOCK_KEY;
  const options = { superblockKey, isMirrored, estimate, clock, onClosed };
  return new IdbDevice({ ...rest, ...options, KeyRange, prefersBlobs });
}

async function mirrorOf(
  file: OpfsDevice,
  database: IdbDevice,
  options: MediaOptions,
): Promise<PageDevice> {
  const { source, files, checksum, clock, media, onDataLoss } = options;
  const mirror = await runAsync(
    openMirror({
      preferred: { name: 'OPFS', device: file },
      other: { name: 'IndexedDB', device: database },
      checksum,
      clock,
      acceptsLoss: onDataLoss === 'accept',
      forRepair: options.forRepair,
      isPresent: () => files?.exists(source) ?? Promise.resolve(true),
    }),
  );
  if (media === 'mirrored') return mirror;
  await bringBack(mirror, database, source);
  await runAsync(file.close());
  await files?.remove(source);
  return database;
}

/** From the file into the database, which is to be alone from now on. */
async function bringBack(
  mirror: MirroredDevice,
  database: IdbDevice,
  source: string,
): Promise<void> {
  await runAsync(mirror.settled());
  const { state, reason } = mirror.mirrorStatus;
  if (state !== 'whole') {
    throw new StoreError(
      'unavailable',
      `The filesystem "${source}" could not be copied from OPFS to IndexedDB: ` +
        `${reason ?? state}. ` +
        "Nothing was removed. Open it without media: 'indexeddb'.",
    );
  }
  const superblock = await runAsync(mirror.readSuperblock());
  if (superblock === undefined) return;
  await runAsync(database.commit({ writes: [], frees: [], superblock }, 'strict'));
}

function fileIsMissing(source: string): StoreError {
  return new StoreError(
    'unavailable',
    `The filesystem "${source}" is kept in IndexedDB and in OPFS, and there is no OPFS here ` +
      'now: what was written last may only be there. Open it where it was written, or, to go on ' +
      "without that, with onDataLoss: 'accept'.",
  );
}
