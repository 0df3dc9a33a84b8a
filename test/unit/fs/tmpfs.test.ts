// tmpfs's limits. What files do otherwise is in the conformance cases.

import { afterEach, describe, expect, test } from 'vitest';
import { FALLOC_FL_KEEP_SIZE, O_CREAT, O_RDWR, O_WRONLY } from '../../../src/abi/fcntl.ts';
import { linuxerr } from '../../../src/abi/errno.ts';
import { BLOCK_SIZE } from '../../../src/fs/shared/file-data.ts';
import { parseSize } from '../../../src/fs/tmpfs/size.ts';
import type { TmpfsOptions } from '../../../src/fs/tmpfs/tmpfs.ts';
import { type Actor, fails, Scene } from '../../support/scene.ts';

let scene: Scene;
let t: Actor;

async function open(options: TmpfsOptions): Promise<void> {
  scene = await Scene.open({ type: 'tmpfs', options });
  t = await scene.newActor();
}

afterEach(() => scene.close());

const block = new Uint8Array(BLOCK_SIZE).fill(1);
const free = async (): Promise<number> => (await t.statfs('/')).bfree;

describe('a limit on bytes', () => {
  test('is ENOSPC for a write that nothing of fits, and cuts one that fits in part', async () => {
    await open({ size: 4 * BLOCK_SIZE });
    const fd = await t.open('/f', O_CREAT | O_WRONLY);
    expect(await t.write(fd, new Uint8Array(3 * BLOCK_SIZE + 10))).toBe(3 * BLOCK_SIZE + 10);
    expect(await t.write(fd, new Uint8Array(BLOCK_SIZE))).toBe(BLOCK_SIZE - 10);
    await fails('ENOSPC', t.write(fd, 'x'));
    // What is there can be written again, and holes are there as much as anything.
    expect(await t.pwrite(fd, 'again', 5)).toBe(5);
    await fails('ENOSPC', t.pwrite(fd, 'x', 2 ** 40));
    expect((await t.fstat(fd)).size).toBe(4 * BLOCK_SIZE);
  });

  test('counts blocks, not sizes: holes are free', async () => {
    await open({ size: 2 * BLOCK_SIZE });
    const fd = await t.open('/f', O_CREAT | O_RDWR);
    await t.ftruncate(fd, 2 ** 40);
    expect(await free()).toBe(2);
    await t.pwrite(fd, 'x', 2 ** 39);
    expect(await free()).toBe(1);
    expect((await t.fstat(fd)).blocks).toBe(8);
  });

  test('gives back what is cut off, unlinked and closed', async () => {
    await open({ size: 8 * BLOCK_SIZE });
    const fd = await t.open('/f', O_CREAT | O_RDWR);
    await t.write(fd, new Uint8Array(6 * BLOCK_SIZE));
    expect(await free()).toBe(2);
    await t.ftruncate(fd, BLOCK_SIZE + 1);
    expect(await free()).toBe(6);
    await t.unlink('/f');
    expect(await free()).toBe(6);
    await t.close(fd);
    expect(await free()).toBe(8);
  });

  test('fallocate reserves all or nothing', async () => {
    await open({ size: 4 * BLOCK_SIZE });
    const fd = await t.open('/f', O_CREAT | O_RDWR);
    await t.write(fd, block);
    await fails('ENOSPC', t.fallocate(fd, 0, 0, 5 * BLOCK_SIZE));
    expect([(await t.fstat(fd)).size, await free()]).toEqual([BLOCK_SIZE, 3]);
    await t.fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 4 * BLOCK_SIZE);
    expect([(await t.fstat(fd)).size, await free()]).toEqual([BLOCK_SIZE, 0]);
    // What was reserved can be written.
    for (let index = 1; index < 4; index++) await t.pwrite(fd, block, index * BLOCK_SIZE);
    await t.ftruncate(fd, 4 * BLOCK_SIZE);
    await t.ftruncate(fd, 0);
    expect(await free()).toBe(4);
  });

  test('a long symlink takes a block', async () => {
    await open({ size: 1 * BLOCK_SIZE });
    await t.symlink('short', '/s');
    await t.symlink('x'.repeat(200), '/long');
    await fails('ENOSPC', t.symlink('x'.repeat(200), '/other'));
    await t.unlink('/long');
    expect(await free()).toBe(1);
  });

  test('0 is none', async () => {
    await open({ size: 0 });
    const fd = await t.open('/f', O_CREAT | O_WRONLY);
    await t.write(fd, block);
    expect(await free()).toBeGreaterThan(2 ** 30);
  });
});

test('a limit on inodes counts every kind of file once, however many names it has', async () => {
  await open({ nrInodes: 3 });
  await t.mkdir('/d');
  await t.createFile('/f');
  await t.link('/f', '/g');
  await fails('ENOSPC', t.mkdir('/e'));
  await fails('ENOSPC', t.symlink('x', '/s'));
  await fails('ENOSPC', t.open('/h', O_CREAT | O_WRONLY));
  expect((await t.statfs('/')).ffree).toBe(0);
  await t.unlink('/f');
  await fails('ENOSPC', t.mkdir('/e'));
  await t.unlink('/g');
  await t.mkdir('/e');
});

test('the root belongs to whom the options say', async () => {
  await open({ mode: 0o750, uid: 5, gid: 6 });
  const { mode, uid, gid } = await t.stat('/');
  expect([mode & 0o7777, uid, gid]).toEqual([0o750, 5, 6]);
});

test('sizes are given as to mount(8)', async () => {
  await open({});
  const sizes = ['0', '4096', '1k', '2M', '3g', '1T', '50%', '200%'].map((size) =>
    parseSize(size, 1000),
  );
  expect(sizes).toEqual([0, 4096, 1024, 2 << 20, 3 * 2 ** 30, 2 ** 40, 500, 2000]);
  expect(parseSize(123, 0)).toBe(123);
  for (const size of ['', 'x', '-1', '1.5g', '1kb', '%', ' 1', '9999999t', -1, 1.5, NaN]) {
    expect(() => parseSize(size, 1000), String(size)).toThrow(linuxerr.EINVAL);
  }
});
