// idbfs on a quota that is used up: what is told, what is kept, and how it goes on. On the real
// engine, with a quota as Chromium's.

import { afterEach, describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { AT_FDCWD, O_CREAT, O_RDWR } from '../../../src/abi/fcntl.ts';
import type { Statfs } from '../../../src/abi/stat.ts';
import type { Idbfs } from '../../../src/fs/idbfs/idbfs.ts';
import type { IdbfsOptions } from '../../../src/fs/idbfs/options.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { runAsync } from '../../../src/lib/op.ts';
import type { Engine } from '../../../src/store/engine/engine.ts';
import { closeSession, openIdbfs, type Session } from '../../support/history/session.ts';
import { FakeQuota } from '../store/fake-quota.ts';
import { bytes, digest, Origin } from '../store/support.ts';

const MIB = 1 << 20;
/** What the engine keeps free for removals: METADATA_RESERVE, and what the last chunk leaves. */
const KEPT = 2 * MIB;

let quota: FakeQuota;
afterEach(() => {
  quota.remove();
});

class Disk {
  readonly origin = new Origin();
  readonly clock = new FakeClock();
  session!: Session<Idbfs>;
  store!: Engine;
  readonly #options: Partial<IdbfsOptions>;

  constructor(quotaBytes: number, options: Partial<IdbfsOptions> = {}) {
    quota = new FakeQuota(quotaBytes);
    this.#options = options;
  }

  static async open(quotaBytes: number, options: Partial<IdbfsOptions> = {}): Promise<Disk> {
    const disk = new Disk(quotaBytes, options);
    await disk.mount();
    return disk;
  }

  async mount(): Promise<void> {
    this.store = await this.origin.open({ estimate: quota.estimate });
    const options = { ...this.#options, clock: this.clock, store: this.store };
    this.session = await runAsync(openIdbfs(options));
  }

  async remount(): Promise<void> {
    await runAsync(closeSession(this.session));
    await this.mount();
  }

  get sys(): Session['sys'] {
    return this.session.sys;
  }

  get health(): string {
    return this.session.filesystem.commitStatus.health;
  }

  open(path: string): Promise<number> {
    return runAsync(this.sys.openat(AT_FDCWD, path, O_RDWR | O_CREAT, 0o644));
  }

  /** Writes a file of `size` bytes. Resolves with how many of them there was room for. */
  async write(path: string, size: number, seed = 1): Promise<number> {
    const fd = await this.open(path);
    const data = bytes(size, seed);
    let done = 0;
    try {
      while (done < size) done += await runAsync(this.sys.write(fd, data.subarray(done)));
    } catch (error) {
      if (error !== linuxerr.ENOSPC) throw error;
    }
    await runAsync(this.sys.close(fd));
    return done;
  }

  async read(path: string): Promise<string> {
    const fd = await runAsync(this.sys.openat(AT_FDCWD, path, O_RDWR, 0));
    const { size } = await runAsync(this.sys.fstat(fd));
    const buffer = new Uint8Array(size);
    let done = 0;
    while (done < size) {
      const count = await runAsync(this.sys.pread(fd, buffer.subarray(done), done));
      if (count === 0) break;
      done += count;
    }
    await runAsync(this.sys.close(fd));
    return digest(buffer);
  }

  unlink(path: string): Promise<void> {
    return runAsync(this.sys.unlinkat(AT_FDCWD, path, 0));
  }

  sync(): Promise<void> {
    return runAsync(this.sys.sync());
  }

  statfs(): Promise<Statfs> {
    return runAsync(this.sys.statfs('/'));
  }
}

/** Writes files of a MiB until there is no room. How much each of them got. */
async function fill(disk: Disk): Promise<Map<string, number>> {
  const files = new Map<string, number>();
  for (let i = 0; ; i++) {
    const path = `/f${i}`;
    let count = 0;
    try {
      count = await disk.write(path, MIB, i);
      files.set(path, count);
    } catch (error) {
      // Not even room for the name.
      if (error !== linuxerr.ENOSPC) throw error;
    }
    if (count < MIB) return files;
  }
}

async function expectThere(disk: Disk, files: ReadonlyMap<string, number>): Promise<void> {
  for (const [path, count] of files) {
    const seed = Number(path.slice(2));
    expect(await disk.read(path), path).toBe(digest(bytes(MIB, seed).subarray(0, count)));
  }
}

describe.each([
  ['that nobody tells', false],
  ['that the browser tells', true],
])('a quota %s', (_title, isTold) => {
  test('is ENOSPC of the write; all that was written before can be synced', async () => {
    const disk = await Disk.open(20 * MIB);
    quota.isTold = isTold;
    const files = await fill(disk);
    // Nearly all of it could be used.
    const written = [...files.values()].reduce((sum, count) => sum + count, 0);
    expect(written).toBeGreaterThan(20 * MIB - KEPT - MIB);
    expect(disk.health).toBe('full');
    await disk.sync();
    expect(disk.session.filesystem.commitStatus).toMatchObject({ dirtyBytes: 0, health: 'full' });
    await disk.remount();
    await expectThere(disk, files);
    await runAsync(closeSession(disk.session));
    await disk.origin.check();
  });
});

test('a write that is accepted is never refused by its commit', async () => {
  const disk = await Disk.open(24 * MIB, { dirtyLimit: MIB });
  const { filesystem } = disk.session;
  let failures = 0;
  const fd = await disk.open('/log');
  for (let i = 0; i < 400; i++) {
    try {
      await runAsync(disk.sys.write(fd, bytes(100_000, i)));
      if (i % 7 === 0) await runAsync(disk.sys.fsync(fd));
    } catch (error) {
      expect(error).toBe(linuxerr.ENOSPC);
      failures++;
      // It was the call: what is pending can be written.
      await runAsync(disk.sys.fsync(fd));
    }
    if (filesystem.commitStatus.health === 'full') expect(disk.store.isOpen).toBe(true);
  }
  expect(failures).toBeGreaterThan(100);
});

describe('on a full disk', () => {
  test('all that grows is ENOSPC, overwriting too; reading and renaming work', async () => {
    const disk = await Disk.open(12 * MIB);
    const files = await fill(disk);
    await disk.sync();
    const { sys } = disk;
    // What is left is less than a block and a name.
    for (let i = 0; i < 3000; i++) {
      const fails = await runAsync(sys.mkdirat(AT_FDCWD, `/d${i}`, 0o755, 0)).then(
        () => false,
        (error: unknown) => error === linuxerr.ENOSPC,
      );
      if (fails) break;
    }
    await expect(runAsync(sys.mkdirat(AT_FDCWD, '/more', 0o755, 0))).rejects.toBe(linuxerr.ENOSPC);
    await expect(runAsync(sys.symlinkat('/f0', AT_FDCWD, '/more', 0))).rejects.toBe(
      linuxerr.ENOSPC,
    );
    const link = runAsync(sys.linkat(AT_FDCWD, '/f0', AT_FDCWD, '/more', 0));
    await expect(link).rejects.toBe(linuxerr.ENOSPC);
    const name = 'user.large';
    const xattr = runAsync(sys.setxattr('/f0', name, bytes(60_000), 0, 0));
    await expect(xattr).rejects.toBe(linuxerr.ENOSPC);
    const fd = await disk.open('/f0');
    // Nothing is overwritten in place.
    await expect(runAsync(sys.pwrite(fd, bytes(4096, 9), 8192))).rejects.toBe(linuxerr.ENOSPC);
    await expect(runAsync(sys.fallocate(fd, 0, MIB, 1 << 22))).rejects.toBe(linuxerr.ENOSPC);
    await runAsync(sys.renameat2(AT_FDCWD, '/f1', AT_FDCWD, '/f01', 0));
    await runAsync(sys.renameat2(AT_FDCWD, '/f01', AT_FDCWD, '/f1', 0));
    await disk.sync();
    await expectThere(disk, files);
  });

  test('removing works, is committed, and makes room', async () => {
    const disk = await Disk.open(16 * MIB);
    await fill(disk);
    await disk.sync();
    for (const path of ['/f1', '/f2', '/f3']) await disk.unlink(path);
    // At once: nobody has to sync first.
    expect(await disk.write('/again', 2 * MIB)).toBe(2 * MIB);
    await disk.sync();
    expect(disk.health).toBe('good');
    await disk.remount();
    expect(await disk.read('/again')).toBe(digest(bytes(2 * MIB)));
    await expect(disk.read('/f1')).rejects.toBe(linuxerr.ENOENT);
  });

  test('thousands of small files can be removed, though that takes room, too', async () => {
    const disk = await Disk.open(9 * MIB, { dirtyLimit: MIB });
    const { sys } = disk;
    let count = 0;
    for (let isFull = false; !isFull; count++) {
      isFull = (await disk.write(`/s${count}`, 1000, count)) < 1000;
    }
    await disk.sync();
    expect(count).toBeGreaterThan(2000);
    for (let i = 0; i < count; i++) await disk.unlink(`/s${(i * 7919) % count}`).catch(() => 0);
    await disk.sync();
    expect(disk.health).toBe('good');
    expect(await disk.write('/new', 3 * MIB)).toBe(3 * MIB);
    await runAsync(sys.sync());
  }, 60_000);

  test('statfs says so', async () => {
    const disk = await Disk.open(16 * MIB);
    const empty = await disk.statfs();
    await disk.write('/a', 3 * MIB);
    const written = await disk.statfs();
    // As soon as it is written, and not only when it is committed.
    expect(empty.bavail - written.bavail).toBeGreaterThanOrEqual((3 * MIB) / 4096);
    await disk.sync();
    expect(empty.bavail - (await disk.statfs()).bavail).toBeGreaterThan((2.5 * MIB) / 4096);
    await fill(disk);
    const full = await disk.statfs();
    expect(full.bavail).toBe(0);
    // A part is kept for removals, as ext4 keeps one for root.
    expect(full.bfree).toBeLessThanOrEqual(KEPT / 4096);
    expect(full.blocks - full.bfree).toBeLessThanOrEqual((16 * MIB) / 4096);
    await disk.unlink('/a');
    await disk.sync();
    expect((await disk.statfs()).bavail).toBeGreaterThan((2 * MIB) / 4096);
  });
});

describe('a quota that others use up', () => {
  test('fails the commit; what is pending stays, and is committed when there is room', async () => {
    const disk = await Disk.open(30 * MIB);
    await disk.write('/before', MIB);
    await disk.sync();
    await disk.write('/pending', 2 * MIB);
    const fd = await disk.open('/pending');
    // Even what was held is too little.
    quota.bytes = quota.usage - 4 * MIB;
    await expect(runAsync(disk.sys.fsync(fd))).rejects.toBe(linuxerr.ENOSPC);
    const { health, lastError, dirtyBytes } = disk.session.filesystem.commitStatus;
    expect([health, dirtyBytes > 2 * MIB]).toEqual(['full', true]);
    expect(lastError).toContain('kept in memory');
    expect(await disk.read('/pending')).toBe(digest(bytes(2 * MIB)));
    expect(await disk.write('/pending', 10)).toBe(10);
    await expect(disk.write('/more', MIB)).rejects.toBe(linuxerr.ENOSPC);
    // Removing what is pending, and what isn't, works in memory.
    await disk.unlink('/before');
    quota.bytes = 30 * MIB;
    disk.clock.advance(60_000);
    await runAsync(disk.sys.fsync(fd));
    expect(disk.health).toBe('good');
    await runAsync(disk.sys.close(fd));
    await disk.remount();
    expect(await disk.read('/pending')).toBe(digest(bytes(2 * MIB)));
    await expect(disk.read('/before')).rejects.toBe(linuxerr.ENOENT);
  });

  test('is noticed by the next write once it is free again', async () => {
    const disk = await Disk.open(16 * MIB);
    await fill(disk);
    await disk.sync();
    quota.bytes += 8 * MIB;
    disk.clock.advance(1000);
    expect(await disk.write('/more', 4 * MIB)).toBe(4 * MIB);
    await disk.sync();
    expect(disk.health).toBe('good');
  });
});
