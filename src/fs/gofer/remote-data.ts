// RemoteData: a file's data that is kept at a server, which says how many blocks it takes: holes
// count as data here, and as none there.

import { CachedData } from '../shared/cached-data.ts';

export class RemoteData extends CachedData {
  override truncate(size: number, inDropped: number): number {
    const freed = super.truncate(size, inDropped);
    if (this.blockCount < 0) this.blockCount = 0;
    return freed;
  }
}
