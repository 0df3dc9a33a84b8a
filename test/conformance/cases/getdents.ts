// getdents64(2): what a listing holds, and positions that survive changes of the directory.

import type { Case, Context } from '../case.ts';
import {
  O_DIRECTORY,
  O_PATH,
  O_RDONLY,
  O_WRONLY,
  SEEK_CUR,
  SEEK_SET,
} from '../../../src/abi/fcntl.ts';
import { DT_DIR, DT_LNK, DT_REG } from '../../../src/abi/stat.ts';
import { USER } from '../case.ts';
import { equal, expectError, isTrue } from '../check.ts';

/** Large enough for a few entries only. */
const SMALL_SIZE = 256;

function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${String(index).padStart(3, '0')}`);
}

async function createFiles(t: Context, names: readonly string[]): Promise<void> {
  for (const name of names) await t.createFile(t.path(name));
}

function openRoot(t: Context): Promise<number> {
  return t.open(t.root, O_RDONLY | O_DIRECTORY);
}

function withoutDots(names: readonly string[]): string[] {
  return names.filter((name) => name !== '.' && name !== '..').sort();
}

async function restOfListing(t: Context, fd: number, size?: number): Promise<string[]> {
  return (await t.readDirents(fd, size)).map(({ name }) => name);
}

export const getdentsCases: readonly Case[] = [
  {
    title: 'getdents lists dot, dot-dot and every entry once',
    origin: 'getdents(2); gVisor getdents.cc VerifyEntries',
    async run(t) {
      await createFiles(t, ['0', '1']);
      const fd = await openRoot(t);
      equal((await restOfListing(t, fd)).sort(), ['.', '..', '0', '1']);
      equal(await t.getdents(fd), []);
    },
  },
  {
    title: 'getdents gives each entry the number and type that stat gives',
    origin: 'getdents(2), d_ino and d_type',
    async run(t) {
      await t.createFile(t.path('file'));
      await t.mkdir(t.path('dir'));
      await t.symlink('dir', t.path('link'));
      const fd = await openRoot(t);
      const types: Record<string, number> = {};
      for (const entry of await t.readDirents(fd)) {
        types[entry.name] = entry.type;
        equal(entry.ino, (await t.lstat(t.path(entry.name))).ino, `ino of ${entry.name}`);
      }
      equal(types, { '.': DT_DIR, '..': DT_DIR, file: DT_REG, dir: DT_DIR, link: DT_LNK });
    },
  },
  {
    title: 'getdents of an empty directory lists dot and dot-dot',
    origin: 'getdents(2)',
    async run(t) {
      const fd = await openRoot(t);
      equal((await restOfListing(t, fd)).sort(), ['.', '..']);
    },
  },
  {
    title: 'getdents with a small buffer lists a large directory over several calls',
    origin: 'gVisor getdents.cc LargeDir',
    async run(t) {
      const names = numbered('file', 100);
      await createFiles(t, names);
      const fd = await openRoot(t);
      const first = await t.getdents(fd, SMALL_SIZE);
      isTrue(first.length > 0 && first.length < 20, 'a small buffer holds a few entries');
      const rest = await t.readDirents(fd, SMALL_SIZE);
      equal(withoutDots([...first, ...rest].map(({ name }) => name)), names);
      equal(first.length + rest.length, 102);
    },
  },
  {
    title: 'getdents lists long names over several calls without loss',
    origin: 'gVisor getdents.cc BoundaryStraddling',
    async run(t) {
      const names = numbered('n'.repeat(200), 60);
      await createFiles(t, names);
      const fd = await openRoot(t);
      equal(withoutDots(await restOfListing(t, fd, 4096)), names);
    },
  },
  {
    title: 'getdents returns as many entries as fit their records',
    origin: 'getdents(2); gVisor getdents.cc VerifyPadding',
    async run(t) {
      for (const name of 'abcdefghij') await t.createFile(t.path(name));
      const fd = await openRoot(t);
      // A record is 19 bytes and the name with its NUL, rounded up to 8: 24 for each of the twelve.
      for (let index = 0; index < 6; index += 1) equal((await t.getdents(fd, 71)).length, 2);
      equal(await t.getdents(fd, 71), []);
    },
  },
  {
    title: 'getdents returns EINVAL when the first entry does not fit',
    origin: 'getdents(2), EINVAL; gVisor getdents.cc ZeroLengthOutBuffer',
    async run(t) {
      const longName = 'a-name-of-24-bytes------';
      await t.createFile(t.path(longName));
      const fd = await openRoot(t);
      await expectError('EINVAL', t.getdents(fd, 0));
      await expectError('EINVAL', t.getdents(fd, 23));
      const entries = await t.readDirents(fd);
      const index = entries.findIndex(({ name }) => name === longName);
      await t.lseek(fd, entries[index - 1]?.cookie ?? 0, SEEK_SET);
      await expectError('EINVAL', t.getdents(fd, 47));
      equal((await t.getdents(fd, 48))[0]?.name, longName);
    },
  },
  {
    title: 'getdents returns EINVAL for sizes that are negative as a signed number',
    origin: 'gVisor getdents.cc TooLargeSize',
    async run(t) {
      const fd = await openRoot(t);
      await expectError('EINVAL', t.getdents(fd, 0x8000_0000));
      await expectError('EINVAL', t.getdents(fd, 0xffff_ffff));
    },
  },
  {
    title: 'getdents returns ENOTDIR for a file',
    origin: 'getdents(2), ENOTDIR; gVisor getdents.cc NotDir',
    async run(t) {
      await t.createFile(t.path('file'));
      await expectError('ENOTDIR', t.getdents(await t.open(t.path('file'), O_RDONLY)));
      await expectError('ENOTDIR', t.getdents(await t.open(t.path('file'), O_WRONLY)));
    },
  },
  {
    title: 'getdents returns EBADF for an O_PATH descriptor and a closed one',
    origin: 'getdents(2), EBADF; gVisor getdents.cc OpathFile, OpathDirectory',
    async run(t) {
      await t.createFile(t.path('file'));
      const fd = await t.open(t.root, O_PATH | O_DIRECTORY);
      await expectError('EBADF', t.getdents(fd));
      await expectError('EBADF', t.getdents(await t.open(t.path('file'), O_PATH)));
      await t.close(fd);
      await expectError('EBADF', t.getdents(fd));
    },
  },
  {
    title: 'opening a directory to list it needs read permission, and no more afterwards',
    origin: 'POSIX opendir, EACCES',
    async run(t) {
      await t.mkdir(t.path('dir'), 0o711);
      await t.createFile(t.path('dir/file'));
      const user = await t.as(USER);
      await expectError('EACCES', user.open(t.path('dir'), O_RDONLY));
      await t.chmod(t.path('dir'), 0o744);
      const fd = await user.open(t.path('dir'), O_RDONLY);
      await t.chmod(t.path('dir'), 0o700);
      equal((await user.readDirents(fd)).length, 3);
    },
  },
  {
    title: 'seeking to 0 starts the listing again',
    origin: 'POSIX rewinddir; gVisor getdents.cc SeekResetsCursor',
    async run(t) {
      await createFiles(t, numbered('file', 20));
      const fd = await openRoot(t);
      const once = await restOfListing(t, fd);
      equal(await t.lseek(fd, 0, SEEK_SET), 0);
      equal(await restOfListing(t, fd), once);
    },
  },
  {
    title: 'a listing that was rewound shows what changed',
    origin: 'POSIX rewinddir; gVisor getdents.cc GoneAfterRemoveCache',
    async run(t) {
      await createFiles(t, ['a', 'b']);
      const fd = await openRoot(t);
      await restOfListing(t, fd);
      await t.unlink(t.path('a'));
      await t.createFile(t.path('c'));
      await t.lseek(fd, 0, SEEK_SET);
      equal(withoutDots(await restOfListing(t, fd)), ['b', 'c']);
    },
  },
  {
    title: 'a listing opened after a rename shows the new names in both directories',
    origin: 'gVisor getdents.cc GoneAfterRenameCache',
    async run(t) {
      await t.mkdir(t.path('a'));
      await t.mkdir(t.path('b'));
      await t.createFile(t.path('a/file'));
      equal(await t.list(t.path('a')), ['file']);
      await t.rename(t.path('a/file'), t.path('b/file'));
      equal(await t.list(t.path('a')), []);
      equal(await t.list(t.path('b')), ['file']);
    },
  },
  {
    title: 'a description’s position is the cookie of the last entry it returned',
    origin: 'POSIX telldir',
    async run(t) {
      await createFiles(t, numbered('file', 20));
      const fd = await openRoot(t);
      equal(await t.lseek(fd, 0, SEEK_CUR), 0);
      const last = (await t.getdents(fd, SMALL_SIZE)).at(-1);
      equal(await t.lseek(fd, 0, SEEK_CUR), last?.cookie ?? 0);
    },
  },
  {
    title: 'each cookie resumes the listing after its entry',
    origin: 'POSIX seekdir; getdents(2), d_off',
    async run(t) {
      await createFiles(t, numbered('file', 12));
      const fd = await openRoot(t);
      const entries = await t.readDirents(fd);
      const names = entries.map(({ name }) => name);
      for (const [index, entry] of entries.entries()) {
        await t.lseek(fd, entry.cookie, SEEK_SET);
        equal(await restOfListing(t, fd), names.slice(index + 1), `after ${entry.name}`);
      }
    },
  },
  {
    title: 'a cookie is good for another description of the directory',
    origin: 'WASI fd_readdir; getdents(2), d_off',
    async run(t) {
      await createFiles(t, numbered('file', 12));
      const entries = await t.readDirents(await openRoot(t));
      const middle = entries[6];
      isTrue(middle !== undefined, 'the listing has a middle');
      const fd = await openRoot(t);
      await t.lseek(fd, middle.cookie, SEEK_SET);
      equal(
        await restOfListing(t, fd),
        entries.slice(7).map(({ name }) => name),
      );
    },
  },
  {
    title: 'cookies are positive and differ from one another',
    origin: 'getdents(2), d_off',
    async run(t) {
      await createFiles(t, numbered('file', 50));
      const cookies = (await t.readDirents(await openRoot(t))).map(({ cookie }) => cookie);
      equal(new Set(cookies).size, 52);
      isTrue(
        cookies.every((cookie) => cookie > 0),
        'no cookie is 0, the start',
      );
    },
  },
  {
    title: 'a cookie survives deletion of the entries around it',
    origin: 'POSIX readdir, rationale',
    async run(t) {
      await createFiles(t, numbered('file', 30));
      const fd = await openRoot(t);
      const entries = await t.readDirents(fd);
      const files = entries.filter(({ name }) => name.startsWith('file'));
      const at = files[15];
      isTrue(at !== undefined, 'there are 30 files');
      // The entry itself, three before it and two after it go.
      for (const index of [3, 8, 14, 15, 16, 20]) {
        await t.unlink(t.path(files[index]?.name ?? ''));
      }
      await t.lseek(fd, at.cookie, SEEK_SET);
      const expected = files.filter((_, index) => index > 16 && index !== 20);
      const rest = (await restOfListing(t, fd)).filter((name) => name.startsWith('file'));
      equal(
        rest,
        expected.map(({ name }) => name),
      );
    },
  },
  {
    title: 'a cookie survives insertion: what was after it comes once, what was before it never',
    origin: 'POSIX readdir, rationale',
    async run(t) {
      await createFiles(t, numbered('m', 30));
      const fd = await openRoot(t);
      const names = (await t.readDirents(fd)).map(({ name }) => name);
      await t.lseek(fd, 0, SEEK_SET);
      const first = await t.getdents(fd, SMALL_SIZE);
      await createFiles(t, [...numbered('a', 20), ...numbered('z', 20)]);
      await t.lseek(fd, first.at(-1)?.cookie ?? 0, SEEK_SET);
      const rest = (await restOfListing(t, fd)).filter((name) => /^m|^\./.test(name));
      equal(rest, names.slice(first.length));
    },
  },
  {
    title: 'deleting each part of a listing before reading the next deletes everything',
    origin: 'POSIX readdir; rm -r of GNU coreutils and of uutils',
    async run(t) {
      await createFiles(t, numbered('file', 120));
      const fd = await openRoot(t);
      for (;;) {
        const part = await t.getdents(fd, SMALL_SIZE);
        if (part.length === 0) break;
        for (const { name } of part) {
          if (name.startsWith('file')) await t.unlink(t.path(name));
        }
      }
      equal(await t.list(t.root), []);
    },
  },
  {
    title: 'an entry that stays is listed exactly once while others come and go',
    origin: 'POSIX readdir',
    async run(t) {
      const stay = numbered('stay', 40);
      const leave = numbered('go', 40);
      await createFiles(t, [...stay, ...leave]);
      const fd = await openRoot(t);
      const seen: string[] = [];
      for (let round = 0; ; round += 1) {
        const part = await t.getdents(fd, SMALL_SIZE);
        if (part.length === 0) break;
        seen.push(...part.map(({ name }) => name));
        const name = leave[round];
        if (name === undefined) continue;
        await t.unlink(t.path(name));
        await t.createFile(t.path(`new-${round}`));
      }
      equal(seen.filter((name) => name.startsWith('stay')).sort(), stay);
      equal(new Set(seen).size, seen.length);
    },
  },
  {
    title: 'renaming every entry while listing ends, and the directory has the new names',
    origin: 'POSIX readdir',
    async run(t) {
      const names = numbered('file', 40);
      await createFiles(t, names);
      const fd = await openRoot(t);
      const listed = new Set<string>();
      for (;;) {
        const part = await t.getdents(fd, SMALL_SIZE);
        if (part.length === 0) break;
        for (const { name } of part) {
          listed.add(name);
          if (/^file-\d+$/.test(name)) await t.rename(t.path(name), t.path(`${name}-new`));
        }
      }
      isTrue(
        names.every((name) => listed.has(name) || listed.has(`${name}-new`)),
        'none is lost',
      );
      equal(
        await t.list(t.root),
        names.map((name) => `${name}-new`),
      );
    },
  },
  {
    title: 'dup’ed descriptors of a directory share the position of the listing',
    origin: 'POSIX dup',
    async run(t) {
      await createFiles(t, numbered('file', 20));
      const fd = await openRoot(t);
      const first = await t.getdents(fd, SMALL_SIZE);
      const rest = await t.readDirents(await t.dup(fd));
      equal(first.length + rest.length, 22);
      equal(await t.getdents(fd), []);
    },
  },
  {
    title: 'getdents of a removed directory returns ENOENT',
    origin: 'getdents(2), ENOENT; Linux: fs/readdir.c iterate_dir()',
    async run(t) {
      await t.mkdir(t.path('dir'));
      const fd = await t.open(t.path('dir'), O_RDONLY | O_DIRECTORY);
      await t.rmdir(t.path('dir'));
      await expectError('ENOENT', t.getdents(fd));
    },
  },
  {
    title: 'a listing of two thousand entries is complete',
    origin: 'getdents(2)',
    async run(t) {
      const names = Array.from(
        { length: 2000 },
        (_, index) => `e${String(index).padStart(4, '0')}`,
      );
      for (const name of names) await t.symlink('x', t.path(name));
      equal(await t.list(t.root), names);
    },
  },
];
