// kernel.fs in the page: every operation, and errors as Node's own fs/promises gives them.

import { mkdtemp, rm } from 'node:fs/promises';
import * as nodeFs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'playwright/test';
import { test } from './support/fixtures.ts';
import type { Failure } from './support/in-page.ts';

test('files are written and read as text and as bytes', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const { fs } = kernel;
    await fs.writeFile('/text', 'grüße\n');
    await fs.writeFile('/bytes', Uint8Array.of(0, 1, 254, 255));
    await fs.writeFile('/buffer', new TextEncoder().encode('buffer').buffer);
    await fs.writeFile('/view', new DataView(new TextEncoder().encode('[view]').buffer, 1, 4));
    await fs.writeFile('/mode', 'x', { mode: 0o640, flush: true });
    await fs.appendFile('/text', 'und mehr');
    await fs.writeFile('/text', '!', { flag: 'a' });
    await fs.writeFile('relative', 'to the root');
    return {
      text: await fs.readFile('/text', 'utf8'),
      encoded: await fs.readFile('/text', { encoding: 'utf-8' }),
      bytes: Array.from(await fs.readFile('/bytes')),
      buffer: await fs.readFile('/buffer', 'utf8'),
      view: await fs.readFile('/view', 'utf8'),
      mode: (await fs.stat('/mode')).mode,
      relative: await fs.readFile('/relative', 'utf8'),
      empty: await fs.readFile('/dev/null', 'utf8'),
    };
  });
  expect(found).toEqual({
    text: 'grüße\nund mehr!',
    encoded: 'grüße\nund mehr!',
    bytes: [0, 1, 254, 255],
    buffer: 'buffer',
    view: 'view',
    mode: 0o100640,
    relative: 'to the root',
    empty: '',
  });
});

test('a large file comes back as it was', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const { fs } = kernel;
    const bytes = Uint8Array.from({ length: 5_000_001 }, (_, index) => (index * 7 + 3) % 251);
    await fs.writeFile('/large', bytes);
    const back = await fs.readFile('/large');
    await fs.truncate('/large', 1_000_000);
    await fs.truncate('/large', 1_000_010);
    const cut = await fs.readFile('/large');
    return {
      isSame: back.length === bytes.length && back.every((byte, index) => byte === bytes[index]),
      tail: Array.from(cut.subarray(999_999)),
      expected: bytes[999_999],
    };
  });
  expect(found.isSame).toBe(true);
  expect(found.tail).toEqual([found.expected, ...Array.from({ length: 10 }, () => 0)]);
});

test('a file handle reads and writes where it is told', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const { fs } = kernel;
    const handle = await fs.open('/handle', 'w+');
    const text = (from: Uint8Array): string => new TextDecoder().decode(from);
    const written = await handle.write('0123456789');
    await handle.write(new TextEncoder().encode('abcdef'), 1, 2, 4);
    await handle.write('end', 20);
    const at = await handle.read(new Uint8Array(4).fill(46), 1, 2, 3);
    const next = await handle.read(new Uint8Array(4));
    const rest = await handle.readFile('utf8');
    const atEnd = await handle.read(new Uint8Array(4));
    const { size } = await handle.stat();
    await handle.truncate(5);
    await handle.sync();
    await handle.datasync();
    await handle.close();
    return {
      bytesWritten: written.bytesWritten,
      buffer: written.buffer,
      at: [at.bytesRead, text(at.buffer)],
      next: [next.bytesRead, text(next.buffer)],
      rest,
      atEnd: atEnd.bytesRead,
      size,
      after: await fs.readFile('/handle', 'utf8'),
    };
  });
  expect(found).toEqual({
    bytesWritten: 10,
    buffer: '0123456789',
    at: [2, '.3b.'],
    // The offset is behind what was written without a position.
    next: [4, '\0\0\0\0'],
    rest: '\0\0\0\0\0\0end',
    atEnd: 0,
    size: 23,
    after: '0123b',
  });
});

