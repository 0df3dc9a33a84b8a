// The messages of 9P2000.L, and gVisor's own besides. Mirrors gVisor pkg/p9/messages.go; diod
// protocol.md; Linux: net/9p/client.c for what plain servers and clients send.
//
// A request (T) has an even type, and its response (R) the next number. Fields are called what the
// protocol calls them, in camel case.

import { assert } from '../lib/assert.ts';
import { array, type FieldTable, packed, struct, type StructField } from '../lib/wire.ts';
import { bigU64, bytes, trailing, u16, u32, u64, u8, type ValueOf } from '../lib/wire-fields.ts';
import {
  attr,
  dirent,
  hostName,
  hostXattrName,
  name,
  names,
  qid,
  time,
  xattrName,
  xattrValue,
} from './records.ts';

/** One message. */
export interface MessageRow {
  /** The request's; the response's is one more. */
  readonly type: number;
  /** The version of gVisor's that brought it; undefined if it is 9P2000.L's own. */
  readonly since?: number;
  /** Undefined if it is never sent. */
  readonly T: StructField<FieldTable> | undefined;
  readonly R: StructField<FieldTable>;
}

const nothing = struct({});
const ofFid = struct({ fid: u32 });
const madeFile = struct({ qid });
const openedFile = struct({ qid, iounit: u32 });

const lcreate = { fid: u32, name, flags: u32, mode: u32, gid: u32 };
const symlink = { dfid: u32, name, target: name, gid: u32 };
const mknod = { dfid: u32, name, mode: u32, major: u32, minor: u32, gid: u32 };
const mkdir = { dfid: u32, name, mode: u32, gid: u32 };
const setattr = struct({
  fid: u32,
  valid: u32,
  mode: u32,
  uid: u32,
  gid: u32,
  size: u64,
  atime: time,
  mtime: time,
});
const walk = struct({ fid: u32, newfid: u32, names });
/** `clientId` and `procId` are whose lock it is; a `length` of 0 reaches to the end. */
const heldLock = { type: u8, start: u64, length: u64, procId: u32, clientId: name };

