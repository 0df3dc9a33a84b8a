// Pipes and terminals: who waits for whom, and what is said when one end is closed.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY, SEEK_SET } from '../../../src/abi/fcntl.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT } from '../../../src/abi/poll.ts';
import { S_IFCHR, S_IFIFO, S_IFMT } from '../../../src/abi/stat.ts';
import { ROOT_CREDENTIALS } from '../../../src/auth/credentials.ts';
import { ByteQueue, PIPE_BUF } from '../../../src/lib/byte-queue.ts';
import { runAsync } from '../../../src/lib/op.ts';
import { type Actor, fails, Scene } from '../../support/scene.ts';

let scene: Scene;
let t: Actor;

beforeEach(async () => {
  scene = await Scene.open();
  t = await scene.newActor();
});

afterEach(() => scene.close());

/** A pipe within one task. */
function pipe(flags = 0): { reader: number; writer: number } {
  const queue = new ByteQueue();
  const { kernel } = scene;
  const { fds } = t.task;
  const ends = [
    { flags: O_RDONLY | flags, isTerminal: false, input: queue },
    { flags: O_WRONLY | flags, isTerminal: false, output: queue },
  ].map((options) => fds.install(kernel.openStream(options, ROOT_CREDENTIALS)));
  const [reader = -1, writer = -1] = ends;
  return { reader, writer };
}

/** Has the promise settled, once everything that can happen has? */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const settle = (): void => {
    settled = true;
  };
  promise.then(settle, settle);
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  return !settled;
}

const full = new Uint8Array(65_536);

describe('a pipe', () => {
  test('a read waits for a byte and takes what there is', async () => {
    const { reader, writer } = pipe();
    const read = t.readText(reader, 100);
    expect(await isPending(read)).toBe(true);
    await t.write(writer, 'abc');
    expect(await read).toBe('abc');
    expect(await t.read(reader, 0)).toHaveLength(0);
  });

  test('ends when the last writer has closed and everything is read', async () => {
    const { reader, writer } = pipe();
    const copy = await t.dup(writer);
    await t.write(writer, 'last');
    await t.close(writer);
    expect(await t.readText(reader)).toBe('last');
    const read = t.readText(reader);
    expect(await isPending(read)).toBe(true);
    await t.close(copy);
    expect(await read).toBe('');
    expect(await t.readText(reader)).toBe('');
  });

  test('a write waits for room', async () => {
    const { reader, writer } = pipe();
    const written = t.write(writer, new Uint8Array(full.length + 10));
    expect(await isPending(written)).toBe(true);
    await t.read(reader, 20);
    expect(await written).toBe(full.length + 10);
  });

  test('a write without a reader is EPIPE, also when it was waiting for room', async () => {
    const { reader, writer } = pipe();
    await t.write(writer, full);
    const written = t.write(writer, 'more');
    await t.close(reader);
    await fails('EPIPE', written);
    await fails('EPIPE', t.write(writer, 'x'));
    expect(await t.write(writer, '')).toBe(0);
  });

  test(`writes of up to ${PIPE_BUF} bytes go in whole`, async () => {
    const { reader, writer } = pipe();
    await t.write(writer, full.subarray(100));
    const written = t.write(writer, new Uint8Array(200).fill(7));
    expect(await isPending(written)).toBe(true);
    await t.read(reader, 99);
    expect(await isPending(written)).toBe(true);
    await t.read(reader, 1);
    expect(await written).toBe(200);
  });

  test('with O_NONBLOCK nothing waits', async () => {
    const { reader, writer } = pipe(O_NONBLOCK);
    await fails('EAGAIN', t.read(reader, 1));
    await t.write(writer, full.subarray(100));
    await fails('EAGAIN', t.write(writer, new Uint8Array(200)));
    expect(await t.write(writer, new Uint8Array(PIPE_BUF + 1))).toBe(100);
    await fails('EAGAIN', t.write(writer, new Uint8Array(PIPE_BUF + 1)));
    // It belongs to the description and can be taken off.
    await t.setfl(reader, 0);
    await t.read(reader, full.length);
    const read = t.read(reader, 1);
    expect(await isPending(read)).toBe(true);
    await t.write(writer, 'x');
    await read;
  });

  test('has no offsets, and is used only in its direction', async () => {
    const { reader, writer } = pipe();
    await fails('ESPIPE', t.lseek(reader, 0, SEEK_SET));
    await fails('ESPIPE', t.pread(reader, 1, 0));
    await fails('ESPIPE', t.pwrite(writer, 'x', 0));
    await fails('EBADF', t.write(reader, 'x'));
    await fails('EBADF', t.read(writer, 1));
    await fails('EINVAL', t.ftruncate(writer, 0));
    await fails('EINVAL', t.fsync(writer));
    await fails('ENOTDIR', t.getdents(reader));
    const { mode, nlink } = await t.fstat(reader);
    expect([mode & S_IFMT, nlink]).toEqual([S_IFIFO, 1]);
    expect(await runAsync(t.sys.isatty(reader))).toBe(0);
  });

  test('poll tells of bytes, room, and of the other end', async () => {
    const { reader, writer } = pipe();
    const poll = (fd: number, events: number): Promise<number[]> =>
      runAsync(t.sys.poll([{ fd, events }], 0));
    expect(await poll(reader, POLLIN)).toEqual([0]);
    expect(await poll(writer, POLLOUT)).toEqual([POLLOUT]);
    await t.write(writer, 'x');
    expect(await poll(reader, POLLIN | POLLOUT)).toEqual([POLLIN]);
    await t.write(writer, full.subarray(1));
    expect(await poll(writer, POLLOUT)).toEqual([0]);
    await t.close(writer);
    expect(await poll(reader, POLLIN)).toEqual([POLLIN | POLLHUP]);
    expect(await poll(reader, 0)).toEqual([POLLHUP]);
    const other = pipe();
    await t.close(other.reader);
    expect(await poll(other.writer, POLLOUT)).toEqual([POLLOUT | POLLERR]);
  });
});

