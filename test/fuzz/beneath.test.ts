// A walk that must stay beneath a directory (what WASI's paths do) never leaves it, whatever is
// renamed, linked or mounted in its way, and at whichever of its waits.

import { beforeAll, describe, expect, test } from 'vitest';
import {
  AT_FDCWD,
  AT_RESOLVE_BENEATH,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_RDONLY,
  O_RDWR,
} from '../../src/abi/fcntl.ts';
import { ROOT_CREDENTIALS } from '../../src/auth/credentials.ts';
import type { TaskSyscalls } from '../../src/kernel/task-syscalls.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { type Op, runAsync } from '../../src/lib/op.ts';
import { MemoryStore } from '../../src/store/memory-store.ts';
import type { MemoryStoreSnapshot } from '../../src/store/memory-view.ts';
import { bind } from '../interleaving/calls.ts';
import { asOutcome } from '../interleaving/scenario.ts';
import { closeSession, openIdbfs, type Session } from '../support/history/session.ts';
import { Interleaving } from './interleaved.ts';

/** The walk starts at /box; every `secret` is outside, every `mine` inside. */
const DIRECTORIES = ['/box', '/box/a', '/box/a/b', '/box/a/b/c', '/out', '/out/d', '/out/d/e'];
const FILES = ['/secret', '/out/secret', '/out/d/secret', '/box/mine', '/box/a/mine'];

const SECRETS = ['/out/d/secret', '/out/secret', '/secret'];
/** What may be there afterwards, and what must not. */
const OUTSIDE = [...SECRETS, '/new', '/out/d/new', '/out/new', '/out/mine', '/mine'].toSorted();

/** The change waits at most twice for the walk, and takes so many steps at most before. */
const CHANGE_STEPS = 12;
const WALK_STEPS = 5;

let base: MemoryStoreSnapshot;
const pathsByIno = new Map<number, string>();

beforeAll(async () => {
  const store = new MemoryStore();
  const session = await runAsync(openIdbfs({ store, clock: new FakeClock() }));
  const { sys } = session;
  for (const path of DIRECTORIES) await runAsync(sys.mkdirat(AT_FDCWD, path, 0o755, 0));
  for (const path of FILES) {
    await runAsync(sys.openat(AT_FDCWD, path, O_RDWR | O_CREAT, 0o644));
    pathsByIno.set((await runAsync(sys.fstatat(AT_FDCWD, path, 0))).ino, path);
  }
  session.task.fds.closeAll();
  await runAsync(closeSession(session));
  base = store.snapshot();
});

type Walk = (sys: TaskSyscalls, box: number) => Op<string>;
type Change = (session: Session, sys: TaskSyscalls) => Op<unknown>;

/** Which file it was. */
function stat(path: string): Walk {
  return function* (sys, box) {
    const { ino } = yield* sys.fstatat(box, path, AT_RESOLVE_BENEATH);
    return pathsByIno.get(ino) ?? 'a directory';
  };
}

function create(path: string): Walk {
  return function* (sys, box) {
    yield* sys.openat(box, path, O_RDWR | O_CREAT | O_EXCL | AT_RESOLVE_BENEATH, 0o644);
    return 'created';
  };
}

function steal(path: string): Walk {
  return function* (sys, box) {
    yield* sys.renameat2(box, path, box, 'stolen', AT_RESOLVE_BENEATH);
    return 'renamed';
  };
}

