// Stores whose large records are blobs, as in Chromium.

import { mkdtempSync, openAsBlob, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IDBKeyRange } from 'fake-indexeddb';
import { expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { runAsync } from '../../../src/lib/op.ts';
import { BlobRecords } from '../../../src/store/engine/blob-records.ts';
import { blocksOf, bytes, commit, Origin } from './support.ts';

const LARGE = 256 * 1024;

async function filled(prefersBlobs: boolean, size = LARGE): Promise<Origin> {
  const origin = new Origin(prefersBlobs);
  const store = await origin.open();
  await commit(store, { items: [['a', bytes(10)]], writes: [[1, 0, bytes(size)]] }, 'strict');
  await runAsync(store.close());
  return origin;
}

async function featuresOf(origin: Origin): Promise<unknown> {
  return ((await origin.dump()).get('"superblock"') as { features: unknown }).features;
}

async function blobsOf(origin: Origin): Promise<[address: number, Blob][]> {
  const records = [...(await origin.dump())];
  return records.flatMap(([key, value]) =>
    value instanceof Blob ? [[JSON.parse(key) as number, value]] : [],
  );
}

test('a large record is a blob, and the superblock says so from then on', async () => {
  const origin = await filled(true);
  expect((await blobsOf(origin)).map(([, blob]) => blob.size)).toEqual([LARGE]);
  expect(await featuresOf(origin)).toEqual(['blobs']);
  const store = await origin.open();
  await commit(store, { discards: [{ object: 1, from: 0, to: Infinity }] });
  await runAsync(store.close());
  expect(await blobsOf(origin)).toEqual([]);
  expect(await featuresOf(origin)).toEqual(['blobs']);
  await origin.check();
});

test.each([
  ['without large records', true, 60_000],
  ['where blobs are no gain', false, LARGE],
])('%s there are none, and older versions read the store', async (_where, prefersBlobs, size) => {
  const origin = await filled(prefersBlobs, size);
  expect(await blobsOf(origin)).toEqual([]);
  expect(await featuresOf(origin)).toEqual([]);
});

test('blobs are read where none are written', async () => {
  const origin = await filled(true);
  const idb = { factory: origin.factory, KeyRange: IDBKeyRange };
  const store = await origin.open({ idb });
  const found = blocksOf(await runAsync(store.read(1, 0, LARGE)));
  expect(found).toEqual(blocksOf([{ offset: 0, bytes: bytes(LARGE) }]));
  await commit(store, { writes: [[2, 0, bytes(LARGE, 2)]] });
  await runAsync(store.close());
  expect(await blobsOf(origin)).toHaveLength(1);
  await origin.check();
});

test.each([
  ['cut', (blob: Blob) => blob.slice(0, 4096)],
  ['another', (blob: Blob) => new Blob([new Uint8Array(blob.size)])],
])('a blob that is %s is damage, and the rest is read', async (_what, change) => {
  const origin = await filled(true);
  for (const [address, blob] of await blobsOf(origin)) {
    await origin.tamper((records) => records.put(change(blob), address));
  }
  const store = await origin.open();
  await expect(runAsync(store.read(1, 0, LARGE))).rejects.toBe(linuxerr.EIO);
  expect(await runAsync(store.get('a'))).toEqual(bytes(10));
  await runAsync(store.close());
  expect((await origin.report()).problems).not.toEqual([]);
});

test('a blob that can not be read is an error, and not one that is not there', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'burrow-blob-'));
  const path = join(directory, 'file');
  writeFileSync(path, 'some bytes');
  const blob = await openAsBlob(path);
  const records = new BlobRecords(true);
  expect(await records.bytesOf(blob)).toEqual(new TextEncoder().encode('some bytes'));
  rmSync(directory, { recursive: true });
  await expect(records.bytesOf(blob)).rejects.toThrow();
  expect(await records.bytesOf('some bytes')).toBeUndefined();
});

test('memory is collected once there were many bytes of blobs, and when it is asked for', () => {
  const records = new BlobRecords(true);
  expect(records.collect()).toBe(0);
  const large = bytes(8 << 20);
  const collected = Array.from({ length: 17 }, () => {
    records.make(large);
    return records.settle();
  });
  expect(collected.flatMap((count, i) => (count === 0 ? [] : [i]))).toEqual([7, 15]);
  expect(records.collect()).toBeGreaterThan(0);
});
