// Walking the host's tree: one name at a time, and never out of it.

import { Buffer } from 'node:buffer';
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } from '../../../src/abi/fcntl.ts';
import {
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
  S_IFSOCK,
  S_PERMISSIONS,
} from '../../../src/abi/stat.ts';
import type { HostDirectory } from '../../../src/fsgofer/host-directory.ts';
import { FdBudget } from '../../../src/fsgofer/host-fd.ts';
import type { HostFile } from '../../../src/fsgofer/host-file.ts';
import type { HostName } from '../../../src/fsgofer/host-name.ts';
import { openHostRoot } from '../../../src/fsgofer/host-root.ts';
import { InvariantError } from '../../../src/lib/assert.ts';
import {
  asOrdinaryUser,
  bytePath,
  clock,
  failureOf,
  koffiCalls,
  NOT_UTF8,
  useTree,
  WAYS,
} from './support.ts';

async function contentOf(file: HostFile): Promise<string> {
  const open = await file.open(O_RDONLY);
  try {
    const buffer = new Uint8Array(100);
    const count = await open.read(buffer, 0);
    return new TextDecoder().decode(buffer.subarray(0, count));
  } finally {
    await open.close();
  }
}

describe.each(WAYS)('$name', (way) => {
  const tree = useTree();

  test('a walk tells what the host tells, with all digits', async () => {
    const at = (name: string): string => tree().in(name);
    writeFileSync(at('file'), 'hello', { mode: 0o640 });
    linkSync(at('file'), at('again'));
    const root = await tree().open(way);
    const { file, stat } = await root.walk('file');
    const expected = lstatSync(at('file'), { bigint: true });
    expect(file.type).toBe(S_IFREG);
    expect(stat.mode).toBe(S_IFREG | (Number(expected.mode) & S_PERMISSIONS));
    expect(stat.ino).toBe(expected.ino);
    expect([stat.nlink, stat.size, stat.blksize]).toEqual([2, 5, Number(expected.blksize)]);
    expect([stat.uid, stat.gid]).toEqual([Number(expected.uid), Number(expected.gid)]);
    expect(stat.mtime).toEqual({
      sec: Number(expected.mtimeNs / 1_000_000_000n),
      nsec: Number(expected.mtimeNs % 1_000_000_000n),
    });
    expect(await file.stat()).toEqual(stat);
    await file.close();
  });

  test.each<[string, HostName]>([
    ['', ''],
    ['.', '.'],
    ['..', '..'],
    ['a slash', 'a/b'],
    ['a path', '/etc/passwd'],
    ['the way out', '../outside/secret'],
    ['a NUL', 'a\0'],
    ['bytes with a slash', Uint8Array.of(0x2e, 0x2e, 0x2f, 0xff)],
  ])('EINVAL for %j, in every call that takes a name', async (_title, name) => {
    writeFileSync(tree().at('outside', 'secret'), 'secret');
    mkdirSync(tree().in('a'));
    writeFileSync(tree().in('a', 'b'), 'b');
    writeFileSync(tree().in('ok'), 'ok');
    const root = await tree().open(way);
    const file = await tree().walk(root, 'ok');
    const calls = [
      () => root.walk(name),
      () => root.create(name, { mode: 0o600, flags: O_RDWR }),
      () => root.mkdir(name, { mode: 0o700 }),
      () => root.mknod(name, { mode: S_IFREG | 0o600, rdevMajor: 0, rdevMinor: 0 }),
      () => root.symlink(name, { target: 'x' }),
      () => root.link(name, { file, directory: root, name: 'ok' }),
      () => root.unlink(name),
      () => root.rmdir(name),
      () => root.rename(name, root, { newName: 'x' }),
      () => root.rename('ok', root, { newName: name }),
    ];
    for (const call of calls) expect(await failureOf(call())).toBe('EINVAL');
    expect(readdirSync(tree().root).toSorted()).toEqual(['a', 'ok']);
    expect(readdirSync(tree().outside)).toEqual(['secret']);
  });

  test('ENAMETOOLONG and EILSEQ before the host is asked; ENOENT', async () => {
    const root = await tree().open(way);
    expect(await failureOf(root.walk('a'.repeat(256)))).toBe('ENAMETOOLONG');
    expect(await failureOf(root.walk('a'.repeat(255)))).toBe('ENOENT');
    expect(await failureOf(root.walk('\ud800'))).toBe('EILSEQ');
  });

  test('a symbolic link is not followed, wherever it leads', async () => {
    writeFileSync(tree().at('outside', 'secret'), 'secret');
    writeFileSync(tree().in('file'), 'file');
    const targets = [tree().outside, `${tree().outside}/secret`, '..', 'file', 'nowhere', '/'];
    targets.forEach((target, index) => {
      symlinkSync(target, tree().in(`link${index}`));
    });
    const root = await tree().open(way);
    for (const [index, target] of targets.entries()) {
      const file = await tree().walk(root, `link${index}`);
      expect(file.type).toBe(S_IFLNK);
      expect(await file.readlink()).toBe(target);
      expect((await file.stat()).size).toBe(target.length);
      expect(await failureOf(file.open(O_RDONLY))).toBe('EINVAL');
      const { type } = await file.statfs();
      expect(type).toBe((await root.statfs()).type);
    }
    expect(await failureOf(root.readlink())).toBe('EINVAL');
  });

  test('a FIFO, a socket and a device are walked to and never opened', async () => {
    await koffiCalls.mknod!(Buffer.from(tree().in('fifo')), S_IFIFO | 0o600, 0);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(tree().in('socket'), resolve));
    const root = await tree().open(way);
    try {
      for (const [name, type] of [
        ['fifo', S_IFIFO],
        ['socket', S_IFSOCK],
      ] as const) {
        const file = await tree().walk(root, name);
        expect((await file.stat()).mode & ~S_PERMISSIONS).toBe(type);
        expect(file.type).toBe(type);
        for (const flags of [O_RDONLY, O_WRONLY, O_RDWR]) {
          expect(await failureOf(file.open(flags))).toBe('EPERM');
        }
        const { error } = await file.setAttributes({ size: 0 });
        expect(error?.code).toBe('EINVAL');
      }
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  test('names and targets that are not UTF-8 get through as they are', async () => {
    writeFileSync(bytePath(tree().root, NOT_UTF8), 'odd');
    const root = await tree().open(way);
    const found = tree().keep((await root.walk(NOT_UTF8)).file);
    expect(await contentOf(found)).toBe('odd');
    const made = await root.symlink('link', { target: NOT_UTF8 });
    expect(await tree().keep(made.file).readlink()).toEqual(NOT_UTF8);
    const other = Uint8Array.of(0xc3, 0x28);
    await root.rename(NOT_UTF8, root, { newName: other });
    expect(
      readdirSync(tree().root, { encoding: 'buffer' }).map((name) => [...name]),
    ).toContainEqual([...other]);
    await root.unlink(other);
    expect(readdirSync(tree().root)).toEqual(['link']);
  });

  test('what must not be read is walked to all the same, and EACCES to open', async () => {
    writeFileSync(tree().in('file'), 'mine', { mode: 0o600 });
    mkdirSync(tree().in('directory'));
    writeFileSync(tree().in('directory', 'inner'), '');
    chmodSync(tree().in('file'), 0);
    chmodSync(tree().in('directory'), 0o100);
    chmodSync(tree().path, 0o755);
    chmodSync(tree().root, 0o755);
    await asOrdinaryUser(async () => {
      const root = await tree().open(way);
      const file = await tree().walk(root, 'file');
      expect((await file.stat()).size).toBe(4);
      expect(await failureOf(file.open(O_RDONLY))).toBe('EACCES');
      expect(await failureOf(file.open(O_WRONLY))).toBe('EACCES');
      const directory = await tree().walkDirectory(root, 'directory');
      expect(await failureOf(directory.list())).toBe('EACCES');
    });
    chmodSync(tree().in('directory'), 0o700);
  });

  test('EMFILE when there are too many descriptors, and none is left behind', async () => {
    writeFileSync(tree().in('file'), 'x');
    mkdirSync(tree().in('directory'));
    const root = await tree().open(way);
    const file = await tree().walk(root, 'file');
    while (tree().budget.fdCount < 100) tree().budget.take();
    expect(await failureOf(file.open(O_RDONLY))).toBe('EMFILE');
    expect(await failureOf(root.list())).toBe('EMFILE');
    expect(await failureOf(root.create('new', { mode: 0o600, flags: O_RDWR }))).toBe('EMFILE');
    // Made, and then not to be held.
    if (way.access === 'pinned') {
      expect(await failureOf(root.walk('file'))).toBe('EMFILE');
      expect(await failureOf(root.mkdir('new', { mode: 0o700 }))).toBe('EMFILE');
      expect(await failureOf(root.symlink('new', { target: 'x' }))).toBe('EMFILE');
      tree().budget.give();
      expect(await failureOf(root.create('new', { mode: 0o600, flags: O_RDWR }))).toBe('EMFILE');
      tree().budget.take();
    }
    expect(readdirSync(tree().root).toSorted()).toEqual(['directory', 'file']);
    while (tree().budget.fdCount > (way.access === 'pinned' ? 2 : 0)) tree().budget.give();
  });
});

describe('a directory that is', () => {
  const tree = useTree();
  const [pinned] = WAYS;
  const byPaths = WAYS.find(({ access }) => access === 'paths');

  function plantSecret(): void {
    writeFileSync(tree().at('outside', 'secret'), 'secret');
    mkdirSync(tree().in('directory'));
    writeFileSync(tree().in('directory', 'file'), 'inside');
  }

  test('moved while it is pinned stays the same, and is written to where it is', async () => {
    plantSecret();
    const root = await tree().open(pinned!);
    const directory = await tree().walkDirectory(root, 'directory');
    renameSync(tree().in('directory'), tree().in('moved'));
    symlinkSync(tree().outside, tree().in('directory'));
    expect(await contentOf(await tree().walk(directory, 'file'))).toBe('inside');
    expect(await failureOf(directory.walk('secret'))).toBe('ENOENT');
    const made = await directory.create('new', { mode: 0o600, flags: O_RDWR });
    await tree().keep(made.file).setAttributes({ mode: 0o644 });
    await made.open.close();
    await directory.unlink('file');
    expect(readdirSync(tree().in('moved'))).toEqual(['new']);
    expect(readdirSync(tree().outside)).toEqual(['secret']);
  });

  test('removed while it is pinned can be asked about, and nothing is made in it', async () => {
    plantSecret();
    const root = await tree().open(pinned!);
    const directory = await tree().walkDirectory(root, 'directory');
    const file = await tree().walk(directory, 'file');
    rmSync(tree().in('directory'), { recursive: true });
    expect((await directory.stat()).mode & ~S_PERMISSIONS).toBe(S_IFDIR);
    expect((await file.stat()).nlink).toBe(0);
    expect(await contentOf(file)).toBe('inside');
    expect(await failureOf(directory.mkdir('new', { mode: 0o700 }))).toBe('ENOENT');
  });

  test('replaced by another, or by a symbolic link, is stale by its path', async () => {
    plantSecret();
    const root = await tree().open(byPaths!);
    const directory = await tree().walkDirectory(root, 'directory');
    const file = await tree().walk(directory, 'file');
    renameSync(tree().in('directory'), tree().in('moved'));
    const stale = async (): Promise<void> => {
      expect(await failureOf(directory.walk('secret'))).toBe('ESTALE');
      expect(await failureOf(directory.stat())).toBe('ESTALE');
      expect(await failureOf(directory.list())).toBe('ESTALE');
      const options = { mode: 0o600, flags: O_RDWR };
      expect(await failureOf(directory.create('new', options))).toBe('ESTALE');
      expect(await failureOf(directory.unlink('secret'))).toBe('ESTALE');
      expect(await failureOf(file.open(O_RDONLY))).toBe('ESTALE');
      const { error } = await file.setAttributes({ mode: 0o777 });
      expect(error?.code).toBe('ESTALE');
    };
    await stale();
    mkdirSync(tree().in('directory'));
    await stale();
    rmSync(tree().in('directory'), { recursive: true });
    symlinkSync(tree().outside, tree().in('directory'));
    await stale();
    expect(readdirSync(tree().outside)).toEqual(['secret']);
    // A rename that was asked for is known.
    unlinkSync(tree().in('directory'));
    directory.moved(root, 'moved');
    expect(await contentOf(file)).toBe('inside');
  });

  test('moved out and linked to is stale by its path, though its files are the same', async () => {
    plantSecret();
    const root = await tree().open(byPaths!);
    const directory = await tree().walkDirectory(root, 'directory');
    const file = await tree().walk(directory, 'file');
    renameSync(tree().in('directory'), tree().at('outside', 'directory'));
    symlinkSync(tree().at('outside', 'directory'), tree().in('directory'));
    expect(await failureOf(file.stat())).toBe('ESTALE');
    expect(await failureOf(file.open(O_RDONLY))).toBe('ESTALE');
  });

  test('no directory is no root, nor is what is not there', async () => {
    writeFileSync(tree().in('file'), '');
    for (const { access, calls } of WAYS) {
      const options = { access, calls, clock, budget: tree().budget };
      expect(await failureOf(openHostRoot(tree().in('file'), options))).toBe('ENOTDIR');
      expect(await failureOf(openHostRoot(tree().in('none'), options))).toBe('ENOENT');
    }
  });

  test.each(WAYS)('closed is neither used nor closed again: $name', async (way) => {
    writeFileSync(tree().in('file'), '');
    const root = await tree().open(way);
    const { file } = await root.walk('file');
    await file.close();
    await expect(file.close()).rejects.toThrow(InvariantError);
    await expect(file.stat()).rejects.toThrow(InvariantError);
  });

  test('the root may be reached through a symbolic link: its path is trusted', async () => {
    writeFileSync(tree().in('file'), 'inside');
    symlinkSync(tree().root, tree().at('link'));
    for (const { access, calls } of WAYS) {
      const options = { access, calls, clock, budget: tree().budget };
      const root = tree().keep(await openHostRoot(tree().at('link'), options));
      expect(await contentOf(await tree().walk(root, 'file'))).toBe('inside');
    }
  });
});

describe('a symbolic link that comes and goes', () => {
  const tree = useTree(1000);

  /** Lets `name` and `name.other` change places, as fast as it can. */
  const SWAPPER = `
    const { renameSync } = require('node:fs');
    const { workerData } = require('node:worker_threads');
    const { flag, name } = workerData;
    while (Atomics.load(flag, 0) === 0) {
      renameSync(name, name + '.own');
      renameSync(name + '.other', name);
      renameSync(name, name + '.other');
      renameSync(name + '.own', name);
    }`;

  async function whileSwapping(name: string, work: () => Promise<void>): Promise<void> {
    const flag = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(SWAPPER, { eval: true, workerData: { flag, name } });
    const gone = new Promise<number>((resolve) => worker.on('exit', resolve));
    try {
      await work();
    } finally {
      Atomics.store(flag, 0, 1);
      expect(await gone).toBe(0);
    }
  }

  const ATTEMPTS = 400;

  test.each(WAYS.filter(({ access }) => access === 'pinned'))(
    'never leads out: $name',
    async (way) => {
      writeFileSync(tree().at('outside', 'file'), 'secret');
      mkdirSync(tree().in('d'));
      writeFileSync(tree().in('d', 'file'), 'inside');
      symlinkSync(tree().outside, tree().in('d.other'));
      const root = await tree().open(way);
      const seen = new Map<string, number>();
      await whileSwapping(tree().in('d'), async () => {
        for (let i = 0; i < ATTEMPTS || !hasSeenAll(seen); i++) {
          const outcome = await tryToLeave(root, `new${i}`);
          seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
        }
      });
      expect([...seen.keys()].toSorted()).toEqual(['directory', 'link', 'nothing']);
      expect(readdirSync(tree().outside)).toEqual(['file']);
      expect(readFileSync(tree().at('outside', 'file'), 'utf8')).toBe('secret');
    },
    30_000,
  );

  test('by paths, no other file is opened, nor truncated', async () => {
    writeFileSync(tree().in('f'), 'mine');
    writeFileSync(tree().in('f.other'), 'theirs');
    const root = await tree().open(WAYS.find(({ access }) => access === 'paths')!);
    const file = await tree().walk(root, 'f');
    const { ino } = await file.stat();
    const seen = new Map<string, number>();
    await whileSwapping(tree().in('f'), async () => {
      for (let i = 0; i < ATTEMPTS || seen.size < 2; i++) {
        const outcome = await failureOf(
          file.open(O_RDWR | O_TRUNC).then(async (open) => {
            expect((await open.stat()).ino).toBe(ino);
            await open.close();
          }),
        );
        seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
      }
    });
    for (const outcome of seen.keys())
      expect(['no failure', 'ESTALE', 'ENOENT']).toContain(outcome);
    expect(readFileSync(tree().in('f.other'), 'utf8')).toBe('theirs');
  }, 30_000);

  function hasSeenAll(seen: ReadonlyMap<string, number>): boolean {
    return ['directory', 'link', 'nothing'].every((outcome) => seen.has(outcome));
  }

  /** Walks through the name that changes, reads and writes: what it was, as it was walked to. */
  async function tryToLeave(root: HostDirectory, name: string): Promise<string> {
    let file: HostFile;
    try {
      ({ file } = await root.walk('d'));
    } catch (error) {
      // Without a descriptor's own readlink a link may change between two looks at it.
      expect(['ENOENT', 'ESTALE']).toContain((error as { code: string }).code);
      return 'nothing';
    }
    try {
      if (file.type === S_IFLNK) {
        expect(await file.readlink()).toBe(tree().outside);
        return 'link';
      }
      const directory = file as HostDirectory;
      const { file: inner } = await directory.walk('file');
      try {
        expect(await contentOf(inner)).toBe('inside');
      } finally {
        await inner.close();
      }
      const made = await directory.create(name, { mode: 0o600, flags: O_RDWR });
      await made.open.close();
      await made.file.close();
      await directory.unlink(name);
      return 'directory';
    } finally {
      await file.close();
    }
  }
});

test.each(WAYS)('EACCES where the kernel’s own filesystems are mounted: $name', async (way) => {
  const budget = new FdBudget({ fdsMax: 10, error: linuxerr.EMFILE });
  const { access, calls } = way;
  const root = await openHostRoot('/', { access, calls, clock, budget });
  for (const name of ['proc', 'sys']) expect(await failureOf(root.walk(name))).toBe('EACCES');
  // Other mounts are served.
  const { file } = await root.walk('dev');
  await file.close();
  await root.close();
  expect(budget.fdCount).toBe(0);
});

test('device nodes: a character device is walked to, a block device is not', async () => {
  const { calls } = WAYS[0]!;
  const budget = new FdBudget({ fdsMax: 10, error: linuxerr.EMFILE });
  const root = await openHostRoot('/dev', { access: 'pinned', calls, clock, budget });
  const { file, stat } = await root.walk('null');
  expect(file.type).toBe(S_IFCHR);
  expect([stat.rdevMajor, stat.rdevMinor]).toEqual([1, 3]);
  expect(await failureOf(file.open(O_RDONLY))).toBe('EPERM');
  await file.close();
  const block = readdirSync('/dev', { withFileTypes: true }).find((entry) => entry.isBlockDevice());
  if (block !== undefined) expect(await failureOf(root.walk(block.name))).toBe('EPERM');
  await root.close();
  expect(budget.fdCount).toBe(0);
});
