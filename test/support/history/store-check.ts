// What idbfs keeps in a store, checked item by item: every name has its inode and its position,
// counts are right, and nothing is left of what is gone.

import { S_IFDIR, S_IFMT, S_IFREG } from '../../../src/abi/stat.ts';
import type { Finding } from '../../../src/fs/idbfs/finding.ts';
import {
  decodeFilesystem,
  decodeInode,
  decodeName,
  decodePosition,
  filesystemKey,
  inodeKey,
  noteRange,
  ROOT_INO,
  type StoredInode,
} from '../../../src/fs/idbfs/items.ts';
import { sentences, TreeCheck } from '../../../src/fs/idbfs/tree-check.ts';
import { xattrObject } from '../../../src/fs/idbfs/xattr-blob.ts';
import { type Op, runSync } from '../../../src/lib/op.ts';
import { numberFromKey } from '../../../src/store/number-key.ts';
import { type MemoryStoreSnapshot, MemoryView } from '../../../src/store/memory-view.ts';

interface Entry {
  readonly ino: number;
  readonly cookie: number;
}

interface Directory {
  readonly byName: Map<string, Entry>;
  readonly byCookie: Map<number, { ino: number; type: number; name: string }>;
}

class StoreReader {
  readonly inodes = new Map<number, StoredInode>();
  readonly directories = new Map<number, Directory>();
  readonly orphans = new Set<number>();
  readonly problems: string[] = [];
  nextIno = 0;

  constructor(snapshot: MemoryStoreSnapshot) {
    for (const [key, value] of snapshot.items) this.#take(key, value);
  }

  #take(key: string, value: Uint8Array): void {
    const ino = numberFromKey(key, 0);
    const rest = key.slice(5);
    if (key === filesystemKey) this.nextIno = decodeFilesystem(value).nextIno;
    else if (key === inodeKey(ino)) this.inodes.set(ino, decodeInode(value));
    else if (key[4] === 'n') this.directory(ino).byName.set(rest, decodeName(value));
    else if (key[4] === 'p') {
      this.directory(ino).byCookie.set(numberFromKey(key, 5), decodePosition(value));
    } else if (key.startsWith(noteRange.from)) {
      // Of whoever serves the filesystem: nothing in it depends on them.
    } else if (key[4] === 'o') this.orphans.add(numberFromKey(key, 5));
    else if (ino !== 0 || key[4] !== 'k') {
      this.problems.push(`an item of no known kind: ${JSON.stringify(key)}`);
    }
  }

  directory(ino: number): Directory {
    const known = this.directories.get(ino);
    if (known !== undefined) return known;
    const made: Directory = { byName: new Map(), byCookie: new Map() };
    this.directories.set(ino, made);
    return made;
  }
}

/**
 * What is wrong with a snapshot. `orphans`: files without a name may be left, if they are listed.
 */
export function storeProblems(
  snapshot: MemoryStoreSnapshot,
  options: { readonly orphans: 'listed' | 'none' },
): string[] {
  const reader = new StoreReader(snapshot);
  const { problems, inodes, orphans } = reader;
  const names = new Map<number, number>();
  const subdirectories = new Map<number, number>();
  for (const [dir, { byName, byCookie }] of reader.directories) {
    if (!isDir(inodes.get(dir))) problems.push(`entries of ${dir}, which is no directory`);
    if (byName.size !== byCookie.size) problems.push(`${dir}: names and positions differ`);
    for (const [name, { ino, cookie }] of byName) {
      names.set(ino, (names.get(ino) ?? 0) + 1);
      const inode = inodes.get(ino);
      if (inode === undefined) problems.push(`${dir}/${name}: no inode ${ino}`);
      if (isDir(inode)) subdirectories.set(dir, (subdirectories.get(dir) ?? 0) + 1);
      const position = byCookie.get(cookie);
      if (position?.name !== name || position.ino !== ino) {
        problems.push(`${dir}/${name}: no position ${cookie}`);
      } else if (inode !== undefined && position.type !== (inode.mode & S_IFMT) >>> 12) {
        problems.push(`${dir}/${name}: wrong type`);
      }
    }
  }
  if (options.orphans === 'none' && orphans.size > 0) problems.push('there are orphans');
  for (const [ino, inode] of inodes) {
    const directory = reader.directories.get(ino) ?? { byName: new Map(), byCookie: new Map() };
    const nameCount = (names.get(ino) ?? 0) + (ino === ROOT_INO ? 1 : 0);
    problems.push(
      ...inodeProblems({ ino, inode, directory, nameCount }, subdirectories.get(ino) ?? 0),
    );
    if ((inode.nlink === 0) !== orphans.has(ino)) problems.push(`${ino}: orphan or not?`);
    if (ino >= reader.nextIno) problems.push(`${ino}: not below ${reader.nextIno}`);
  }
  for (const ino of orphans) if (!inodes.has(ino)) problems.push(`orphan ${ino} has no inode`);
  problems.push(...unreachable(reader), ...objectProblems(reader, snapshot));
  return [...problems, ...checkProblems(snapshot)];
}

