// Listing a directory whole, and the paths of what is in it.

import { AT_FDCWD, O_DIRECTORY, O_RDONLY } from '../abi/fcntl.ts';
import type { Op } from '../lib/op.ts';
import type { DirentRecord, Syscalls } from '../syscalls/table.ts';

/** Room for entries in one call. */
const LISTING_SIZE = 1 << 16;

/** Everything but "." and "..". `flags`: O_ flags to open it with. */
export function* listDirectory(sys: Syscalls, path: string, flags = 0): Op<DirentRecord[]> {
  const fd = yield* sys.openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | flags, 0);
  try {
    const all: DirentRecord[] = [];
    for (;;) {
      const entries = yield* sys.getdents(fd, LISTING_SIZE);
      if (entries.length === 0) return all;
      all.push(...entries.filter(({ name }) => name !== '.' && name !== '..'));
    }
  } finally {
    yield* sys.close(fd);
  }
}

export function join(directory: string, name: string): string {
  return directory.endsWith('/') ? directory + name : `${directory}/${name}`;
}