test('file handles have attributes, append, and close by themselves', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const { fs } = kernel;
    const handle = await fs.open('/attributes', 'a');
    await handle.write('one ');
    // Node ignores it as well: Linux appends.
    await handle.write('two ', 0);
    await handle.appendFile('three');
    await handle.chmod(0o604);
    await handle.chown(12, 34);
    await handle.utimes(1, new Date(2500));
    await handle[Symbol.asyncDispose]();
    const { mode, uid, gid, atimeMs, mtimeMs } = await fs.stat('/attributes');
    return {
      text: await fs.readFile('/attributes', 'utf8'),
      stat: { mode, uid, gid, atimeMs, mtimeMs },
      closed: await inPage.failureOf(handle.stat()),
      flags: await inPage.failureOf(fs.open('/attributes', 'rw')),
    };
  });
  expect(found).toEqual({
    text: 'one two three',
    stat: { mode: 0o100604, uid: 12, gid: 34, atimeMs: 1000, mtimeMs: 2500 },
    closed: {
      name: 'FsError',
      code: 'EBADF',
      errno: -9,
      syscall: 'fstat',
      message: 'EBADF: bad file descriptor, fstat',
    },
    flags: { name: 'TypeError', message: "unknown open flags: 'rw'" },
  });
});

test('directories are made, listed and removed', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const { fs } = kernel;
    const first = await fs.mkdir('/a/b/c', { recursive: true });
    const again = await fs.mkdir('/a/b/c', { recursive: true });
    await fs.mkdir('/a/private', 0o700);
    await fs.writeFile('/a/b/file', '');
    await fs.symlink('b', '/a/link');
    const types = await fs.readdir('/a', { withFileTypes: true });
    const seen: string[] = [];
    for await (const entry of await fs.opendir('/a')) seen.push(entry.name);
    const dir = await fs.opendir('/a/b');
    const one = await dir.read();
    await dir.close();
    const made = await fs.mkdtemp('/a/tmp-');
    const isMade = (await fs.stat(made)).isDirectory();
    await fs.rmdir(made);
    return {
      first,
      again,
      mode: (await fs.stat('/a/private')).mode,
      names: (await fs.readdir('/a')).sort(),
      types: types
        .map((entry) => [
          entry.name,
          entry.parentPath,
          entry.isDirectory(),
          entry.isFile(),
          entry.isSymbolicLink(),
        ])
        .sort(),
      recursive: (await fs.readdir('/a', { recursive: true })).sort(),
      ofRoot: (await fs.readdir('/', { withFileTypes: true, recursive: true }))
        .filter(({ name }) => name === 'file')
        .map(({ parentPath }) => parentPath),
      seen: seen.sort(),
      one: one?.parentPath,
      made: /^\/a\/tmp-\w{6}$/.test(made),
      isMade,
    };
  });
  expect(found).toEqual({
    first: '/a',
    again: undefined,
    mode: 0o040700,
    names: ['b', 'link', 'private'],
    types: [
      ['b', '/a', true, false, false],
      ['link', '/a', false, false, true],
      ['private', '/a', true, false, false],
    ],
    recursive: ['b', 'b/c', 'b/file', 'link', 'private'],
    ofRoot: ['/a/b'],
    seen: ['b', 'link', 'private'],
    one: '/a/b',
    made: true,
    isMade: true,
  });
});

test('rm takes files, trees and what is not there as it is told', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const { fs } = kernel;
    await fs.mkdir('/tree/deep/deeper', { recursive: true });
    await fs.writeFile('/tree/deep/file', '');
    await fs.writeFile('/kept', '');
    await fs.symlink('/kept', '/tree/link');
    await fs.rm('/tree', { recursive: true });
    await fs.rm('/nothing', { force: true });
    await fs.writeFile('/file', '');
    await fs.rm('/file');
    await fs.writeFile('/file', '');
    await fs.unlink('/file');
    return (await fs.readdir('/')).sort();
  });
  expect(found).toEqual(['dev', 'kept', 'tmp']);
});