function rename(from: string, to: string): Change {
  return (_session, sys) => sys.renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

/** A directory gives way to a link to another. */
function replace(path: string, target: string): Change {
  return function* (_session, sys) {
    yield* sys.renameat2(AT_FDCWD, path, AT_FDCWD, '/out/was', 0);
    yield* sys.symlinkat(target, AT_FDCWD, path, 0);
  };
}

/** Errors: Error if it isn't mounted, which ends the test. */
function* bound(session: Session, path: string, from: string): Op<void> {
  const outcome = yield* bind(from, path).run(session);
  if (outcome !== 'bound') throw new Error(`bind: ${outcome}`);
}

function bindOver(path: string, from: string): Change {
  return (session) => bound(session, path, from);
}

/** Something is mounted there, and gone again while the walk may be in it. */
function bindAndDetach(path: string, from: string): Change {
  return function* (session, sys) {
    yield* bound(session, path, from);
    // Looks for names that are not in memory, and waits.
    yield* sys.fstatat(AT_FDCWD, '/out/secret', 0);
    yield* sys.fstatat(AT_FDCWD, '/secret', 0);
    const { vfs } = session;
    const { root } = vfs.namespace;
    const operation = { root, start: root, path, followFinalSymlink: true };
    yield* vfs.umount(ROOT_CREDENTIALS, operation, { isLazy: true });
  };
}

/** 0: the walk goes on; 1: the change does. After these choices the walk, then the change. */
const ORDERS: readonly (readonly number[])[] = range(CHANGE_STEPS).flatMap((first) =>
  range(WALK_STEPS).flatMap((walk) =>
    range(CHANGE_STEPS).map((second) => [
      ...Array<number>(first).fill(1),
      ...Array<number>(walk + 1).fill(0),
      ...Array<number>(second).fill(1),
    ]),
  ),
);

function range(size: number): number[] {
  return Array.from({ length: size }, (_, index) => index);
}

/** What happened, and which names of FILES and `new` are outside afterwards. */
async function runInOrder(
  walk: Walk,
  change: Change,
  choices: readonly number[],
): Promise<{ readonly outcome: string; readonly outside: readonly string[] }> {
  const limits = { dentries: 1, listingBatch: 256, cacheSizeMin: 40_000 };
  const run = new Interleaving({ snapshot: base, clock: new FakeClock(), commitSteps: 2, limits });
  await run.mount();
  const [walker, changer] = [run.newTask(), run.newTask()];
  const box = await run.finish(walker.openat(AT_FDCWD, '/box', O_RDONLY | O_DIRECTORY, 0));
  const walking = asOutcome(() => walk(walker, box));
  const changing = asOutcome(function* () {
    yield* change(run.session, changer);
    return 'changed';
  });
  const [outcome, changed] = await run.run([walking, changing], choices);
  expect(changed).toBe('changed');
  const outside: string[] = [];
  for (const path of OUTSIDE) {
    const found = await run.finish(
      asOutcome(function* () {
        yield* changer.fstatat(AT_FDCWD, path, 0);
        return path;
      }),
    );
    if (found === path) outside.push(path);
  }
  return { outcome: String(outcome), outside };
}

/** All that can come of it. */
async function outcomesOf(walk: Walk, change: Change): Promise<Set<string>> {
  const outcomes = new Set<string>();
  for (const choices of ORDERS) {
    const { outcome, outside } = await runInOrder(walk, change, choices);
    expect(outside, `after ${choices.join('')}`).toEqual(SECRETS);
    outcomes.add(outcome);
  }
  return outcomes;
}

const SCENARIOS: readonly {
  readonly title: string;
  readonly walk: Walk;
  readonly change: Change;
  /** All of these, and nothing else. */
  readonly outcomes: readonly string[];
}[] = [
  {
    title: 'the directory that ".." is looked up in is moved out',
    walk: stat('a/b/c/../../secret'),
    change: rename('/box/a/b', '/out/b'),
    outcomes: ['ENOENT', 'ENOTCAPABLE'],
  },
  {
    title: 'an ancestor of it is moved out',
    walk: stat('a/b/c/../../../mine'),
    change: rename('/box/a', '/out/a'),
    outcomes: ['/box/mine', 'ENOENT', 'ENOTCAPABLE'],
  },
  {
    title: 'a file is created by a path whose directory is moved out',
    walk: create('a/b/c/../../../new'),
    change: rename('/box/a', '/out/d/a'),
    outcomes: ['ENOENT', 'ENOTCAPABLE', 'created'],
  },
  {
    title: 'a file is renamed by a path whose directory is moved out',
    walk: steal('a/b/c/../../secret'),
    change: rename('/box/a/b', '/out/b'),
    outcomes: ['ENOENT', 'ENOTCAPABLE'],
  },
  {
    title: 'a directory gives way to a relative link out',
    walk: stat('a/secret'),
    change: replace('/box/a', '../out'),
    outcomes: ['ENOENT', 'ENOTCAPABLE'],
  },
  {
    title: 'a directory gives way to an absolute link',
    walk: stat('a/secret'),
    change: replace('/box/a', '/out'),
    outcomes: ['ENOENT', 'ENOTCAPABLE'],
  },
  {
    title: 'something from outside is mounted over the directory',
    walk: stat('a/b/../../mine'),
    change: bindOver('/box/a/b', '/out/d/e'),
    outcomes: ['/box/mine'],
  },
  {
    title: 'something from outside is mounted and detached under the walk',
    walk: stat('a/b/e/../../mine'),
    change: bindAndDetach('/box/a/b', '/out/d'),
    outcomes: ['/box/a/mine', 'ENOENT', 'ENOTCAPABLE'],
  },
];

describe('a walk beneath a directory stays there', () => {
  test.each(SCENARIOS)('when $title', async ({ walk, change, outcomes }) => {
    expect([...(await outcomesOf(walk, change))].toSorted()).toEqual(outcomes);
  });
});
