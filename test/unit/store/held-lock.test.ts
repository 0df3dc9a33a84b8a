// A store that is opened with a lock its tab has already, on a file that only one can have open:
// as at the tab that takes over from one that is gone (src/fs/relayfs).

import { expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { runAsync } from '../../../src/lib/op.ts';
import type { Engine } from '../../../src/store/engine/engine.ts';
import type { AccessHandle } from '../../../src/store/engine/opfs-device.ts';
import type { StoreFiles } from '../../../src/store/opfs-files.ts';
import type { HeldSourceLock } from '../../../src/store/source-lock.ts';
import { ExclusiveFile } from '../../crash/exclusive-file.ts';
import { allItems, bytes, commit, Origin } from './support.ts';

/** What happened, in its order. */
let log: string[];

class NotingFile extends ExclusiveFile {
  override write(buffer: Uint8Array, options: { at: number }): number {
    log.push('write');
    return super.write(buffer, options);
  }

  override close(): void {
    if (this.isOpen) log.push('close');
    super.close();
  }
}

/** Files of one store, which one has open at a time. */
class ExclusiveFiles implements StoreFiles {
  readonly #file = new NotingFile();
  readonly #ballast = new ExclusiveFile();
  #isThere = false;

  open(): Promise<AccessHandle> {
    this.#isThere = true;
    return Promise.resolve().then(() => this.#file.open());
  }

  openBallast(): Promise<AccessHandle> {
    return Promise.resolve().then(() => this.#ballast.open());
  }

  exists(): Promise<boolean> {
    return Promise.resolve(this.#isThere);
  }

  remove(): Promise<void> {
    this.#isThere = false;
    return Promise.resolve();
  }
}

function heldLock(): HeldSourceLock {
  return {
    onLost: () => undefined,
    release: () => {
      log.push('release');
      return Promise.resolve();
    },
  };
}

function setUp(): (lock: HeldSourceLock) => Promise<Engine> {
  log = [];
  const [origin, files] = [new Origin(), new ExclusiveFiles()];
  return (lock) => origin.open({ files, lock });
}

test('closes its file before it releases the lock', async () => {
  const open = setUp();
  const store = await open(heldLock());
  await commit(store, { items: [['a', bytes(10)]] }, 'strict');
  await runAsync(store.close());
  expect(log.slice(-2)).toEqual(['close', 'release']);
});

test('releases the lock if it cannot be opened', async () => {
  const open = setUp();
  await open(heldLock());
  await expect(open(heldLock())).rejects.toMatchObject({ reason: 'unavailable' });
  expect(log.at(-1)).toBe('release');
});

test('gives its file to who took the lock, and writes nothing any more', async () => {
  const open = setUp();
  const lock = heldLock();
  const robbed = await open(lock);
  await commit(robbed, { items: [['a', bytes(10)]] }, 'strict');
  await runAsync(robbed.reserve(1000));
  await expect(open(heldLock())).rejects.toMatchObject({ reason: 'unavailable' });
  lock.onLost();
  expect(robbed.isOpen).toBe(false);
  expect(log.at(-1)).toBe('close');
  await expect(commit(robbed, { items: [['b', bytes(10)]] })).rejects.toBe(linuxerr.EIO);
  expect(log.at(-1)).toBe('close');
  const thief = await open(heldLock());
  expect(await runAsync(thief.reserve(1000))).toBeGreaterThanOrEqual(1000);
  expect(Object.keys(Object.fromEntries(await allItems(thief)))).toEqual(['a']);
  await commit(thief, { items: [['c', bytes(10)]] }, 'strict');
  // To the end, nothing of the other one gets there.
  await runAsync(robbed.close());
  await runAsync(thief.close());
  const next = await open(heldLock());
  expect(Object.keys(Object.fromEntries(await allItems(next)))).toEqual(['a', 'c']);
  expect(next.mirror).toMatchObject({ state: 'whole', leader: 'OPFS' });
  await runAsync(next.close());
});
