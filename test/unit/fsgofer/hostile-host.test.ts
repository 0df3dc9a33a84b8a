// A host on which others are at work, and calls fail in the middle: what is somebody else's is left
// alone, what was begun is taken back, and nothing stays open.

import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, test } from 'vitest';
import { O_RDWR, RENAME_NOREPLACE } from '../../../src/abi/fcntl.ts';
import { S_IFCHR, S_IFREG, S_PERMISSIONS } from '../../../src/abi/stat.ts';
import type { HostCalls } from '../../../src/fsgofer/host-calls.ts';
import type { OpenHostDirectory } from '../../../src/fsgofer/open-directory.ts';
import {
  afterwards,
  callbackOf,
  failing,
  failureOf,
  type Fault,
  type Faults,
  isRoot,
  koffiCalls,
  nodeError,
  openPathsIn,
  useTree,
  WAYS,
  withFaults,
} from './support.ts';

/** Lets calls with a path that ends like this fail. */
function failingAt(end: string, code: string, syscall: string): Fault {
  const fail = failing(code, syscall);
  return (real, args) => {
    if (String(args[0]).endsWith(end)) fail(real, args);
    else real(...args);
  };
}

/** The first call, with a path that ends like this, goes as a test wants. */
function first(fault: Fault, end = ''): Fault {
  let isDone = false;
  return (real, args) => {
    const isIt = !isDone && String(args[0]).endsWith(end);
    isDone ||= isIt;
    if (isIt) fault(real, args);
    else real(...args);
  };
}

/** Fails from the call with this number on. */
function failingFrom(index: number, code: string, syscall: string): Fault {
  const fail = failing(code, syscall);
  let callCount = 0;
  return (real, args) => {
    if (callCount++ >= index) fail(real, args);
    else real(...args);
  };
}

async function namesOf(directory: OpenHostDirectory, countMax = 500): Promise<unknown[]> {
  return (await directory.read(countMax)).map(({ name }) => name);
}