/** What the filesystem's own check says. */
function checkProblems(snapshot: MemoryStoreSnapshot): string[] {
  const found: Finding[] = [];
  const take = function* (finding: Finding): Op<void> {
    found.push(finding);
  };
  const check = new TreeCheck(new MemoryView(snapshot), take);
  runSync(check.run());
  return runSync(sentences(found, check.paths));
}

function isDir(inode: StoredInode | undefined): boolean {
  return inode !== undefined && (inode.mode & S_IFMT) === S_IFDIR;
}

function inodeProblems(
  at: { ino: number; inode: StoredInode; directory: Directory; nameCount: number },
  subdirectories: number,
): string[] {
  const { ino, inode, directory, nameCount } = at;
  const problems: string[] = [];
  if (!isDir(inode)) {
    if (inode.nlink !== nameCount) problems.push(`${ino}: nlink ${inode.nlink}, not ${nameCount}`);
    return problems;
  }
  const nlink = inode.nlink === 0 ? 0 : 2 + subdirectories;
  if (inode.nlink !== nlink) problems.push(`${ino}: nlink ${inode.nlink}, not ${nlink}`);
  if (nameCount !== (inode.nlink === 0 ? 0 : 1)) problems.push(`${ino}: ${nameCount} names`);
  if (inode.entryCount !== directory.byName.size) {
    problems.push(`${ino}: entryCount ${inode.entryCount}, not ${directory.byName.size}`);
  }
  for (const cookie of directory.byCookie.keys()) {
    if (cookie >= inode.nextCookie) problems.push(`${ino}: cookie ${cookie} is too high`);
  }
  return problems;
}

/** A directory that can't be reached from the root lies on a cycle. */
function unreachable(reader: StoreReader): string[] {
  const reached = new Set<number>();
  const pending = [ROOT_INO];
  for (let ino = pending.pop(); ino !== undefined; ino = pending.pop()) {
    if (reached.has(ino)) continue;
    reached.add(ino);
    for (const entry of reader.directories.get(ino)?.byName.values() ?? []) pending.push(entry.ino);
  }
  return [...reader.inodes.keys()]
    .filter((ino) => !reached.has(ino) && !reader.orphans.has(ino))
    .map((ino) => `inode ${ino} can't be reached`);
}

function objectProblems(reader: StoreReader, snapshot: MemoryStoreSnapshot): string[] {
  const problems: string[] = [];
  const xattrs = new Map([...reader.inodes].map(([ino, inode]) => [xattrObject(ino), inode]));
  for (const [object, blocks] of snapshot.objects) {
    if (blocks.size === 0) continue;
    if (xattrs.get(object)?.hasXattrs === true) continue;
    const inode = reader.inodes.get(object);
    if (inode === undefined || (inode.mode & S_IFMT) !== S_IFREG) {
      problems.push(`data of ${object}, which is no file`);
    }
  }
  return problems;
}
