// Burrow's core called directly: the system calls of a task, on tmpfs.

import {
  AT_FDCWD,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  SEEK_CUR,
} from '../../../src/abi/fcntl.ts';
import { linuxerr } from '../../../src/abi/errno.ts';
import { ROOT_CREDENTIALS } from '../../../src/auth/credentials.ts';
import { runSync } from '../../../src/lib/op.ts';
import type { Syscalls } from '../../../src/syscalls/table.ts';
import { bootKernel, makeTask } from '../../support/kernels.ts';
import {
  ABSENT,
  BLOCK_COUNT,
  BLOCK_SIZE,
  DATA,
  ENTRIES,
  FILES,
  makeTree,
  MANY,
  NAMES,
  NEW,
  pick,
  type Subject,
  twice,
} from '../subject.ts';

const LISTING_SIZE = 65_536;

export async function makeCore(): Promise<Subject> {
  const sys = makeTask(await bootKernel({ type: 'tmpfs' }), ROOT_CREDENTIALS);
  await makeTree({
    mkdir: (path) => {
      runSync(sys.mkdirat(AT_FDCWD, path, 0o755, 0));
    },
    writeFile: (path, data) => {
      const fd = runSync(sys.openat(AT_FDCWD, path, O_CREAT | O_WRONLY, 0o644));
      runSync(sys.write(fd, data));
      runSync(sys.close(fd));
    },
  });
  return { operations: { ...pathOperations(sys), ...dataOperations(sys) } };
}

function pathOperations(sys: Syscalls): Subject['operations'] {
  return {
    stat: (count) => {
      for (let i = 0; i < count; i++) runSync(sys.fstatat(AT_FDCWD, pick(FILES, i), 0));
    },
    missing: (count) => {
      for (let i = 0; i < count; i++) {
        try {
          runSync(sys.fstatat(AT_FDCWD, ABSENT, 0));
        } catch (error) {
          if (error !== linuxerr.ENOENT) throw error;
        }
      }
    },
    open: (count) => {
      for (let i = 0; i < count; i++) {
        runSync(sys.close(runSync(sys.openat(AT_FDCWD, pick(FILES, i), O_RDONLY, 0))));
      }
    },
    readdir: (count) => {
      for (let i = 0; i < count; i++) listAll(sys);
    },
    create: (count) => {
      for (let i = 0; i < count; i++) {
        const flags = O_CREAT | O_EXCL | O_WRONLY;
        runSync(sys.close(runSync(sys.openat(AT_FDCWD, NEW, flags, 0o644))));
        runSync(sys.unlinkat(AT_FDCWD, NEW, 0));
      }
    },
    rename: (count) => {
      for (let i = 0; i < twice(count); i++) {
        const [from, to] = [pick(NAMES, i), pick(NAMES, i + 1)];
        runSync(sys.renameat2(AT_FDCWD, from, AT_FDCWD, to, 0));
      }
    },
  };
}

function listAll(sys: Syscalls): void {
  const fd = runSync(sys.openat(AT_FDCWD, MANY, O_DIRECTORY, 0));
  let entries = 0;
  for (;;) {
    const batch = runSync(sys.getdents(fd, LISTING_SIZE));
    if (batch.length === 0) break;
    entries += batch.length;
  }
  if (entries < ENTRIES.length) throw new Error('entries are missing');
  runSync(sys.close(fd));
}

function dataOperations(sys: Syscalls): Subject['operations'] {
  const data = runSync(sys.openat(AT_FDCWD, DATA, O_RDWR, 0));
  const block = new Uint8Array(BLOCK_SIZE);
  return {
    read: (count) => {
      for (let i = 0; i < count; i++) {
        runSync(sys.pread(data, block, (i % BLOCK_COUNT) * BLOCK_SIZE));
      }
    },
    write: (count) => {
      for (let i = 0; i < count; i++) {
        runSync(sys.pwrite(data, block, (i % BLOCK_COUNT) * BLOCK_SIZE));
      }
    },
    tell: (count) => {
      for (let i = 0; i < count; i++) runSync(sys.lseek(data, 0, SEEK_CUR));
    },
  };
}
