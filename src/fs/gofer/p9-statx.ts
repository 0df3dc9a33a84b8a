// What 9P says of a file, as this filesystem knows it. Linux: fs/9p/vfs_inode_dotl.c.

import {
  devMajor,
  devMinor,
  DT_BLK,
  DT_CHR,
  DT_DIR,
  DT_FIFO,
  DT_LNK,
  DT_REG,
  DT_SOCK,
  STATX_BASIC_STATS,
  STATX_BTIME,
} from '../../abi/stat.ts';
import type { Statx } from '../../lisafs/records.ts';
import {
  type Attr,
  type Dirent,
  GETATTR_BASIC,
  GETATTR_BTIME,
  type Qid,
  QTDIR,
  QTSYMLINK,
} from '../../p9/records.ts';
import { RemoteFd, type Sessions } from './remote.ts';

/** What is asked of each file. */
export const ASKED = BigInt(GETATTR_BASIC | GETATTR_BTIME);

const NO_TIME = { sec: 0, nsec: 0 };
/** Fids keep their numbers: after a link broke, files are walked to again with the same. */
const ALL_SESSIONS: Sessions = { session: 0 };
const DTS = new Set<number>([DT_BLK, DT_CHR, DT_DIR, DT_FIFO, DT_LNK, DT_REG, DT_SOCK]);

export function fidOf(fid: number): RemoteFd {
  return new RemoteFd(fid, ALL_SESSIONS);
}

/** The QID's path is what identifies a file, as its inode number. */
export function statxOf(qid: Qid, valid: bigint, attr: Attr): Statx {
  const hasBtime = (valid & BigInt(GETATTR_BTIME)) !== 0n;
  const { atime, mtime, ctime, rdev, blksize, nlink, ...rest } = attr;
  const { mode, uid, gid, size, blocks } = rest;
  return {
    mask: STATX_BASIC_STATS | (hasBtime ? STATX_BTIME : 0),
    blksize,
    attributes: 0n,
    nlink,
    uid,
    gid,
    mode,
    ino: qid.path,
    size,
    blocks,
    attributesMask: 0n,
    atime,
    btime: hasBtime ? attr.btime : NO_TIME,
    ctime,
    mtime,
    rdevMajor: devMajor(rdev),
    rdevMinor: devMinor(rdev),
    // One server, one device: QIDs are of its making.
    devMajor: 0,
    devMinor: 0,
  };
}

/** gVisor's servers say the QID's type instead of a DT_. */
export function direntTypeOf({ type, qid }: Dirent, version: number): number {
  if (version === 0 && DTS.has(type)) return type;
  if ((qid.type & QTDIR) !== 0) return DT_DIR;
  return (qid.type & QTSYMLINK) !== 0 ? DT_LNK : DT_REG;
}