export const MESSAGES = {
  lerror: { type: 6, T: undefined, R: struct({ ecode: u32 }) },
  statfs: {
    type: 8,
    T: ofFid,
    // A filesystem that has no limit may say so with all ones.
    R: struct({
      type: u32,
      bsize: u32,
      blocks: bigU64,
      bfree: bigU64,
      bavail: bigU64,
      files: bigU64,
      ffree: bigU64,
      fsid: bigU64,
      namelen: u32,
    }),
  },
  lopen: { type: 12, T: struct({ fid: u32, flags: u32 }), R: openedFile },
  /** The directory's fid becomes the open file's. */
  lcreate: { type: 14, T: struct(lcreate), R: openedFile },
  symlink: { type: 16, T: struct(symlink), R: madeFile },
  mknod: { type: 18, T: struct(mknod), R: madeFile },
  rename: { type: 20, T: struct({ fid: u32, dfid: u32, name }), R: nothing },
  readlink: { type: 22, T: ofFid, R: struct({ target: hostName }) },
  getattr: {
    type: 24,
    T: struct({ fid: u32, requestMask: bigU64 }),
    R: struct({ valid: bigU64, qid, attr }),
  },
  setattr: { type: 26, T: setattr, R: nothing },
  listxattr: {
    type: 28,
    since: 11,
    T: struct({ fid: u32, size: u64 }),
    R: struct({ names: array(hostXattrName) }),
  },
  /** `newfid` is for reading the value, or the names if `name` is empty. */
  xattrwalk: {
    type: 30,
    T: struct({ fid: u32, newfid: u32, name: xattrName }),
    R: struct({ size: u64 }),
  },
  /** The fid becomes one for writing the value, which Tclunk ends. */
  xattrcreate: {
    type: 32,
    T: struct({ fid: u32, name: xattrName, attrSize: u64, flags: u32 }),
    R: nothing,
  },
  getxattr: {
    type: 34,
    since: 10,
    T: struct({ fid: u32, name: xattrName, size: u64 }),
    R: struct({ value: xattrValue }),
  },
  setxattr: {
    type: 36,
    since: 10,
    T: struct({ fid: u32, name: xattrName, value: xattrValue, flags: u32 }),
    R: nothing,
  },
  removexattr: { type: 38, since: 11, T: struct({ fid: u32, name: xattrName }), R: nothing },
  readdir: {
    type: 40,
    T: struct({ fid: u32, offset: bigU64, count: u32 }),
    R: struct({ entries: packed(u32, dirent) }),
  },
  /** Not all have `datasync`: gVisor's don't, Linux's do. */
  fsync: { type: 50, T: struct({ fid: u32, datasync: trailing(u32) }), R: nothing },
  lock: {
    type: 52,
    T: struct({
      fid: u32,
      type: u8,
      flags: u32,
      start: u64,
      length: u64,
      procId: u32,
      clientId: name,
    }),
    R: struct({ status: u8 }),
  },
  /** The lock that is in the way of the one asked about, or that one as LOCK_TYPE_UNLCK. */
  getlock: { type: 54, T: struct({ fid: u32, ...heldLock }), R: struct(heldLock) },
  link: { type: 70, T: struct({ dfid: u32, fid: u32, name }), R: nothing },
  mkdir: { type: 72, T: struct(mkdir), R: madeFile },
  renameat: {
    type: 74,
    T: struct({ olddfid: u32, oldname: name, newdfid: u32, newname: name }),
    R: nothing,
  },
  /** `flags`: 0 or AT_REMOVEDIR. */
  unlinkat: { type: 76, T: struct({ dfid: u32, name, flags: u32 }), R: nothing },
  version: {
    type: 100,
    T: struct({ msize: u32, version: name }),
    R: struct({ msize: u32, version: name }),
  },
  auth: {
    type: 102,
    T: struct({ afid: u32, uname: name, aname: name, nUname: u32 }),
    R: struct({ aqid: qid }),
  },
  attach: {
    type: 104,
    T: struct({ fid: u32, afid: u32, uname: name, aname: name, nUname: u32 }),
    R: madeFile,
  },
  /** Answered after the request it is about: `oldtag` is not used anew before. */
  flush: { type: 108, T: struct({ oldtag: u16 }), R: nothing },
  /** Fewer QIDs than names: the walk ended there, and `newfid` is not in use. */
  walk: { type: 110, T: walk, R: struct({ qids: array(qid) }) },
  read: {
    type: 116,
    T: struct({ fid: u32, offset: u64, count: u32 }),
    R: struct({ data: bytes }),
  },
  write: {
    type: 118,
    T: struct({ fid: u32, offset: u64, data: bytes }),
    R: struct({ count: u32 }),
  },
  clunk: { type: 120, T: ofFid, R: nothing },
  /** Clunks, too, even if it fails. */
  remove: { type: 122, T: ofFid, R: nothing },
  flushf: { type: 124, since: 1, T: ofFid, R: nothing },
  walkgetattr: {
    type: 126,
    since: 2,
    T: walk,
    R: struct({ valid: bigU64, attr, qids: array(qid) }),
  },
  ucreate: { type: 128, since: 3, T: struct({ ...lcreate, uid: u32 }), R: openedFile },
  umkdir: { type: 130, since: 3, T: struct({ ...mkdir, uid: u32 }), R: madeFile },
  umknod: { type: 132, since: 3, T: struct({ ...mknod, uid: u32 }), R: madeFile },
  usymlink: { type: 134, since: 3, T: struct({ ...symlink, uid: u32 }), R: madeFile },
  /** The socket comes beside the message, so it can't over a WebSocket. */
  lconnect: { type: 136, since: 4, T: struct({ fid: u32, flags: u32 }), R: nothing },
  allocate: {
    type: 138,
    since: 7,
    T: struct({ fid: u32, mode: u32, offset: u64, length: u64 }),
    R: nothing,
  },
  /** The fid is gone even if it fails. */
  setattrclunk: { type: 140, since: 12, T: setattr, R: nothing },
  /** From the fid down. The first name may be "", which is the fid's own file. */
  multigetattr: {
    type: 142,
    since: 13,
    T: struct({ fid: u32, names }),
    R: struct({ stats: array(struct({ qid, valid: bigU64, attr }, 'FullStat')) }),
  },
  /** Memory to be shared, which comes beside the message, too. */
  channel: {
    type: 250,
    since: 8,
    T: struct({ id: u32, control: u32 }),
    R: struct({ offset: u64, length: u64 }),
  },
} as const satisfies Record<string, MessageRow>;

export type MessageName = keyof typeof MESSAGES;

export type TMessage<Name extends MessageName> = ValueOf<(typeof MESSAGES)[Name]['T']>;
export type RMessage<Name extends MessageName> = ValueOf<(typeof MESSAGES)[Name]['R']>;

const byType = new Map<number, MessageName>();
for (const messageName of Object.keys(MESSAGES) as MessageName[]) {
  const { type } = MESSAGES[messageName];
  assert(type % 2 === 0, 'a request has an odd type');
  assert(!byType.has(type), 'two messages have the same type');
  byType.set(type, messageName);
}

/** A message's row, for what is the same with all of them. */
export function messageRow(messageName: MessageName): MessageRow {
  return MESSAGES[messageName];
}

/** What a type stands for; undefined for one that we don't know, or that is never sent. */
export function messageOfType(
  type: number,
): { readonly name: MessageName; readonly kind: 'T' | 'R' } | undefined {
  const kind = type % 2 === 0 ? 'T' : 'R';
  const messageName = byType.get(kind === 'T' ? type : type - 1);
  if (messageName === undefined || messageRow(messageName)[kind] === undefined) return undefined;
  return { name: messageName, kind };
}
