// Pathname resolution: dots, slashes, symbolic links and limits. path_resolution(7).

import type { Case, Context } from '../case.ts';
import { O_CREAT, O_DIRECTORY, O_PATH, O_RDONLY, O_WRONLY } from '../../../src/abi/fcntl.ts';
import { S_IFDIR, S_IFMT } from '../../../src/abi/stat.ts';
import { USER } from '../case.ts';
import { equal, expectError } from '../check.ts';

/** Makes link-0 → file, link-1 → link-0, …; returns the path of the last of `count` links. */
async function linkChain(t: Context, count: number): Promise<string> {
  await t.createFile(t.path('file'), 'text');
  await t.symlink('file', t.path('link-0'));
  for (let index = 1; index < count; index += 1) {
    await t.symlink(`link-${index - 1}`, t.path(`link-${index}`));
  }
  return t.path(`link-${count - 1}`);
}

/** `path` of exactly `size` bytes, made longer with slashes and dots that change nothing. */
function padPath(root: string, name: string, size: number): string {
  const slashes = size - root.length - name.length;
  const dots = '/.'.repeat(Math.floor(slashes / 2) - 1);
  return `${root}${dots}${'/'.repeat(2 + (slashes % 2))}${name}`;
}

export const resolutionCases: readonly Case[] = [
  {
    title: 'repeated slashes and dots do not change what a path names',
    origin: 'POSIX pathname resolution; gVisor stat.cc PathCanContainEmptyComponent',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.createFile(t.path('dir/file'));
      const { ino } = await t.stat(t.path('dir/file'));
      for (const path of ['dir//file', './dir/./file', 'dir/../dir/file', '/dir///file']) {
        equal((await t.stat(t.path(path))).ino, ino, path);
      }
      equal((await t.stat(`//${t.path('dir/file')}`)).ino, ino, 'leading slashes');
    },
  },
  {
    title: 'dot-dot of a missing directory is ENOENT: paths are not cleaned as text',
    origin: 'POSIX pathname resolution; gVisor stat.cc PathNotCleaned',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('ENOENT', t.stat(t.path('missing/../file')));
      await expectError('ENOENT', t.open(t.path('missing/../new'), O_WRONLY | O_CREAT));
    },
  },
  {
    title: 'dot and dot-dot of a file are ENOTDIR',
    origin: 'POSIX pathname resolution',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('ENOTDIR', t.stat(t.path('file/.')));
      await expectError('ENOTDIR', t.stat(t.path('file/..')));
      await expectError('ENOTDIR', t.stat(t.path('file/../file')));
    },
  },
  {
    title: 'dot-dot after a symbolic link is the parent of its target',
    origin: 'POSIX pathname resolution',
    async run(t) {
      await t.mkdir(t.path('a'));
      await t.mkdir(t.path('a/b'));
      await t.createFile(t.path('a/file'), 'of a');
      await t.symlink('a/b', t.path('link'));
      equal(await t.readFile(t.path('link/../file')), 'of a');
      await expectError('ENOENT', t.stat(t.path('link/file')));
    },
  },
  {
    title: 'dot-dot needs search permission on the directory it starts from',
    origin: 'path_resolution(7)',
    async run(t) {
      const user = await t.as(USER);
      await user.mkdir(t.path('dir'), 0o600);
      await user.createFile(t.path('file'));
      await expectError('EACCES', user.stat(t.path('dir/../file')));
      await expectError('EACCES', user.stat(t.path('dir/.')));
      equal((await user.stat(t.path('dir'))).mode & S_IFMT, S_IFDIR);
    },
  },
  {
    title: 'a trailing slash asks for a directory',
    origin: 'POSIX pathname resolution',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.createFile(t.path('file'));
      equal((await t.stat(t.path('dir/'))).ino, (await t.stat(t.path('dir'))).ino);
      await expectError('ENOTDIR', t.chmod(t.path('file/'), 0o600));
      await expectError('ENOTDIR', t.access(t.path('file/'), 0));
      await expectError('ENOENT', t.stat(t.path('missing/')));
    },
  },
  {
    title: 'a trailing slash in the target of a symbolic link asks for a directory',
    origin: 'POSIX pathname resolution',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.createFile(t.path('file'));
      await t.symlink('dir/', t.path('to-dir'));
      await t.symlink('file/', t.path('to-file'));
      equal((await t.stat(t.path('to-dir'))).ino, (await t.stat(t.path('dir'))).ino);
      await expectError('ENOTDIR', t.stat(t.path('to-file')));
      await expectError('ENOTDIR', t.open(t.path('to-file'), O_RDONLY));
    },
  },
  {
    title: 'open with O_CREAT through a link whose target has a trailing slash returns EISDIR',
    origin: 'Linux: fs/namei.c open_last_lookups()',
    async run(t) {
      await t.symlink('missing/', t.path('link'));
      await expectError('EISDIR', t.open(t.path('link'), O_WRONLY | O_CREAT));
      equal(await t.list(t.root), ['link']);
    },
  },
  {
    title: 'forty symbolic links in a row are followed',
    origin: 'path_resolution(7)',
    async run(t) {
      equal(await t.readFile(await linkChain(t, 40)), 'text');
    },
  },
  {
    title: 'the forty-first symbolic link in a row returns ELOOP',
    origin: 'path_resolution(7), ELOOP',
    async run(t) {
      const path = await linkChain(t, 41);
      await expectError('ELOOP', t.open(path, O_RDONLY));
      await expectError('ELOOP', t.stat(path));
      equal(await t.readlink(path), 'link-39');
      await t.lstat(path);
    },
  },
  {
    title: 'the limit of forty counts the links of all components together',
    origin: 'gVisor stat.cc LstatELOOPPath',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.createFile(t.path('dir/file'), 'text');
      await t.symlink('.', t.path('dir/self'));
      equal(await t.readFile(t.path(`dir/${'self/'.repeat(40)}file`)), 'text');
      await expectError('ELOOP', t.stat(t.path(`dir/${'self/'.repeat(41)}file`)));
      await expectError('ELOOP', t.lstat(t.path(`dir/${'self/'.repeat(41)}file`)));
      equal((await t.lstat(t.path(`dir/${'self/'.repeat(40)}self`))).size, 1);
    },
  },
  {
    title: 'links that point at each other return ELOOP for every call that follows them',
    origin: 'POSIX, ELOOP',
    async run(t) {
      await t.symlink('b', t.path('a'));
      await t.symlink('a', t.path('b'));
      await expectError('ELOOP', t.stat(t.path('a')));
      await expectError('ELOOP', t.open(t.path('a'), O_RDONLY));
      await expectError('ELOOP', t.chmod(t.path('a'), 0o600));
      await expectError('ELOOP', t.truncate(t.path('a'), 0));
      await expectError('ELOOP', t.access(t.path('a'), 0));
      await expectError('ELOOP', t.mkdir(t.path('a/dir')));
      await expectError('ELOOP', t.rename(t.path('a/x'), t.path('y')));
      await expectError('EEXIST', t.mkdir(t.path('a')));
      await t.unlink(t.path('a'));
    },
  },
  {
    title: 'an absolute target starts at the root directory',
    origin: 'POSIX pathname resolution',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.createFile(t.path('file'), 'text');
      await t.symlink(t.path('file'), t.path('dir/link'));
      equal(await t.readFile(t.path('dir/link')), 'text');
      await t.symlink(t.root, t.path('dir/up'));
      equal(await t.readFile(t.path('dir/up/dir/up/file')), 'text');
    },
  },
  {
    title: 'a path of 4095 bytes is accepted and one of 4096 is ENAMETOOLONG',
    origin: 'limits.h PATH_MAX; gVisor open.cc NameTooLong',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const longest = padPath(t.root, 'file', 4095);
      equal(longest.length, 4095);
      equal(await t.readFile(longest), 'text');
      await expectError('ENAMETOOLONG', t.open(padPath(t.root, 'file', 4096), O_RDONLY));
      await expectError('ENAMETOOLONG', t.stat(padPath(t.root, 'file', 4096)));
    },
  },
  {
    title: 'the length of a path is counted in bytes of UTF-8',
    origin: 'limits.h PATH_MAX',
    async run(t) {
      const path = `${t.root}${`/${'é'.repeat(100)}`.repeat(21)}`;
      await expectError('ENAMETOOLONG', t.stat(path));
      await expectError('ENOENT', t.stat(path.slice(0, t.root.length + 101)));
    },
  },
  {
    title: 'a symbolic link target of 4095 bytes is accepted and one of 4096 is ENAMETOOLONG',
    origin: 'symlink(2), ENAMETOOLONG; limits.h PATH_MAX',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      const target = padPath(t.root, 'file', 4095);
      // ext4 has one block for a target, its NUL included: 4095 is the most on every filesystem.
      await t.symlink(target, t.path('link'));
      equal(await t.readlink(t.path('link')), target);
      equal(await t.readFile(t.path('link')), 'text');
      await expectError('ENAMETOOLONG', t.symlink(`${target}x`, t.path('other')));
    },
  },
  {
    title: 'a path may exceed 4095 bytes after its symbolic links are expanded',
    origin: 'path_resolution(7)',
    async run(t) {
      await t.createFile(t.path('file'), 'text');
      await t.symlink(padPath(t.root, '.', 4000), t.path('long'));
      equal(await t.readFile(t.path('long/./long/./long/file')), 'text');
    },
  },
  {
    title: 'a missing name of 256 bytes is ENAMETOOLONG and not ENOENT, anywhere in a path',
    origin: 'POSIX, ENAMETOOLONG',
    async run(t) {
      const name = 'n'.repeat(256);
      await expectError('ENAMETOOLONG', t.stat(t.path(name)));
      await expectError('ENAMETOOLONG', t.stat(t.path(`${name}/file`)));
      await expectError('ENOENT', t.stat(t.path('n'.repeat(255))));
      await expectError('ENOENT', t.stat(t.path(`missing/${name}`)));
    },
  },
  {
    title: 'an unsearchable directory hides whether a name exists, is too long or a file',
    origin: 'Linux: fs/namei.c link_path_walk(), may_lookup()',
    async run(t) {
      const user = await t.as(USER);
      await user.mkdir(t.path('dir'));
      await user.createFile(t.path('dir/file'));
      await user.chmod(t.path('dir'), 0o600);
      for (const name of ['file', 'missing', 'file/child', 'n'.repeat(256)]) {
        await expectError('EACCES', user.stat(t.path(`dir/${name}`)));
      }
    },
  },
  {
    title: 'ENOTDIR for a file in a path comes before EACCES for its permissions',
    origin: 'Linux: fs/namei.c link_path_walk(), d_can_lookup()',
    async run(t) {
      const user = await t.as(USER);
      await user.createFile(t.path('file'), '', 0);
      await expectError('ENOTDIR', user.stat(t.path('file/child')));
    },
  },
  {
    title: 'a directory descriptor gives no right to search the directory',
    origin: 'POSIX openat, EACCES',
    async run(t) {
      const user = await t.as(USER);
      await user.mkdir(t.path('dir'));
      await user.createFile(t.path('dir/file'));
      const dir = await user.open(t.path('dir'), O_RDONLY | O_DIRECTORY);
      const path = await user.open(t.path('dir'), O_PATH);
      await user.chmod(t.path('dir'), 0o600);
      await expectError('EACCES', user.openat(dir, 'file', O_RDONLY));
      await expectError('EACCES', user.openat(path, 'file', O_RDONLY));
    },
  },
  {
    title: 'a symbolic link followed by more components must lead to a directory',
    origin: 'POSIX pathname resolution',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.symlink('file', t.path('link'));
      await t.symlink('missing', t.path('dangling'));
      await expectError('ENOTDIR', t.stat(t.path('link/x')));
      await expectError('ENOENT', t.stat(t.path('dangling/x')));
      await expectError('ENOENT', t.lstat(t.path('dangling/')));
    },
  },
];
