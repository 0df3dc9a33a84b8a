// What the check says of a filesystem in which something is wrong, and what a repair makes of it.

import { describe, expect, test } from 'vitest';
import { AT_FDCWD, O_CREAT, O_RDWR } from '../../../src/abi/fcntl.ts';
import { checkStore } from '../../../src/fs/idbfs/check.ts';
import {
  cookieKey,
  decodeInode,
  decodeName,
  encodeFilesystem,
  encodeName,
  encodePosition,
  encodeStoredInode,
  filesystemKey,
  inodeKey,
  nameKey,
  orphanKey,
  type StoredInode,
} from '../../../src/fs/idbfs/items.ts';
import { xattrObject } from '../../../src/fs/idbfs/xattr-blob.ts';
import { repairTree } from '../../../src/fs/idbfs/tree-repair.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { runAsync, runSync } from '../../../src/lib/op.ts';
import { MemoryStore } from '../../../src/store/memory-store.ts';
import { closeSession, openIdbfs } from '../../support/history/session.ts';
import { storeProblems } from '../../support/history/store-check.ts';
import { readTree } from '../../support/history/tree.ts';

/** Numbers of inodes, in the order in which build() makes them. */
const [ROOT, DIR, SUB, FILE, SECOND, LINK] = [1, 2, 3, 4, 5, 6];

/** /dir/sub/file with 9,000 bytes and an attribute, /dir/second, named twice, and /link. */
function build(): MemoryStore {
  const store = new MemoryStore();
  const session = runSync(openIdbfs({ store, clock: new FakeClock() }));
  const { sys } = session;
  runSync(sys.mkdirat(AT_FDCWD, '/dir', 0o755, 0));
  runSync(sys.mkdirat(AT_FDCWD, '/dir/sub', 0o755, 0));
  for (const path of ['/dir/sub/file', '/dir/second']) {
    const fd = runSync(sys.openat(AT_FDCWD, path, O_RDWR | O_CREAT, 0o644));
    runSync(sys.write(fd, new Uint8Array(9000).fill(7)));
    runSync(sys.close(fd));
  }
  runSync(sys.linkat(AT_FDCWD, '/dir/second', AT_FDCWD, '/dir/sub/again', 0));
  runSync(sys.symlinkat('dir', AT_FDCWD, '/link', 0));
  runSync(sys.setxattr('/dir/sub/file', 'user.a', new Uint8Array([1, 2]), 0, 0));
  runSync(closeSession(session));
  store.restore(store.snapshot());
  return store;
}

type ItemChanges = (item: (key: string) => Uint8Array) => [string, Uint8Array | undefined][];

interface Damage {
  readonly name: string;
  readonly items?: ItemChanges;
  readonly discards?: number[];
  readonly data?: number;
  /** What a check says. */
  readonly problems: string[];
  /** What a repair does. */
  readonly done: string[];
  /** What the tree shows then; missing: as it was. */
  readonly paths?: string[];
}

const PATHS = ['/dir', '/dir/second', '/dir/sub', '/dir/sub/again', '/dir/sub/file', '/link'];

function changed(item: Uint8Array, change: Partial<StoredInode>): Uint8Array {
  return encodeStoredInode({ ...decodeInode(item), ...change });
}

function inodeChange(ino: number, change: Partial<StoredInode>): ItemChanges {
  return (item) => [[inodeKey(ino), changed(item(inodeKey(ino)), change)]];
}

