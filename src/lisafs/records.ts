// What lisafs messages are made of: fields and records several of them share, and the row that
// describes a message. Mirrors gVisor pkg/lisafs/message.go.

import { type ErrnoName, linuxerr } from '../abi/errno.ts';
import { array, type FieldTable, struct, type StructField } from '../lib/wire.ts';
import {
  bigU64,
  hostString,
  i64,
  padding,
  string,
  stringOfBytes,
  u16,
  u32,
  u64,
  type ValueOf,
} from '../lib/wire-fields.ts';

/** Uid or gid: not valid, or to be left as it is. */
export const NO_ID = 0xffff_ffff;
/** No file. */
export const INVALID_FD = 0;
/** Here begin the ids a client chooses itself (CreateWrite, MkdirAs); servers stay below. */
export const CLIENT_FD_MIN = 2 ** 52;

/** What a server does with a request on a read-only connection: EROFS, before anything else. */
export type OnReadOnly = 'served' | 'refused' | 'refused unless it opens O_RDONLY only';

/**
 * What a server keeps other requests from doing meanwhile: on the tree (`global`) or on the file or
 * directory the request names.
 */
export type Guarantee = 'none' | 'read' | 'write' | 'global';

/** One message. */
export interface MessageRow {
  readonly mid: number;
  /** Who sends the request; a server's are pushed, and nobody answers them. */
  readonly sender: 'client' | 'server';
  readonly guarantee: Guarantee;
  readonly onReadOnly: OnReadOnly;
  /**
   * Done twice it does what it does once, so it may be sent again when a reply was lost. The reply
   * to any other is kept until the client has seen it.
   */
  readonly isRetrySafe: boolean;
  /** It is about a descriptor of the host, which only a socket of the host's could carry. */
  readonly needsHostFd?: true;
  /** Of our own messages: its errors, besides those of any. The first that holds wins. */
  readonly errors?: readonly ErrnoName[];
  /** Undefined if it is only ever a response. */
  readonly request: StructField<FieldTable> | undefined;
  /** Undefined if nothing is answered. */
  readonly response: StructField<FieldTable> | undefined;
}

/** A message that says nothing but its name. */
export const nothing = struct({});

/** One that looks. */
export const reading = { sender: 'client', guarantee: 'read', onReadOnly: 'served' } as const;
/** One that changes the file, or the directory, it names. */
export const writing = {
  sender: 'client',
  guarantee: 'write',
  onReadOnly: 'refused',
  isRetrySafe: false,
} as const;
/** One about the link itself, or FDs. */
export const bookkeeping = { sender: 'client', guarantee: 'none', onReadOnly: 'served' } as const;

/** A file's name, or a symlink's target. */
export const name = string(linuxerr.ENAMETOOLONG);
/** The same as a host has it. */
export const hostName = hostString(linuxerr.ENAMETOOLONG);
/** The name of an extended attribute. Linux: setxattr(2). */
export const xattrName = string(linuxerr.ERANGE);
export const hostXattrName = hostString(linuxerr.ERANGE);
/** An extended attribute's value: any bytes. */
export const xattrValue = stringOfBytes(linuxerr.E2BIG);

/** Names from a directory down: lisafs' StrArray. */
export const path = array(name, 'StrArray');
export const fds = array(u64, 'FDArray');

/** Linux: struct statx_timestamp. */
const statxTimestamp = struct({ sec: i64, nsec: u32, pad: padding(4) }, 'StatxTimestamp');

/** Seconds may lie before 1970. */
export const timespec = struct({ sec: i64, nsec: i64 }, 'Timespec');

/** Linux: struct statx, up to its device numbers. `mask` says which fields are valid. */
export const statx = struct(
  {
    mask: u32,
    blksize: u32,
    attributes: bigU64,
    nlink: u32,
    uid: u32,
    gid: u32,
    mode: u16,
    pad: padding(2),
    ino: bigU64,
    size: u64,
    blocks: u64,
    attributesMask: bigU64,
    atime: statxTimestamp,
    btime: statxTimestamp,
    ctime: statxTimestamp,
    mtime: statxTimestamp,
    rdevMajor: u32,
    rdevMinor: u32,
    devMajor: u32,
    devMinor: u32,
  },
  'Statx',
);

export type Statx = ValueOf<typeof statx>;

/** A file a server has made a control FD for. */
export const inode = struct({ controlFD: u64, statx }, 'Inode');

export type Inode = ValueOf<typeof inode>;

/** How every creating request begins. */
export const createCommon = {
  dirFD: u64,
  uid: u32,
  gid: u32,
  mode: u16,
  pad: padding(6),
};

/** How far a walk came. */
export const WALK_SUCCESS = 0;
export const WALK_COMPONENT_DOES_NOT_EXIST = 1;
/** The symlink is the last inode of the reply, and there are names after it. */
export const WALK_COMPONENT_SYMLINK = 2;
