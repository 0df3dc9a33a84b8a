// check: the store, and the filesystem in it, at one moment, while both are in use.
//
// Kept in memory: about 50 bytes for each inode (inode-table.ts), what the store's own check keeps
// (store/engine/check.ts), and what is found, up to a bound.

import { LinuxError } from '../../abi/errno.ts';
import type { Op } from '../../lib/op.ts';
import type { Store } from '../../store/store.ts';
import type { DamagedRange, ScrubReport } from '../../store/store-view.ts';
import type { Finding } from './finding.ts';
import { filesystemKey, inodeKey, ROOT_INO } from './items.ts';
import type { PathFinder } from './path-finder.ts';
import { sentences, TreeCheck } from './tree-check.ts';
import { XATTR_OBJECTS } from './xattr-blob.ts';

export interface CheckOptions {
  /** Called now and then; what it throws ends the check. */
  readonly onProgress?: ((progress: CheckProgress) => void) | undefined;
}

export interface CheckProgress {
  /** Bytes of the store that have been read, and bytes there are, about. */
  readonly bytes: number;
  readonly total: number;
  /** Files and directories that have been looked at: that comes after. */
  readonly inodes: number;
}

export interface CheckResult {
  /** One sentence for each thing that is wrong. */
  readonly problems: readonly string[];
  /** Also symlinks, sockets … */
  readonly files: number;
  readonly directories: number;
  readonly usedBytes: number;
  readonly freeBytes: number;
}

/** Findings that are kept; of the others only the number is. */
const FINDINGS_MAX = 10_000;

/**
 * Checks what the last commit left. Errors: EIO of the medium; whatever `onProgress` throws ends
 * it.
 */
export function* checkStore(store: Store, { onProgress }: CheckOptions): Op<CheckResult> {
  const scrubbed = store.scrub === undefined ? undefined : yield* store.scrub();
  const copies = scrubbed === undefined ? [] : copiesText(scrubbed);
  const view = yield* store.view({ forCheck: true });
  try {
    let last = { bytes: 0, total: 0 };
    const report = yield* view.check((progress) => {
      last = progress;
      onProgress?.({ ...progress, inodes: 0 });
    });
    const found = new Findings();
    const tree = new TreeCheck(view, found.take.bind(found), (inodes) => {
      onProgress?.({ ...last, inodes });
    });
    yield* tree.run();
    const { files, directories } = tree.totals;
    const { usedBytes, freeBytes } = report;
    const damaged = yield* damageOf(report.damaged, tree.paths);
    const problems = [
      ...copies,
      ...report.problems,
      ...(yield* found.sentences(tree)),
      ...damaged,
      ...report.damagedElsewhere,
    ];
    return { problems, files, directories, usedBytes, freeBytes };
  } finally {
    view.close();
  }
}

/** The same of a store that is mounted: `flush` commits what is pending, if that can be done. */
export function* checkMounted(
  store: Store,
  flush: Op<void>,
  options: CheckOptions,
): Op<CheckResult> {
  const failure = yield* failureOf(flush);
  const result = yield* checkStore(store, options);
  if (failure === undefined) return result;
  const problem = `what has changed since the last commit can't be committed: ${failure.message}`;
  return { ...result, problems: [...result.problems, problem] };
}

function* failureOf(op: Op<void>): Op<LinuxError | undefined> {
  try {
    yield* op;
    return undefined;
  } catch (error) {
    if (error instanceof LinuxError) return error;
    throw error;
  }
}

/** What was wrong with one of two copies. What is wrong with both, is found anyway. */
function copiesText({ mended }: ScrubReport): string[] {
  return mended === 0 ? [] : [mendedText(mended)];
}

export function mendedText(places: number): string {
  return `${places} places were damaged in one of the two copies, and are put right from the other`;
}

/** Damaged data, by the file it is in. */
function* damageOf(ranges: readonly DamagedRange[], paths: PathFinder): Op<string[]> {
  const found: string[] = [];
  for (const { object, offset, length } of ranges) {
    const isXattrs = object >= XATTR_OBJECTS;
    const path = yield* paths.describe(isXattrs ? object - XATTR_OBJECTS : object);
    const what = isXattrs ? 'of its extended attributes ' : '';
    found.push(`${path}: ${length} bytes ${what}from ${offset} on are damaged`);
  }
  return found;
}

/** Is there nothing but an empty root directory, or less? Errors: EIO. */
export function* isEmptyStore(store: Store): Op<boolean> {
  const found = yield* store.scan({ from: '', to: '\uffff', limit: 3 });
  return found.every(({ key }) => key === filesystemKey || key === inodeKey(ROOT_INO));
}

class Findings {
  readonly #findings: Finding[] = [];
  #count = 0;

  *take(finding: Finding): Op<void> {
    if (this.#count++ < FINDINGS_MAX) this.#findings.push(finding);
  }

  *sentences(tree: TreeCheck): Op<string[]> {
    const found = yield* sentences(this.#findings, tree.paths);
    const left = this.#count - this.#findings.length;
    return left === 0 ? found : [...found, `${left} more problems, which are not listed`];
  }
}
