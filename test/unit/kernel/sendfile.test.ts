// sendfile(2) into a pipe while others use it, on a store that has to be waited for.

import { expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import {
  AT_FDCWD,
  O_CREAT,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  SEEK_CUR,
  SEEK_SET,
} from '../../../src/abi/fcntl.ts';
import { OWN_OFFSET } from '../../../src/kernel/copy-range.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { type Interruption, runAsync } from '../../../src/lib/op.ts';
import { MemoryStore } from '../../../src/store/memory-store.ts';
import type { Syscalls } from '../../../src/syscalls/table.ts';
import { openIdbfs } from '../../support/history/session.ts';

const CAPACITY = 65_536;

/** A file of which nothing is in memory, and a pipe. */
async function open(
  flags: number,
  content = new TextEncoder().encode('0123456789'),
): Promise<{
  readonly sys: Syscalls;
  readonly source: number;
  readonly reader: number;
  readonly writer: number;
}> {
  const store = new MemoryStore({ yields: true });
  const first = await runAsync(openIdbfs({ store, clock: new FakeClock() }));
  const made = await runAsync(first.sys.openat(AT_FDCWD, '/source', O_RDWR | O_CREAT, 0o644));
  await runAsync(first.sys.write(made, content));
  await runAsync(first.sys.sync());
  const { sys } = await runAsync(openIdbfs({ store, clock: new FakeClock() }));
  const source = await runAsync(sys.openat(AT_FDCWD, '/source', O_RDONLY, 0));
  const [reader = -1, writer = -1] = await runAsync(sys.pipe2(flags));
  return { sys, source, reader, writer };
}

test('what others have filled while the source was read is waited for', async () => {
  const { sys, source, reader, writer } = await open(0);
  const sending = runAsync(sys.sendfile(writer, source, 2, 5));
  await runAsync(sys.write(writer, new Uint8Array(CAPACITY)));
  // Until it has been read.
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  expect(await runAsync(sys.read(reader, new Uint8Array(CAPACITY)))).toBe(CAPACITY);
  expect(await sending).toBe(5);
  const found = new Uint8Array(10);
  expect(await runAsync(sys.read(reader, found))).toBe(5);
  expect(new TextDecoder().decode(found.subarray(0, 5))).toBe('23456');
});

test('or is EAGAIN where it must not wait', async () => {
  const { sys, source, writer } = await open(O_NONBLOCK);
  const sending = runAsync(sys.sendfile(writer, source, 2, 5));
  await runAsync(sys.write(writer, new Uint8Array(CAPACITY)));
  await expect(sending).rejects.toBe(linuxerr.EAGAIN);
});

test('a reader that goes while the source is read is EPIPE', async () => {
  const { sys, source, reader, writer } = await open(0);
  const sending = runAsync(sys.sendfile(writer, source, 2, 5));
  await runAsync(sys.close(reader));
  await expect(sending).rejects.toBe(linuxerr.EPIPE);
});

test('it begins where the file was before it waited for room', async () => {
  const { sys, source, reader, writer } = await open(0);
  await runAsync(sys.lseek(source, 3, SEEK_SET));
  await runAsync(sys.write(writer, new Uint8Array(CAPACITY)));
  const sending = runAsync(sys.sendfile(writer, source, OWN_OFFSET, 2));
  await runAsync(sys.lseek(source, 8, SEEK_SET));
  await runAsync(sys.read(reader, new Uint8Array(CAPACITY)));
  expect(await sending).toBe(2);
  const found = new Uint8Array(10);
  expect(await runAsync(sys.read(reader, found))).toBe(2);
  expect(new TextDecoder().decode(found.subarray(0, 2))).toBe('34');
  expect(await runAsync(sys.lseek(source, 0, SEEK_CUR))).toBe(5);
});

test('a signal after the bytes were sent changes nothing', async () => {
  const { sys, source, reader, writer } = await open(0, new Uint8Array(1 << 20));
  let interrupt: ((reason: Error) => void) | undefined;
  const interruption: Interruption = {
    subscribe(onInterrupt) {
      interrupt = onInterrupt;
      return () => {
        interrupt = undefined;
      };
    },
  };
  const sending = runAsync(sys.sendfile(writer, source, OWN_OFFSET, 5), interruption);
  // Holds the file's position for longer than those 5 bytes take.
  const reading = runAsync(sys.read(source, new Uint8Array(1 << 20)));
  while ((await runAsync(sys.fionread(reader))) === 0) await Promise.resolve();
  expect(interrupt).toBeDefined();
  interrupt?.(linuxerr.EINTR);
  expect(await sending).toBe(5);
  await reading;
  expect(await runAsync(sys.lseek(source, 0, SEEK_CUR))).toBe(5);
});
