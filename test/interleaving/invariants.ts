// What holds after every step of every operation: the tree in memory is a tree, and its counts are
// those of the names there are.

import { S_IFDIR, S_IFMT } from '../../src/abi/stat.ts';
import { decodeInode, decodeName, inodeKey, ROOT_INO } from '../../src/fs/idbfs/items.ts';
import type { Inode, LocalDentry } from '../../src/fs/shared/inode.ts';
import type { Dentry } from '../../src/vfs/dentry.ts';
import type { VirtualFilesystem } from '../../src/vfs/virtual-filesystem.ts';

function check(condition: boolean, problem: string, where: string): void {
  if (!condition) throw new Error(`${where}: ${problem}`);
}

/**
 * Of what is in memory, reachable from `root`. `isCopy`: the counts are those of somebody else, and
 * may be old.
 */
export function checkTreeInMemory(
  root: LocalDentry,
  vfs: VirtualFilesystem,
  { isCopy = false }: { readonly isCopy?: boolean } = {},
): void {
  const mountCounts = new Map<Dentry, number>();
  for (const { point } of vfs.namespace.mounts) {
    if (point === undefined) continue;
    mountCounts.set(point.dentry, (mountCounts.get(point.dentry) ?? 0) + 1);
    check(!point.dentry.isDead, 'a mount point is dead', 'mounts');
  }
  const seen = new Set<LocalDentry>();
  const pending: LocalDentry[] = [root];
  for (let dir = pending.pop(); dir !== undefined; dir = pending.pop()) {
    checkDentry(dir, mountCounts.get(dir) ?? 0);
    check(isCopy || dir.inode.nlink > 0, 'has no link', dir.name);
    check(!seen.has(dir), 'reachable twice', dir.name);
    seen.add(dir);
    if (dir.children === undefined) continue;
    let subdirectories = 0;
    for (const [name, child] of dir.children) {
      check(child.name === name, `is called ${child.name}`, name);
      check(child.parent === dir, 'has another parent', name);
      check(child.cookie < dir.inode.nextCookie, 'its cookie is not yet given', name);
      if (child.inode.isDir) subdirectories++;
      pending.push(child);
    }
    if (!isCopy) checkDirectory(dir, subdirectories);
  }
}

function checkDentry(dentry: LocalDentry, mountCount: number): void {
  check(!dentry.isDead, 'reachable, but dead', dentry.name);
  check(dentry.mountCount === mountCount, `mountCount ${dentry.mountCount}`, dentry.name);
  check(dentry.refs === 0 || dentry.inode.refs > 0, 'refers to nothing', dentry.name);
}

function checkDirectory(dir: LocalDentry, subdirectories: number): void {
  const { inode, children, isComplete } = dir;
  const size = children?.size ?? 0;
  const hasAll = size === inode.entryCount;
  check(isComplete ? hasAll : size <= inode.entryCount, `entryCount ${inode.entryCount}`, dir.name);
  const nlink = 2 + subdirectories;
  check(
    isComplete ? inode.nlink === nlink : inode.nlink >= nlink,
    `nlink ${inode.nlink}`,
    dir.name,
  );
}

interface Attributes {
  readonly mode: number;
  readonly nlink: number;
  readonly entryCount: number;
}

/** The names and inodes as they are, committed or not: what was there, and what has changed. */
export class Ledger {
  readonly #base: ReadonlyMap<string, Uint8Array>;
  readonly #changed = new Map<string, Uint8Array | undefined>();
  readonly #inodes = new Map<number, Inode>();

  constructor(base: ReadonlyMap<string, Uint8Array>) {
    this.#base = base;
  }

  itemChanged(key: string, value: Uint8Array | undefined): void {
    this.#changed.set(key, value);
  }

  inodeChanged(inode: Inode): void {
    this.#inodes.set(inode.ino, inode);
  }

  /** Throws if a count is not that of the names there are. */
  check(): void {
    const links = new Map<number, number>();
    const entries = new Map<number, number>();
    const subdirectories = new Map<number, number>();
    const count = (counts: Map<number, number>, ino: number): void => {
      counts.set(ino, (counts.get(ino) ?? 0) + 1);
    };
    const take = (key: string, value: Uint8Array): void => {
      if (key[4] !== 'n') return;
      const dir = inoOf(key);
      const ino = linkedIno(value);
      count(links, ino);
      count(entries, dir);
      if (isDir(this.#attributes(ino))) count(subdirectories, dir);
    };
    for (const [key, value] of this.#base) if (!this.#changed.has(key)) take(key, value);
    for (const [key, value] of this.#changed) if (value !== undefined) take(key, value);
    for (const ino of new Set([...links.keys(), ...entries.keys(), ...this.#inodes.keys()])) {
      const { mode, nlink, entryCount } = this.#attributes(ino);
      const names = (links.get(ino) ?? 0) + (ino === ROOT_INO ? 1 : 0);
      if ((mode & S_IFMT) !== S_IFDIR) {
        check(nlink === names, `nlink ${nlink}, but ${names} names`, `inode ${ino}`);
        continue;
      }
      check(names <= 1, `${names} names`, `directory ${ino}`);
      const wanted = names === 0 ? 0 : 2 + (subdirectories.get(ino) ?? 0);
      check(nlink === wanted, `nlink ${nlink} instead of ${wanted}`, `directory ${ino}`);
      const size = entries.get(ino) ?? 0;
      check(entryCount === size, `entryCount ${entryCount}, but ${size}`, `directory ${ino}`);
    }
  }

  #attributes(ino: number): Attributes {
    const inode = this.#inodes.get(ino);
    if (inode !== undefined) return inode;
    const item = this.#changed.get(inodeKey(ino)) ?? this.#base.get(inodeKey(ino));
    if (item === undefined) throw new Error(`inode ${ino} has a name, but is not there`);
    return storedAttributes(item);
  }
}

function isDir({ mode }: Attributes): boolean {
  return (mode & S_IFMT) === S_IFDIR;
}

function inoOf(key: string): number {
  let ino = 0;
  for (let unit = 0; unit < 4; unit++) ino = ino * 0x10000 + key.charCodeAt(unit);
  return ino;
}

// Items never change: what they say is worked out once.
const linkedInos = new WeakMap<Uint8Array, number>();
const attributes = new WeakMap<Uint8Array, Attributes>();

function linkedIno(value: Uint8Array): number {
  let ino = linkedInos.get(value);
  if (ino === undefined) linkedInos.set(value, (ino = decodeName(value).ino));
  return ino;
}

function storedAttributes(value: Uint8Array): Attributes {
  let known = attributes.get(value);
  if (known === undefined) attributes.set(value, (known = decodeInode(value)));
  return known;
}
