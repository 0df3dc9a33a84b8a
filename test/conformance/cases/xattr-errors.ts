// Who may use which extended attributes, their limits, and which error comes first.

import type { Case } from '../case.ts';
import {
  AT_SYMLINK_NOFOLLOW,
  O_RDWR,
  O_WRONLY,
  XATTR_CREATE,
  XATTR_REPLACE,
} from '../../../src/abi/fcntl.ts';
import { S_IFCHR, S_IFIFO, S_IFSOCK, makeDev } from '../../../src/abi/stat.ts';
import { OTHER, USER } from '../case.ts';
import { equal, expectError } from '../check.ts';

const NAME = 'user.test';
const VALUE_MAX = 65_536;
/** struct vfs_cap_data, version 2: cap_chown is permitted. */
const CAPABILITY = Uint8Array.of(0, 0, 0, 2, 1, ...new Uint8Array(15));

export const xattrErrorCases: readonly Case[] = [
  {
    title: 'the calls on attributes return ENOENT for a file that does not exist',
    origin: 'setxattr(2), ENOENT; gVisor xattr.cc XattrNonexistentFile',
    async run(t) {
      for (const path of [t.path('missing'), '']) {
        await expectError('ENOENT', t.setxattr(path, NAME, 'x'));
        await expectError('ENOENT', t.getxattr(path, NAME));
        await expectError('ENOENT', t.listxattr(path));
        await expectError('ENOENT', t.removexattr(path, NAME));
      }
    },
  },
  {
    title: 'an empty name of an attribute is ERANGE',
    origin: 'Linux: fs/xattr.c import_xattr_name(); gVisor xattr.cc XattrEmptyName',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('ERANGE', t.setxattr(t.path('file'), '', 'x'));
      await expectError('ERANGE', t.getxattr(t.path('file'), ''));
      await expectError('ERANGE', t.removexattr(t.path('file'), ''));
    },
  },
  {
    title: 'a name of 255 bytes is accepted and one of 256 is ERANGE',
    origin: 'xattr(7), XATTR_NAME_MAX; gVisor xattr.cc XattrLargeName',
    async run(t) {
      await t.createFile(t.path('file'));
      const longest = `user.${'n'.repeat(250)}`;
      await t.setxattr(t.path('file'), longest, 'x');
      equal(await t.getxattr(t.path('file'), longest), 'x');
      equal(await t.listxattr(t.path('file')), [longest]);
      await t.removexattr(t.path('file'), longest);
      await expectError('ERANGE', t.setxattr(t.path('file'), `${longest}n`, 'x'));
      await expectError('ERANGE', t.getxattr(t.path('file'), `${longest}n`));
      await expectError('ERANGE', t.removexattr(t.path('file'), `${longest}n`));
    },
  },
  {
    title: 'a name without a known prefix is EOPNOTSUPP',
    origin: 'setxattr(2), ENOTSUP; gVisor xattr.cc XattrInvalidPrefix',
    async run(t) {
      await t.createFile(t.path('file'));
      for (const name of ['a'.repeat(255), 'unknown.test', 'user', 'User.test', 'os2.x']) {
        await expectError('EOPNOTSUPP', t.setxattr(t.path('file'), name, 'x'));
        await expectError('EOPNOTSUPP', t.getxattr(t.path('file'), name));
        await expectError('EOPNOTSUPP', t.removexattr(t.path('file'), name));
      }
    },
  },
  {
    title: 'a prefix alone is no name: EINVAL',
    origin: 'Linux: fs/xattr.c xattr_resolve_name()',
    async run(t) {
      await t.createFile(t.path('file'));
      for (const name of ['user.', 'trusted.']) {
        await expectError('EINVAL', t.setxattr(t.path('file'), name, 'x'));
        await expectError('EINVAL', t.getxattr(t.path('file'), name));
        await expectError('EINVAL', t.removexattr(t.path('file'), name));
      }
    },
  },
  {
    title: 'setxattr returns EINVAL for unknown flags, before it looks at path and name',
    origin: 'setxattr(2), EINVAL; gVisor xattr.cc SetXattrInvalidFlags',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('EINVAL', t.setxattr(t.path('file'), NAME, 'x', 0xff));
      await expectError('EINVAL', t.setxattr(t.path('missing'), '', 'x', 4));
    },
  },
  {
    title: 'setxattr with XATTR_CREATE and XATTR_REPLACE can’t succeed',
    origin: 'Linux: fs/xattr.c; simple_xattr_set()',
    async run(t) {
      await t.createFile(t.path('file'));
      const both = XATTR_CREATE | XATTR_REPLACE;
      await expectError('ENODATA', t.setxattr(t.path('file'), NAME, 'x', both));
      await t.setxattr(t.path('file'), NAME, 'x');
      await expectError('EEXIST', t.setxattr(t.path('file'), NAME, 'y', both));
    },
  },
  {
    title: 'setxattr returns E2BIG for a value of more than 65536 bytes',
    origin: 'setxattr(2), E2BIG; gVisor xattr.cc SetXattrSizeTooLarge',
    async run(t) {
      await t.createFile(t.path('file'));
      const value = new Uint8Array(VALUE_MAX + 1);
      await expectError('E2BIG', t.setxattr(t.path('file'), NAME, value));
      equal(await t.listxattr(t.path('file')), []);
    },
  },
  {
    title: 'an attribute holds 65536 bytes',
    origin: 'xattr(7), XATTR_SIZE_MAX',
    needs: ['large extended attributes'],
    async run(t) {
      await t.createFile(t.path('file'));
      await t.setxattr(t.path('file'), NAME, new Uint8Array(VALUE_MAX).fill(7));
      const buffer = new Uint8Array(VALUE_MAX);
      equal(await t.getxattrInto(t.path('file'), NAME, buffer), VALUE_MAX);
      equal(
        buffer.every((byte) => byte === 7),
        true,
      );
    },
  },
  {
    title: 'setxattr looks at flags, then name, then value, then path',
    origin: 'Linux: fs/xattr.c setxattr_copy(), path_setxattrat()',
    async run(t) {
      const value = new Uint8Array(VALUE_MAX + 1);
      await expectError('ERANGE', t.setxattr(t.path('missing'), '', value));
      await expectError('E2BIG', t.setxattr(t.path('missing'), NAME, value));
      await expectError('E2BIG', t.setxattr(t.path('missing'), 'unknown.test', value));
      await expectError('ENOENT', t.setxattr(t.path('missing'), 'unknown.test', 'x'));
    },
  },
  {
    title: 'user attributes are set by who may write the file and read by who may read it',
    origin: 'xattr(7), user; gVisor xattr.cc XattrReadOnly, XattrWriteOnly',
    async run(t) {
      const user = await t.as(USER);
      await user.createFile(t.path('file'));
      await user.setxattr(t.path('file'), NAME, 'x');
      await user.chmod(t.path('file'), 0o400);
      await expectError('EACCES', user.setxattr(t.path('file'), NAME, 'y'));
      await expectError('EACCES', user.removexattr(t.path('file'), NAME));
      equal(await user.getxattr(t.path('file'), NAME), 'x');
      equal(await user.listxattr(t.path('file')), [NAME]);
      await user.chmod(t.path('file'), 0o200);
      await expectError('EACCES', user.getxattr(t.path('file'), NAME));
      equal(await user.listxattr(t.path('file')), [NAME]);
      await user.setxattr(t.path('file'), NAME, 'y');
      await user.removexattr(t.path('file'), NAME);
    },
  },
  {
    title: 'EACCES comes before EEXIST and ENODATA, after EOPNOTSUPP',
    origin: 'Linux: fs/xattr.c xattr_permission(), __vfs_setxattr()',
    async run(t) {
      const user = await t.as(USER);
      await t.createFile(t.path('file'), '', 0o600);
      await t.setxattr(t.path('file'), NAME, 'x');
      const path = t.path('file');
      await expectError('EACCES', user.setxattr(path, NAME, 'y', XATTR_CREATE));
      await expectError('EACCES', user.setxattr(path, 'user.other', 'y', XATTR_REPLACE));
      await expectError('EACCES', user.getxattr(path, 'user.other'));
      await expectError('EACCES', user.removexattr(path, 'user.other'));
    },
  },
  {
    title: 'a descriptor opened for reading does not make an attribute writable',
    origin: 'xattr(7), user: permission is that of the file',
    async run(t) {
      const user = await t.as(USER);
      await t.createFile(t.path('file'), '', 0o644);
      const fd = await user.open(t.path('file'), 0);
      await expectError('EACCES', user.fsetxattr(fd, NAME, 'x'));
    },
  },
  {
    title: 'a descriptor opened for writing lets no more attributes be set than the mode does',
    origin: 'xattr(7), user: permission is that of the file',
    async run(t) {
      const user = await t.as(USER);
      await user.createFile(t.path('file'), '', 0o600);
      const fd = await user.open(t.path('file'), O_RDWR);
      await user.chmod(t.path('file'), 0);
      await expectError('EACCES', user.fsetxattr(fd, NAME, 'x'));
      await expectError('EACCES', user.fgetxattr(fd, NAME));
      equal(await user.flistxattr(fd), []);
    },
  },
  {
    title: 'listing attributes needs search permission on the way only',
    origin: 'listxattr(2)',
    async run(t) {
      await t.mkdir(t.path('dir'), 0o755);
      await t.createFile(t.path('dir/file'), '', 0);
      const user = await t.as(USER);
      equal(await user.listxattr(t.path('dir/file')), []);
      await t.chmod(t.path('dir'), 0o700);
      await expectError('EACCES', user.listxattr(t.path('dir/file')));
    },
  },
  {
    title: 'root sets, reads, lists and removes trusted attributes',
    origin: 'xattr(7), trusted; gVisor xattr.cc TrustedNamespaceWithCapSysAdmin',
    async run(t) {
      await t.createFile(t.path('file'), '', 0);
      await t.setxattr(t.path('file'), 'trusted.test', 'x');
      equal(await t.getxattr(t.path('file'), 'trusted.test'), 'x');
      equal(await t.listxattr(t.path('file')), ['trusted.test']);
      await t.removexattr(t.path('file'), 'trusted.test');
      await expectError('ENODATA', t.getxattr(t.path('file'), 'trusted.test'));
    },
  },
  {
    title: 'trusted attributes are EPERM to set and ENODATA to get for a user',
    origin: 'xattr(7), trusted; gVisor xattr.cc XattrTrustedWithNonadmin',
    async run(t) {
      const user = await t.as(USER);
      await user.createFile(t.path('file'));
      await expectError('EPERM', user.setxattr(t.path('file'), 'trusted.test', 'x'));
      await expectError('EPERM', user.removexattr(t.path('file'), 'trusted.test'));
      await expectError('ENODATA', user.getxattr(t.path('file'), 'trusted.test'));
    },
  },
  {
    title: 'security attributes are set by root only and read by everybody',
    origin: 'xattr(7), security; gVisor xattr.cc SecurityCapacityXattr',
    async run(t) {
      const user = await t.as(USER);
      await user.createFile(t.path('file'));
      await expectError('EPERM', user.setxattr(t.path('file'), 'security.test', 'x'));
      await expectError('ENODATA', user.getxattr(t.path('file'), 'security.test'));
      await t.setxattr(t.path('file'), 'security.test', 'x');
      equal(await user.getxattr(t.path('file'), 'security.test'), 'x');
      await expectError('EPERM', user.removexattr(t.path('file'), 'security.test'));
      await t.removexattr(t.path('file'), 'security.test');
    },
  },
  {
    title: 'a write removes the capabilities of a file',
    origin: 'capabilities(7), file capabilities; gVisor xattr.cc WriteRemovesSecurityCapability',
    async run(t) {
      const user = await t.as(USER);
      await t.createFile(t.path('file'), '', 0o666);
      await t.setxattr(t.path('file'), 'security.capability', CAPABILITY);
      const size = await t.getxattrInto(t.path('file'), 'security.capability', new Uint8Array(0));
      equal(size, CAPABILITY.length);
      const fd = await user.open(t.path('file'), O_WRONLY);
      await user.write(fd, 'text');
      await expectError('ENODATA', t.getxattr(t.path('file'), 'security.capability'));
    },
  },
  {
    title: 'FIFOs, sockets and devices have no user attributes',
    origin: 'xattr(7), user; gVisor xattr.cc XattrOnInvalidFileTypes',
    needs: ['device nodes'],
    async run(t) {
      await t.mknod(t.path('fifo'), S_IFIFO | 0o666);
      await t.mknod(t.path('socket'), S_IFSOCK | 0o666);
      await t.mknod(t.path('device'), S_IFCHR | 0o666, makeDev(1, 3));
      for (const name of ['fifo', 'socket', 'device']) {
        await expectError('EPERM', t.setxattr(t.path(name), NAME, 'x'));
        await expectError('ENODATA', t.getxattr(t.path(name), NAME));
        equal(await t.listxattr(t.path(name)), []);
        await expectError('EPERM', t.removexattr(t.path(name), NAME));
      }
    },
  },
  {
    title: 'a FIFO has trusted attributes',
    origin: 'xattr(7), trusted',
    async run(t) {
      await t.mknod(t.path('fifo'), S_IFIFO | 0o666);
      await t.setxattr(t.path('fifo'), 'trusted.test', 'x', 0, AT_SYMLINK_NOFOLLOW);
      equal(await t.getxattr(t.path('fifo'), 'trusted.test'), 'x');
    },
  },
  {
    title: 'attributes of a sticky directory are set by its owner only',
    origin: 'xattr(7), user: sticky directories',
    async run(t) {
      const [owner, other] = [await t.as(USER), await t.as(OTHER)];
      await owner.mkdir(t.path('dir'));
      await owner.chmod(t.path('dir'), 0o1777);
      await owner.setxattr(t.path('dir'), NAME, 'x');
      await expectError('EPERM', other.setxattr(t.path('dir'), NAME, 'y'));
      await expectError('EPERM', other.removexattr(t.path('dir'), NAME));
      equal(await other.getxattr(t.path('dir'), NAME), 'x');
      await t.chmod(t.path('dir'), 0o777);
      await other.setxattr(t.path('dir'), NAME, 'y');
    },
  },
];
