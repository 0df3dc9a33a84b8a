// The table of descriptors, and waiting for several of them at once.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { O_CLOEXEC, O_CREAT, O_RDONLY, O_RDWR, O_WRONLY } from '../../../src/abi/fcntl.ts';
import { linuxerr } from '../../../src/abi/errno.ts';
import { OPEN_MAX } from '../../../src/abi/limits.ts';
import { POLLIN, POLLNVAL, POLLOUT } from '../../../src/abi/poll.ts';
import { ROOT_CREDENTIALS } from '../../../src/auth/credentials.ts';
import { ByteQueue } from '../../../src/lib/byte-queue.ts';
import { runAsync } from '../../../src/lib/op.ts';
import type { FileDescription } from '../../../src/vfs/file-description.ts';
import { type Actor, fails, Scene } from '../../support/scene.ts';

let scene: Scene;
let t: Actor;

beforeEach(async () => {
  scene = await Scene.open();
  t = await scene.newActor();
});

afterEach(() => scene.close());

function openQueue(queue: ByteQueue): FileDescription {
  const options = { flags: O_RDONLY, isTerminal: false, input: queue };
  return scene.kernel.openStream(options, ROOT_CREDENTIALS);
}

describe('the table', () => {
  test('gives the lowest free number', async () => {
    const open = (): Promise<number> => t.open('/f', O_CREAT | O_RDWR);
    expect([await open(), await open(), await open(), await open()]).toEqual([0, 1, 2, 3]);
    await t.close(1);
    await t.close(0);
    expect(await t.dup(2)).toBe(0);
    expect(await open()).toBe(1);
    await t.dup3(2, 6, 0);
    expect([await open(), await open(), await open()]).toEqual([4, 5, 7]);
    expect(t.task.fds.open).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  test('dup3 onto an open descriptor closes what was there', async () => {
    const queue = new ByteQueue();
    const fd = t.task.fds.install(openQueue(queue));
    const file = await t.open('/f', O_CREAT | O_RDWR);
    expect(await t.dup3(file, fd, O_CLOEXEC)).toBe(fd);
    expect(queue.isReadClosed).toBe(true);
    await fails('EINVAL', t.dup3(file, file, 0));
    await fails('EINVAL', t.dup3(file, 9, 1));
    await fails('EBADF', t.dup3(99, 9, 0));
    await fails('EBADF', t.dup3(file, OPEN_MAX, 0));
    await fails('EBADF', t.dup3(file, -1, 0));
  });

  test(`has room for ${OPEN_MAX}; one more is EMFILE and leaks nothing`, async () => {
    const fd = await t.open('/f', O_CREAT | O_RDWR);
    for (let count = 1; count < OPEN_MAX; count++) await t.dup(fd);
    await fails('EMFILE', t.dup(fd));
    await fails('EMFILE', t.open('/f', O_RDONLY));
    // The file was made all the same, as on Linux.
    await fails('EMFILE', t.open('/new', O_CREAT | O_WRONLY));
    await t.close(1000);
    expect(await t.open('/new', O_RDONLY)).toBe(1000);
  });

  test('what is no descriptor is EBADF, whatever is done with it', async () => {
    for (const fd of [-1, 0, 99, OPEN_MAX, 0x7fff_ffff, -100, 1.5, NaN]) {
      const calls = [
        t.sys.close(fd),
        t.sys.read(fd, new Uint8Array(1)),
        t.sys.write(fd, new Uint8Array(1)),
        t.sys.pread(fd, new Uint8Array(1), 0),
        t.sys.pwrite(fd, new Uint8Array(1), 0),
        t.sys.lseek(fd, 0, 0),
        t.sys.fstat(fd),
        t.sys.fstatfs(fd),
        t.sys.ftruncate(fd, 0),
        t.sys.fallocate(fd, 0, 2 ** 60, 2 ** 60),
        t.sys.fchmod(fd, 0),
        t.sys.fchown(fd, 0, 0),
        t.sys.getdents(fd, 100),
        t.sys.fsync(fd),
        t.sys.fdatasync(fd),
        t.sys.syncfs(fd),
        t.sys.getfl(fd),
        t.sys.setfl(fd, 0),
        t.sys.dup(fd),
        t.sys.dup3(fd, 5, 0),
        t.sys.isatty(fd),
      ];
      for (const call of calls) await fails('EBADF', runAsync(call as never));
    }
  });

  test('a description that is closed while it is read lives until the read has ended', async () => {
    const queue = new ByteQueue();
    const fd = t.task.fds.install(openQueue(queue));
    const read = t.readText(fd);
    await t.close(fd);
    expect(queue.isReadClosed).toBe(false);
    queue.write(new Uint8Array([0x61]));
    expect(await read).toBe('a');
    expect(queue.isReadClosed).toBe(true);
  });
});

describe('poll', () => {
  const poll = (fds: readonly number[], timeoutMs: number): Promise<number[]> =>
    runAsync(
      t.sys.poll(
        fds.map((fd) => ({ fd, events: POLLIN })),
        timeoutMs,
      ),
    );

  test('files and directories are always ready', async () => {
    const fd = await t.open('/f', O_CREAT | O_RDWR);
    const dir = await t.open('/', O_RDONLY);
    const asked = [fd, dir].map((each) => ({ fd: each, events: POLLIN | POLLOUT }));
    const both = POLLIN | POLLOUT;
    expect(await runAsync(t.sys.poll(asked, -1))).toEqual([both, both]);
  });

  test('wakes for the first of several that is ready', async () => {
    const queues = [new ByteQueue(), new ByteQueue(), new ByteQueue()];
    const fds = queues.map((queue) => t.task.fds.install(openQueue(queue)));
    const waiting = poll(fds, -1);
    queues[1]!.write(new Uint8Array(1));
    expect(await waiting).toEqual([0, POLLIN, 0]);
  });

  test('what is no descriptor has POLLNVAL at once; a negative one is passed over', async () => {
    const fd = t.task.fds.install(openQueue(new ByteQueue()));
    expect(await poll([fd, 99, -1], -1)).toEqual([0, POLLNVAL, 0]);
  });

  test('gives up after its time, measured once over all wakes', async () => {
    const queue = new ByteQueue();
    const fd = t.task.fds.install(openQueue(queue));
    const asked = [{ fd, events: POLLOUT }];
    let result: number[] | undefined;
    const waiting = runAsync(t.sys.poll(asked, 100)).then((revents) => {
      result = revents;
    });
    scene.clock.advance(60);
    // Wakes it, without what it asks for.
    queue.write(new Uint8Array(1));
    await Promise.resolve();
    scene.clock.advance(39);
    await Promise.resolve();
    expect(result).toBeUndefined();
    scene.clock.advance(1);
    await waiting;
    expect(result).toEqual([0]);
  });

  test('does not wait with a time of 0', async () => {
    const fd = t.task.fds.install(openQueue(new ByteQueue()));
    expect(await poll([fd], 0)).toEqual([0]);
    expect(await poll([], 0)).toEqual([]);
  });

  test('a descriptor that is closed meanwhile is still watched', async () => {
    const queue = new ByteQueue();
    const fd = t.task.fds.install(openQueue(queue));
    const waiting = poll([fd], -1);
    await t.close(fd);
    queue.write(new Uint8Array(1));
    expect(await waiting).toEqual([POLLIN]);
    expect(() => t.task.fds.get(fd)).toThrow(linuxerr.EBADF);
  });
});

// No case for Linux, which changed them before 6.15.
test('what goes through a pipe without a name changes no times', async () => {
  const [reader, writer] = await t.pipe(0);
  const before = await t.fstat(reader);
  scene.clock.advance(5000);
  await t.write(writer, Uint8Array.of(1, 2, 3));
  await t.read(reader, 3);
  const { atime, mtime, ctime } = await t.fstat(reader);
  expect({ atime, mtime, ctime }).toEqual({
    atime: before.atime,
    mtime: before.mtime,
    ctime: before.ctime,
  });
});
