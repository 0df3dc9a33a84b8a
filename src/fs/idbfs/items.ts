// The items idbfs keeps in its store: their keys and the layout of their values. README.md shows
// them as a table.
//
// A key is the inode's number (four UTF-16 units, most significant first), a letter for the kind of
// item, and a name or a number. So an inode and its directory's entries lie side by side, and
// ranges of keys are lists.

import { linuxerr } from '../../abi/errno.ts';
import { Arena } from '../../lib/arena.ts';
import type { Timespec } from '../../lib/clock.ts';
import { RecordCodec } from '../../lib/record.ts';
import { decodeUtf8, encodeUtf8 } from '../../lib/text.ts';
import { numberFromKey, numberKey } from '../../store/number-key.ts';
import type { Inode } from '../shared/inode.ts';

export const ROOT_INO = 1;
/** Items of the filesystem itself have the number of no inode. */
export const FILESYSTEM_INO = 0;
/** 1 had no flags of inodes, and zeros in their place: it is read as it is. */
const FORMAT_VERSION = 2;
const FORMATS_KNOWN = [1, FORMAT_VERSION];

export function isKnownFormat(version: number): boolean {
  return FORMATS_KNOWN.includes(version);
}

/** Flags of an inode. */
const HAS_XATTRS = 1;
const MAY_REACH_BEHIND_END = 2;

/** The letters for the kinds of items. */
export const KIND = {
  filesystem: 'f',
  /** Kept for whoever serves the filesystem to others. */
  note: 'k',
  orphan: 'o',
  inode: 'i',
  entryByName: 'n',
  entryByCookie: 'p',
};

export const filesystemKey = numberKey(FILESYSTEM_INO) + KIND.filesystem;

export function inodeKey(ino: number): string {
  return numberKey(ino) + KIND.inode;
}

export function nameKey(dir: number, name: string): string {
  return numberKey(dir) + KIND.entryByName + name;
}

export function cookieKey(dir: number, cookie: number): string {
  return numberKey(dir) + KIND.entryByCookie + numberKey(cookie);
}

/** The cookie in a cookieKey(). */
export function cookieOf(key: string): number {
  return numberFromKey(key, 5);
}

/** The end of the range of a directory's cookieKey()s. */
export function cookieKeysEnd(dir: number): string {
  return numberKey(dir) + String.fromCharCode(KIND.entryByCookie.charCodeAt(0) + 1);
}

export function orphanKey(ino: number): string {
  return numberKey(FILESYSTEM_INO) + KIND.orphan + numberKey(ino);
}

export const orphanRange = {
  from: numberKey(FILESYSTEM_INO) + KIND.orphan,
  to: numberKey(FILESYSTEM_INO) + String.fromCharCode(KIND.orphan.charCodeAt(0) + 1),
};

/** Of a note that is kept for whoever serves the filesystem to others. */
export function noteKey(key: string): string {
  return numberKey(FILESYSTEM_INO) + KIND.note + key;
}

export const noteRange = {
  from: noteKey(''),
  to: numberKey(FILESYSTEM_INO) + String.fromCharCode(KIND.note.charCodeAt(0) + 1),
};

/** What noteKey() was given. */
export function noteOf(key: string): string {
  return key.slice(noteRange.from.length);
}

/** The inode number in an orphanKey(). */
export function orphanOf(key: string): number {
  return numberFromKey(key, 5);
}

const filesystemCodec = new RecordCodec([
  ['formatVersion', 'u32'],
  /** Numbers from here on have never been used. */
  ['nextIno', 'f64'],
]);

/**
 * Times are seconds since 1970 and nanoseconds. A symlink's target follows the record, as UTF-8.
 */
const inodeCodec = new RecordCodec([
  ['mode', 'u16'],
  ['flags', 'u16'],
  ['uid', 'u32'],
  ['gid', 'u32'],
  ['nlink', 'u32'],
  ['rdev', 'u32'],
  ['size', 'f64'],
  /** Written blocks of 4 KiB. */
  ['blockCount', 'f64'],
  /** Of a directory. */
  ['entryCount', 'f64'],
  ['nextCookie', 'f64'],
  ['atimeSec', 'f64'],
  ['atimeNsec', 'u32'],
  ['mtimeSec', 'f64'],
  ['mtimeNsec', 'u32'],
  ['ctimeSec', 'f64'],
  ['ctimeNsec', 'u32'],
  ['btimeSec', 'f64'],
  ['btimeNsec', 'u32'],
]);

/** Of items that are on their way into the store, which copies them. */
const arena = new Arena();

