// fallocate(2) on a regular file's data: making room, zeroing and punching holes. Linux: mm/shmem.c
// shmem_fallocate(), fs/ext4/extents.c. The caller holds the inode's dataMutex. The errors are
// listed in vfs/file-description.ts, FileDescription.allocate().

import { linuxerr } from '../../abi/errno.ts';
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
} from '../../abi/fcntl.ts';
import { assertDefined } from '../../lib/assert.ts';
import type { Op } from '../../lib/op.ts';
import { BLOCK_SIZE, CHUNK_SIZE, type Need } from './file-data.ts';
import type { Inode } from './inode.ts';
import type { LocalTree } from './local-tree.ts';

/** So much is zeroed or made room for at once, so that it needs no more memory than this. */
const PIECE_SIZE = 1 << 20;

/**
 * Brings [from, to) into memory. Returns where what is there ends: before `to` only if the cache is
 * too small for all of it, so that one chunk pushes the other out.
 */
export function* loadRange(fs: LocalTree, inode: Inode, need: Need): Op<number> {
  const data = assertDefined(inode.data);
  const { from, to, isOverwritten } = need;
  let patience = (2 * (to - from)) / CHUNK_SIZE + 2;
  for (;;) {
    const missing = data.firstMissing(from, to, isOverwritten);
    if (missing < 0) return to;
    const end = missing * CHUNK_SIZE;
    if (patience-- <= 0 && end > from) return end;
    yield* fs.stored.load(inode, missing, need);
  }
}

/** Returns the size the file has afterwards, or undefined if that stays. */
export function* allocateRange(
  fs: LocalTree,
  inode: Inode,
  mode: number,
  range: { readonly from: number; readonly to: number },
): Op<number | undefined> {
  const { from, to } = range;
  const kind = mode & ~FALLOC_FL_KEEP_SIZE;
  if (kind === FALLOC_FL_PUNCH_HOLE) {
    yield* punch(fs, inode, from, to);
    return undefined;
  }
  if (kind === FALLOC_FL_ZERO_RANGE && fs.hasZeroRange) {
    yield* punch(fs, inode, from, to);
  } else if (kind !== 0) throw linuxerr.EOPNOTSUPP;
  yield* makeRoom(fs, inode, from, to);
  return (mode & FALLOC_FL_KEEP_SIZE) === 0 ? to : undefined;
}

function* makeRoom(fs: LocalTree, inode: Inode, from: number, to: number): Op<void> {
  const data = assertDefined(inode.data);
  // So many blocks are needed at least: what can't be is refused before anything is looked at.
  const needed = Math.ceil((to - from) / BLOCK_SIZE) - data.blockCount;
  if (needed > (yield* fs.freeBlocks())) throw linuxerr.ENOSPC;
  // What is not in memory counts as holes until it is: more is reserved than needed, never less.
  const wanted = data.countHoles(from, to);
  const granted = fs.reserveBlocks(wanted);
  const before = data.blockCount;
  try {
    if (granted < wanted) throw linuxerr.ENOSPC;
    for (let position = from; position < to;) {
      const pieceEnd = Math.min(to, (Math.floor(position / PIECE_SIZE) + 1) * PIECE_SIZE);
      yield* fs.throttle(pieceEnd - position);
      const next = yield* loadRange(fs, inode, {
        from: position,
        to: pieceEnd,
        isOverwritten: false,
      });
      fs.checkRoom(next - position);
      // A commit may come before the next piece, and the file may never grow to where they lie.
      data.mayReachBehindEnd ||= next > inode.size;
      data.allocate(position, next);
      fs.inodeChanged(inode);
      position = next;
    }
  } finally {
    fs.releaseBlocks(granted - (data.blockCount - before));
  }
}

/**
 * Whole blocks become holes; what is left of blocks at the ends becomes zeros. Also
 * behind the end of the file, as on Linux's tmpfs: ext4 leaves what was allocated there.
 */
function* punch(fs: LocalTree, inode: Inode, from: number, to: number): Op<void> {
  const data = assertDefined(inode.data);
  const firstBlock = Math.ceil(from / BLOCK_SIZE) * BLOCK_SIZE;
  const lastBlock = Math.floor(to / BLOCK_SIZE) * BLOCK_SIZE;
  if (firstBlock > lastBlock) {
    yield* zero(fs, inode, from, to);
    return;
  }
  yield* zero(fs, inode, from, firstBlock);
  yield* zero(fs, inode, lastBlock, to);
  for (let position = firstBlock; position < lastBlock;) {
    const next = Math.max(position, yield* nextData(fs, inode, position));
    if (next >= lastBlock) return;
    yield* fs.throttle(BLOCK_SIZE);
    const chunkEnd = Math.min(lastBlock, (Math.floor(next / CHUNK_SIZE) + 1) * CHUNK_SIZE);
    yield* loadRange(fs, inode, { from: next, to: chunkEnd, isOverwritten: true });
    fs.releaseBlocks(data.punch(next, chunkEnd));
    fs.inodeChanged(inode);
    position = chunkEnd;
  }
}

/**
 * The block of data at or after `from`, in memory or in the store: its start, or Infinity. Cheap if
 * `from` is followed by data in its chunk.
 */
export function* nextData(fs: LocalTree, inode: Inode, from: number): Op<number> {
  const data = assertDefined(inode.data);
  const here = data.chunks.get(Math.floor(from / CHUNK_SIZE));
  const first = here === undefined ? Infinity : data.firstWrittenIn(here, from);
  if (first !== Infinity) return first;
  for (let position = from; ;) {
    const hasStored = data.storedChunks > 0;
    const stored = hasStored ? yield* fs.stored.nextData(inode, position) : Infinity;
    let found = Infinity;
    for (const chunk of data.chunks.values()) {
      found = Math.min(found, data.firstWrittenIn(chunk, from));
    }
    const chunkIndex = Math.floor(stored / CHUNK_SIZE);
    if (stored >= found || !data.chunks.has(chunkIndex)) return Math.min(found, stored);
    // Of a chunk in memory the store's word doesn't count.
    position = (chunkIndex + 1) * CHUNK_SIZE;
  }
}

/** Zeros within one block, or nothing if that is a hole. */
function* zero(fs: LocalTree, inode: Inode, from: number, to: number): Op<void> {
  if (from >= to) return;
  const data = assertDefined(inode.data);
  yield* loadRange(fs, inode, { from, to, isOverwritten: false });
  if (data.isWritten(from)) data.write(new Uint8Array(to - from), from);
}
