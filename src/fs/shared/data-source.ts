// DataSource: where files' data is that isn't in memory: a store, or a server.

import type { Op } from '../../lib/op.ts';
import type { StoredRun } from './stored-runs.ts';

/** Bytes [from, to). */
export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

/** Objects are files' data, by inode number. Offsets and lengths are multiples of BLOCK_SIZE. */
export interface DataSource {
  /**
   * The data in a range, in ascending order, cut to it; what lies between is a hole. The last block
   * may be cut short: the rest of it is zeros. Errors: EIO.
   */
  read(object: number, offset: number, length: number): Op<StoredRun[]>;
  /** Where the data is that read() would give. Errors: EIO. */
  dataRanges(object: number, offset: number, length: number): Op<ByteRange[]>;
  /** The same and data, or undefined if that takes waiting. Missing: it always does. */
  readAtOnce?(
    object: number,
    within: ByteRange,
    wanted: readonly ByteRange[],
  ): { readonly ranges: readonly ByteRange[]; readonly runs: readonly StoredRun[] } | undefined;
  /** Fills `target` with whole blocks of data, or false if that takes waiting. */
  readInto?(object: number, offset: number, target: Uint8Array): boolean;
  /** Where the first data at or after `offset` starts; undefined if there is only a hole. */
  nextData(object: number, offset: number): Op<number | undefined>;
}

/** What has gone from files since the source last heard of it. */
export interface Unwritten {
  /** All from there on has. Infinity: nothing. */
  cutOf(object: number): number;
  holesOf(object: number): readonly ByteRange[];
}