/** Of an entry by name: where it points, and its position in the listing. */
const nameCodec = new RecordCodec([
  ['ino', 'f64'],
  ['cookie', 'f64'],
]);

/** Of an entry by position: what a listing shows. The name follows, as UTF-8. */
const positionCodec = new RecordCodec([
  ['ino', 'f64'],
  ['type', 'u8'],
]);

/** Errors: EIO, here and below, if the bytes can't be what was written. */
export function decodeFilesystem(bytes: Uint8Array): { formatVersion: number; nextIno: number } {
  return checked(filesystemCodec.decode(bytes)).values;
}

export function encodeFilesystem(nextIno: number): Uint8Array {
  return filesystemCodec.encode({ formatVersion: FORMAT_VERSION, nextIno });
}

export function encodeName(ino: number, cookie: number): Uint8Array {
  return nameCodec.encodeIn(arena, { ino, cookie });
}

export function decodeName(bytes: Uint8Array): { ino: number; cookie: number } {
  return checked(nameCodec.decode(bytes)).values;
}

export function encodePosition(entry: { ino: number; type: number; name: string }): Uint8Array {
  return positionCodec.encodeTextIn(arena, entry, entry.name);
}

export function decodePosition(bytes: Uint8Array): { ino: number; type: number; name: string } {
  const { values, rest } = checked(positionCodec.decode(bytes));
  return { ...values, name: decodeUtf8(rest) };
}

export function encodeInode(inode: Inode): Uint8Array {
  return encodeWith(inode, inode.data ?? NO_DATA);
}

export function encodeStoredInode(inode: StoredInode): Uint8Array {
  return encodeWith(inode, inode);
}

/** One literal: copying fields from object to object took longer than the rest. */
function encodeWith(
  inode: Omit<StoredInode, keyof StoredData>,
  { blockCount, mayReachBehindEnd }: StoredData,
): Uint8Array {
  const { target } = inode;
  return inodeCodec.encodeIn(
    arena,
    {
      mode: inode.mode,
      flags: (inode.hasXattrs ? HAS_XATTRS : 0) | (mayReachBehindEnd ? MAY_REACH_BEHIND_END : 0),
      uid: inode.uid,
      gid: inode.gid,
      nlink: inode.nlink,
      rdev: inode.rdev,
      size: inode.size,
      blockCount,
      entryCount: inode.entryCount,
      nextCookie: inode.nextCookie,
      atimeSec: inode.atime.sec,
      atimeNsec: inode.atime.nsec,
      mtimeSec: inode.mtime.sec,
      mtimeNsec: inode.mtime.nsec,
      ctimeSec: inode.ctime.sec,
      ctimeNsec: inode.ctime.nsec,
      btimeSec: inode.btime.sec,
      btimeNsec: inode.btime.nsec,
    },
    target === '' ? undefined : encodeUtf8(target),
  );
}

/** What is kept of a regular file's data in its inode's item. */
interface StoredData {
  readonly blockCount: number;
  readonly mayReachBehindEnd: boolean;
}

const NO_DATA: StoredData = { blockCount: 0, mayReachBehindEnd: false };

export interface StoredInode extends StoredData {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  readonly rdev: number;
  readonly size: number;
  readonly entryCount: number;
  readonly nextCookie: number;
  readonly atime: Timespec;
  readonly mtime: Timespec;
  readonly ctime: Timespec;
  readonly btime: Timespec;
  readonly target: string;
  readonly hasXattrs: boolean;
}

export function decodeInode(bytes: Uint8Array): StoredInode {
  const { values, rest } = checked(inodeCodec.decode(bytes));
  const { mode, uid, gid, nlink, rdev, size, blockCount, entryCount, nextCookie } = values;
  return {
    ...{ mode, uid, gid, nlink, rdev, size, blockCount, entryCount, nextCookie },
    atime: { sec: values.atimeSec, nsec: values.atimeNsec },
    mtime: { sec: values.mtimeSec, nsec: values.mtimeNsec },
    ctime: { sec: values.ctimeSec, nsec: values.ctimeNsec },
    btime: { sec: values.btimeSec, nsec: values.btimeNsec },
    target: decodeUtf8(rest),
    hasXattrs: (values.flags & HAS_XATTRS) !== 0,
    mayReachBehindEnd: (values.flags & MAY_REACH_BEHIND_END) !== 0,
  };
}

function checked<T>(decoded: T | undefined): T {
  if (decoded === undefined) throw linuxerr.EIO;
  return decoded;
}
