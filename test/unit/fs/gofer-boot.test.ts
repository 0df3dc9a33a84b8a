// What was written and not synced when the server's host was started anew: nobody is told that it
// is on the disk.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { O_CREAT, O_RDWR } from '../../../src/abi/fcntl.ts';
import { encodeUtf8 } from '../../../src/lib/text.ts';
import { MemoryGofer, type Program } from './memory-gofer.ts';

let gofer: MemoryGofer;
let program: Program;

beforeEach(() => {
  gofer = new MemoryGofer();
});

afterEach(async () => {
  await gofer.close();
});

describe.each(['exclusive', 'writethrough', 'shared', 'none'])('%s', (cache) => {
  /** Written, and known to be at the server: what is cut is sent before. */
  async function written(): Promise<number> {
    await gofer.mount({ cache });
    program = await gofer.program();
    const fd = await program.open('/file', O_CREAT | O_RDWR);
    await program.run(program.sys.write(fd, encodeUtf8('some text')));
    await program.run(program.sys.ftruncate(fd, 4));
    await program.stat('/');
    return fd;
  }

  const fsync = (fd: number): Promise<void> => program.run(program.sys.fsync(fd));

  test('the next fsync fails with EIO, once', async () => {
    const fd = await written();
    gofer.restart({ withHost: true });
    await expect(fsync(fd)).rejects.toBe(linuxerr.EIO);
    await fsync(fd);
    // The directory's new name may be lost as well, and whoever syncs everything is told.
    await expect(program.run(program.sys.syncfs(fd))).rejects.toBe(linuxerr.EIO);
    await program.run(program.sys.syncfs(fd));
  });

  test('not if only the server was started anew', async () => {
    const fd = await written();
    gofer.restart();
    await fsync(fd);
  });

  test('nor if it was synced before', async () => {
    const fd = await written();
    await program.run(program.sys.syncfs(fd));
    gofer.restart({ withHost: true });
    await program.stat('/file');
    await fsync(fd);
  });
});
