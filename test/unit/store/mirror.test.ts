// A store on IndexedDB and a file in OPFS: what one of them loses is restored from the other, and
// what neither has is said.

import { describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { runAsync } from '../../../src/lib/op.ts';
import type { Engine } from '../../../src/store/engine/engine.ts';
import type { AccessHandle } from '../../../src/store/engine/opfs-device.ts';
import type { StoreFiles } from '../../../src/store/opfs-files.ts';
import { StoreError } from '../../../src/store/store-error.ts';
import { CrashFile } from '../../crash/crash-file.ts';
import { ExclusiveFile } from '../../crash/exclusive-file.ts';
import {
  allItems,
  blocksOf,
  bytes,
  commit,
  COMMIT_TRIES,
  countRequests,
  failNextTransaction,
  Origin,
} from './support.ts';

/** Files of OPFS in memory. */
class FakeFiles implements StoreFiles {
  readonly files = new Map<string, CrashFile>();
  readonly ballast = new ExclusiveFile();
  refusal: StoreError | undefined;
  isMissing = false;

  open(source: string): Promise<AccessHandle | undefined> {
    if (this.refusal !== undefined) return Promise.reject(this.refusal);
    if (this.isMissing) return Promise.resolve(undefined);
    const file = this.files.get(source) ?? new CrashFile();
    this.files.set(source, file);
    return Promise.resolve(file);
  }

  openBallast(): Promise<AccessHandle | undefined> {
    return Promise.resolve(this.isMissing ? undefined : this.ballast.open());
  }

  exists(source: string): Promise<boolean> {
    return Promise.resolve(this.files.has(source));
  }

  remove(source: string): Promise<void> {
    this.files.delete(source);
    return Promise.resolve();
  }

  /** The file of the tests' source. */
  get file(): CrashFile {
    const [file] = this.files.values();
    if (file === undefined) throw new Error('there is no file');
    return file;
  }
}

class MirroredOrigin extends Origin {
  readonly files = new FakeFiles();

  override open(options: Parameters<Origin['open']>[0] = {}): Promise<Engine> {
    return super.open({ files: this.files, ...options });
  }

  async write(key: string, options: Parameters<Origin['open']>[0] = {}): Promise<void> {
    const store = await this.open(options);
    await commit(store, { items: [[key, bytes(10)]], writes: [[1, 0, bytes(90_000)]] });
    await becomeWhole(store);
    await runAsync(store.close());
  }

  /** Items 'a' and 'b', of which the database has only the first. */
  async writeTwice(): Promise<void> {
    await this.write('a');
    const before = await this.dump();
    await this.write('b');
    await this.tamper((records) => {
      records.clear();
      for (const [key, value] of before) records.put(value, JSON.parse(key) as IDBValidKey);
    });
  }

  async keys(options: Parameters<Origin['open']>[0] = {}): Promise<string[]> {
    const store = await this.open(options);
    const items = await allItems(store);
    const runs = await runAsync(store.read(1, 0, 90_112));
    expect(blocksOf(runs)).toEqual(blocksOf([{ offset: 0, bytes: bytes(90_000) }]));
    await becomeWhole(store);
    await runAsync(store.close());
    return items.map(([key]) => key);
  }
}

async function becomeWhole(store: Engine): Promise<void> {
  if (store.mirror === undefined) return;
  await expect.poll(() => store.mirror?.state).toBe('whole');
  await expect.poll(() => store.mirror?.behindBytes).toBe(0);
}

async function refusal(opening: Promise<unknown>): Promise<StoreError> {
  const error: unknown = await opening.then(
    () => expect.fail('the store opened'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(StoreError);
  return error as StoreError;
}

test('reads come from OPFS, and IndexedDB has the same', async () => {
  const origin = new MirroredOrigin();
  const store = await origin.open();
  await commit(store, { items: [['a', bytes(10)]] });
  expect(store.mirror).toMatchObject({ leader: 'OPFS', follower: 'IndexedDB', state: 'whole' });
  await runAsync(store.close());
  await origin.check();
  expect((await origin.dump()).get('"superblock"')).toMatchObject({
    isMirrored: true,
    isClean: true,
  });
});

describe('is restored', () => {
  test('a database that the browser lost, without a word', async () => {
    const origin = new MirroredOrigin();
    await origin.write('a');
    origin.loseDatabases();
    expect(await origin.keys()).toEqual(['a']);
    await origin.check();
    // It is whole again by itself.
    origin.files.files.clear();
    expect(await origin.keys()).toEqual(['a']);
  });

  test('a database that the browser lost and said so', async () => {
    const origin = new MirroredOrigin();
    await origin.write('a');
    origin.loseDatabases();
    origin.reportDataLoss('checksum mismatch');
    expect(await origin.keys()).toEqual(['a']);
    expect((await origin.dump()).get('"superblock"')).not.toHaveProperty('lost');
    await origin.check();
  });

  test('a database that was rolled back to an older copy', async () => {
    const origin = new MirroredOrigin();
    await origin.writeTwice();
    expect(await origin.keys()).toEqual(['a', 'b']);
    await origin.check();
  });

  test('a database for which there is no room, later', async () => {
    const origin = new MirroredOrigin();
    await origin.writeTwice();
    failNextTransaction('QuotaExceededError', COMMIT_TRIES);
    const store = await origin.open();
    expect(store.mirror).toMatchObject({ leader: 'OPFS', follower: 'IndexedDB' });
    expect(store.mirror?.state).not.toBe('whole');
    await commit(store, { items: [['c', bytes(10)]] });
    await becomeWhole(store);
    await runAsync(store.close());
    origin.files.files.clear();
    expect(await origin.keys()).toEqual(['a', 'b', 'c']);
    await origin.check();
  });

  test('a file that is gone, was cut or was damaged', async () => {
    const origin = new MirroredOrigin();
    await origin.write('a');
    origin.files.files.clear();
    expect(await origin.keys()).toEqual(['a']);
    origin.files.file.truncate(130 * 1024);
    expect(await origin.keys()).toEqual(['a']);
    origin.files.file.write(new Uint8Array(128 * 1024), { at: 0 });
    expect(await origin.keys()).toEqual(['a']);
    origin.loseDatabases();
    expect(await origin.keys()).toEqual(['a']);
  });
});

describe('with snapshots', () => {
  const newer = bytes(90_000, 7);

  async function start(): Promise<MirroredOrigin> {
    const origin = new MirroredOrigin();
    await origin.write('a');
    const store = await origin.open();
    await becomeWhole(store);
    const info = { createdAt: 0, isReadOnly: true };
    await runAsync(store.subvolumes.snapshot({ name: 's', ...info }));
    await commit(store, { items: [['b', bytes(10)]], writes: [[1, 0, newer]] });
    await becomeWhole(store);
    await runAsync(store.close());
    return origin;
  }

  async function expectBoth(origin: MirroredOrigin): Promise<void> {
    const store = await origin.open();
    const snapshot = await runAsync(store.subvolumes.open('s'));
    expect((await allItems(store)).map(([key]) => key)).toEqual(['a', 'b']);
    expect((await allItems(snapshot)).map(([key]) => key)).toEqual(['a']);
    const [now, then] = [blocksOf([{ offset: 0, bytes: newer }]), bytes(90_000)];
    expect(blocksOf(await runAsync(store.read(1, 0, 90_112)))).toEqual(now);
    const before = await runAsync(snapshot.read(1, 0, 90_112));
    expect(blocksOf(before)).toEqual(blocksOf([{ offset: 0, bytes: then }]));
    expect(snapshot.mirror).toEqual(store.mirror);
    await becomeWhole(store);
    await runAsync(store.close());
    expect(snapshot.isOpen).toBe(false);
  }

  test('a side that was lost gets all trees from the other', async () => {
    const origin = await start();
    origin.loseDatabases();
    await expectBoth(origin);
    await origin.check();
    origin.files.files.clear();
    await expectBoth(origin);
    origin.loseDatabases();
    await expectBoth(origin);
  });

  test('what is damaged of a snapshot is read from the other side', async () => {
    const origin = await start();
    const { file } = origin.files;
    file.write(new Uint8Array(file.getSize() - 128 * 1024), { at: 128 * 1024 });
    await expectBoth(origin);
    origin.loseDatabases();
    await expectBoth(origin);
  });
});

describe('one medium alone', () => {
  test('a store of IndexedDB alone gets its file', async () => {
    const origin = new MirroredOrigin();
    await origin.write('a', { files: null });
    expect(await origin.keys()).toEqual(['a']);
    origin.loseDatabases();
    expect(await origin.keys()).toEqual(['a']);
  });

  test('a file is copied back and removed if it is not wanted any more', async () => {
    const origin = new MirroredOrigin();
    await origin.write('a');
    origin.loseDatabases();
    expect(await origin.keys({ media: 'indexeddb' })).toEqual(['a']);
    expect(origin.files.files.size).toBe(0);
    await origin.check();
    expect(await origin.keys({ media: 'indexeddb' })).toEqual(['a']);
    expect(await origin.keys({ files: null })).toEqual(['a']);
  });

  test('a store whose file can’t be had is not opened behind its back', async () => {
    const origin = new MirroredOrigin();
    await origin.write('a');
    origin.files.isMissing = true;
    const { reason, message } = await refusal(origin.open());
    expect(reason).toBe('unavailable');
    expect(message).toContain("onDataLoss: 'accept'");
    expect(await origin.keys({ onDataLoss: 'accept' })).toEqual(['a']);
    origin.files.isMissing = false;
    origin.files.refusal = new StoreError('unavailable', 'taken');
    expect((await refusal(origin.open())).message).toBe('taken');
  });
});

test('copies that were changed apart are left alone until one of them is chosen', async () => {
  const origin = new MirroredOrigin();
  await origin.write('a');
  const file = origin.files.file.copy();
  await origin.write('b');
  origin.files.isMissing = true;
  await origin.write('c', { onDataLoss: 'accept' });
  // As if the one session had not seen the other's file.
  origin.files.isMissing = false;
  origin.files.files.set('test', file);
  const { factory } = origin;
  origin.loseDatabases();
  await origin.write('d');
  origin.factory = factory;
  const before = await origin.dump();
  const { reason, message } = await refusal(origin.open());
  expect(reason).toBe('diverged');
  expect(message).toContain('changed apart');
  expect(await origin.dump()).toEqual(before);
  expect(await origin.keys({ onDataLoss: 'accept' })).toEqual(['a', 'b', 'c']);
  expect(await origin.keys()).toEqual(['a', 'b', 'c']);
});

describe('while it is open', () => {
  test('a database that is closed leaves the file in charge', async () => {
    const origin = new MirroredOrigin();
    const store = await origin.open();
    await commit(store, { items: [['a', bytes(10)]] });
    await becomeWhole(store);
    origin.closeConnections();
    await commit(store, { items: [['b', bytes(10)]] });
    await expect.poll(() => store.mirror).toMatchObject({ state: 'degraded', leader: 'OPFS' });
    expect(store.mirror?.reason).toContain('IndexedDB');
    await runAsync(store.close());
    const again = await origin.open();
    expect((await allItems(again)).map(([key]) => key)).toEqual(['a', 'b']);
    await becomeWhole(again);
    await runAsync(again.close());
    await origin.check();
  });

  test('when the site’s data is cleared, everything answers EIO', async () => {
    const origin = new MirroredOrigin();
    const store = await origin.open();
    await commit(store, { items: [['a', bytes(10)]] });
    await becomeWhole(store);
    origin.files.files.clear();
    origin.closeConnections();
    await commit(store, { items: [['b', bytes(10)]] });
    await expect
      .poll(() => commit(store, { items: [['c', bytes(10)]] }).catch((error: unknown) => error))
      .toBe(linuxerr.EIO);
  });

  test('a file that fails leaves the database in charge, and is made anew later', async () => {
    const origin = new MirroredOrigin();
    const store = await origin.open();
    await commit(store, { items: [['a', bytes(10)]] });
    origin.files.file.operationsLeft = 0;
    await commit(store, { items: [['b', bytes(10)]] });
    expect(store.mirror).toMatchObject({ state: 'degraded', leader: 'IndexedDB' });
    origin.files.file.operationsLeft = Infinity;
    await expect
      .poll(() => store.mirror, { timeout: 3000 })
      .toMatchObject({
        state: 'whole',
        leader: 'OPFS',
      });
    await runAsync(store.close());
    origin.loseDatabases();
    const again = await origin.open();
    expect((await allItems(again)).map(([key]) => key)).toEqual(['a', 'b']);
    await runAsync(again.close());
  });
});

test('a side that is made anew gets what is being replaced', async () => {
  const origin = new MirroredOrigin();
  const store = await origin.open();
  await commit(store, { items: [['a', bytes(10)]] });
  await becomeWhole(store);
  const replacement = await runAsync(store.replace());
  const put = (key: string, object: number): Promise<void> => {
    const run = { offset: 0, bytes: bytes(90_000) };
    const items = new Map([[key, bytes(10)]]);
    return runAsync(replacement.put({ items, discards: [], writes: [{ object, run }] }));
  };
  await put('new', 1);
  origin.files.file.operationsLeft = 0;
  await put('more', 2);
  expect(store.mirror).toMatchObject({ state: 'degraded', leader: 'IndexedDB' });
  origin.files.file.operationsLeft = Infinity;
  await expect.poll(() => store.mirror?.state, { timeout: 4000 }).toBe('whole');
  await runAsync(replacement.finish());
  origin.loseDatabases();
  expect(await origin.keys()).toEqual(['more', 'new']);
  await origin.check();
});

describe('the log of LevelDB', () => {
  test('is begun anew after a session that didn’t end in order, and only then', async () => {
    const origin = new Origin();
    const first = await origin.open({ locks: null });
    await commit(first, { items: [['a', bytes(10)]] });
    let second: Engine | undefined;
    const after = await countRequests(async () => {
      second = await origin.open({ locks: null });
    });
    expect(after.put).toBe(40);
    if (second !== undefined) await runAsync(second.close());
    const keys = [...(await origin.dump()).keys()];
    expect(keys.filter((key) => key.includes('rotation'))).toEqual([]);
    await runAsync((await origin.open({ locks: null })).close());
    const last = await countRequests(async () => {
      await runAsync((await origin.open({ locks: null })).close());
    });
    expect(last.put).toBe(0);
  });
});
