// StoredData: files' data that isn't in memory: what a filesystem with a store has to do with it.

import { assert, assertDefined } from '../../lib/assert.ts';
import type { Op } from '../../lib/op.ts';
import type { Need } from './file-data.ts';
import type { Inode } from './inode.ts';

export interface StoredData {
  /**
   * Brings something of what is needed into memory, or waits for somebody who does: at least of the
   * chunk that was reported to be missing.
   */
  load(inode: Inode, index: number, need: Need): Op<void>;
  /**
   * Reads what is not in memory, if that takes no waiting, and keeps nothing of it. False if it is
   * to be loaded.
   */
  readPastCache(inode: Inode, target: Uint8Array, offset: number): boolean;
  /**
   * Where the next written block at or after `offset` starts, beyond the chunks in memory.
   * Infinity: nowhere.
   */
  nextData(inode: Inode, offset: number): Op<number>;
  /**
   * Number of written blocks in a file's chunks from `first` on, in memory or not. The caller holds
   * the inode's dataMutex.
   */
  countBlocksFrom(inode: Inode, first: number): Op<number>;
}

/** Of a filesystem that has everything in memory. */
export const NOTHING_STORED: StoredData = {
  *load() {
    assert(false, 'a memory filesystem has nothing to load');
  },
  readPastCache: () => false,
  *nextData() {
    return Infinity;
  },
  *countBlocksFrom({ data }, first) {
    return assertDefined(data).countFrom(first);
  },
};
