// Our tmpfs and the real Linux are the same to a program: the same histories on both, compared call
// by call.

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { SyscallName } from '../../src/syscalls/table.ts';
import type { Stat } from '../../src/abi/stat.ts';
import {
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  O_DIRECTORY,
  O_RDONLY,
  SEEK_DATA,
  SEEK_HOLE,
} from '../../src/abi/fcntl.ts';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../src/abi/stat.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { asyncSyscallsOf } from '../conformance/burrow-subject.ts';
import type { Stage } from '../conformance/case.ts';
import type { AsyncSyscalls } from '../conformance/process.ts';
import {
  type Action,
  type ActionArgument,
  digest,
  performAsync,
  printAction,
} from '../support/history/action.ts';
import { anyAction, PRELUDE } from '../support/history/generate.ts';
import { openTmpfs } from '../support/history/session.ts';
import { fuzz, FUZZ_TIMEOUT } from '../support/history/settings.ts';
import {
  findLinuxDirectories,
  type LinuxDirectory,
  openLinuxStage,
} from '../support/linux/linux-stage.ts';

vi.setConfig({ testTimeout: FUZZ_TIMEOUT });

/** One of the two sides: its calls, where its tree is, and its descriptors by ours. */
interface Side {
  readonly calls: AsyncSyscalls;
  readonly top: string;
  readonly fds: Map<number, number>;
}

const NO_FD = 1000;
/** Calls that take a descriptor first that is no directory to start from. */
const FD_CALLS: ReadonlySet<SyscallName> = new Set<SyscallName>([
  'close',
  'read',
  'pread',
  'write',
  'pwrite',
  'lseek',
  'ftruncate',
  'fallocate',
  'fstat',
  'fchmod',
  'fchown',
  'futimens',
  'fsync',
  'fdatasync',
  'dup',
  'getfl',
  'setfl',
]);

/** Where in a history's action descriptors and paths are; the same for all calls that have any. */
function translate(action: Action, { top, fds }: Side): Action {
  const args = action.args.map((value, index): ActionArgument => {
    if (typeof value === 'string' && value.startsWith('/')) return top + value;
    const isFd = index === 0 && (FD_CALLS.has(action.call) || typeof action.args[1] === 'string');
    if (!isFd || typeof value !== 'number' || value === AT_FDCWD) return value;
    return fds.get(value) ?? NO_FD;
  });
  return { ...action, args };
}

/** What both must agree on: not the numbers that belong to a system, nor its times. */
function normalize(call: SyscallName, result: unknown, side: Side): unknown {
  if (call === 'openat' || call === 'dup') return 'open';
  if (call === 'readlinkat') return (result as string).replace(side.top, '');
  if (call !== 'fstat' && call !== 'fstatat') return result;
  const { mode, nlink, uid, gid, size } = result as Stat;
  const isDir = (mode & S_IFMT) === S_IFDIR;
  // A link's length is that of what it says, and that names the place we work at.
  const isLink = (mode & S_IFMT) === S_IFLNK;
  return [mode.toString(8), nlink, uid, gid, isDir || isLink ? 0 : size];
}

async function act(action: Action, sides: readonly Side[], log: string[]): Promise<void> {
  const outcomes: string[] = [];
  const results: unknown[] = [];
  for (const side of sides) {
    const { outcome, result } = await performAsync(
      side.calls,
      translate(action, side),
      (call, value) => normalize(call, value, side),
    );
    outcomes.push(outcome);
    results.push(result);
  }
  const [ours = '', linux = ''] = outcomes;
  log.push(`${printAction(action)} = ${ours}`);
  if (ours !== linux) throw new Error(`${linux} on Linux:\n${log.join('\n')}`);
  if (outcomes.every((outcome) => outcome === '"open"')) {
    for (const [index, { fds }] of sides.entries()) {
      fds.set(results[0] as number, results[index] as number);
    }
  }
  if (action.call === 'close' && ours === '"done"') {
    for (const { fds } of sides) fds.delete(action.args[0] as number);
  }
}

async function readTree(side: Side, path: string, lines: string[]): Promise<string[]> {
  const { calls } = side;
  const stat = await calls.fstatat(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
  const type = stat.mode & S_IFMT;
  let contents = '';
  if (type === S_IFLNK) contents = await calls.readlinkat(AT_FDCWD, path, 0);
  if (type === S_IFREG) {
    const fd = await calls.openat(AT_FDCWD, path, O_RDONLY, 0);
    const bytes = new Uint8Array(Math.min(stat.size, 300_000));
    contents = digest(bytes.subarray(0, await calls.pread(fd, bytes, 0)));
    await calls.close(fd);
  }
  lines.push(
    [path, JSON.stringify(normalize('fstat', stat, side)), contents]
      .map((part) => part.replace(side.top, ''))
      .join(' '),
  );
  if (type !== S_IFDIR) return lines;
  const fd = await calls.openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
  const entries = await calls.getdents(fd, 32_768);
  await calls.close(fd);
  for (const { name } of [...entries].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (name !== '.' && name !== '..') await readTree(side, `${path}/${name}`, lines);
  }
  return lines;
}

/** The order of listings is not the same on both. */
const isComparable = ({ call }: Action): boolean => call !== 'getdents';
const isSeekForHoles = ({ call, args }: Action): boolean =>
  call === 'lseek' && (args[2] === SEEK_DATA || args[2] === SEEK_HOLE);

const histories = fc
  .array(anyAction({ writeMax: 80_000, keepsSize: true, syncs: true }).filter(isComparable), {
    maxLength: 60,
    size: 'max',
  })
  .map((history) => {
    // lseek(2) leaves open whether what was allocated and not written is data: here it is.
    const allocates = history.some(({ call }) => call === 'fallocate');
    return allocates ? history.filter((action) => !isSeekForHoles(action)) : history;
  });

/** Others differ in what their directories' positions look like. */
const isTmpfs = ({ type }: LinuxDirectory): boolean => type === 'tmpfs';

describe.each((await findLinuxDirectories()).filter(isTmpfs))('Linux $type', ({ path }) => {
  let stage: Stage;
  let count = 0;

  beforeAll(async () => {
    stage = await openLinuxStage(path);
  });

  afterAll(() => stage.close());

  async function compare(history: readonly Action[]): Promise<void> {
    const { sys } = openTmpfs(new FakeClock());
    const linux = await stage.start({ uid: 0, gid: 0 });
    const sides: Side[] = [
      { calls: asyncSyscallsOf(sys), top: '/top/root', fds: new Map() },
      { calls: linux, top: `${stage.directory}/${count++}/root`, fds: new Map() },
    ];
    for (const { calls, top } of sides) {
      await calls.mkdirat(AT_FDCWD, top.replace(/\/root$/, ''), 0o755, 0);
      await calls.mkdirat(AT_FDCWD, top, 0o755, 0);
    }
    const log: string[] = [];
    for (const action of [...PRELUDE, ...history].filter(isComparable)) {
      await act(action, sides, log);
    }
    const [ours, theirs] = await Promise.all(sides.map((side) => readTree(side, side.top, [])));
    expect(ours, log.join('\n')).toEqual(theirs);
    await stage.endCase();
  }

  test('histories have the same outcomes', async () => {
    await fc.assert(fc.asyncProperty(histories, compare), fuzz(40));
  });
});
