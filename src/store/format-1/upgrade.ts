// The upgrade of a store of format 1: everything in it is written anew beside what is there, and
// one transaction puts the new superblock in the place of the old and takes the old records away.
// Until then the store is as it was; what an upgrade that was interrupted has written is removed.
//
// Format 1 had, in the same object store, leaf pages by "page:" and their first key (leaf-page.ts),
// and chunks of 32 KiB by [object, index] or as items behind U+FFFF (chunk.ts).

import { promisifyRequest } from 'idb-keyval';
import { LinuxError, linuxerr } from '../../abi/errno.ts';
import { runAsync } from '../../lib/op.ts';
import type { Database } from '../database.ts';
import type { Checksum } from '../engine/node-cache.ts';
import { Engine } from '../engine/engine.ts';
import { IdbDevice } from '../engine/idb-device.ts';
import { INTERNAL_PREFIX } from '../preconditions.ts';
import { type IndexedDb, SUPERBLOCK_KEY, UPGRADE_KEY } from '../records.ts';
import type { Batch, Run } from '../store.ts';
import { StoreError } from '../store-error.ts';
import { newSuperblock, type Superblock } from '../superblock.ts';
import { chunkRuns, inlineRuns, numbersOfInlineKey } from './chunk.ts';
import { decodeLeafPage } from './leaf-page.ts';

/** Records read at once: at most 32 KiB each. */
const RECORDS_AT_ONCE = 100;
const PAGE_PREFIX = 'page:';

interface Upgrade {
  readonly database: Database;
  readonly KeyRange: IndexedDb['KeyRange'];
  readonly checksum: Checksum;
}

/**
 * Returns the new superblock.
 *
 * Errors: StoreError 'unavailable' if there is no room for both; 'damaged' if what is there
 * can't be read. The store is as it was then.
 */
export async function upgradeFormat1(
  old: Superblock,
  { database, KeyRange, checksum }: Upgrade,
): Promise<Superblock> {
  const { source, createdAt } = old;
  const pages = KeyRange.bound(PAGE_PREFIX, `${PAGE_PREFIX}\uffff\uffff`);
  const chunks = KeyRange.lowerBound([]);
  const numbers = KeyRange.bound(-Infinity, Infinity);
  try {
    const pageCount = await database.records('relaxed')('readonly', (store) =>
      promisifyRequest(store.count(pages)),
    );
    // There are two at least. What else may be here is nothing to be removed.
    if (pageCount === 0) throw linuxerr.EIO;
    await database.write('relaxed', (store) => {
      store.delete(numbers);
      store.delete(UPGRADE_KEY);
    });
    const superblock = newSuperblock({ source, createdAt });
    const device = new IdbDevice({
      database,
      superblock,
      superblockKey: UPGRADE_KEY,
      KeyRange,
      estimate: undefined,
    });
    const engine = await runAsync(Engine.open({ device, checksum, cacheBytes: 4 << 20 }));
    const write = async (batch: Batch): Promise<void> => {
      await runAsync(engine.commit(batch, { durability: 'relaxed' }));
    };
    await readAll({ database, KeyRange }, pages, pageBatch, write);
    await readAll({ database, KeyRange }, chunks, chunkBatch, write);
    const next = device.superblock;
    await database.write('strict', (store) => {
      store.put(next, SUPERBLOCK_KEY);
      store.delete(UPGRADE_KEY);
      store.delete(pages);
      store.delete(chunks);
    });
    return next;
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error;
    throw new StoreError(
      error === linuxerr.ENOSPC ? 'unavailable' : 'damaged',
      `The filesystem "${source}" is of an older format and could not be upgraded: ` +
        (error === linuxerr.ENOSPC
          ? 'there is no room for a second copy of it. Free some space and open it again. '
          : 'what is stored can’t be read. Open it with the version that wrote it. ') +
        'Nothing was changed.',
      { cause: error },
    );
  }
}

/** Reads the records of a range, some at a time, and writes what becomes of them. */
async function readAll(
  { database, KeyRange }: Omit<Upgrade, 'checksum'>,
  range: IDBKeyRange,
  convert: (key: IDBValidKey, record: unknown) => Batch,
  write: (batch: Batch) => Promise<void>,
): Promise<void> {
  let rest = range;
  for (;;) {
    const [keys, records] = await database.records('relaxed')('readonly', (store) =>
      Promise.all([
        promisifyRequest(store.getAllKeys(rest, RECORDS_AT_ONCE)),
        promisifyRequest(store.getAll(rest, RECORDS_AT_ONCE) as IDBRequest<unknown[]>),
      ]),
    );
    const last = keys.at(-1);
    if (last === undefined) return;
    await write(joined(keys.map((key, i) => convert(key, records[i]))));
    const { upper, upperOpen } = range as { upper: IDBValidKey | undefined; upperOpen: boolean };
    rest =
      upper === undefined
        ? KeyRange.lowerBound(last, true)
        : KeyRange.bound(last, upper, true, upperOpen);
    if (keys.length < RECORDS_AT_ONCE) return;
  }
}

function joined(batches: readonly Batch[]): Batch {
  return {
    items: new Map(batches.flatMap(({ items }) => [...items])),
    discards: [],
    writes: batches.flatMap(({ writes }) => writes),
  };
}

function pageBatch(key: IDBValidKey, record: unknown): Batch {
  if (typeof key !== 'string') throw linuxerr.EIO;
  const { keys, values } = decodeLeafPage(key.slice(PAGE_PREFIX.length), record);
  const items = new Map<string, Uint8Array>();
  const writes: { object: number; run: Run }[] = [];
  for (const [i, value] of values.entries()) {
    const itemKey = keys[i] ?? '';
    if (itemKey < INTERNAL_PREFIX) {
      items.set(itemKey, value);
      continue;
    }
    const { object, index } = numbersOfInlineKey(itemKey);
    for (const run of inlineRuns(index, value)) writes.push({ object, run });
  }
  return { items, discards: [], writes };
}

function chunkBatch(key: IDBValidKey, record: unknown): Batch {
  const [object, index] = Array.isArray(key) ? key.map(Number) : [];
  if (object === undefined || index === undefined) throw linuxerr.EIO;
  const writes = chunkRuns(index, record).map((run) => ({ object, run }));
  return { items: new Map(), discards: [], writes };
}