test('links, names and copies', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const { fs } = kernel;
    await fs.mkdir('/d/sub', { recursive: true });
    await fs.writeFile('/d/file', 'content', { mode: 0o640 });
    await fs.link('/d/file', '/d/hard');
    await fs.symlink('file', '/d/soft');
    await fs.symlink('../soft', '/d/sub/up');
    // An access time that is later than the others isn't changed by reading (relatime).
    await fs.utimes('/d/file', 4_000_000_000, 1_000_000_000_123_456_789n);
    await fs.lutimes('/d/soft', 4_000_000_000, 6);
    await fs.lchown('/d/soft', 7, 8);
    await fs.copyFile('/d/file', '/copied');
    await fs.cp('/d', '/tree', { recursive: true, preserveTimestamps: true });
    await fs.cp('/d/sub/up', '/followed', { dereference: true });
    await fs.writeFile('/other', 'other');
    await fs.cp('/d/file', '/other', { force: false });
    await fs.rename('/copied', '/renamed');
    const soft = await fs.lstat('/d/soft');
    const [file, hard] = [await fs.stat('/d/file'), await fs.stat('/d/hard')];
    const tree = await fs.stat('/tree/file');
    return {
      isSameFile: file.ino === hard.ino && file.dev === hard.dev,
      nlink: hard.nlink,
      size: soft.size,
      softTimes: [soft.atimeMs, soft.mtimeMs, soft.uid, soft.gid, soft.isSymbolicLink()],
      target: await fs.readlink('/d/sub/up'),
      real: await fs.realpath('/d/sub/../sub/up'),
      through: await fs.readFile('/d/sub/up', 'utf8'),
      renamed: await fs.readFile('/renamed', 'utf8'),
      isGone: await inPage.failureOf(fs.access('/copied')),
      tree: (await fs.readdir('/tree', { recursive: true })).sort(),
      treeLink: await fs.readlink('/tree/soft'),
      treeTimes: [tree.atimeMs, String(tree.mtimeNs), tree.mode],
      followed: (await fs.lstat('/followed')).isFile(),
      other: await fs.readFile('/other', 'utf8'),
    };
  });
  expect(found).toEqual({
    isSameFile: true,
    nlink: 2,
    size: 4,
    softTimes: [4e12, 6000, 7, 8, true],
    target: '../soft',
    real: '/d/file',
    through: 'content',
    renamed: 'content',
    isGone: expect.objectContaining({ code: 'ENOENT' }),
    tree: ['file', 'hard', 'soft', 'sub', 'sub/up'],
    treeLink: 'file',
    treeTimes: [4e12, '1000000000123456789', 0o100640],
    followed: true,
    other: 'other',
  });
});

test('attributes', async ({ kernelPage }) => {
  const found = await kernelPage.evaluate(async () => {
    const { fs } = kernel;
    const before = Date.now();
    await fs.writeFile('/file', 'x'.repeat(5000));
    await fs.chmod('/file', 0o4751);
    await fs.chown('/file', 1000, 1001);
    const stat = await fs.stat('/file');
    const { blocks, bfree, bavail, bsize, files } = await fs.statfs('/');
    const { constants } = fs;
    await fs.access('/file', constants['R_OK']! | constants['W_OK']!);
    const device = await fs.stat('/dev/null');
    return {
      fields: { mode: stat.mode, uid: stat.uid, gid: stat.gid, size: stat.size, nlink: stat.nlink },
      blocks: stat.blocks,
      isRecent: stat.mtimeMs >= before - 1 && stat.mtimeMs <= Date.now() + 1,
      dates: stat.mtime instanceof Date && stat.mtime.getTime() === Math.floor(stat.mtimeMs),
      nanoseconds: stat.mtimeNs / 1_000_000n === BigInt(Math.floor(stat.mtimeMs)),
      birth: stat.birthtimeNs <= stat.ctimeNs,
      kinds: [stat.isFile(), stat.isDirectory(), stat.isFIFO(), stat.isSocket()],
      device: [device.isCharacterDevice(), device.isBlockDevice(), device.rdev !== 0],
      space: bsize > 0 && blocks >= bfree && bfree >= bavail && bavail > 0 && files >= 0,
      constants: [constants['O_CREAT'], constants['S_IFMT'], constants['COPYFILE_EXCL']],
    };
  });
  expect(found).toEqual({
    // A new owner takes the set-user-id bit away.
    fields: { mode: 0o100751, uid: 1000, gid: 1001, size: 5000, nlink: 1 },
    blocks: 16,
    isRecent: true,
    dates: true,
    nanoseconds: true,
    birth: true,
    kinds: [true, false, false, false],
    device: [true, false, true],
    space: true,
    constants: [0o100, 0o170000, 1],
  });
});

test('signals stop reading and writing', async ({ kernelPage }) => {
  const failures = await kernelPage.evaluate(async () => {
    const signal = AbortSignal.abort(new Error('no longer wanted'));
    return [
      await inPage.failureOf(kernel.fs.writeFile('/file', 'text', { signal })),
      await inPage.failureOf(kernel.fs.readFile('/file', { signal })),
      await inPage.failureOf(kernel.fs.access('/file')),
    ];
  });
  const aborted = { name: 'Error', message: 'no longer wanted' };
  expect(failures).toEqual([aborted, aborted, expect.objectContaining({ code: 'ENOENT' })]);
});

