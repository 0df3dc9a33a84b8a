// Opening a store: what it refuses and in which words, and that it leaves alone what it doesn't
// know.

import { IDBKeyRange } from 'fake-indexeddb';
import { describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { runAsync } from '../../../src/lib/op.ts';
import { openIdbStore } from '../../../src/store/idb-store.ts';
import type { Store } from '../../../src/store/store.ts';
import { OpfsMarkers } from '../../../src/store/markers.ts';
import { BLOCK_SIZE } from '../../../src/store/store.ts';
import { StoreError } from '../../../src/store/store-error.ts';
import type { StoreErrorReason } from '../../../src/store/store-error.ts';
import { allItems, bytes, commit, Origin, SOURCE } from './support.ts';

async function refusal(
  opening: Promise<Store>,
): Promise<{ reason: StoreErrorReason; message: string }> {
  const error: unknown = await opening.then(
    () => expect.fail('the store opened'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(StoreError);
  return error as StoreError;
}

async function openAndFill(origin: Origin): Promise<void> {
  const store = await origin.open();
  await commit(store, { items: [['a', bytes(10)]], writes: [[1, 0, bytes(9000)]] });
  await runAsync(store.close());
}

describe('format', () => {
  test('a superblock says what is needed to know a store', async () => {
    const origin = new Origin();
    const clock = new FakeClock({ startMs: 1234 });
    const store = await origin.open({ clock });
    const superblock = {
      magic: 'burrow',
      formatVersion: 3,
      features: [],
      source: SOURCE,
      createdAt: 1234,
    };
    await runAsync(store.close());
    expect((await origin.dump()).get('"superblock"')).toEqual(superblock);
    const again = await origin.open();
    await commit(again, { items: [['a', bytes(1)]] });
    await runAsync(again.close());
    const root: unknown = expect.any(Uint8Array);
    expect((await origin.dump()).get('"superblock"')).toEqual({
      ...superblock,
      isClean: true,
      isMirrored: false,
      root,
    });
  });

  test.each([
    ['a later version', { formatVersion: 4 }, 'format version 4'],
    ['unknown features', { features: ['checksums'] }, 'checksums'],
    ['another magic', { magic: 'warren' }, 'not a filesystem of Burrow'],
    ['a broken field', { root: 'many' }, 'root'],
  ])('%s is refused, and nothing is changed', async (_what, change, words) => {
    const origin = new Origin();
    await openAndFill(origin);
    const superblock = (await origin.dump()).get('"superblock"') as object;
    await origin.tamper((records) => records.put({ ...superblock, ...change }, 'superblock'));
    const before = await origin.dump();
    for (const onDataLoss of ['fail', 'format'] as const) {
      const { reason, message } = await refusal(origin.open({ onDataLoss }));
      expect(reason).toBe('unknown-format');
      expect(message).toContain(words);
    }
    expect(await origin.dump()).toEqual(before);
  });

  test('a database of another program is refused, and nothing is changed', async () => {
    const origin = new Origin();
    const other = await origin.connect(7, (db) => db.createObjectStore('things'));
    other.close();
    expect((await refusal(origin.open())).reason).toBe('unknown-format');
    const after = await origin.connect();
    expect(after.version).toBe(7);
    expect([...after.objectStoreNames]).toEqual(['things']);
    after.close();
  });

  test('a database without a superblock is refused', async () => {
    const origin = new Origin();
    await openAndFill(origin);
    await origin.tamper((records) => records.delete('superblock'));
    expect((await refusal(origin.open())).reason).toBe('unknown-format');
  });
});

describe('damage', () => {
  test('a damaged superblock is said, and nothing is changed', async () => {
    const origin = new Origin();
    await openAndFill(origin);
    const superblock = (await origin.dump()).get('"superblock"') as { root: Uint8Array };
    const root = superblock.root.slice();
    root[20] = (root[20] ?? 0) ^ 1;
    await origin.tamper((records) => records.put({ ...superblock, root }, 'superblock'));
    const before = await origin.dump();
    const { reason, message } = await refusal(origin.open());
    expect(reason).toBe('damaged');
    expect(message).toContain('Nothing was changed');
    expect(await origin.dump()).toEqual(before);
  });
});

describe('data loss', () => {
  test('what the browser reports is told until a new start is agreed to', async () => {
    const origin = new Origin();
    origin.reportDataLoss('checksum mismatch');
    for (let i = 0; i < 3; i++) {
      const { reason, message } = await refusal(origin.open());
      expect(reason).toBe('data-loss');
      expect(message).toContain('The browser reports that it lost');
      expect(message).toContain('checksum mismatch');
      expect(message).toContain("onDataLoss: 'format'");
    }
    const store = await origin.open({ onDataLoss: 'format' });
    await commit(store, { items: [['a', bytes(1)]] });
    await runAsync(store.close());
    expect(await allItems(await origin.open())).toEqual([['a', bytes(1)]]);
  });

  test('a new start may be agreed to in advance', async () => {
    const origin = new Origin();
    origin.reportDataLoss('checksum mismatch');
    const store = await origin.open({ onDataLoss: 'format' });
    expect(await allItems(store)).toEqual([]);
  });

  test('a missing database whose marker is there was lost', async () => {
    const origin = new Origin();
    await openAndFill(origin);
    origin.loseDatabases();
    for (let i = 0; i < 2; i++) {
      const { reason, message } = await refusal(origin.open());
      expect(reason).toBe('data-loss');
      expect(message).toContain('missing');
    }
    const store = await origin.open({ onDataLoss: 'format' });
    expect(await allItems(store)).toEqual([]);
    await runAsync(store.close());
    await runAsync((await origin.open()).close());
  });

  test("'format' leaves a database alone that was not lost", async () => {
    const origin = new Origin();
    await openAndFill(origin);
    expect(await allItems(await origin.open({ onDataLoss: 'format' }))).toHaveLength(1);
  });

  test('a marker that was not written is written by the next open', async () => {
    const origin = new Origin();
    await runAsync((await origin.open({ markers: null })).close());
    expect(origin.markers.texts.size).toBe(0);
    await runAsync((await origin.open()).close());
    expect(origin.markers.texts.size).toBe(1);
    origin.loseDatabases();
    expect((await refusal(origin.open())).reason).toBe('data-loss');
  });
});

describe('markers in OPFS', () => {
  test('are files named after the source', async () => {
    const files = new Map<string, string>();
    const markers = new OpfsMarkers(fakeOpfs(files));
    expect(await markers.read('a/b c')).toBeUndefined();
    await markers.write('a/b c', 'text');
    expect(await markers.read('a/b c')).toBe('text');
    expect([...files.keys()]).toEqual(['burrow-markers/a%2Fb%20c']);
  });

  test('are done without where OPFS refuses', async () => {
    const refusing = {
      getDirectory: () => Promise.reject(new DOMException('no', 'SecurityError')),
    } as unknown as StorageManager;
    const markers = new OpfsMarkers(refusing);
    await markers.write('a', 'text');
    expect(await markers.read('a')).toBeUndefined();
  });

  function fakeOpfs(files: Map<string, string>): StorageManager {
    const fileHandle = (path: string): object => ({
      getFile: () => Promise.resolve({ text: () => Promise.resolve(files.get(path)) }),
      createWritable: () =>
        Promise.resolve({
          write: (text: string) => Promise.resolve(files.set(path, text)),
          close: () => Promise.resolve(),
        }),
    });
    const folder = (name: string): object => ({
      getFileHandle: (file: string, options?: { create: boolean }) =>
        files.has(`${name}/${file}`) || options?.create === true
          ? Promise.resolve(fileHandle(`${name}/${file}`))
          : Promise.reject(new DOMException('no', 'NotFoundError')),
    });
    const root = { getDirectoryHandle: (name: string) => Promise.resolve(folder(name)) };
    return { getDirectory: () => Promise.resolve(root) } as unknown as StorageManager;
  }
});

describe('the lock', () => {
  test('a second opener is told who has it, and leaves it to the first', async () => {
    const origin = new Origin();
    const first = await origin.open();
    for (const lockTimeoutMs of [0, 10]) {
      const { reason, message } = await refusal(origin.open({ lockTimeoutMs }));
      expect(reason).toBe('locked');
      expect(message).toContain('Another tab');
      expect(message).toContain('or choose another source');
    }
    await commit(first, { items: [['a', bytes(1)]] });
    await runAsync(first.close());
    expect(await allItems(await origin.open({ lockTimeoutMs: 0 }))).toHaveLength(1);
  });

  test('a second opener gets it when the first closes', async () => {
    const origin = new Origin();
    const first = await origin.open();
    const second = origin.open();
    await commit(first, { items: [['a', bytes(1)]] });
    await runAsync(first.close());
    expect(await allItems(await second)).toHaveLength(1);
  });

  test('waiting for it can be aborted', async () => {
    const origin = new Origin();
    await origin.open();
    const controller = new AbortController();
    const second = origin.open({ signal: controller.signal });
    const reason = new Error('changed my mind');
    controller.abort(reason);
    await expect(second).rejects.toBe(reason);
    await expect(origin.open({ signal: controller.signal })).rejects.toBe(reason);
  });

  test('is released if opening fails', async () => {
    const origin = new Origin();
    await openAndFill(origin);
    origin.loseDatabases();
    await refusal(origin.open());
    await origin.open({ onDataLoss: 'format', lockTimeoutMs: 0 });
  });

  test('a store whose lock was stolen answers EIO', async () => {
    const origin = new Origin();
    const store = await origin.open();
    origin.locks.steal();
    await new Promise((resolve) => setImmediate(resolve));
    await expect(runAsync(store.get('a'))).rejects.toBe(linuxerr.EIO);
    await expect(commit(store, {})).rejects.toBe(linuxerr.EIO);
  });

  test('other sources have other locks', async () => {
    const origin = new Origin();
    await origin.open({ source: 'a' });
    await origin.open({ source: 'b', lockTimeoutMs: 0 });
  });
});

describe('the platform', () => {
  test('a missing IndexedDB is said', async () => {
    const { reason, message } = await refusal(
      openIdbStore({ source: SOURCE, session: 1, locks: null }),
    );
    expect(reason).toBe('unavailable');
    expect(message).toContain('IndexedDB');
  });

  test('missing Web Locks are said, unless they are given up', async () => {
    const { factory } = new Origin();
    const idb = { factory, KeyRange: IDBKeyRange };
    const { reason, message } = await refusal(openIdbStore({ source: SOURCE, session: 1, idb }));
    expect(reason).toBe('unavailable');
    expect(message).toContain('Web Locks');
    const store = await openIdbStore({ source: SOURCE, session: 1, idb, locks: null });
    expect(await allItems(store)).toEqual([]);
  });

  test('what the browser says when it refuses is passed on', async () => {
    const origin = new Origin();
    origin.factory.open = () => {
      throw new DOMException('The operation is insecure.', 'SecurityError');
    };
    const { reason, message } = await refusal(origin.open());
    expect(reason).toBe('unavailable');
    expect(message).toContain('The operation is insecure.');
  });

  test('a database that the browser keeps waiting is given up, and not made later', async () => {
    const origin = new Origin();
    await runAsync((await origin.open()).close());
    // Another page's connection that doesn't make way, and somebody who deletes the database.
    const other = await origin.connect();
    const deleted = new Promise((resolve) => {
      origin.factory.deleteDatabase('burrow:test').onsuccess = resolve;
    });
    const { reason, message } = await refusal(origin.open({ openTimeoutMs: 50 }));
    expect(reason).toBe('unavailable');
    expect(message).toMatch(/has not opened the database "burrow:test".* for 0.05 s.*close the o/);
    other.close();
    await deleted;
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
    expect((await origin.factory.databases()).map(({ name }) => name)).toEqual([]);
  });

  test('a store answers EIO once the browser has closed its database', async () => {
    const origin = new Origin();
    const store = await origin.open();
    await commit(store, { items: [['a', bytes(1)]], writes: [[1, 0, bytes(1)]] });
    origin.closeConnections();
    await expect(runAsync(store.get('a'))).rejects.toBe(linuxerr.EIO);
    await expect(allItems(store)).rejects.toBe(linuxerr.EIO);
    await expect(runAsync(store.read(1, 0, BLOCK_SIZE))).rejects.toBe(linuxerr.EIO);
    await expect(commit(store, {})).rejects.toBe(linuxerr.EIO);
    await runAsync(store.close());
  });

  test('a store makes way for the deletion of its database', async () => {
    const origin = new Origin();
    const store = await origin.open();
    await new Promise((resolve) => {
      origin.factory.deleteDatabase('burrow:test').onsuccess = resolve;
    });
    await expect(runAsync(store.get('a'))).rejects.toBe(linuxerr.EIO);
  });

  test('usage is the origin’s estimate', async () => {
    const estimate = (): Promise<StorageEstimate> => Promise.resolve({ usage: 30, quota: 100 });
    const store = await new Origin().open({ estimate });
    expect(await runAsync(store.usage())).toEqual({ used: 30, available: 70 });
  });

  test('where the same is always left, what was left at first is the disk’s size', async () => {
    let usage = 30;
    const estimate = (): Promise<StorageEstimate> => Promise.resolve({ usage, quota: usage + 70 });
    const store = await new Origin().open({ estimate });
    await runAsync(store.usage());
    usage = 50;
    expect(await runAsync(store.usage())).toEqual({ used: 50, available: 50 });
    usage = 20;
    expect(await runAsync(store.usage())).toEqual({ used: 20, available: 80 });
  });

  test('what is reserved counts as left, and is there at the next opening', async () => {
    const origin = new Origin();
    const store = await origin.open();
    expect(await runAsync(store.reserve(600_000))).toBe(3 * 262_144);
    await runAsync(store.close());
    const estimate = (): Promise<StorageEstimate> =>
      Promise.resolve({ usage: 1_000_000, quota: 2_000_000 });
    const again = await origin.open({ estimate });
    expect(await runAsync(again.usage())).toEqual({
      used: 1_000_000 - 3 * 262_144,
      available: 1_000_000 + 3 * 262_144,
    });
    expect(again.reservedBytes).toBe(3 * 262_144);
    await runAsync(again.close());
    await origin.check();
  });
});
