// Extended attributes: xattr(7), setxattr(2), getxattr(2), listxattr(2), removexattr(2).

import type { Case } from '../case.ts';
import {
  AT_SYMLINK_NOFOLLOW,
  O_CREAT,
  O_DIRECTORY,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  XATTR_CREATE,
  XATTR_REPLACE,
} from '../../../src/abi/fcntl.ts';
import { encodeUtf8 } from '../../../src/lib/text.ts';
import { USER } from '../case.ts';
import { equal, expectError, isLater } from '../check.ts';

const NAME = 'user.test';
const FILLER = 0xee;

export const xattrCases: readonly Case[] = [
  {
    title: 'an attribute has the value it was set to, byte by byte',
    origin: 'getxattr(2); gVisor xattr.cc GetXattr',
    async run(t) {
      await t.createFile(t.path('file'));
      const value = Uint8Array.from({ length: 256 }, (_, index) => index);
      await t.setxattr(t.path('file'), NAME, value);
      const buffer = new Uint8Array(256);
      equal(await t.getxattrInto(t.path('file'), NAME, buffer), 256);
      equal(buffer, value);
    },
  },
  {
    title: 'getxattr fills only what the value needs of its buffer',
    origin: 'getxattr(2); gVisor xattr.cc GetXattrSizeLargerThanValue, GetXattrSizeTooLarge',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.setxattr(t.path('file'), NAME, 'abc');
      const buffer = new Uint8Array(70_000).fill(FILLER);
      equal(await t.getxattrInto(t.path('file'), NAME, buffer), 3);
      equal(buffer.subarray(0, 5), Uint8Array.of(97, 98, 99, FILLER, FILLER));
    },
  },
  {
    title: 'getxattr returns ERANGE for a buffer that is too small, and leaves it alone',
    origin: 'getxattr(2), ERANGE; gVisor xattr.cc GetXattrSizeSmallerThanValue',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.setxattr(t.path('file'), NAME, 'abc');
      const buffer = new Uint8Array(2).fill(FILLER);
      await expectError('ERANGE', t.getxattrInto(t.path('file'), NAME, buffer));
      equal(buffer, Uint8Array.of(FILLER, FILLER));
    },
  },
  {
    title: 'getxattr with an empty buffer returns the size of the value',
    origin: 'getxattr(2); gVisor xattr.cc GetXattrZeroSize, GetXattrNullValueAndZeroSize',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.setxattr(t.path('file'), NAME, 'abc');
      equal(await t.getxattrInto(t.path('file'), NAME, new Uint8Array(0)), 3);
    },
  },
  {
    title: 'setxattr stores as many bytes as it is given',
    origin:
      'setxattr(2); gVisor xattr.cc SetXattrSizeSmallerThanValue, SetXattrValueTooLargeButOKSize',
    async run(t) {
      await t.createFile(t.path('file'));
      const long = encodeUtf8('a'.repeat(70_000));
      await t.setxattr(t.path('file'), NAME, long.subarray(0, 2));
      equal(await t.getxattr(t.path('file'), NAME), 'aa');
    },
  },
  {
    title: 'an attribute may be empty',
    origin: 'setxattr(2); gVisor xattr.cc SetXattrZeroSize, SetXattrNullValueAndZeroSize',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.setxattr(t.path('file'), NAME, '');
      const buffer = Uint8Array.of(FILLER);
      equal(await t.getxattrInto(t.path('file'), NAME, buffer), 0);
      equal(buffer, Uint8Array.of(FILLER));
      equal(await t.listxattr(t.path('file')), [NAME]);
    },
  },
  {
    title: 'setting an attribute again replaces all of its value',
    origin: 'setxattr(2); gVisor xattr.cc SetXattrReplaceWithSmaller, SetXattrReplaceWithLarger',
    async run(t) {
      await t.createFile(t.path('file'));
      for (const value of ['abc', 'x', 'longer than before']) {
        await t.setxattr(t.path('file'), NAME, value);
        equal(await t.getxattr(t.path('file'), NAME), value);
      }
      equal(await t.listxattr(t.path('file')), [NAME]);
    },
  },
  {
    title: 'setxattr with XATTR_CREATE returns EEXIST for an attribute that exists',
    origin: 'setxattr(2), EEXIST; gVisor xattr.cc SetXattrCreateFlag',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.setxattr(t.path('file'), NAME, 'first', XATTR_CREATE);
      await expectError('EEXIST', t.setxattr(t.path('file'), NAME, 'second', XATTR_CREATE));
      equal(await t.getxattr(t.path('file'), NAME), 'first');
    },
  },
  {
    title: 'setxattr with XATTR_REPLACE returns ENODATA for an attribute that does not exist',
    origin: 'setxattr(2), ENODATA; gVisor xattr.cc SetXattrReplaceFlag',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('ENODATA', t.setxattr(t.path('file'), NAME, 'x', XATTR_REPLACE));
      equal(await t.listxattr(t.path('file')), []);
      await t.setxattr(t.path('file'), NAME, 'first');
      await t.setxattr(t.path('file'), NAME, 'second', XATTR_REPLACE);
      equal(await t.getxattr(t.path('file'), NAME), 'second');
    },
  },
  {
    title: 'listxattr gives every name with a NUL behind it',
    origin: 'listxattr(2); gVisor xattr.cc ListXattr',
    async run(t) {
      await t.createFile(t.path('file'));
      const names = ['user.a', 'user.bb', 'user.ünï'];
      for (const name of names) await t.setxattr(t.path('file'), name, name);
      equal(await t.listxattr(t.path('file')), names);
      const size = names.reduce((sum, name) => sum + encodeUtf8(name).length + 1, 0);
      const buffer = new Uint8Array(size);
      equal(await t.listxattrInto(t.path('file'), buffer), size);
      equal(buffer.filter((byte) => byte === 0).length, 3);
    },
  },
  {
    title: 'listxattr of a file without attributes returns 0, whatever the buffer',
    origin: 'listxattr(2); gVisor xattr.cc ListXattrNoXattrs',
    async run(t) {
      await t.createFile(t.path('file'));
      equal(await t.listxattrInto(t.path('file'), new Uint8Array(0)), 0);
      equal(await t.listxattrInto(t.path('file'), new Uint8Array(1)), 0);
    },
  },
  {
    title: 'listxattr with an empty buffer returns the size, with a small one ERANGE',
    origin: 'listxattr(2), ERANGE; gVisor xattr.cc ListXattrZeroSize, ListXattrSizeTooSmall',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.setxattr(t.path('file'), NAME, 'x');
      equal(await t.listxattrInto(t.path('file'), new Uint8Array(0)), NAME.length + 1);
      await expectError('ERANGE', t.listxattrInto(t.path('file'), new Uint8Array(NAME.length)));
      await expectError('ERANGE', t.listxattrInto(t.path('file'), new Uint8Array(1)));
    },
  },
  {
    title: 'removexattr removes an attribute, and returns ENODATA for one that is not there',
    origin:
      'removexattr(2), ENODATA; gVisor xattr.cc RemoveXattr, ' +
      'RemoveXattrNonexistentName, GetXattrNonexistentName',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.setxattr(t.path('file'), NAME, 'x');
      await t.setxattr(t.path('file'), 'user.other', 'y');
      await t.removexattr(t.path('file'), NAME);
      await expectError('ENODATA', t.getxattr(t.path('file'), NAME));
      await expectError('ENODATA', t.removexattr(t.path('file'), NAME));
      equal(await t.listxattr(t.path('file')), ['user.other']);
    },
  },
  {
    title: 'a directory has attributes',
    origin: 'xattr(7); gVisor xattr.cc XattrOnDirectory',
    async run(t) {
      await t.mkdir(t.path('dir'));
      await t.setxattr(t.path('dir'), NAME, 'x');
      equal(await t.getxattr(t.path('dir'), NAME), 'x');
      equal(await t.listxattr(t.path('dir')), [NAME]);
      await t.removexattr(t.path('dir'), NAME);
      equal(await t.listxattr(t.path('dir')), []);
    },
  },
  {
    title: 'setxattr and its kin follow symbolic links',
    origin: 'setxattr(2); gVisor xattr.cc XattrOnSymlink',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.symlink('file', t.path('link'));
      await t.setxattr(t.path('link'), NAME, 'x');
      equal(await t.getxattr(t.path('file'), NAME), 'x');
      equal(await t.listxattr(t.path('link')), [NAME]);
      await t.removexattr(t.path('link'), NAME);
      equal(await t.listxattr(t.path('file')), []);
    },
  },
  {
    title: 'a symbolic link has no user attributes',
    origin: 'xattr(7), user; gVisor xattr.cc LXattrOnSymlink',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.symlink('file', t.path('link'));
      await t.setxattr(t.path('file'), NAME, 'x');
      const [link, at] = [t.path('link'), AT_SYMLINK_NOFOLLOW];
      await expectError('EPERM', t.setxattr(link, NAME, 'y', 0, at));
      await expectError('EPERM', t.removexattr(link, NAME, at));
      await expectError('ENODATA', t.getxattr(link, NAME, at));
      equal(await t.listxattr(link, at), []);
    },
  },
  {
    title: 'a symbolic link has trusted attributes of its own',
    origin: 'xattr(7), trusted',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.symlink('file', t.path('link'));
      const [link, at] = [t.path('link'), AT_SYMLINK_NOFOLLOW];
      await t.setxattr(link, 'trusted.test', 'x', 0, at);
      equal(await t.getxattr(link, 'trusted.test', at), 'x');
      equal(await t.listxattr(link, at), ['trusted.test']);
      await expectError('ENODATA', t.getxattr(t.path('file'), 'trusted.test'));
      await t.removexattr(link, 'trusted.test', at);
    },
  },
  {
    title: 'lsetxattr and its kin act on what is no symbolic link as the others do',
    origin: 'lsetxattr(2); gVisor xattr.cc LXattrOnNonsymlink',
    async run(t) {
      await t.createFile(t.path('file'));
      const [file, at] = [t.path('file'), AT_SYMLINK_NOFOLLOW];
      await t.setxattr(file, NAME, 'x', 0, at);
      equal(await t.getxattr(file, NAME, at), 'x');
      equal(await t.listxattr(file, at), [NAME]);
      await t.removexattr(file, NAME, at);
    },
  },
  {
    title: 'fsetxattr and its kin work on a read-only descriptor',
    origin: 'fsetxattr(2); gVisor xattr.cc XattrWithFD',
    async run(t) {
      await t.createFile(t.path('file'));
      for (const fd of [
        await t.open(t.path('file'), O_RDONLY),
        await t.open(t.root, O_RDONLY | O_DIRECTORY),
      ]) {
        await t.fsetxattr(fd, NAME, 'x');
        equal(await t.fgetxattr(fd, NAME), 'x');
        equal(await t.flistxattr(fd), [NAME]);
        await t.fremovexattr(fd, NAME);
        equal(await t.flistxattr(fd), []);
      }
    },
  },
  {
    title: 'fsetxattr and its kin return EBADF for an O_PATH descriptor and a closed one',
    origin: 'fsetxattr(2), EBADF; gVisor xattr.cc XattrWithOPath',
    async run(t) {
      await t.createFile(t.path('file'));
      for (const fd of [await t.open(t.path('file'), O_PATH), 99, -1]) {
        await expectError('EBADF', t.fsetxattr(fd, NAME, 'x'));
        await expectError('EBADF', t.fgetxattr(fd, NAME));
        await expectError('EBADF', t.flistxattr(fd));
        await expectError('EBADF', t.fremovexattr(fd, NAME));
      }
    },
  },
  {
    title: 'attributes belong to the file, whatever names it has',
    origin: 'xattr(7)',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.link(t.path('file'), t.path('link'));
      await t.setxattr(t.path('file'), NAME, 'x');
      equal(await t.getxattr(t.path('link'), NAME), 'x');
      await t.rename(t.path('link'), t.path('moved'));
      equal(await t.getxattr(t.path('moved'), NAME), 'x');
      const fd = await t.open(t.path('file'), O_RDWR);
      await t.unlink(t.path('file'));
      await t.unlink(t.path('moved'));
      equal(await t.fgetxattr(fd, NAME), 'x');
      await t.createFile(t.path('file'));
      equal(await t.listxattr(t.path('file')), []);
    },
  },
  {
    title: 'setting and removing an attribute changes ctime and not mtime',
    origin: 'Linux: fs/xattr.c; simple_xattr_set()',
    async run(t) {
      await t.createFile(t.path('file'));
      const path = t.path('file');
      for (const change of [() => t.setxattr(path, NAME, 'x'), () => t.removexattr(path, NAME)]) {
        const before = await t.stat(path);
        await t.tick();
        await change();
        const after = await t.stat(path);
        isLater(after.ctime, before.ctime, 'ctime');
        equal(after.mtime, before.mtime, 'mtime');
      }
    },
  },
  {
    title: 'two hundred attributes of one file are listed and keep their values',
    origin: 'xattr(7)',
    async run(t) {
      const fd = await t.open(t.path('file'), O_RDWR | O_CREAT);
      const names = Array.from({ length: 200 }, (_, index) => `user.${String(index + 100)}`);
      // Ext4 keeps them all in one block.
      for (const name of names) await t.fsetxattr(fd, name, '');
      for (const name of names.slice(0, 20)) await t.fsetxattr(fd, name, name.slice(5));
      equal(await t.flistxattr(fd), names);
      equal(await t.fgetxattr(fd, 'user.107'), '107');
    },
  },
  {
    title: 'a user may set attributes of a file of its own and not see those of root',
    origin: 'xattr(7), trusted; gVisor xattr.cc TrustedNamespaceWithoutCapSysAdmin',
    async run(t) {
      const user = await t.as(USER);
      await user.createFile(t.path('file'));
      await user.setxattr(t.path('file'), NAME, 'x');
      await t.setxattr(t.path('file'), 'trusted.test', 'secret');
      equal(await user.listxattr(t.path('file')), [NAME]);
      equal(await t.listxattr(t.path('file')), ['trusted.test', NAME]);
      await expectError('ENODATA', user.getxattr(t.path('file'), 'trusted.test'));
      await expectError('EPERM', user.setxattr(t.path('file'), 'trusted.test', 'y'));
      await expectError('EPERM', user.removexattr(t.path('file'), 'trusted.test'));
      equal(await t.getxattr(t.path('file'), 'trusted.test'), 'secret');
    },
  },
];
