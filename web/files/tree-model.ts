// The file tree without its looks: which directories are open and what they hold.
//
// A directory is read when it is opened, and again when its modification time has changed. All
// methods that read reject once the kernel has stopped; what was read before stays.
//
// Directories that a server has are refreshed apart from the others: it may not answer for long.

import type { Dirent, FileSystem, Stats } from '../../src/index.ts';
import { describeError, nullIfFsError } from '../shell/errors.ts';
import { compareCodePoints } from '../shell/glob.ts';
import { joinPath, parentPath } from '../shell/paths.ts';

export type TreeFileSystem = Pick<FileSystem, 'readdir' | 'readlink' | 'stat'>;

export type NodeKind = 'directory' | 'file' | 'symlink' | 'device' | 'other';

export interface TreeNode {
  readonly path: string;
  readonly name: string;
  readonly kind: NodeKind;
  /** Where a symbolic link points, else null. */
  readonly target: string | null;
  /** True for a directory and for a link to one. */
  readonly canExpand: boolean;
}

export interface TreeRow {
  readonly node: TreeNode;
  /** 1 for the root. */
  readonly level: number;
  readonly isExpanded: boolean;
  /** Said instead of children: an error, or how many are not shown. */
  readonly note: string | null;
  readonly position: number;
  readonly siblingCount: number;
}

/** A directory with more entries shows only so many: the page has to stay quick. */
export const CHILDREN_MAX = 500;

interface OpenDirectory {
  readonly mtimeNs: bigint;
  readonly children: readonly TreeNode[];
  readonly note: string | null;
}

const ROOT: TreeNode = { path: '/', name: '/', kind: 'directory', target: null, canExpand: true };

export class TreeModel {
  readonly #fs: TreeFileSystem;
  /** The open directories, by path. Those below a closed one are remembered. */
  readonly #open = new Map<string, OpenDirectory>();

  /** Those of servers that are being looked at. */
  readonly #refreshing = new Set<string>();
  readonly #isRemote: (path: string) => boolean;

  constructor(fs: TreeFileSystem, isRemote: (path: string) => boolean = () => false) {
    this.#fs = fs;
    this.#isRemote = isRemote;
  }

  isExpanded(path: string): boolean {
    return this.#open.has(path);
  }

  async expand(path: string): Promise<void> {
    const loaded = await this.#load(path);
    if (loaded !== null) this.#open.set(path, loaded);
  }

  collapse(path: string): void {
    this.#open.delete(path);
  }

  /** Opens every directory on the way to `path`. */
  async reveal(path: string): Promise<void> {
    const ancestors: string[] = [];
    for (let at = path; at !== '/'; at = parentPath(at)) ancestors.unshift(parentPath(at));
    for (const ancestor of ancestors) if (!this.isExpanded(ancestor)) await this.expand(ancestor);
  }

  /** Reads open directories again if they have changed. Resolves to true if any had. */
  async refresh(): Promise<boolean> {
    const local = [...this.#open].filter(([path]) => !this.#isRemote(path));
    const changes = await Promise.all(local.map(([path, known]) => this.#refreshOne(path, known)));
    return changes.some((hasChanged) => hasChanged);
  }

  /** The same of those that servers have, but for such as are being looked at already. */
  async refreshRemote(): Promise<boolean> {
    const remote = [...this.#open].filter(
      ([path]) => this.#isRemote(path) && !this.#refreshing.has(path),
    );
    const changes = await Promise.all(
      remote.map(async ([path, known]) => {
        this.#refreshing.add(path);
        try {
          return await this.#refreshOne(path, known);
        } finally {
          this.#refreshing.delete(path);
        }
      }),
    );
    return changes.some((hasChanged) => hasChanged);
  }

  /** The rows to show, from top to bottom. */
  rows(): TreeRow[] {
    const rows: TreeRow[] = [];
    this.#addRows(rows, [ROOT], 1);
    return rows;
  }

  #addRows(rows: TreeRow[], nodes: readonly TreeNode[], level: number): void {
    for (const [index, node] of nodes.entries()) {
      const opened = node.canExpand ? this.#open.get(node.path) : undefined;
      rows.push({
        node,
        level,
        isExpanded: opened !== undefined,
        note: opened?.note ?? null,
        position: index + 1,
        siblingCount: nodes.length,
      });
      if (opened !== undefined) this.#addRows(rows, opened.children, level + 1);
    }
  }

  async #refreshOne(path: string, known: OpenDirectory): Promise<boolean> {
    const stats = await this.#fs.stat(path).catch(nullIfFsError);
    if (stats !== null && stats.mtimeNs === known.mtimeNs) return false;
    const loaded = stats?.isDirectory() === true ? await this.#load(path) : null;
    // It may have been closed meanwhile.
    if (this.#open.get(path) !== known) return false;
    if (loaded === null) this.#open.delete(path);
    else this.#open.set(path, loaded);
    return true;
  }

  /** What a directory holds; null if it is gone. */
  async #load(path: string): Promise<OpenDirectory | null> {
    // The time is taken first: what changes while reading is seen by the next refresh.
    const stats = await this.#fs.stat(path).catch(nullIfFsError);
    if (stats === null) return null;
    const { mtimeNs } = stats;
    let entries: Dirent[];
    try {
      entries = await this.#fs.readdir(path, { withFileTypes: true });
    } catch (error) {
      nullIfFsError(error);
      return { mtimeNs, children: [], note: describeError(error) };
    }
    const nodes = await Promise.all(
      entries
        .sort(compareEntries)
        .slice(0, CHILDREN_MAX)
        .map((entry) => this.#node(path, entry)),
    );
    const hidden = entries.length - nodes.length;
    const children = nodes.sort(compareNodes);
    return { mtimeNs, children, note: hidden > 0 ? `${String(hidden)} more are not shown` : null };
  }

  async #node(parent: string, entry: Dirent): Promise<TreeNode> {
    const path = joinPath(parent, entry.name);
    const kind = kindOf(entry);
    const base = { path, name: entry.name, kind };
    if (kind !== 'symlink') return { ...base, target: null, canExpand: kind === 'directory' };
    const target = (await this.#fs.readlink(path).catch(nullIfFsError)) ?? '?';
    const stats: Stats | null = await this.#fs.stat(path).catch(nullIfFsError);
    return { ...base, target, canExpand: stats?.isDirectory() ?? false };
  }
}

function kindOf(entry: Dirent): NodeKind {
  if (entry.isDirectory()) return 'directory';
  if (entry.isFile()) return 'file';
  if (entry.isSymbolicLink()) return 'symlink';
  return entry.isCharacterDevice() || entry.isBlockDevice() ? 'device' : 'other';
}

/** Directories first, then by name. */
function compareEntries(a: Dirent, b: Dirent): number {
  return Number(b.isDirectory()) - Number(a.isDirectory()) || compareCodePoints(a.name, b.name);
}

/** Links to directories stand among the directories. */
function compareNodes(a: TreeNode, b: TreeNode): number {
  return Number(b.canExpand) - Number(a.canExpand) || compareCodePoints(a.name, b.name);
}