describe.each(WAYS)('$name', (way) => {
  const tree = useTree();

  test('mkdir leaves alone what somebody else puts in its place', async () => {
    writeFileSync(tree().in('data'), 'precious');
    const root = await tree().open(way);
    const swap = afterwards(() => {
      rmdirSync(tree().in('x'));
      renameSync(tree().in('data'), tree().in('x'));
    });
    const making = withFaults({ mkdir: swap }, () => failureOf(root.mkdir('x', { mode: 0o700 })));
    expect(await making).toBe('ESTALE');
    expect(readFileSync(tree().in('x'), 'utf8')).toBe('precious');
    const gone = afterwards(() => {
      rmdirSync(tree().in('y'));
    });
    const other = withFaults({ mkdir: gone }, () => failureOf(root.mkdir('y', { mode: 0o700 })));
    expect(await other).toBe('ESTALE');
  });

  test('mkdir gives away no directory of somebody else', async () => {
    // Only root can make some of somebody else's.
    if (!isRoot) return;
    mkdirSync(tree().in('private'), { mode: 0o700 });
    chownSync(tree().in('private'), 1234, 1234);
    const root = await tree().open(way);
    const swap = afterwards(() => {
      rmdirSync(tree().in('x'));
      renameSync(tree().in('private'), tree().in('x'));
    });
    const options = { mode: 0o777, uid: 4321, gid: 4321 };
    const making = withFaults({ mkdir: swap }, () => failureOf(root.mkdir('x', options)));
    expect(await making).toBe('ESTALE');
    const { mode, uid } = lstatSync(tree().in('x'));
    expect([mode & S_PERMISSIONS, uid]).toEqual([0o700, 1234]);
  });

  test('mkdir where all files are said to be somebody’s', async () => {
    // Only root can make some of somebody else's.
    if (!isRoot) return;
    chownSync(tree().root, 1234, 1234);
    const root = await tree().open(way);
    const squash = afterwards(() => {
      chownSync(tree().in('x'), 1234, 1234);
    });
    await withFaults({ mkdir: squash }, async () => {
      tree().keep((await root.mkdir('x', { mode: 0o700 })).file);
    });
  });

  test('symlink leaves alone a link that leads elsewhere', async () => {
    const root = await tree().open(way);
    const swap = afterwards(() => {
      unlinkSync(tree().in('x'));
      symlinkSync('theirs', tree().in('x'));
    });
    const making = withFaults({ symlink: swap }, () =>
      failureOf(root.symlink('x', { target: 'mine' })),
    );
    expect(await making).toBe('ESTALE');
    expect(readlinkSync(tree().in('x'))).toBe('theirs');
  });

  test('nothing is made if it could not be held', async () => {
    writeFileSync(tree().in('file'), '');
    const root = await tree().open(way);
    const file = await tree().walk(root, 'file');
    const before = tree().budget.fdCount;
    while (tree().budget.fdCount < 100) tree().budget.take();
    const source = { file, directory: root, name: 'file' };
    expect(await failureOf(root.mkdir('x', { mode: 0o700 }))).toBe('EMFILE');
    expect(await failureOf(root.symlink('x', { target: 'y' }))).toBe('EMFILE');
    expect(await failureOf(root.link('x', source))).toBe('EMFILE');
    expect(await failureOf(root.create('x', { mode: 0o600, flags: O_RDWR }))).toBe('EMFILE');
    expect(readdirSync(tree().root)).toEqual(['file']);
    tree().budget.give();
    // With the one that is left; a umask must not make it another.
    const { file: made } = await root.mkdir('x', { mode: 0o777 });
    expect(lstatSync(tree().in('x')).mode & S_PERMISSIONS).toBe(0o777);
    await made.close();
    const linked = await root.link('y', source);
    await linked.file.close();
    while (tree().budget.fdCount > before) tree().budget.give();
  });

  test('a name that was linked, and can not be walked to, is removed again', async () => {
    writeFileSync(tree().in('file'), 'x');
    const root = await tree().open(way);
    const file = await tree().walk(root, 'file');
    const source = { file, directory: root, name: 'file' };
    const once = first(failing('EIO', 'open'), '/x');
    // A walk opens what is pinned, and asks about what is not.
    const faults = way.access === 'pinned' ? { open: once } : { lstat: once };
    expect(await withFaults(faults, () => failureOf(root.link('x', source)))).toBe('EIO');
    expect(readdirSync(tree().root)).toEqual(['file']);
  });

  test('what fails when it is being settled is removed and closed', async () => {
    const root = await tree().open(way);
    const before = tree().budget.fdCount;
    const options = { mode: 0o600, flags: O_RDWR };
    // All that is asked about a file that is open fails, for ever.
    const asking = { fstat: failing('EIO', 'fstat') };
    expect(await withFaults(asking, () => failureOf(root.create('x', options)))).toBe('EIO');
    // It can't be told whose the name is.
    expect(existsSync(tree().in('x'))).toBe(true);
    unlinkSync(tree().in('x'));
    const node = { mode: S_IFREG | 0o600, rdevMajor: 0, rdevMinor: 0 };
    const closing = first((real, args) => {
      real(args[0], () => {
        callbackOf(args)(nodeError('EIO', 'close'));
      });
    });
    expect(await withFaults({ close: closing }, () => failureOf(root.mknod('y', node)))).toBe(
      'EIO',
    );
    const removing = { lstat: failingAt('/z', 'EIO', 'lstat') };
    const giving = { chmod: failing('EPERM', 'chmod'), fchmod: failing('EPERM', 'fchmod') };
    const umask = process.umask(0o077);
    try {
      const made = withFaults(giving, () => failureOf(root.mkdir('w', { mode: 0o777 })));
      expect(await made).toBe('EPERM');
      if (way.access === 'pinned') {
        const left = withFaults({ ...giving, ...removing }, () =>
          failureOf(root.mkdir('z', { mode: 0o777 })),
        );
        expect(await left).toBe('EPERM');
      }
    } finally {
      process.umask(umask);
    }
    expect(readdirSync(tree().root)).toEqual(way.access === 'pinned' ? ['z'] : []);
    expect(tree().budget.fdCount).toBe(before);
    expect(openPathsIn(tree().root)).toEqual(way.access === 'pinned' ? [tree().root] : []);
  });

  test('entries that can not be asked about are left out, and no others', async () => {
    for (let i = 0; i < 10; i++) writeFileSync(tree().in(`file${i}`), '');
    const root = await tree().open(way);
    const directory = await root.list();
    const bad = { lstat: failingAt('/file3', 'EIO', 'lstat') };
    const names = await withFaults(bad, () => namesOf(directory));
    expect(names).toHaveLength(9);
    expect(names).not.toContain('file3');
    expect(await namesOf(directory)).toEqual([]);
    await directory.close();
  });

  test('the path of a listing is not let go while entries are being asked about', async () => {
    for (let i = 0; i < 40; i++) writeFileSync(tree().in(`file${i}`), '');
    mkdirSync(tree().in('directory'));
    renameSync(tree().in('file0'), tree().in('directory', 'file0'));
    for (let i = 1; i < 40; i++) {
      renameSync(tree().in(`file${i}`), tree().in('directory', `file${i}`));
    }
    const root = await tree().open(way);
    const directory = await root.walk('directory');
    const listing = await tree()
      .walkDirectory(root, 'directory')
      .then((kept) => kept.list());
    let asking = 0;
    let isBroken = false;
    const counting: Fault = (real, args) => {
      if (!String(args[0]).includes('/file')) {
        real(...args);
        return;
      }
      asking++;
      const done = callbackOf(args);
      if (String(args[0]).endsWith('/file0')) {
        // No error of the host's, but a bug.
        isBroken = true;
        asking--;
        process.nextTick(done, new TypeError('no such thing'));
        return;
      }
      real(...args.slice(0, -1), (error: Error | null, value: unknown) => {
        // As late as can be.
        setTimeout(() => {
          asking--;
          done(error, value);
        }, 20);
      });
    };
    await withFaults({ lstat: counting }, async () => {
      await expect(listing.read(100)).rejects.toThrow(TypeError);
      expect([isBroken, asking]).toEqual([true, 0]);
    });
    await directory.file.close();
    await listing.close();
  });

  test('what the host does not tell of a directory is told after what it did tell', async () => {
    for (let i = 0; i < 10; i++) writeFileSync(tree().in(`file${i}`), '');
    const root = await tree().open(way);
    const fault = failingFrom(4, 'EIO', 'scandir');
    const directory = await withListings({ read: fault }, () => root.list());
    expect(await namesOf(directory)).toHaveLength(4);
    expect(await failureOf(directory.read(500))).toBe('EIO');
    await directory.rewind();
    expect(await namesOf(directory)).toHaveLength(10);
    await directory.close();
  });

  test('an entry whose type the host is asked for, and that has gone, is none', async () => {
    for (let i = 0; i < 10; i++) writeFileSync(tree().in(`file${i}`), '');
    const root = await tree().open(way);
    let callCount = 0;
    const gone: Fault = (real, args) => {
      // The error is of Node's lstat().
      if (callCount++ === 3) failing('ENOENT', 'lstat')(real, args);
      else real(...args);
    };
    const directory = await withListings({ read: gone }, () => root.list());
    expect(await namesOf(directory)).toHaveLength(10);
    expect(await namesOf(directory)).toEqual([]);
    await directory.close();
  });

  test('no more than 1024 entries at once, however many are wanted', async () => {
    for (let i = 0; i < 1100; i++) writeFileSync(tree().in(`file${i}`), '');
    const root = await tree().open(way);
    const directory = await root.list();
    const counts = [];
    for (let i = 0; i < 3; i++) counts.push((await namesOf(directory, 2 ** 32)).length);
    expect(counts).toEqual([1024, 76, 0]);
    await directory.close();
  });
});