describe('a terminal', () => {
  test('is one, in both directions', async () => {
    const [input, output] = [new ByteQueue(), new ByteQueue()];
    const stream = { flags: O_RDWR, isTerminal: true, input, output };
    const fd = t.task.fds.install(scene.kernel.openStream(stream, ROOT_CREDENTIALS));
    expect(await runAsync(t.sys.isatty(fd))).toBe(1);
    expect((await t.fstat(fd)).mode & S_IFMT).toBe(S_IFCHR);
    input.write(new Uint8Array([0x68, 0x69]));
    expect(await t.readText(fd)).toBe('hi');
    await t.write(fd, 'ho');
    expect(output.size).toBe(2);
    input.closeWrite();
    expect(await t.readText(fd)).toBe('');
    // The end of the input is no hang-up.
    expect(await runAsync(t.sys.poll([{ fd, events: POLLIN }], 0))).toEqual([POLLIN]);
  });
});

describe('the end of a task', () => {
  test('interrupts what it waits for, and closes its descriptors', async () => {
    const other = await scene.newActor();
    const queue = new ByteQueue();
    const ends = [
      { flags: O_RDONLY, isTerminal: false, input: queue },
      { flags: O_WRONLY, isTerminal: false, output: new ByteQueue() },
    ].map((options) => other.task.fds.install(scene.kernel.openStream(options, ROOT_CREDENTIALS)));
    const waiting = [
      runAsync(other.sys.read(ends[0]!, new Uint8Array(1)), other.task),
      runAsync(other.sys.poll([{ fd: ends[0]!, events: POLLIN }], -1), other.task),
      runAsync(other.sys.poll([], 1e9), other.task),
      runAsync(other.sys.write(ends[1]!, new Uint8Array(100_000)), other.task),
    ].map((call) => fails('EINTR', call));
    expect(await isPending(Promise.all(waiting))).toBe(true);
    scene.kernel.endTask(other.task);
    await Promise.all(waiting);
    expect(queue.isReadClosed).toBe(true);
    expect(other.task.fds.open).toEqual([]);
    // Again it does nothing.
    other.task.end();
  });
});
