// What came of a scenario, without what filesystems may differ in: numbers of inodes, times, sizes
// of directories, the order of a listing. So what a gofer does is compared with what idbfs does.

import { S_IFMT, S_IFREG, type Stat } from '../../src/abi/stat.ts';
import type { DirentRecord } from '../../src/syscalls/table.ts';
import type { TimedOutcome } from './scenario.ts';
import type { Result } from './world.ts';

export interface Told extends Pick<Result, 'calls' | 'files' | 'mounts'> {
  /** Lines as of describeServed(). */
  readonly tree: readonly string[];
}

export function textOf({ calls, files, mounts, tree }: Told): string {
  const results = calls.map((program) => program.map(resultOf).join(' '));
  const opened = files.replaceAll(/ inode \d+/g, '');
  return [...results, `open: ${opened}`, `mounts: ${mounts}`, treeOf({ tree })].join('\n');
}

export function treeOf({ tree }: Pick<Told, 'tree'>): string {
  return tree.toSorted().join('\n');
}

/** Of what came of it on idbfs. */
export function textOfResult(result: Result): string {
  return textOf({ ...result, tree: linesOf(result) });
}

export function treeOfResult(result: Result): string {
  return treeOf({ tree: linesOf(result) });
}

function linesOf({ tree }: Result): string[] {
  return tree.split('\n').map(plainLine);
}

/** Of Stats and listings, what is the same everywhere. */
export function resultOf({ outcome }: TimedOutcome): string {
  if (outcome === undefined) return 'nothing';
  if (outcome.startsWith('{"dev"')) {
    const { mode, nlink, uid, gid, size } = JSON.parse(outcome) as Stat;
    const length = (mode & S_IFMT) === S_IFREG ? `, ${size} bytes` : '';
    return `(${mode.toString(8)} of ${nlink} names, ${uid}:${gid}${length})`;
  }
  if (!outcome.startsWith('[')) return outcome;
  const entries = JSON.parse(outcome) as DirentRecord[];
  return `[${entries
    .map(({ name, type }) => `${name}:${type}`)
    .toSorted()
    .join(' ')}]`;
}

/** A line of readTree(). */
const LINE = /^(\S+) ino=\d+ (\d+) n=(\d+) (\S+) (\d+) \S+ \S+ \S+ (.*) @\S+$/;

function plainLine(line: string): string {
  const [, path, mode = '', links, owner, size, contents] = LINE.exec(line) ?? [];
  if (path === undefined) throw new Error(`no line of a tree: ${line}`);
  const isRegular = (Number.parseInt(mode, 8) & S_IFMT) === S_IFREG;
  const length = isRegular ? ` ${size} ` : ' ';
  return `${path} ${mode} n=${links} ${owner}${length}${contents}`;
}
