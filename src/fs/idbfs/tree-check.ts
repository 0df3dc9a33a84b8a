// TreeCheck: the filesystem in a view of a store: every name leads to an inode, every inode has its
// names, all directories hang together beneath the root, and counts are right. README.md lists
// what has to hold.
//
// A scan of everything (tree-scan.ts) leaves a table of the inodes, which is looked at here. Only
// where it shows that names are wrong, all names are gone through once more.

import { S_IFDIR } from '../../abi/stat.ts';
import type { Op } from '../../lib/op.ts';
import { numberFromKey } from '../../store/number-key.ts';
import type { StoreView, ViewEntries } from '../../store/store-view.ts';
import type { Edits, Finding, Fix, Report } from './finding.ts';
import { type InodeTable, SEEN, type Slot } from './inode-table.ts';
import {
  cookieKey,
  decodeInode,
  decodeName,
  encodePosition,
  FILESYSTEM_INO,
  inodeKey,
  KIND,
  nameKey,
  orphanKey,
  ROOT_INO,
} from './items.ts';
import { PathFinder } from './path-finder.ts';
import { type ScanTotals, TreeScan } from './tree-scan.ts';

const ENTRIES_AT_ONCE = 1024;

/** Why the names that lead to an inode have to be looked at. */
type Reason = 'no inode' | 'many names' | 'the root' | 'a circle' | 'type';

export class TreeCheck {
  readonly #view: StoreView;
  readonly #report: Report;
  readonly #scan: TreeScan;
  /** Inodes with something wrong with their names. */
  readonly #suspects = new Map<number, Reason>();
  /** What has entries and is no directory. */
  readonly #noDirectories = new Set<number>();

  /** `onInodes` is told how many inodes have been looked at. */
  constructor(
    view: StoreView,
    report: Report,
    onInodes: (count: number) => void = () => undefined,
  ) {
    this.#view = view;
    this.#report = report;
    this.#scan = new TreeScan(view, report, onInodes);
  }

  get totals(): Readonly<ScanTotals> {
    return this.#scan.totals;
  }

