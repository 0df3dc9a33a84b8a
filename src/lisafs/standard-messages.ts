// The messages of the standard, as gVisor's client and server speak them.
// Mirrors gVisor pkg/lisafs/message.go and handlers.go.

import { array, struct } from '../lib/wire.ts';
import {
  BytesField,
  bigU64,
  bytes,
  i32,
  i64,
  padding,
  u16,
  u32,
  u64,
  u8,
} from '../lib/wire-fields.ts';
import {
  bookkeeping,
  createCommon,
  fds,
  hostName,
  hostXattrName,
  inode,
  type MessageRow,
  name,
  nothing,
  path,
  reading,
  statx,
  timespec,
  writing,
  xattrName,
  xattrValue,
} from './records.ts';

/** A request about one file. */
const ofFD = struct({ fd: u64 });

const rename = { oldDir: u64, newDir: u64, oldName: name, newName: name };
const connect = { fd: u64, sockType: u32, pad: padding(4) };

export const STANDARD_MESSAGES = {
  Error: {
    mid: 0,
    sender: 'server',
    guarantee: 'none',
    onReadOnly: 'served',
    isRetrySafe: true,
    request: undefined,
    response: struct({ errno: u32 }),
  },
  /** The only one a client may send before it knows which there are. */
  Mount: {
    mid: 1,
    ...reading,
    isRetrySafe: false,
    request: nothing,
    response: struct({ root: inode, maxMessageSize: u32, supportedMIDs: array(u16) }),
  },
  /** ENOMEM when there are no more channels. */
  Channel: {
    mid: 2,
    ...bookkeeping,
    isRetrySafe: false,
    needsHostFd: true,
    request: nothing,
    response: struct({ dataOffset: i64, dataLength: u64 }),
  },
  /** A control FD or an open one. */
  FStat: {
    mid: 3,
    ...reading,
    isRetrySafe: true,
    request: ofFD,
    response: struct({ statx }),
  },
  /** `mask` and `failureMask` have STATX_ bits. Each attribute is tried, whatever the others do. */
  SetStat: {
    mid: 4,
    ...writing,
    request: struct({
      fd: u64,
      mask: u32,
      mode: u32,
      uid: u32,
      gid: u32,
      size: u64,
      atime: timespec,
      mtime: timespec,
    }),
    response: struct({ failureMask: u32, failureErrno: u32 }),
  },
  /** The tree's names stay as they are for the whole walk; `status` is one of WALK_. */
  Walk: {
    // Another walk would leave behind the FDs of the first.
    mid: 5,
    ...reading,
    isRetrySafe: false,
    request: struct({ dirFD: u64, path }),
    response: struct({ status: u8, inodes: array(inode) }),
  },
  /** If the first name is "", the start itself is the first that is told about. */
  WalkStat: {
    mid: 6,
    ...reading,
    isRetrySafe: true,
    request: struct({ dirFD: u64, path }),
    response: struct({ stats: array(statx) }),
  },
  OpenAt: {
    mid: 7,
    ...reading,
    isRetrySafe: false,
    onReadOnly: 'refused unless it opens O_RDONLY only',
    request: struct({ fd: u64, flags: u32, pad: padding(4) }),
    response: struct({ openFD: u64 }),
  },
  /** Always O_EXCL. */
  OpenCreateAt: {
    mid: 8,
    ...writing,
    request: struct({ ...createCommon, flags: u32, name }),
    response: struct({ child: inode, newFD: u64 }),
  },
  /** In any order. FDs that aren't there are passed over: ids never come again. */
  Close: {
    mid: 9,
    ...bookkeeping,
    isRetrySafe: true,
    request: struct({ fds }),
    response: nothing,
  },
  /** Of open FDs. The first error, after all were tried. */
  FSync: {
    mid: 10,
    ...reading,
    // A second one could succeed: a host tells an error of writing back only once.
    isRetrySafe: false,
    request: struct({ fds }),
    response: nothing,
  },
  PWrite: {
    // Another client's write may have come in between.
    mid: 11,
    ...writing,
    request: struct({ offset: u64, fd: u64, data: bytes }),
    response: struct({ count: u64 }),
  },
  /** Fewer bytes than asked for end the read. */
  PRead: {
    // Of regular files: a server that opens FIFOs or devices has to keep what it answered.
    mid: 12,
    ...reading,
    isRetrySafe: true,
    request: struct({ offset: u64, fd: u64, count: u32, pad: padding(4) }),
    response: struct({ data: new BytesField(u64) }),
  },
  MkdirAt: {
    mid: 13,
    ...writing,
    request: struct({ ...createCommon, name }),
    response: struct({ childDir: inode }),
  },
  MknodAt: {
    mid: 14,
    ...writing,
    request: struct({ ...createCommon, minor: u32, major: u32, name }),
    response: struct({ child: inode }),
  },
  SymlinkAt: {
    mid: 15,
    ...writing,
    request: struct({ dirFD: u64, uid: u32, gid: u32, name, target: name }),
    response: struct({ symlink: inode }),
  },
  /** Writes the directory, reads the target. */
  LinkAt: {
    mid: 16,
    ...writing,
    request: struct({ dirFD: u64, targetFD: u64, name }),
    response: struct({ link: inode }),
  },
  FStatFS: {
    mid: 17,
    ...reading,
    isRetrySafe: true,
    request: ofFD,
    // A filesystem that has no limit may say so with all ones (Ceph's ffree).
    response: struct({
      type: u64,
      blockSize: i64,
      blocks: bigU64,
      bfree: bigU64,
      bavail: bigU64,
      files: bigU64,
      ffree: bigU64,
      nameLen: u64,
    }),
  },
  FAllocate: {
    mid: 18,
    ...writing,
    request: struct({ fd: u64, mode: u64, offset: u64, length: u64 }),
    response: nothing,
  },
  ReadLinkAt: {
    mid: 19,
    ...reading,
    isRetrySafe: true,
    request: ofFD,
    response: struct({ target: hostName }),
  },
  /** close(2) of the last descriptor. A client that can't send it goes on as if it had. */
  Flush: {
    mid: 20,
    ...reading, // As of FSync.
    isRetrySafe: false,
    request: ofFD,
    response: nothing,
  },
  Connect: {
    mid: 21,
    ...reading,
    isRetrySafe: false,
    needsHostFd: true,
    request: struct(connect),
    response: nothing,
  },
  /** Writes the directory, then the child. `flags`: 0 or AT_REMOVEDIR. */
  UnlinkAt: {
    mid: 22,
    ...writing,
    request: struct({ dirFD: u64, flags: u32, name }),
    response: nothing,
  },
  RenameAt: {
    mid: 23,
    ...writing,
    guarantee: 'global',
    request: struct(rename),
    response: nothing,
  },
  /** Of an open FD, from where it stands; a negative count: from the beginning. */
  Getdents64: {
    mid: 24,
    ...reading,
    isRetrySafe: false,
    request: struct({ dirFD: u64, count: i32, pad: padding(4) }),
    response: struct({
      dirents: array(
        struct(
          {
            ino: bigU64,
            devMinor: u32,
            devMajor: u32,
            // The host's: ext4 has hashes of 63 bits.
            off: bigU64,
            type: u8,
            name: hostName,
          },
          'Dirent64',
        ),
      ),
    }),
  },
  /** `bufSize` 0 asks for as much as there is. */
  FGetXattr: {
    mid: 25,
    ...reading,
    isRetrySafe: true,
    request: struct({ fd: u64, bufSize: u32, name: xattrName }),
    response: struct({ value: xattrValue }),
  },
  FSetXattr: {
    mid: 26,
    ...writing,
    request: struct({ fd: u64, flags: u32, name: xattrName, value: xattrValue }),
    response: nothing,
  },
  FListXattr: {
    mid: 27,
    ...reading,
    isRetrySafe: true,
    request: struct({ fd: u64, size: u64 }),
    response: struct({ names: array(hostXattrName, 'StrArray') }),
  },
  FRemoveXattr: {
    mid: 28,
    ...writing,
    request: struct({ fd: u64, name: xattrName }),
    response: nothing,
  },
  BindAt: {
    mid: 29,
    ...writing,
    needsHostFd: true,
    request: struct({ ...createCommon, sockType: u32, name }),
    response: struct({ child: inode, boundSocketFD: u64 }),
  },
  Listen: {
    mid: 30,
    ...reading,
    isRetrySafe: true,
    needsHostFd: true,
    request: struct({ fd: u64, backlog: i32, pad: padding(4) }),
    response: nothing,
  },
  Accept: {
    mid: 31,
    ...reading,
    isRetrySafe: false,
    needsHostFd: true,
    request: ofFD,
    // A sockaddr: bytes, though it is laid out as a String.
    response: struct({ peerAddr: xattrValue }),
  },
  ConnectWithCreds: {
    mid: 32,
    ...reading,
    isRetrySafe: false,
    needsHostFd: true,
    request: struct({ ...connect, uid: u32, gid: u32 }),
    response: nothing,
  },
  RenameAt2: {
    mid: 33,
    ...writing,
    guarantee: 'global',
    request: struct({ ...rename, flags: u32 }),
    response: nothing,
  },
} as const satisfies Record<string, MessageRow>;