const DAMAGES: Damage[] = [
  { name: 'nothing', problems: [], done: [] },
  {
    name: 'a note of whoever serves it to others',
    items: () => [[`${filesystemKey.slice(0, 4)}knote`, new Uint8Array(3)]],
    problems: [],
    done: [],
  },
  {
    name: 'a link count',
    items: inodeChange(SECOND, { nlink: 9 }),
    problems: ['/dir/sub/again: its link count is 9, and it has 2 links'],
    done: ['/dir/sub/again: its link count is 9, and it has 2 links; its link count is set to 2'],
  },
  {
    name: 'a count of entries',
    items: inodeChange(DIR, { entryCount: 1 }),
    problems: ['/dir: it counts 1 entries and has 2'],
    done: ['/dir: it counts 1 entries and has 2; entryCount is set to 2'],
  },
  {
    name: 'the position of the next entry',
    items: inodeChange(DIR, { nextCookie: 4 }),
    problems: ['/dir: an entry has the position 4, and the next would get 4'],
    done: ['/dir: an entry has the position 4, and the next would get 4; nextCookie is set to 5'],
  },
  {
    name: 'a count of blocks',
    items: inodeChange(FILE, { blockCount: 1 }),
    problems: ['/dir/sub/file: it counts 1 blocks of data and has 3'],
    done: ['/dir/sub/file: it counts 1 blocks of data and has 3; blockCount is set to 3'],
  },
  {
    name: 'a position is missing',
    items: (item) => [[cookieKey(DIR, decodeName(item(nameKey(DIR, 'sub'))).cookie), undefined]],
    problems: ['/dir/sub: a listing does not show it, or shows something else'],
    done: ['/dir/sub: a listing does not show it, or shows something else; the listing shows it'],
  },
  {
    name: 'a name is missing, and its position is there',
    items: () => [[nameKey(DIR, 'sub'), undefined]],
    problems: [
      '/dir/sub: only a listing shows it',
      '/dir: it counts 2 entries and has 1',
      '/dir: its link count is 3, and it has 2 links',
      'inode 3: no name leads to it',
    ],
    done: ['/dir/sub: only a listing shows it; the name is put back'],
  },
  {
    name: 'a position twice',
    items: () => [[cookieKey(DIR, 90), encodePosition({ ino: SUB, type: 4, name: 'sub' })]],
    problems: [
      '/dir/sub: a listing shows it twice',
      '/dir: an entry has the position 90, and the next would get 5',
    ],
    done: ['/dir/sub: a listing shows it twice; once is enough'],
  },
  {
    name: 'a listing shows another type',
    items: (item) => {
      const { cookie } = decodeName(item(nameKey(DIR, 'sub')));
      return [[cookieKey(DIR, cookie), encodePosition({ ino: SUB, type: 8, name: 'sub' })]];
    },
    problems: ['/dir/sub: a listing shows it as of another type'],
    done: ['/dir/sub: a listing shows it as of another type; the listing shows its type'],
  },
  {
    name: 'both items of an entry are missing',
    items: (item) => [
      [cookieKey(DIR, decodeName(item(nameKey(DIR, 'sub'))).cookie), undefined],
      [nameKey(DIR, 'sub'), undefined],
    ],
    problems: [
      '/dir: it counts 2 entries and has 1',
      '/dir: its link count is 3, and it has 2 links',
      'inode 3: no name leads to it',
    ],
    done: [
      'inode 3: no name leads to it; it becomes /lost+found/#3',
      '/lost+found: it counts 0 entries and has 1; entryCount is set to 1',
    ],
    paths: [
      '/dir',
      '/dir/second',
      '/link',
      '/lost+found',
      '/lost+found/#3',
      '/lost+found/#3/again',
      '/lost+found/#3/file',
    ],
  },
  {
    name: 'an inode of a file is missing',
    items: () => [[inodeKey(SECOND), undefined]],
    problems: ['/dir/sub/again: its inode is missing, and its data is there'],
    done: [
      '/dir/sub/again: its inode is missing, and its data is there; ' +
        "it gets an inode: a file of root's",
      '/dir/sub/again: its link count is 1, and it has 2 links; its link count is set to 2',
    ],
  },
  {
    name: 'an inode of a symlink is missing',
    items: () => [[inodeKey(LINK), undefined]],
    problems: ['/link: it leads to inode 6, which is missing'],
    done: ['/link: it leads to inode 6, which is missing; the name is removed'],
    paths: PATHS.slice(0, -1),
  },
  {
    name: 'an inode of a directory is missing',
    items: () => [[inodeKey(SUB), undefined]],
    problems: ['/dir/sub: its inode is missing, and its entries are there'],
    done: [
      '/dir/sub: its inode is missing, and its entries are there; ' +
        "it gets an inode: a directory of root's",
    ],
  },
  {
    name: 'the root is missing',
    items: () => [[inodeKey(ROOT), undefined]],
    problems: ['/: its inode is missing, and its entries are there'],
    done: [
      "/: its inode is missing, and its entries are there; it gets an inode: a directory of root's",
    ],
  },
  {
    name: 'an inode makes no sense',
    items: () => [[inodeKey(SUB), new Uint8Array(3)]],
    problems: ["/dir/sub: its inode can't be what was written"],
    done: ["/dir/sub: its inode can't be what was written; it is removed"],
  },
  {
    name: 'a directory has two names',
    items: () =>
      [
        [nameKey(ROOT, 'zz'), encodeName(SUB, 50)],
        [cookieKey(ROOT, 50), encodePosition({ ino: SUB, type: 4, name: 'zz' })],
        [inodeKey(ROOT), undefined],
      ].slice(0, 2) as [string, Uint8Array][],
    problems: ['/dir/sub: it leads to directory 3, which has another name'],
    done: ['/dir/sub: it leads to directory 3, which has another name; the name is removed'],
    paths: ['/dir', '/dir/second', '/link', '/zz', '/zz/again', '/zz/file'],
  },
  {
    name: 'a directory lies beneath itself',
    items: (item) => {
      const { cookie } = decodeName(item(nameKey(ROOT, 'dir')));
      return [
        [nameKey(ROOT, 'dir'), undefined],
        [cookieKey(ROOT, cookie), undefined],
        [nameKey(SUB, 'up'), encodeName(DIR, 60)],
        [cookieKey(SUB, 60), encodePosition({ ino: DIR, type: 4, name: 'up' })],
      ];
    },
    problems: ['inode 3/up: it leads to directory 2, which lies beneath itself'],
    done: [
      'inode 3/up: it leads to directory 2, which lies beneath itself; the name is removed',
      'inode 2: no name leads to it; it becomes /lost+found/#2',
    ],
    paths: [
      '/link',
      '/lost+found',
      '/lost+found/#2',
      '/lost+found/#2/second',
      '/lost+found/#2/sub',
      '/lost+found/#2/sub/again',
      '/lost+found/#2/sub/file',
    ],
  },
  {
    name: 'numbers of inodes would be given again',
    items: () => [[filesystemKey, encodeFilesystem(4)]],
    problems: ['the next inode would get the number 4, and there is one of 6'],
    done: ['the next inode would get the number 4, and there is one of 6; the next inode gets 7'],
  },
  {
    name: 'an orphan that is none, and one that is not there',
    items: () => [
      [orphanKey(FILE), new Uint8Array(0)],
      [orphanKey(99), new Uint8Array(0)],
    ],
    problems: [
      '/dir/sub/file: is on the list of orphans, and is none',
      'inode 99: is on the list of orphans, and has no inode',
    ],
    done: ['inode 99: is on the list of orphans, and has no inode; it is taken off the list'],
  },
  {
    name: 'data of no inode',
    data: 77,
    problems: ['inode 77: its inode is missing, and its data is there'],
    done: ['inode 77: no name leads to it; it becomes /lost+found/#77'],
    paths: [...PATHS, '/lost+found', '/lost+found/#77'],
  },
  {
    name: 'data of what is no file',
    data: LINK,
    problems: ['/link: it has data, and is no file'],
    done: ['/link: it has data, and is no file; the data is given up'],
  },
  {
    name: 'extended attributes are missing',
    discards: [xattrObject(FILE)],
    problems: ['/dir/sub/file: it says that it has extended attributes, and there are none'],
    done: [
      '/dir/sub/file: it says that it has extended attributes, and there are none; ' +
        'it says that it has none',
    ],
  },
  {
    name: 'extended attributes of no inode',
    data: xattrObject(50),
    problems: ['inode 50: there are extended attributes of an inode that is missing'],
    done: [
      'inode 50: there are extended attributes of an inode that is missing; they are given up',
    ],
  },
];