/** Lets the methods of a listing that is opened meanwhile go as a test wants. */
async function withListings<T>(faults: Faults, work: () => Promise<T>): Promise<T> {
  const opendir: Fault = (real, args) => {
    real(...args.slice(0, -1), (error: Error | null, dir: Record<string, () => void>) => {
      for (const [name, fault] of Object.entries(faults)) {
        const method = dir[name]!.bind(dir);
        dir[name] = (...rest: unknown[]) => {
          fault(method, rest);
        };
      }
      callbackOf(args)(error, dir);
    });
  };
  return withFaults({ opendir }, work);
}

describe('by paths', () => {
  const tree = useTree();
  const way = WAYS.find(({ access }) => access === 'paths')!;

  test('a listing of what is no longer there is closed, and counts no more', async () => {
    mkdirSync(tree().in('directory'));
    const root = await tree().open(way);
    const directory = await tree().walkDirectory(root, 'directory');
    const move = afterwards(() => {
      renameSync(tree().in('directory'), tree().in('moved'));
    });
    const closing: Fault = (real, args) => {
      real(() => {
        callbackOf(args)(nodeError('EIO', 'close'));
      });
    };
    const listing = withFaults({ opendir: move }, () =>
      withListings({ close: closing }, () => failureOf(directory.list())),
    );
    expect(await listing).toBe('EIO');
    expect(tree().budget.fdCount).toBe(0);
  });
});

