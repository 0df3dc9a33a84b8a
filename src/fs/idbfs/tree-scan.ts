// TreeScan: goes through all that idbfs keeps in a store, in the order of keys, so that what
// belongs to an inode comes together. Looks whether that fits together, and notes in a table
// what the whole needs.

import { LinuxError } from '../../abi/errno.ts';
import { direntType, S_IFDIR, S_IFMT, S_IFREG } from '../../abi/stat.ts';
import type { Op } from '../../lib/op.ts';
import { numberFromKey, numberKey } from '../../store/number-key.ts';
import type { StoreView, ViewEntries, ViewEntry } from '../../store/store-view.ts';
import { BLOCK_SIZE } from '../shared/file-data.ts';
import { checkEntries } from './entry-check.ts';
import type { Fix, Report } from './finding.ts';
import { InodeTable, SEEN } from './inode-table.ts';
import {
  cookieOf,
  decodeFilesystem,
  decodeInode,
  decodeName,
  decodePosition,
  encodeFilesystem,
  FILESYSTEM_INO,
  filesystemKey,
  inodeKey,
  KIND,
  orphanOf,
  ROOT_INO,
  type StoredInode,
} from './items.ts';
import { decodeXattrs, XATTR_OBJECTS, xattrObject, XATTRS_SIZE_MAX } from './xattr-blob.ts';

const ENTRIES_AT_ONCE = 1024;
/** "." and ".." have those below. */
const FIRST_COOKIE = 3;

/** What is stored of one inode, as far as the scan has come. */
export interface Group {
  readonly ino: number;
  inode: StoredInode | undefined;
  blocks: number;
  /** Where the data ends, in bytes. */
  dataEnd: number;
  names: number;
  positions: number;
  /** Sums over names and over positions: the same if the entries are. */
  nameSum: number;
  positionSum: number;
  cookieMax: number;
}

type Counts = Partial<Record<'size' | 'blockCount' | 'entryCount' | 'nextCookie', number>>;

export interface ScanTotals {
  files: number;
  directories: number;
  nextIno: number;
}

export class TreeScan {
  readonly table = new InodeTable();
  readonly totals: ScanTotals = { files: 0, directories: 0, nextIno: 0 };
  readonly #view: StoreView;
  readonly #report: Report;
  readonly #onInodes: (count: number) => void;
  #group = newGroup(FILESYSTEM_INO);
  #inodeCount = 0;
  #inoMax = 0;
  #lastXattrs = 0;

  constructor(view: StoreView, report: Report, onInodes: (count: number) => void) {
    this.#view = view;
    this.#report = report;
    this.#onInodes = onInodes;
  }

  *run(): Op<void> {
    for (let from: string | undefined = ''; from !== undefined;) {
      const found: ViewEntries = yield* this.#view.entries(from, ENTRIES_AT_ONCE);
      for (const entry of found.entries) yield* this.#take(entry);
      from = found.next;
      this.#onInodes(this.#inodeCount);
    }
    yield* this.#finishGroup();
    yield* this.#checkHeader();
  }

  *#take(entry: ViewEntry): Op<void> {
    if (entry.kind === 'damage') {
      yield* this.#report({ text: `what is stored ${rangeText(entry.key, entry.end)} is damaged` });
      return;
    }
    const ino = numberFromKey(entry.key, 0);
    if (entry.kind === 'data' && ino >= XATTR_OBJECTS) {
      if (ino !== this.#lastXattrs) yield* this.#checkXattrs(ino - XATTR_OBJECTS);
      this.#lastXattrs = ino;
      return;
    }
    if (ino !== this.#group.ino) {
      yield* this.#finishGroup();
      this.#group = newGroup(ino);
      this.#inoMax = Math.max(this.#inoMax, ino);
    }
    if (entry.kind === 'data') {
      this.#group.blocks += entry.length / BLOCK_SIZE;
      this.#group.dataEnd = entry.offset + entry.length;
    } else yield* this.#takeItem(ino, entry.key, entry.value);
  }

  *#takeItem(ino: number, key: string, value: Uint8Array): Op<void> {
    const kind = key[4];
    if (key === filesystemKey) this.totals.nextIno = decoded(decodeFilesystem, value)?.nextIno ?? 0;
    else if (ino === FILESYSTEM_INO && kind === KIND.orphan) {
      this.table.set(this.table.slotOf(orphanOf(key)), SEEN.orphan);
    } else if (key === inodeKey(ino)) {
      this.#group.inode = decoded(decodeInode, value);
      if (this.#group.inode === undefined) yield* this.#unreadable(ino, key, 'its inode');
    } else if (ino !== FILESYSTEM_INO && kind === KIND.entryByName) {
      yield* this.#takeName(ino, key, value);
    } else if (ino !== FILESYSTEM_INO && kind === KIND.entryByCookie) {
      yield* this.#takePosition(ino, key, value);
    } else if (ino === FILESYSTEM_INO && kind === KIND.note) {
      // What it says is nobody else's business.
    } else yield* this.#report({ text: `an item is of no known kind: ${JSON.stringify(key)}` });
  }

