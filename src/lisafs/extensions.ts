// Messages of our own, for a link that is slow, breaks, and has other users behind it. What each is
// for, and how they work together: README.md.

import { array, optional, struct } from '../lib/wire.ts';
import { bigU64, bool, bytes, i64, padding, u32, u64, u8 } from '../lib/wire-fields.ts';
import {
  CHANGED_ATTRIBUTES,
  CHANGED_DATA,
  CHANGED_ENTRY,
  CHANGED_GONE,
  CHANGED_LISTING,
} from '../served/served-tree.ts';
import {
  bookkeeping,
  createCommon,
  hostName,
  inode,
  type MessageRow,
  name,
  nothing,
  path,
  reading,
  statx,
  writing,
} from './records.ts';

/** Extensions' MIDs: the standard has the first 256. */
export const EXTENSION_MID_MIN = 256;

/** Bytes of a session's id, which the server draws at random: whoever knows it may take over. */
export const SESSION_ID_SIZE = 16;

/** Bytes of replies that a server keeps for a client which doesn't say that it has them. */
export const KEPT_REPLIES_BYTES_MAX = 4 << 20;

/** ListDir's flags. */
export const LIST_CONTROL_FDS = 1;
export const LIST_ATTRIBUTES = 2;

/** Of Reclaim: the file was not open. */
export const NOT_OPEN = 0xffff_ffff;

/** Kinds of locks: fcntl(2)'s of a process, flock(2)'s, and fcntl(2)'s of a description. */
export const RECORD_LOCK = 0;
export const FLOCK = 1;
export const OFD_LOCK = 2;

/** Invalidate's flags: what a client knows of the file is no longer so. */
export const INVALIDATE_ATTRIBUTES = CHANGED_ATTRIBUTES;
export const INVALIDATE_DATA = CHANGED_DATA;
/** A directory's names. */
export const INVALIDATE_LISTING = CHANGED_LISTING;
/** It has no name any more. */
export const INVALIDATE_GONE = CHANGED_GONE;
/** Of a directory: the one name that is told. */
export const INVALIDATE_ENTRY = CHANGED_ENTRY;

const pushed = {
  sender: 'server',
  guarantee: 'none',
  onReadOnly: 'served',
  isRetrySafe: true,
  errors: [],
  response: undefined,
} as const;

/** Which replies a client has: those to all tags up to `lastTag`, but not to those it awaits. */
const seen = { lastTag: u32, awaited: array(u32) };

const range = { fd: u64, owner: u64, start: u64, length: u64, pid: u32, kind: u8, type: u8 };

const listed = struct(
  // A cookie is the server's own, so it can be a number that JavaScript has.
  { name: hostName, cookie: u64, ino: bigU64, type: u8, inode: optional(inode) },
  'ListedEntry',
);

const lost = struct(
  {
    fd: u64,
    path,
    devMajor: u32,
    devMinor: u32,
    ino: bigU64,
    // An inode number comes again soon after its file has gone; the time of birth doesn't.
    btimeSec: i64,
    btimeNsec: u32,
    openFlags: u32,
  },
  'LostFD',
);
const reclaimed = struct({ errno: u32, inode, openFD: u64 }, 'ReclaimedFD');

