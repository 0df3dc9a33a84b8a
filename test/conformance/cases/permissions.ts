// Permission checks: owner, group and other bits, root's override, setgid directories.

import type { Case } from '../case.ts';
import {
  AT_EACCESS,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  F_OK,
  O_CREAT,
  O_DIRECTORY,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  R_OK,
  W_OK,
  X_OK,
} from '../../../src/abi/fcntl.ts';
import { S_IFREG } from '../../../src/abi/stat.ts';
import { OTHER, USER } from '../case.ts';
import { equal, equalMode, expectError } from '../check.ts';

export const permissionCases: readonly Case[] = [
  {
    title: 'the owner’s bits decide for the owner, whatever the others are',
    origin: 'POSIX file access permissions',
    async run(t) {
      const user = await t.as(USER);
      await user.createFile(t.path('file'), '', 0o077);
      await expectError('EACCES', user.open(t.path('file'), O_RDONLY));
      await expectError('EACCES', user.open(t.path('file'), O_WRONLY));
      await user.chmod(t.path('file'), 0o400);
      await user.open(t.path('file'), O_RDONLY);
      await expectError('EACCES', user.open(t.path('file'), O_RDWR));
    },
  },
  {
    title: 'the group’s bits decide for members of the group, whatever the others are',
    origin: 'POSIX file access permissions',
    async run(t) {
      await t.createFile(t.path('file'), '', 0o606);
      await t.chown(t.path('file'), 0, 1000);
      const [member, other] = [await t.as(USER), await t.as(OTHER)];
      await expectError('EACCES', member.open(t.path('file'), O_RDONLY));
      await other.open(t.path('file'), O_RDWR);
      await t.chmod(t.path('file'), 0o640);
      await member.open(t.path('file'), O_RDONLY);
      await expectError('EACCES', member.open(t.path('file'), O_WRONLY));
      await expectError('EACCES', other.open(t.path('file'), O_RDONLY));
    },
  },
  {
    title: 'a supplementary group counts like the first one',
    origin: 'POSIX file access permissions',
    async run(t) {
      await t.createFile(t.path('file'), '', 0o060);
      await t.chown(t.path('file'), 0, 77);
      const member = await t.as({ uid: 1000, gid: 1000, groups: [5, 77] });
      const other = await t.as({ uid: 1000, gid: 1000, groups: [5] });
      await member.open(t.path('file'), O_RDWR);
      await expectError('EACCES', other.open(t.path('file'), O_RDWR));
    },
  },
  {
    title: 'the other bits decide for everybody else',
    origin: 'POSIX file access permissions',
    async run(t) {
      await t.createFile(t.path('file'), '', 0o770);
      const user = await t.as(USER);
      await expectError('EACCES', user.open(t.path('file'), O_RDONLY));
      await t.chmod(t.path('file'), 0o002);
      await user.open(t.path('file'), O_WRONLY);
      await expectError('EACCES', user.open(t.path('file'), O_RDONLY));
    },
  },
  {
    title: 'root may read and write a file without permissions',
    origin: 'capabilities(7), CAP_DAC_OVERRIDE',
    async run(t) {
      const user = await t.as(USER);
      await user.createFile(t.path('file'), 'text', 0);
      const fd = await t.open(t.path('file'), O_RDWR);
      equal(await t.readText(fd), 'text');
    },
  },
  {
    title: 'root may search, list and change a directory without permissions',
    origin: 'capabilities(7), CAP_DAC_OVERRIDE',
    async run(t) {
      const user = await t.as(USER);
      await user.mkdir(t.path('dir'), 0);
      await t.createFile(t.path('dir/file'));
      equal(await t.list(t.path('dir')), ['file']);
      await t.rename(t.path('dir/file'), t.path('dir/moved'));
      await t.unlink(t.path('dir/moved'));
    },
  },
  {
    title: 'group 0 gives a user no rights of root',
    origin: 'capabilities(7)',
    async run(t) {
      await t.createFile(t.path('file'), '', 0o600);
      const user = await t.as({ uid: 1000, gid: 0, groups: [0] });
      await expectError('EACCES', user.open(t.path('file'), O_RDONLY));
      await expectError('EPERM', user.chmod(t.path('file'), 0o666));
    },
  },
  {
    title: 'listing needs read and reaching an entry needs search permission',
    origin: 'POSIX file access permissions',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.createFile(t.path('dir/file'), 'text', 0o666);
      const user = await t.as(USER);
      await t.chmod(t.path('dir'), 0o704);
      equal(await user.list(t.path('dir')), ['file']);
      await expectError('EACCES', user.open(t.path('dir/file'), O_RDONLY));
      await t.chmod(t.path('dir'), 0o701);
      await expectError('EACCES', user.open(t.path('dir'), O_RDONLY | O_DIRECTORY));
      await user.open(t.path('dir/file'), O_RDWR);
    },
  },
  {
    title: 'writing in a directory without search permission creates and removes nothing',
    origin: 'POSIX file access permissions',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.createFile(t.path('dir/file'));
      await t.chmod(t.path('dir'), 0o706);
      const user = await t.as(USER);
      await expectError('EACCES', user.open(t.path('dir/new'), O_WRONLY | O_CREAT));
      await expectError('EACCES', user.unlink(t.path('dir/file')));
      equal(await t.list(t.path('dir')), ['file']);
    },
  },
  {
    title: 'every directory on the way needs search permission',
    origin: 'path_resolution(7), EACCES',
    async run(t) {
      await t.mkdir(t.path('a'), 0o700);
      await t.mkdir(t.path('a/b'), 0o777);
      await t.createFile(t.path('a/b/file'), '', 0o666);
      const user = await t.as(USER);
      await expectError('EACCES', user.open(t.path('a/b/file'), O_RDONLY));
      await expectError('EACCES', user.mkdir(t.path('a/b/dir')));
      await expectError('EACCES', user.truncate(t.path('a/b/file'), 0));
    },
  },
  {
    title:
      'a directory that was opened before lets its entries be reached past an unsearchable parent',
    origin: 'POSIX openat',
    async run(t) {
      await t.mkdir(t.path('a'), 0o755);
      await t.mkdir(t.path('a/b'), 0o755);
      await t.createFile(t.path('a/b/file'), 'text');
      const user = await t.as(USER);
      const fd = await user.open(t.path('a/b'), O_RDONLY | O_DIRECTORY);
      await t.chmod(t.path('a'), 0o700);
      equal(await user.readText(await user.openat(fd, 'file', O_RDONLY)), 'text');
    },
  },
  {
    title: 'a file made in a setgid directory gets the group of the directory and no setgid bit',
    origin: 'open(2), O_CREAT',
    async run(t) {
      await t.mkdir(t.path('shared'));
      await t.chown(t.path('shared'), 0, 50);
      await t.chmod(t.path('shared'), 0o2777);
      const user = await t.as(USER);
      await user.open(t.path('shared/file'), O_WRONLY | O_CREAT, 0o644);
      const stat = await t.stat(t.path('shared/file'));
      equal([stat.uid, stat.gid], [1000, 50]);
      equalMode(stat, 0o644);
    },
  },
  {
    title: 'a symbolic link made in a setgid directory gets the group of the directory',
    origin: 'Linux: fs/inode.c inode_init_owner()',
    async run(t) {
      await t.mkdir(t.path('shared'));
      await t.chown(t.path('shared'), 0, 50);
      await t.chmod(t.path('shared'), 0o2777);
      const user = await t.as(USER);
      await user.symlink('target', t.path('shared/link'));
      const stat = await t.lstat(t.path('shared/link'));
      equal([stat.uid, stat.gid], [1000, 50]);
    },
  },
  {
    title: 'an executable made setgid in a setgid directory of a foreign group loses the bit',
    origin: 'Linux: fs/inode.c mode_strip_sgid()',
    async run(t) {
      await t.mkdir(t.path('shared'));
      await t.chown(t.path('shared'), 0, 50);
      await t.chmod(t.path('shared'), 0o2777);
      const user = await t.as(USER);
      const member = await t.as({ uid: 1001, gid: 1001, groups: [50] });
      await user.open(t.path('shared/a'), O_WRONLY | O_CREAT, 0o2755);
      await member.open(t.path('shared/b'), O_WRONLY | O_CREAT, 0o2755);
      equalMode(await t.stat(t.path('shared/a')), 0o755);
      equalMode(await t.stat(t.path('shared/b')), 0o2755);
    },
  },
  {
    title: 'it loses the bit as well if the umask makes it no executable',
    origin: 'Linux: include/linux/fs.h vfs_prepare_mode()',
    async run(t) {
      await t.mkdir(t.path('shared'));
      await t.chown(t.path('shared'), 0, 50);
      await t.chmod(t.path('shared'), 0o2777);
      const user = await t.as(USER);
      await user.umask(0o077);
      await user.open(t.path('shared/opened'), O_WRONLY | O_CREAT, 0o2755);
      await user.mknodat(AT_FDCWD, t.path('shared/made'), S_IFREG | 0o2755, 0);
      equalMode(await t.stat(t.path('shared/opened')), 0o700);
      equalMode(await t.stat(t.path('shared/made')), 0o700);
    },
  },
  {
    title: 'a file moved into a setgid directory keeps its group',
    origin: 'POSIX rename',
    async run(t) {
      await t.mkdir(t.path('shared'));
      await t.chown(t.path('shared'), 0, 50);
      await t.chmod(t.path('shared'), 0o2777);
      const user = await t.as(USER);
      await user.createFile(t.path('file'));
      await user.rename(t.path('file'), t.path('shared/file'));
      equal((await t.stat(t.path('shared/file'))).gid, 1000);
    },
  },
  {
    title: 'umask returns the old mask and keeps the permission bits only',
    origin: 'POSIX umask; umask(2)',
    async run(t) {
      equal(await t.umask(0o7077), 0o022);
      equal(await t.umask(0), 0o077);
      equal(await t.umask(0o022), 0);
    },
  },
  {
    title: 'the umask of one process does not concern another',
    origin: 'POSIX umask',
    async run(t) {
      const user = await t.as(USER);
      await t.umask(0o777);
      await user.open(t.path('file'), O_WRONLY | O_CREAT, 0o666);
      equalMode(await t.stat(t.path('file')), 0o644);
    },
  },
  {
    title: 'a umask that takes everything leaves a file that its creator may use while open',
    origin: 'POSIX umask',
    async run(t) {
      const user = await t.as(USER);
      await user.umask(0o777);
      const fd = await user.open(t.path('file'), O_RDWR | O_CREAT, 0o666);
      await user.write(fd, 'text');
      equalMode(await user.fstat(fd), 0);
      await expectError('EACCES', user.open(t.path('file'), O_RDONLY));
    },
  },
];