describe('without the calls that Node lacks', () => {
  const tree = useTree();
  const ways = WAYS.filter(({ calls }) => calls.rename === undefined);

  test.each(ways)('RENAME_NOREPLACE is all or nothing: $name', async (way) => {
    writeFileSync(tree().in('file'), 'x');
    const root = await tree().open(way);
    const rename = (): Promise<string> =>
      failureOf(root.rename('file', root, { newName: 'x', flags: RENAME_NOREPLACE }));
    const sticky = { unlink: failingAt('/file', 'EPERM', 'unlink') };
    expect(await withFaults(sticky, rename)).toBe('EPERM');
    expect(readdirSync(tree().root)).toEqual(['file']);
    for (const code of ['EPERM', 'EMLINK', 'ENOSYS', 'EOPNOTSUPP']) {
      expect(await withFaults({ link: failing(code, 'link') }, rename)).toBe('EINVAL');
    }
    const gone: Fault = (real, args) => {
      unlinkSync(tree().in('file'));
      real(...args);
    };
    expect(await withFaults({ unlink: gone }, rename)).toBe('no failure');
    expect(readFileSync(tree().in('x'), 'utf8')).toBe('x');
  });

  test.each(ways)('a link of the wrong file is undone, another’s is not: $name', async (way) => {
    writeFileSync(tree().in('file'), 'mine');
    writeFileSync(tree().in('other'), 'theirs');
    const root = await tree().open(way);
    const file = await tree().walk(root, 'file');
    const source = { file, directory: root, name: 'file' };
    const before: Fault = (real, args) => {
      renameSync(tree().in('file'), tree().in('moved'));
      renameSync(tree().in('other'), tree().in('file'));
      real(...args);
    };
    const link = (): Promise<string> => failureOf(root.link('x', source));
    expect(await withFaults({ link: before }, link)).toBe('ESTALE');
    expect(readdirSync(tree().root).toSorted()).toEqual(['file', 'moved']);
    renameSync(tree().in('file'), tree().in('other'));
    renameSync(tree().in('moved'), tree().in('file'));
    const swap = afterwards(() => {
      renameSync(tree().in('other'), tree().in('x'));
    });
    expect(await withFaults({ link: swap }, link)).toBe('ESTALE');
    expect(readFileSync(tree().in('x'), 'utf8')).toBe('theirs');
  });
});

describe('with all calls', () => {
  const tree = useTree();

  test('mknod leaves alone what is no whiteout', async () => {
    const calls: HostCalls = {
      ...koffiCalls,
      mknod: async (path, mode) => {
        // /dev/null: a device all the same.
        await koffiCalls.mknod!(path, mode, 0x103);
      },
    };
    const root = await tree().open({ access: 'pinned', calls });
    const options = { mode: S_IFCHR | 0o600, rdevMajor: 0, rdevMinor: 0 };
    expect(await failureOf(root.mknod('x', options))).toBe('ESTALE');
    expect(readdirSync(tree().root)).toEqual(['x']);
  });
});