  get #table(): InodeTable {
    return this.#scan.table;
  }

  /** Knows the paths of what it has seen, once it has run. */
  get paths(): PathFinder {
    return new PathFinder(this.#view, this.#table);
  }

  *run(): Op<void> {
    yield* this.#scan.run();
    yield* this.#checkRoot();
    this.#countSubdirectories();
    for (const slot of this.#table.slots()) yield* this.#checkSlot(slot);
    if (this.#suspects.size + this.#noDirectories.size > 0) yield* this.#checkNames();
  }

  *#checkRoot(): Op<void> {
    const slot = this.#table.slotOf(ROOT_INO);
    this.#table.set(slot, SEEN.reached);
    if (this.#table.has(slot, SEEN.inode | SEEN.content)) return;
    yield* this.#report({
      text: 'there is no root directory',
      fix: {
        phase: 'items',
        what: 'it gets an empty one',
        apply(edits) {
          edits.putInode(ROOT_INO, { ...edits.emptyInode(S_IFDIR | 0o755), nlink: 2 });
        },
      },
    });
  }

  #countSubdirectories(): void {
    const table = this.#table;
    for (const slot of table.slots()) {
      if (!table.has(slot, SEEN.directory) || table.names[slot] === 0) continue;
      const parent = table.find(table.parents[slot] ?? 0);
      if (parent === undefined) continue;
      table.subdirectories[parent] = (table.subdirectories[parent] ?? 0) + 1;
    }
  }

  *#checkSlot(slot: Slot): Op<void> {
    const table = this.#table;
    const ino = table.inoAt(slot);
    const names = table.names[slot] ?? 0;
    if (!table.has(slot, SEEN.inode)) {
      if (names > 0 && !table.has(slot, SEEN.content)) this.#suspects.set(ino, 'no inode');
      if (table.has(slot, SEEN.orphan)) {
        yield* this.#wrongOrphan(ino, 'is on the list of orphans, and has no inode');
      }
      return;
    }
    const [own, listed] = [(table.types[slot] ?? 0) >> 4, (table.types[slot] ?? 0) & 0xf];
    if (listed !== 0 && listed !== own) this.#suspects.set(ino, 'type');
    if (table.has(slot, SEEN.xattrs) && !table.has(slot, SEEN.xattrData)) {
      yield* this.#noXattrs(ino);
    }
    const isDir = table.has(slot, SEEN.directory);
    if (table.has(slot, SEEN.content) && !isDir && !table.has(slot, SEEN.regular)) {
      this.#noDirectories.add(ino);
    }
    yield* this.#checkPlace(slot, { ino, names, isDir });
  }

  /** Whether it is where it belongs, once. */
  *#checkPlace(
    slot: Slot,
    { ino, names, isDir }: { ino: number; names: number; isDir: boolean },
  ): Op<void> {
    const table = this.#table;
    const isRoot = ino === ROOT_INO;
    const nlink = table.nlinks[slot] ?? 0;
    const isOrphan = table.has(slot, SEEN.orphan);
    if (isRoot && names > 0) this.#suspects.set(ino, 'the root');
    else if (isDir && names > 1) this.#suspects.set(ino, 'many names');
    if (isOrphan && (names > 0 || nlink > 0 || isRoot)) {
      yield* this.#wrongOrphan(ino, 'is on the list of orphans, and is none');
    } else if (names === 0 && !isRoot && !isOrphan) {
      yield* this.#unnamed(slot, ino);
      return;
    }
    if (isDir && !isOrphan) yield* this.#checkReach(ino);
    const expected = isOrphan && names === 0 ? 0 : names;
    const links = isDir && !isOrphan ? 2 + (table.subdirectories[slot] ?? 0) : expected;
    if (nlink !== links) yield* this.#wrongLinks(ino, nlink, links);
  }

  *#unnamed(slot: Slot, ino: number): Op<void> {
    const type = (this.#table.types[slot] ?? 0) >> 4;
    yield* this.#report({
      ino,
      text: 'no name leads to it',
      fix: {
        phase: 'tree',
        what: `it becomes /lost+found/#${ino}`,
        apply(edits) {
          edits.attach(ino, type);
        },
      },
    });
  }

  *#wrongOrphan(ino: number, text: string): Op<void> {
    const apply = (edits: Edits): void => {
      edits.put(orphanKey(ino), undefined);
    };
    const fix = { phase: 'items', what: 'it is taken off the list', apply } as const;
    yield* this.#report({ ino, text, fix });
  }

  *#noXattrs(ino: number): Op<void> {
    const item = yield* this.#view.get(inodeKey(ino));
    if (item === undefined) return;
    const inode = decodeInode(item);
    const apply = (edits: Edits): void => {
      edits.putInode(ino, { ...inode, hasXattrs: false });
    };
    const text = 'it says that it has extended attributes, and there are none';
    const fix = { phase: 'counts', what: 'it says that it has none', apply } as const;
    yield* this.#report({ ino, text, fix });
  }

  *#wrongLinks(ino: number, nlink: number, links: number): Op<void> {
    const item = yield* this.#view.get(inodeKey(ino));
    if (item === undefined) return;
    const inode = decodeInode(item);
    const apply = (edits: Edits): void => {
      edits.putInode(ino, { ...inode, nlink: links });
    };
    const text = `its link count is ${nlink}, and it has ${links} links`;
    const fix = { phase: 'counts', what: `its link count is set to ${links}`, apply } as const;
    yield* this.#report({ ino, text, fix });
  }

  /** Goes up from a directory, to the root or to one that has been reached already. */
  *#checkReach(start: number): Op<void> {
    const table = this.#table;
    const way = new Set<number>();
    let ino = start;
    for (;;) {
      const slot = table.find(ino);
      // Where the way ends, something has been found by then, or will be.
      if (slot === undefined || table.has(slot, SEEN.reached)) break;
      if (way.has(ino)) {
        this.#suspects.set(this.#lowestInCircle(ino), 'a circle');
        break;
      }
      way.add(ino);
      if (table.names[slot] === 0) break;
      ino = table.parents[slot] ?? 0;
    }
    for (const each of way) table.set(table.slotOf(each), SEEN.reached);
  }

  /** One of a circle, whoever has found it. */
  #lowestInCircle(start: number): number {
    let lowest = start;
    for (let ino = this.#parentOf(start); ino !== start; ino = this.#parentOf(ino)) {
      lowest = Math.min(lowest, ino);
    }
    return lowest;
  }

  #parentOf(ino: number): number {
    return this.#table.parents[this.#table.slotOf(ino)] ?? 0;
  }

  // Names, one by one.

  *#checkNames(): Op<void> {
    /** Of those that have many, the first name was seen. */
    const kept = new Set<number>();
    for (let from: string | undefined = ''; from !== undefined;) {
      const found: ViewEntries = yield* this.#view.entries(from, ENTRIES_AT_ONCE);
      for (const entry of found.entries) {
        if (entry.kind !== 'item' || entry.key[4] !== KIND.entryByName) continue;
        const dir = numberFromKey(entry.key, 0);
        if (dir === FILESYSTEM_INO) continue;
        yield* this.#checkName({ dir, name: entry.key.slice(5) }, entry.value, kept);
      }
      from = found.next;
    }
  }

  *#checkName(
    at: { readonly dir: number; readonly name: string },
    value: Uint8Array,
    kept: Set<number>,
  ): Op<void> {
    // Those that don't decode have been reported, and are gone before anything else is mended.
    const { ino, cookie } = value.length < 16 ? { ino: 0, cookie: 0 } : decodeName(value);
    const reason = this.#noDirectories.has(at.dir) ? 'no directory' : this.#suspects.get(ino);
    if (reason === undefined) return;
    if (reason === 'type') {
      yield* this.#wrongType(at, ino, cookie);
      return;
    }
    if (reason === 'many names' && !kept.has(ino)) {
      kept.add(ino);
      return;
    }
    const { dir, name } = at;
    const apply = (edits: Edits): void => {
      edits.put(nameKey(dir, name), undefined);
      edits.put(cookieKey(dir, cookie), undefined);
    };
    const phase = reason === 'no inode' || reason === 'no directory' ? 'items' : 'tree';
    const fix: Fix = { phase, what: 'the name is removed', apply };
    yield* this.#report({ ino: dir, name, text: TEXTS[reason](ino), fix });
  }

  *#wrongType({ dir, name }: { dir: number; name: string }, ino: number, cookie: number): Op<void> {
    const slot = this.#table.find(ino);
    const type = slot === undefined ? 0 : (this.#table.types[slot] ?? 0) >> 4;
    const apply = (edits: Edits): void => {
      edits.put(cookieKey(dir, cookie), encodePosition({ ino, type, name }));
    };
    const text = 'a listing shows it as of another type';
    const fix = { phase: 'counts', what: 'the listing shows its type', apply } as const;
    yield* this.#report({ ino: dir, name, text, fix });
  }
}

const TEXTS: Readonly<Record<Exclude<Reason, 'type'> | 'no directory', (ino: number) => string>> = {
  'no inode': (ino) => `it leads to inode ${ino}, which is missing`,
  'many names': (ino) => `it leads to directory ${ino}, which has another name`,
  'the root': () => 'it leads to the root',
  'a circle': (ino) => `it leads to directory ${ino}, which lies beneath itself`,
  'no directory': () => 'it lies beneath what is no directory',
};

/** Findings in words, with paths: those there are many of have only numbers. */
export function* sentences(findings: readonly Finding[], paths: PathFinder): Op<string[]> {
  const found: string[] = [];
  for (const { ino, name, text } of findings) {
    if (ino === undefined) found.push(text);
    else found.push(`${yield* paths.describe(ino, name)}: ${text}`);
  }
  return found;
}
