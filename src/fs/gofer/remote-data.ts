// RemoteData: a file's data that is kept at a server, which says how many blocks it takes: holes
// count as data here, and as none there.

import { CachedData } from '../shared/cached-data.ts';
import { BLOCK_SIZE } from '../shared/file-data.ts';

export class RemoteData extends CachedData {
  override truncate(size: number, inDropped: number): number {
    const freed = super.truncate(size, inDropped);
    // Of a chunk that isn't here nobody has counted what was cut.
    const blocksMax = Math.ceil(size / BLOCK_SIZE);
    this.blockCount = Math.min(Math.max(0, this.blockCount), blocksMax);
    return freed;
  }
}