/** Calls that fail, with `$` for the directory: the same for Node and for kernel.fs. */
const FAILING: readonly (readonly [method: string, ...args: unknown[]])[] = [
  ['open', '$/none', 'r'],
  ['open', '$/file/below', 'r'],
  ['open', '$/file', 'wx'],
  ['open', '$/dir', 'w'],
  ['open', '$/loop', 'r'],
  ['open', `$/${'n'.repeat(256)}`, 'r'],
  ['readFile', '$/none'],
  ['writeFile', '$/none/file', 'text'],
  ['writeFile', '$/dir', 'text'],
  ['appendFile', '$/dir', 'text'],
  ['mkdir', '$/dir'],
  ['mkdir', '$/none/dir'],
  ['mkdtemp', '$/none/dir-'],
  ['readdir', '$/none'],
  ['readdir', '$/file'],
  ['opendir', '$/none'],
  ['rmdir', '$/full'],
  ['rmdir', '$/file'],
  ['unlink', '$/none'],
  ['rename', '$/none', '$/other'],
  ['rename', '$/dir', '$/dir/below'],
  ['rename', '$/file', '$/dir'],
  ['rename', '$/dir', '$/full'],
  ['link', '$/none', '$/other'],
  ['link', '$/file', '$/dir'],
  ['symlink', 'target', '$/file'],
  ['readlink', '$/file'],
  ['readlink', '$/none'],
  ['realpath', '$/none'],
  ['stat', '$/none'],
  ['stat', '$/loop'],
  ['lstat', '$/none'],
  ['statfs', '$/none'],
  ['chmod', '$/none', 0o600],
  ['chown', '$/none', 0, 0],
  ['lchown', '$/none', 0, 0],
  ['utimes', '$/none', 1, 1],
  ['lutimes', '$/none', 1, 1],
  ['truncate', '$/none', 1],
  ['truncate', '$/dir', 1],
  ['access', '$/none'],
  ['copyFile', '$/none', '$/other'],
  ['copyFile', '$/file', '$/full/file', 1],
];

test('errors are those of fs/promises in Node', async ({ kernelPage }) => {
  const directory = await mkdtemp(join(tmpdir(), 'burrow-'));
  try {
    const expected = await failuresInNode(directory);
    const found = await kernelPage.evaluate(failuresInPage, FAILING);
    expect(found).toEqual(expected);
  } finally {
    await rm(directory, { recursive: true });
  }
});

type AnyFs = Record<string, (...args: unknown[]) => Promise<unknown>>;

async function failuresInNode(directory: string): Promise<Failure[]> {
  const fs = nodeFs as unknown as AnyFs;
  await nodeFs.writeFile(join(directory, 'file'), '');
  await nodeFs.mkdir(join(directory, 'dir'));
  await nodeFs.mkdir(join(directory, 'full'));
  await nodeFs.writeFile(join(directory, 'full', 'file'), '');
  await nodeFs.symlink('loop', join(directory, 'loop'));
  const failures: Failure[] = [];
  for (const [method, ...args] of FAILING) {
    const real = args.map((arg) => (typeof arg === 'string' ? arg.replace(/^\$/, directory) : arg));
    const error = await fs[method]!(...real).then(
      () => new Error(`${method} did not fail`),
      (failure: unknown) => failure as Error,
    );
    const { message } = error;
    const text = JSON.stringify(Object.assign({}, error, { name: 'FsError', message }))
      .replaceAll(directory, '$')
      // What the C library made of the template.
      .replace(/(?<=dir-)\w{6}/g, 'XXXXXX');
    failures.push(JSON.parse(text) as Failure);
  }
  return failures;
}

/** Runs in the page. */
async function failuresInPage(calls: typeof FAILING): Promise<unknown[]> {
  const fs = kernel.fs as unknown as AnyFs;
  await kernel.fs.mkdir('/at/dir', { recursive: true });
  await kernel.fs.writeFile('/at/file', '');
  await kernel.fs.mkdir('/at/full');
  await kernel.fs.writeFile('/at/full/file', '');
  await kernel.fs.symlink('loop', '/at/loop');
  const failures: unknown[] = [];
  for (const [method, ...args] of calls) {
    const real = args.map((arg) => (typeof arg === 'string' ? arg.replace(/^\$/, '/at') : arg));
    const failure = await inPage.failureOf(fs[method]!(...real));
    failures.push(JSON.parse(JSON.stringify(failure).replaceAll('/at', '$')));
  }
  return failures;
}
