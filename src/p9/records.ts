// What 9P2000.L messages are made of: the fields and records several of them share, and the
// numbers in them. Mirrors gVisor pkg/p9/p9.go; diod protocol.md; Linux: include/net/9p/9p.h.

import { linuxerr } from '../abi/errno.ts';
import { array, struct } from '../lib/wire.ts';
import {
  bigU64,
  hostString,
  i64,
  string,
  stringOfBytes,
  u32,
  u64,
  u8,
  type ValueOf,
} from '../lib/wire-fields.ts';

/** No fid: an attach without authentication. */
export const NOFID = 0xffff_ffff;
/** The tag of Tversion. */
export const NOTAG = 0xffff;
/** Uid or gid: none. */
export const NO_ID = 0xffff_ffff;
/** Names in one Twalk that any server takes. Linux: P9_MAXWELEM. */
export const WALK_NAMES_MAX = 16;

/** QID types: what the file is. */
export const QTDIR = 0x80;
/** gVisor's has it for FIFOs, sockets and character devices, too. */
export const QTAPPEND = 0x40;
export const QTEXCL = 0x20;
export const QTMOUNT = 0x10;
export const QTAUTH = 0x08;
export const QTTMP = 0x04;
export const QTSYMLINK = 0x02;
export const QTLINK = 0x01;
export const QTFILE = 0;

/** Bits of getattr's masks. */
export const GETATTR_MODE = 1;
export const GETATTR_NLINK = 2;
export const GETATTR_UID = 4;
export const GETATTR_GID = 8;
export const GETATTR_RDEV = 0x10;
export const GETATTR_ATIME = 0x20;
export const GETATTR_MTIME = 0x40;
export const GETATTR_CTIME = 0x80;
/** There is no such field: the number is the QID's path. */
export const GETATTR_INO = 0x100;
export const GETATTR_SIZE = 0x200;
export const GETATTR_BLOCKS = 0x400;
export const GETATTR_BASIC = 0x7ff;
export const GETATTR_BTIME = 0x800;
export const GETATTR_GEN = 0x1000;
export const GETATTR_DATA_VERSION = 0x2000;

/** Bits of setattr's mask. */
export const SETATTR_MODE = 1;
export const SETATTR_UID = 2;
export const SETATTR_GID = 4;
export const SETATTR_SIZE = 8;
export const SETATTR_ATIME = 0x10;
export const SETATTR_MTIME = 0x20;
export const SETATTR_CTIME = 0x40;
/** To the time that is told, not the server's. */
export const SETATTR_ATIME_SET = 0x80;
export const SETATTR_MTIME_SET = 0x100;

/** Types of locks: fcntl(2)'s F_RDLCK, F_WRLCK and F_UNLCK, as Linux numbers them. */
export const LOCK_TYPE_RDLCK = 0;
export const LOCK_TYPE_WRLCK = 1;
export const LOCK_TYPE_UNLCK = 2;
/** Tlock's flags: wait; it was held before the server began anew. */
export const LOCK_FLAGS_BLOCK = 1;
export const LOCK_FLAGS_RECLAIM = 2;
/** Rlock's status. */
export const LOCK_SUCCESS = 0;
export const LOCK_BLOCKED = 1;
export const LOCK_ERROR = 2;
/** The server began anew and waits for those who had locks. */
export const LOCK_GRACE = 3;

/** Tlconnect's flags: the socket's type. */
export const CONNECT_STREAM = 0;
export const CONNECT_DGRAM = 1;
export const CONNECT_SEQPACKET = 2;
export const CONNECT_ANY = 3;

export const name = string(linuxerr.ENAMETOOLONG);
/** The same as a host has it. */
export const hostName = hostString(linuxerr.ENAMETOOLONG);
export const names = array(name);
export const xattrName = string(linuxerr.ERANGE);
export const hostXattrName = hostString(linuxerr.ERANGE);
/** An extended attribute's value: any bytes, laid out as a string. */
export const xattrValue = stringOfBytes(linuxerr.E2BIG);

/** A server's identity of a file. */
export const qid = struct({ type: u8, version: u32, path: bigU64 }, 'QID');

export type Qid = ValueOf<typeof qid>;

/**
 * Seconds and nanoseconds. The protocol's seconds have no sign, and what lies before 1970 is put
 * into them in two's complement.
 */
export const time = struct({ sec: i64, nsec: u64 }, 'Time');

/** What getattr tells besides the QID; which of it is valid, its mask says. */
export const attr = struct(
  {
    mode: u32,
    uid: u32,
    gid: u32,
    nlink: u64,
    rdev: u64,
    size: u64,
    /** 0: not known. */
    blksize: u64,
    blocks: u64,
    atime: time,
    mtime: time,
    ctime: time,
    btime: time,
    gen: bigU64,
    dataVersion: bigU64,
  },
  'Attr',
);

export type Attr = ValueOf<typeof attr>;

/**
 * An entry of a directory. Servers of the standard have a DT_ constant for its type, gVisor's the
 * QID's. `offset` is where the next one is, in whatever way the server counts.
 */
export const dirent = struct({ qid, offset: bigU64, type: u8, name: hostName }, 'Dirent');

export type Dirent = ValueOf<typeof dirent>;