export const EXTENSIONS = {
  Session: {
    mid: 256,
    ...bookkeeping,
    isRetrySafe: true,
    errors: ['EINVAL', 'EMFILE'],
    request: struct({ headerVersion: u32, sessionId: bytes, ...seen }),
    response: struct({
      headerVersion: u32,
      sessionId: bytes,
      isResumed: bool,
      graceMs: u32,
      inFlightMax: u32,
      bootVerifier: bytes,
    }),
  },
  Ack: {
    mid: 257,
    ...bookkeeping,
    isRetrySafe: true,
    errors: [],
    request: struct(seen),
    response: undefined,
  },
  Ping: {
    mid: 258,
    ...bookkeeping,
    isRetrySafe: true,
    errors: [],
    request: nothing,
    response: nothing,
  },
  Reclaim: {
    mid: 259,
    ...reading,
    isRetrySafe: false,
    errors: [],
    request: struct({ lost: array(lost) }),
    response: struct({ reclaimed: array(reclaimed) }),
  },
  ListDir: {
    mid: 260,
    ...reading,
    isRetrySafe: false,
    errors: ['EBADF', 'ENOTDIR', 'EINVAL', 'EACCES'],
    request: struct({ dirFD: u64, cookie: u64, maxBytes: u32, flags: u32 }),
    response: struct({ dir: statx, isEnd: bool, entries: array(listed) }),
  },
  OpenReadAt: {
    mid: 261,
    ...reading,
    isRetrySafe: false,
    onReadOnly: 'refused unless it opens O_RDONLY only',
    errors: ['EROFS', 'EBADF', 'EINVAL', 'EISDIR', 'EACCES'],
    request: struct({ fd: u64, flags: u32, maxBytes: u32 }),
    response: struct({ openFD: u64, statx, isWhole: bool, data: bytes }),
  },
  WalkOpenRead: {
    mid: 262,
    ...reading,
    isRetrySafe: false,
    onReadOnly: 'refused unless it opens O_RDONLY only',
    errors: ['EROFS', 'EINVAL', 'EBADF', 'ENOTDIR', 'EACCES'],
    request: struct({ dirFD: u64, flags: u32, maxBytes: u32, path }),
    response: struct({
      status: u8,
      inodes: array(inode),
      openErrno: u32,
      openFD: u64,
      isWhole: bool,
      data: bytes,
    }),
  },
  CreateWrite: {
    mid: 263,
    ...writing,
    errors: ['EROFS', 'EINVAL', 'EBADF', 'ENOTDIR', 'EACCES', 'EEXIST', 'ENOSPC', 'EDQUOT'],
    request: struct({
      ...createCommon,
      flags: u32,
      pad2: padding(4),
      clientFD: u64,
      clientOpenFD: u64,
      name,
      data: bytes,
    }),
    response: struct({ child: inode, openFD: u64 }),
  },
  MkdirAs: {
    mid: 264,
    ...writing,
    errors: ['EROFS', 'EINVAL', 'EBADF', 'ENOTDIR', 'EACCES', 'EEXIST', 'ENOSPC', 'EDQUOT'],
    request: struct({ ...createCommon, clientFD: u64, name }),
    response: struct({ childDir: inode }),
  },
  // It may wait for long, so nothing is kept from others meanwhile.
  SetLock: {
    mid: 265,
    ...bookkeeping,
    isRetrySafe: false,
    errors: ['EBADF', 'EINVAL', 'EAGAIN', 'EDEADLK', 'EINTR', 'ENOLCK'],
    request: struct({ ...range, wait: bool, pad: padding(1) }),
    response: nothing,
  },
  GetLock: {
    mid: 266,
    ...bookkeeping,
    isRetrySafe: true,
    errors: ['EBADF', 'EINVAL'],
    request: struct({ ...range, pad: padding(2) }),
    response: struct({
      start: u64,
      length: u64,
      owner: u64,
      pid: u32,
      type: u8,
      pad: padding(3),
    }),
  },
  CancelLock: {
    mid: 267,
    ...bookkeeping,
    isRetrySafe: true,
    errors: [],
    request: struct({ tag: u32 }),
    response: nothing,
  },
  Watch: {
    mid: 268,
    ...reading,
    isRetrySafe: false,
    errors: ['EBADF', 'EINVAL', 'ENOTDIR', 'EACCES', 'ENOSPC'],
    request: struct({ fd: u64, mask: u32, isRecursive: bool, pad: padding(3) }),
    response: struct({ watchId: u64 }),
  },
  Unwatch: {
    mid: 269,
    ...bookkeeping,
    isRetrySafe: true,
    errors: [],
    request: struct({ watchId: u64 }),
    response: nothing,
  },
  Reserve: {
    mid: 270,
    ...bookkeeping,
    isRetrySafe: true,
    errors: [],
    request: struct({ total: u64 }),
    response: struct({ total: u64 }),
  },
  Event: {
    mid: 512,
    ...pushed,
    request: struct({
      events: array(struct({ watchId: u64, mask: u32, cookie: u32, name: hostName }, 'WatchEvent')),
    }),
  },
  Overflow: { mid: 513, ...pushed, request: nothing },
  Invalidate: {
    mid: 514,
    ...pushed,
    request: struct({
      files: array(struct({ fd: u64, flags: u32, name: hostName }, 'InvalidatedFile')),
    }),
  },
  Drain: { mid: 515, ...pushed, request: struct({ graceMs: u32 }) },
} as const satisfies Record<string, MessageRow>;