function make({ items, discards = [], data }: Damage): MemoryStore {
  const store = build();
  const item = (key: string): Uint8Array => {
    const value = store.snapshot().items.get(key);
    if (value === undefined) throw new Error('no such item');
    return value;
  };
  const run = { offset: 0, bytes: new Uint8Array(5000).fill(3) };
  const batch = {
    items: new Map(items?.(item)),
    discards: discards.map((object) => ({ object, from: 0, to: Infinity })),
    writes: data === undefined ? [] : [{ object: data, run }],
  };
  runSync(store.commit(batch, { durability: 'relaxed' }));
  return store;
}

async function pathsIn(store: MemoryStore): Promise<string[]> {
  const copy = new MemoryStore();
  copy.restore(store.snapshot());
  const session = await runAsync(openIdbfs({ store: copy, clock: new FakeClock() }));
  const lines = await runAsync(readTree(session.sys));
  await runAsync(closeSession(session));
  return lines
    .map((line) => line.split(' ')[0] ?? '')
    .filter((path) => path.length > 1)
    .sort();
}

describe.each(DAMAGES)('$name', (damage) => {
  test('a check says what is wrong', async () => {
    const { problems } = await runAsync(checkStore(make(damage), {}));
    for (const problem of damage.problems) expect(problems).toContain(problem);
    if (damage.problems.length === 0) expect(problems).toEqual([]);
  });

  test('a repair says what it does, and leaves nothing wrong', async () => {
    const store = make(damage);
    const done = await runAsync(repairTree(store, { now: { sec: 5, nsec: 0 }, mayDiscard: false }));
    for (const sentence of damage.done) expect(done).toContain(sentence);
    if (damage.done.length === 0) expect(done).toEqual([]);
    expect(storeProblems(store.snapshot(), { orphans: 'none' })).toEqual([]);
    expect(await pathsIn(store)).toEqual(damage.paths ?? PATHS);
  });
});

test('a mounted filesystem counts what it has', async () => {
  const store = build();
  const session = await runAsync(openIdbfs({ store, clock: new FakeClock() }));
  const result = await runAsync(session.filesystem.check());
  expect(result).toMatchObject({ problems: [], directories: 3, files: 3 });
  await runAsync(closeSession(session));
});