  *#unreadable(ino: number, key: string, what: string): Op<void> {
    const remove = { phase: 'items', what: 'it is removed' } as const;
    yield* this.#report({
      ino,
      text: `${what} can't be what was written`,
      fix: {
        ...remove,
        apply(edits) {
          edits.put(key, undefined);
        },
      },
    });
  }

  *#takeName(dir: number, key: string, value: Uint8Array): Op<void> {
    const entry = decoded(decodeName, value);
    const name = key.slice(5);
    if (entry === undefined || !isIno(entry.ino)) {
      yield* this.#unreadable(dir, key, `the entry ${JSON.stringify(name)}`);
      return;
    }
    const slot = this.table.slotOf(entry.ino);
    this.table.names[slot] = (this.table.names[slot] ?? 0) + 1;
    this.table.parents[slot] = dir;
    const group = this.#group;
    group.names++;
    group.nameSum = added(group.nameSum, sumOf(name, entry.ino, entry.cookie));
  }

  *#takePosition(dir: number, key: string, value: Uint8Array): Op<void> {
    const entry = decoded(decodePosition, value);
    if (entry === undefined || !isIno(entry.ino)) {
      yield* this.#unreadable(dir, key, 'an entry of its listing');
      return;
    }
    const cookie = cookieOf(key);
    const slot = this.table.slotOf(entry.ino);
    this.table.types[slot] = ((this.table.types[slot] ?? 0) & 0xf0) | (entry.type & 0xf);
    const group = this.#group;
    group.positions++;
    group.cookieMax = Math.max(group.cookieMax, cookie);
    group.positionSum = added(group.positionSum, sumOf(entry.name, entry.ino, cookie));
  }

  *#finishGroup(): Op<void> {
    const group = this.#group;
    const { ino, inode } = group;
    if (ino === FILESYSTEM_INO) return;
    const hasContent = group.blocks + group.names + group.positions > 0;
    if (inode === undefined) {
      if (hasContent) yield* this.#lostInode(group);
    } else this.#note(ino, inode);
    if (hasContent) this.table.set(this.table.slotOf(ino), SEEN.content);
    if (group.names !== group.positions || group.nameSum !== group.positionSum) {
      yield* checkEntries(this.#view, group, this.#report);
    }
    if (inode !== undefined) yield* this.#checkInode(group, inode);
  }

  #note(ino: number, inode: StoredInode): void {
    const { table } = this;
    const slot = table.slotOf(ino);
    const type = inode.mode & S_IFMT;
    const directory = type === S_IFDIR ? SEEN.directory : 0;
    const regular = type === S_IFREG ? SEEN.regular : 0;
    const xattrs = inode.hasXattrs ? SEEN.xattrs : 0;
    table.set(slot, SEEN.inode | directory | regular | xattrs);
    table.types[slot] = ((table.types[slot] ?? 0) & 0xf) | (direntType(inode.mode) << 4);
    table.nlinks[slot] = inode.nlink;
    this.#inodeCount++;
    if (directory !== 0) this.totals.directories++;
    else this.totals.files++;
  }

  /** There is data, or there are entries, of an inode that is not there. */
  *#lostInode({ ino, names, positions, dataEnd, blocks, cookieMax }: Group): Op<void> {
    const isDir = names + positions > 0;
    const mode = isDir ? S_IFDIR | (ino === ROOT_INO ? 0o755 : 0o700) : S_IFREG | 0o600;
    yield* this.#report({
      ino,
      text: `its inode is missing, and its ${isDir ? 'entries are' : 'data is'} there`,
      fix: {
        phase: 'items',
        what: `it gets an inode: a ${isDir ? 'directory' : 'file'} of root's`,
        apply(edits) {
          const nextCookie = Math.max(FIRST_COOKIE, cookieMax + 1);
          const inode = { ...edits.emptyInode(mode), nextCookie, blockCount: blocks };
          edits.putInode(ino, { ...inode, size: isDir ? 0 : dataEnd, entryCount: names });
        },
      },
    });
  }

  *#checkInode(group: Group, inode: StoredInode): Op<void> {
    const { ino, names, positions, cookieMax, blocks } = group;
    const type = inode.mode & S_IFMT;
    if (type !== S_IFDIR && names + positions > 0) {
      yield* this.#report({ ino, text: 'there are entries beneath it, and it is no directory' });
    } else if (inode.entryCount !== names && type === S_IFDIR) {
      const text = `it counts ${inode.entryCount} entries and has ${names}`;
      yield* this.#corrected(group, text, { entryCount: names });
    }
    if (type === S_IFDIR && cookieMax >= inode.nextCookie) {
      const next = `the next would get ${inode.nextCookie}`;
      const text = `an entry has the position ${cookieMax}, and ${next}`;
      yield* this.#corrected(group, text, { nextCookie: cookieMax + 1 });
    }
    if (type !== S_IFREG && blocks > 0) {
      const fix = {
        phase: 'items' as const,
        what: 'the data is given up',
        apply: (edits: { discard(object: number): void }) => {
          edits.discard(ino);
        },
      };
      yield* this.#report({ ino, text: 'it has data, and is no file', fix });
    } else if (type === S_IFREG && blocks > inode.blockCount) {
      const text = `it counts ${inode.blockCount} blocks of data and has ${blocks}`;
      yield* this.#corrected(group, text, { blockCount: blocks });
    }
    if (!Number.isSafeInteger(inode.size) || inode.size < 0) {
      yield* this.#corrected(group, `its size is ${inode.size}`, { size: group.dataEnd });
    }
  }

  *#corrected({ ino, inode }: Group, text: string, change: Counts): Op<void> {
    if (inode === undefined) return;
    const [[name, value] = ['', 0]] = Object.entries<number>(change);
    yield* this.#report({
      ino,
      text,
      fix: {
        phase: 'counts',
        what: `${name} is set to ${value}`,
        apply(edits) {
          edits.putInode(ino, { ...inode, ...change });
        },
      },
    });
  }

  *#checkXattrs(ino: number): Op<void> {
    const object = xattrObject(ino);
    const slot = this.table.find(ino);
    const item = yield* this.#get(inodeKey(ino));
    const inode = item === undefined ? undefined : decoded(decodeInode, item);
    if (slot === undefined || inode === undefined) {
      const text = 'there are extended attributes of an inode that is missing';
      const what = 'they are given up';
      const apply = (edits: { discard(object: number): void }): void => {
        edits.discard(object);
      };
      yield* this.#report({ ino, text, fix: { phase: 'counts', what, apply } });
      return;
    }
    this.table.set(slot, SEEN.xattrData);
    const put = (hasXattrs: boolean, what: string, discards: boolean): Fix => ({
      phase: 'items',
      what,
      discards,
      apply(edits) {
        edits.putInode(ino, { ...inode, hasXattrs });
        if (!hasXattrs) edits.discard(object);
      },
    });
    if (!inode.hasXattrs) {
      const text = 'it has extended attributes and says that it has none';
      yield* this.#report({ ino, text, fix: put(true, 'it says that it has some', false) });
    }
    try {
      decodeXattrs(yield* this.#view.read(object, 0, XATTRS_SIZE_MAX));
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
      const fix = put(false, 'its extended attributes are given up', true);
      yield* this.#report({ ino, text: 'its extended attributes are damaged', fix });
    }
  }

  /** Undefined if it can't be read. */
  *#get(key: string): Op<Uint8Array | undefined> {
    try {
      return yield* this.#view.get(key);
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
      return undefined;
    }
  }

  *#checkHeader(): Op<void> {
    const { nextIno } = this.totals;
    if (nextIno > this.#inoMax && nextIno > ROOT_INO) return;
    const next = Math.max(this.#inoMax, ROOT_INO) + 1;
    yield* this.#report({
      text: `the next inode would get the number ${nextIno}, and there is one of ${this.#inoMax}`,
      fix: {
        phase: 'items',
        what: `the next inode gets ${next}`,
        apply(edits) {
          edits.put(filesystemKey, encodeFilesystem(next));
        },
      },
    });
  }
}

