// A store of every earlier format is upgraded when it is opened, and what was in it is all there.

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { runAsync } from '../../../src/lib/op.ts';
import type { Store } from '../../../src/store/store.ts';
import { Scene } from '../../support/scene.ts';
import { bytes, commit, failNextTransaction, Origin } from './support.ts';

type Records = readonly (readonly [key: IDBValidKey, value: unknown])[];

/** The records of a database as a version of Burrow left them, bytes as { base64 }. */
function readImage(name: string): Records {
  const path = new URL(`images/${name}`, import.meta.url);
  const image = JSON.parse(gunzipSync(readFileSync(path)).toString()) as Records;
  return image.map(([key, value]) => [key, withBytes(value)]);
}

/** With bytes in the place of { base64 }, also one level below. */
function withBytes(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const { base64 } = value as { base64?: string };
  if (base64 !== undefined) return new Uint8Array(Buffer.from(base64, 'base64'));
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withBytes(each)]));
}

async function originOf(image: Records): Promise<Origin> {
  const origin = new Origin();
  const db = await origin.connect(1, (made) => made.createObjectStore('records'));
  db.close();
  await origin.tamper((records) => {
    for (const [key, value] of image) records.put(value, key);
  });
  return origin;
}

async function checkFiles(store: Store): Promise<void> {
  const scene = await Scene.open({ type: 'idbfs', source: 's' }, { store });
  const t = await scene.newActor();
  expect(await t.readFile('/dir/small')).toBe('a small file');
  expect(await t.readFile('/second name')).toBe('a small file');
  expect((await t.stat('/second name')).nlink).toBe(2);
  expect(await t.readFile('/empty')).toBe('');
  expect(await t.readlink('/link')).toBe('dir/small');
  const fd = await t.open('/large', 0);
  const start = await t.pread(fd, 200_000, 0);
  expect(start).toHaveLength(200_000);
  expect(start.every((byte, i) => byte === ((i * 7 + (i >> 8)) & 255))).toBe(true);
  expect(await t.preadText(fd, 100, 5_000_000_000)).toBe('behind a hole');
  expect(await t.lseek(fd, 1_000_000, 3)).toBe(Math.floor(5e9 / 4096) * 4096);
  expect(await t.fgetxattr(fd, 'user.key')).toBe('value');
  for (const i of [1, 2, 100, 299]) expect(await t.readFile(`/many/${i}`)).toBe(`file ${i}`);
  await expect(t.stat('/many/3')).rejects.toThrow('ENOENT');
  await t.createFile('/new', 'new');
  await scene.close();
}

test('a store of format 2 is read as it is; a commit makes it one of format 3', async () => {
  const origin = await originOf(readImage('format-2.json.gz'));
  await runAsync((await origin.open()).close());
  expect((await origin.dump()).get('"superblock"')).toMatchObject({ formatVersion: 2 });
  await checkFiles(await origin.open());
  await origin.check();
  expect((await origin.dump()).get('"superblock"')).toMatchObject({ formatVersion: 3 });
});

describe('format 1', () => {
  test('everything in a store is there after the upgrade, and nothing else', async () => {
    const origin = await originOf(readImage('format-1.json.gz'));
    await checkFiles(await origin.open());
    await origin.check();
    const keys = [...(await origin.dump()).keys()];
    expect(keys.filter((key) => !/^(?:\d+|"ballast.*")$/.test(key))).toEqual(['"superblock"']);
    const again = await origin.open();
    const scene = await Scene.open({ type: 'idbfs', source: 's' }, { store: again });
    expect(await (await scene.newActor()).readFile('/new')).toBe('new');
    await scene.close();
  });

  test('an upgrade that was interrupted is begun anew', async () => {
    const image = readImage('format-1.json.gz');
    const whole = await originOf(image);
    await runAsync((await whole.open()).close());
    const places = [...(await whole.dump())].filter(([key]) => /^\d/.test(key));
    const origin = await originOf(image);
    await origin.tamper((records) => {
      for (const [key, record] of places.slice(0, 3)) records.put(record, Number(key));
      records.put({ magic: 'burrow' }, 'upgrade');
    });
    await checkFiles(await origin.open());
    await origin.check();
  });

  test('without room for both nothing is changed, and the next try may do better', async () => {
    const origin = await originOf(readImage('format-1.json.gz'));
    const before = await origin.dump();
    failNextTransaction('QuotaExceededError');
    await expect(origin.open()).rejects.toMatchObject({
      reason: 'unavailable',
      message: expect.stringContaining('no room for a second copy') as unknown,
    });
    expect(await origin.dump()).toEqual(before);
    await checkFiles(await origin.open());
  });

  test('a store that only says it is of format 1 is left alone', async () => {
    const origin = new Origin();
    const store = await origin.open();
    await commit(store, { items: [['a', bytes(10)]], writes: [[1, 0, bytes(9000)]] });
    await runAsync(store.close());
    const superblock = (await origin.dump()).get('"superblock"') as object;
    await origin.tamper((records) =>
      records.put({ ...superblock, formatVersion: 1 }, 'superblock'),
    );
    const before = await origin.dump();
    await expect(origin.open()).rejects.toMatchObject({ reason: 'damaged' });
    expect(await origin.dump()).toEqual(before);
  });

  test('what can’t be read is said, and nothing is changed', async () => {
    const origin = await originOf(readImage('format-1.json.gz'));
    await origin.tamper((records) => records.put(new Uint8Array(9), 'page:'));
    const page = (await origin.dump()).get('"page:"');
    await expect(origin.open()).rejects.toMatchObject({
      reason: 'damaged',
      message: expect.stringContaining('Nothing was changed') as unknown,
    });
    expect((await origin.dump()).get('"page:"')).toEqual(page);
    expect((await origin.dump()).get('"superblock"')).toMatchObject({ formatVersion: 1 });
  });
});
