// TreeRepair: mends what a check finds, in the order of the phases (finding.ts), by commits. It
// looks again after each, until nothing is left that it can mend.
//
// A name is removed only if it leads nowhere, or where there is one too many. What has no name gets
// one in /lost+found: "#" and the number of its inode.

import { S_IFDIR } from '../../abi/stat.ts';
import { assertDefined } from '../../lib/assert.ts';
import type { Timespec } from '../../lib/clock.ts';
import type { Op } from '../../lib/op.ts';
import type { Store } from '../../store/store.ts';
import { type Edits, type Finding, type Phase, PHASES } from './finding.ts';
import {
  cookieKey,
  cookieKeysEnd,
  cookieOf,
  decodeFilesystem,
  decodeInode,
  decodeName,
  encodeFilesystem,
  encodeName,
  encodePosition,
  encodeStoredInode,
  filesystemKey,
  inodeKey,
  nameKey,
  ROOT_INO,
  type StoredInode,
} from './items.ts';
import { sentences, TreeCheck } from './tree-check.ts';

export interface TreeRepairOptions {
  readonly now: Timespec;
  /** Extended attributes that are damaged may go. */
  readonly mayDiscard: boolean;
}

const LOST_AND_FOUND = 'lost+found';
/** Looks at one phase; each mends something, and what is left then is not to be mended. */
const ROUNDS_MAX = 10;
const FIRST_COOKIE = 3;
const TYPE_DIR = S_IFDIR >>> 12;
const ITEMS_AT_ONCE = 1000;

/** Mends. Returns what was done, a sentence each. Errors: EIO, ENOSPC of the store. */
export function* repairTree(store: Store, options: TreeRepairOptions): Op<string[]> {
  const done: string[] = [];
  const edits = new RepairEdits(store, options.now);
  for (const phase of PHASES) {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const mended = yield* repairOnce(store, edits, phase, options.mayDiscard);
      if (mended.length === 0) break;
      for (const sentence of mended) done.push(sentence);
    }
  }
  return done;
}

function* repairOnce(
  store: Store,
  edits: RepairEdits,
  phase: Phase,
  mayDiscard: boolean,
): Op<string[]> {
  const view = yield* store.view();
  const mended: Finding[] = [];
  try {
    const take = function* (finding: Finding): Op<void> {
      const { fix } = finding;
      if (fix?.phase !== phase || (fix.discards === true && !mayDiscard)) return;
      fix.apply(edits);
      mended.push({ ...finding, text: `${finding.text}; ${fix.what}` });
    };
    const check = new TreeCheck(view, take);
    yield* check.run();
    yield* edits.commit();
    return yield* sentences(mended, check.paths);
  } finally {
    view.close();
  }
}

class RepairEdits implements Edits {
  readonly #store: Store;
  readonly #now: Timespec;
  readonly #items = new Map<string, Uint8Array | undefined>();
  readonly #discards = new Set<number>();
  #unnamed: { readonly ino: number; readonly type: number }[] = [];
  /** Directory → the position that its next new entry gets. */
  readonly #nextCookies = new Map<number, number>();

  constructor(store: Store, now: Timespec) {
    this.#store = store;
    this.#now = now;
  }

  put(key: string, value: Uint8Array | undefined): void {
    this.#items.set(key, value);
  }

  putInode(ino: number, inode: StoredInode): void {
    this.put(inodeKey(ino), encodeStoredInode(inode));
  }

  discard(object: number): void {
    this.#discards.add(object);
  }

  attach(ino: number, type: number): void {
    this.#unnamed.push({ ino, type });
  }

  emptyInode(mode: number): StoredInode {
    const now = this.#now;
    const times = { atime: now, mtime: now, ctime: now, btime: now };
    const counts = { nlink: 1, size: 0, blockCount: 0, entryCount: 0, nextCookie: FIRST_COOKIE };
    const flags = { hasXattrs: false, mayReachBehindEnd: false };
    return { mode, uid: 0, gid: 0, rdev: 0, ...counts, ...times, target: '', ...flags };
  }

  *commit(): Op<void> {
    yield* this.#nameAll();
    if (this.#items.size + this.#discards.size === 0) return;
    const discards = [...this.#discards].map((object) => ({ object, from: 0, to: Infinity }));
    const batch = { items: new Map(this.#items), discards, writes: [] };
    this.#items.clear();
    this.#discards.clear();
    yield* this.#store.commit(batch, { durability: 'relaxed' });
  }

  *#nameAll(): Op<void> {
    const unnamed = this.#unnamed;
    this.#unnamed = [];
    if (unnamed.length === 0) return;
    const directory = yield* this.#lostAndFound();
    for (const { ino, type } of unnamed) {
      const name = yield* this.#freeName(directory, `#${ino}`);
      yield* this.#addEntry(directory, { name, ino, type });
    }
  }

  /** The number of /lost+found, which is made if there is none. */
  *#lostAndFound(): Op<number> {
    const found = yield* this.#get(nameKey(ROOT_INO, LOST_AND_FOUND));
    const ino = found === undefined ? undefined : decodeName(found).ino;
    const item = ino === undefined ? undefined : yield* this.#get(inodeKey(ino));
    const isDir = item !== undefined && decodeInode(item).mode >>> 12 === TYPE_DIR;
    if (ino !== undefined && isDir) return ino;
    const header = decodeFilesystem(assertDefined(yield* this.#get(filesystemKey)));
    const made = header.nextIno;
    this.put(filesystemKey, encodeFilesystem(made + 1));
    this.putInode(made, { ...this.emptyInode(S_IFDIR | 0o700), nlink: 2 });
    const name = yield* this.#freeName(ROOT_INO, LOST_AND_FOUND);
    yield* this.#addEntry(ROOT_INO, { name, ino: made, type: TYPE_DIR });
    return made;
  }

  *#freeName(dir: number, wanted: string): Op<string> {
    let name = wanted;
    for (let number = 1; (yield* this.#get(nameKey(dir, name))) !== undefined; number++) {
      name = `${wanted}.${number}`;
    }
    return name;
  }

  /** The counts of the directory are wrong then: that is mended last. */
  *#addEntry(dir: number, entry: { name: string; ino: number; type: number }): Op<void> {
    const cookie = this.#nextCookies.get(dir) ?? (yield* this.#freeCookie(dir));
    this.#nextCookies.set(dir, cookie + 1);
    this.put(nameKey(dir, entry.name), encodeName(entry.ino, cookie));
    this.put(cookieKey(dir, cookie), encodePosition(entry));
  }

  *#freeCookie(dir: number): Op<number> {
    const item = yield* this.#get(inodeKey(dir));
    let free = item === undefined ? FIRST_COOKIE : decodeInode(item).nextCookie;
    let from = cookieKey(dir, free);
    for (;;) {
      const range = { from, to: cookieKeysEnd(dir), limit: ITEMS_AT_ONCE };
      const last = (yield* this.#store.scan(range)).at(-1);
      if (last === undefined) return free;
      free = cookieOf(last.key) + 1;
      from = cookieKey(dir, free);
    }
  }

  *#get(key: string): Op<Uint8Array | undefined> {
    return this.#items.has(key) ? this.#items.get(key) : yield* this.#store.get(key);
  }
}