function newGroup(ino: number): Group {
  const counts = { blocks: 0, dataEnd: 0, names: 0, positions: 0 };
  return { ino, inode: undefined, ...counts, nameSum: 0, positionSum: 0, cookieMax: 0 };
}

function decoded<T>(decode: (bytes: Uint8Array) => T, bytes: Uint8Array): T | undefined {
  try {
    return decode(bytes);
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error;
    return undefined;
  }
}

function isIno(ino: number): boolean {
  return Number.isSafeInteger(ino) && ino >= ROOT_INO && ino < XATTR_OBJECTS;
}

/** Sums are taken modulo this, so that they stay exact. */
const SUM_END = 2 ** 52;

function added(sum: number, more: number): number {
  return (sum + more) % SUM_END;
}

/** FNV-1a, twice, of an entry. */
function sumOf(name: string, ino: number, cookie: number): number {
  const text = name + numberKey(ino) + numberKey(cookie);
  let [low, high] = [0x811c9dc5, 0x01000193];
  for (let i = 0; i < text.length; i++) {
    low = Math.imul(low ^ text.charCodeAt(i), 0x01000193);
    high = Math.imul(high ^ text.charCodeAt(i), 0x0100018d);
  }
  return (low >>> 0) + (high & 0xfffff) * 2 ** 32;
}

/** Which inodes a range of keys is of. */
function rangeText(from: string, to: string | undefined): string {
  const first = from.length < 4 ? 0 : numberFromKey(from, 0);
  if (to === undefined) return `from inode ${first} on`;
  const last = numberFromKey(to.padEnd(4, '\0'), 0);
  return first === last ? `of inode ${first}` : `of inodes ${first} to ${last}`;
}