export const accessCases: readonly Case[] = [
  {
    title: 'access answers for each permission by itself and together',
    origin: 'POSIX access',
    async run(t) {
      const user = await t.as(USER);
      for (const [mode, allowed] of [
        [0o400, R_OK],
        [0o200, W_OK],
        [0o100, X_OK],
        [0o600, R_OK | W_OK],
        [0o500, R_OK | X_OK],
      ] as const) {
        await user.createFile(t.path(`file-${mode}`), '', mode);
        for (const wanted of [R_OK, W_OK, X_OK, R_OK | W_OK, R_OK | X_OK, W_OK | X_OK]) {
          const call = user.access(t.path(`file-${mode}`), wanted);
          if ((wanted & ~allowed) === 0) await call;
          else await expectError('EACCES', call);
        }
      }
    },
  },
  {
    title: 'access with F_OK asks only whether the file exists',
    origin: 'POSIX access, F_OK',
    async run(t) {
      await t.createFile(t.path('file'), '', 0);
      await t.symlink('missing', t.path('dangling'));
      const user = await t.as(USER);
      await user.access(t.path('file'), F_OK);
      await expectError('ENOENT', user.access(t.path('missing'), F_OK));
      await expectError('ENOENT', user.access(t.path('dangling'), F_OK));
      await expectError('ENOENT', user.access('', F_OK));
    },
  },
  {
    title: 'access grants root reading and writing, and executing only what somebody may execute',
    origin: 'access(2); capabilities(7), CAP_DAC_OVERRIDE',
    async run(t) {
      await t.createFile(t.path('none'), '', 0);
      await t.createFile(t.path('other'), '', 0o001);
      await t.mkdir(t.path('dir'), 0);
      await t.access(t.path('none'), R_OK | W_OK);
      await expectError('EACCES', t.access(t.path('none'), X_OK));
      await t.access(t.path('other'), R_OK | W_OK | X_OK);
      await t.access(t.path('dir'), R_OK | W_OK | X_OK);
    },
  },
  {
    title: 'access returns EACCES and not ENOENT behind an unsearchable directory',
    origin: 'POSIX access, EACCES',
    async run(t) {
      const user = await t.as(USER);
      await user.mkdir(t.path('dir'), 0o600);
      await expectError('EACCES', user.access(t.path('dir/missing'), F_OK));
    },
  },
  {
    title: 'access returns EINVAL for mode bits it does not know, before it looks at the path',
    origin: 'POSIX access, EINVAL',
    async run(t) {
      await expectError('EINVAL', t.access(t.path('missing'), 8));
      await expectError('EINVAL', t.access(t.root, R_OK | 0o100));
    },
  },
  {
    title: 'access follows symbolic links',
    origin: 'POSIX access',
    async run(t) {
      await t.createFile(t.path('file'), '', 0o600);
      await t.symlink('file', t.path('link'));
      const user = await t.as(USER);
      await expectError('EACCES', user.access(t.path('link'), R_OK));
      await t.access(t.path('link'), R_OK);
    },
  },
  {
    title: 'faccessat with AT_SYMLINK_NOFOLLOW checks the link itself',
    origin: 'faccessat(2), AT_SYMLINK_NOFOLLOW',
    async run(t) {
      await t.symlink('missing', t.path('link'));
      const user = await t.as(USER);
      const wanted = R_OK | W_OK | X_OK;
      await user.faccessat(AT_FDCWD, t.path('link'), wanted, AT_SYMLINK_NOFOLLOW);
    },
  },
  {
    title: 'faccessat resolves from a directory descriptor and accepts AT_EACCESS',
    origin: 'POSIX faccessat',
    async run(t) {
      await t.createFile(t.path('file'), '', 0o444);
      const user = await t.as(USER);
      const fd = await user.open(t.root, O_RDONLY | O_DIRECTORY);
      await user.faccessat(fd, 'file', R_OK, 0);
      await user.faccessat(fd, 'file', R_OK, AT_EACCESS);
      await expectError('EACCES', user.faccessat(fd, 'file', W_OK, AT_EACCESS));
      await expectError('EBADF', user.faccessat(-1, 'file', R_OK, 0));
      await expectError('EINVAL', user.faccessat(fd, 'file', R_OK, 0x4));
    },
  },
];
