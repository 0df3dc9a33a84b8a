// A gofer by 9P2000.L on a server that is none of ours: what the conformance cases don't say.

import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, type TestContext } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { O_CREAT, O_EXCL, O_RDONLY, O_RDWR } from '../../../src/abi/fcntl.ts';
import { S_IFIFO } from '../../../src/abi/stat.ts';
import { Credentials } from '../../../src/auth/credentials.ts';
import type { GoferOptions } from '../../../src/fs/gofer/mount-options.ts';
import { assertDefined } from '../../../src/lib/assert.ts';
import { nextMacrotask } from '../../../src/lib/macrotask.ts';
import { runAsync } from '../../../src/lib/op.ts';
import { startDiod, whyNoDiod } from '../../support/diod.ts';
import { bootKernel } from '../../support/kernels.ts';
import { asyncSyscallsOf } from '../../conformance/burrow-subject.ts';

async function mounted({ skip, onTestFinished }: TestContext, options: GoferOptions = {}) {
  const reason = whyNoDiod();
  skip(reason !== undefined, reason);
  const diod = await startDiod();
  onTestFinished(() => diod.close());
  const { connect: connectGofer, url: source, folder: aname } = diod;
  const all = { version: '9P2000.L', aname, ...options };
  const kernel = await bootKernel({ type: 'gofer', source, options: all }, { connectGofer });
  const { sys } = await runAsync(kernel.createTask({ creds: new Credentials(0, 0, []) }));
  return { diod, kernel, sys: asyncSyscallsOf(sys) };
}

test('what is written is at the server after fsync', async (context) => {
  const { diod, kernel, sys } = await mounted(context);
  const fd = await sys.openat(-100, '/file', O_RDWR | O_CREAT, 0o640);
  await sys.write(fd, new TextEncoder().encode('hello'));
  await sys.fsync(fd);
  expect(await readFile(join(diod.folder, 'file'), 'utf8')).toBe('hello');
  expect((await stat(join(diod.folder, 'file'))).mode & 0o7777).toBe(0o640);
  await runAsync(kernel.shutdown());
});

test('a file that is open is read on after the link broke', async (context) => {
  const { diod, kernel, sys } = await mounted(context, { cache: 'none' });
  const fd = await sys.openat(-100, '/file', O_RDWR | O_CREAT, 0o640);
  await sys.write(fd, new TextEncoder().encode('before'));
  diod.breakLinks();
  const buffer = new Uint8Array(6);
  expect(await sys.pread(fd, buffer, 0)).toBe(6);
  expect(new TextDecoder().decode(buffer)).toBe('before');
  const again = await sys.openat(-100, '/file', O_RDONLY, 0);
  expect(await sys.pread(again, buffer, 0)).toBe(6);
  await runAsync(kernel.shutdown());
});

test('the mount tells how its link is, and counts what went through it', async (context) => {
  const { diod, kernel, sys } = await mounted(context, { cache: 'none' });
  const statusNow = () => assertDefined(kernel.mounts[0]?.link);
  await sys.openat(-100, '/file', O_RDWR | O_CREAT, 0o640);
  const before = statusNow();
  expect(before).toMatchObject({ state: 'connected', cache: 'none', reconnectCount: 0 });
  expect(before.sentBytes).toBeGreaterThan(before.requestCount);
  expect(before.receivedBytes).toBeGreaterThan(before.requestCount);
  diod.breakLinks();
  await expect.poll(() => statusNow().state).toBe('reconnecting');
  await runAsync(kernel.reconnect('/'));
  await sys.openat(-100, '/file', O_RDONLY, 0);
  expect(statusNow()).toMatchObject({ state: 'connected', reconnectCount: 1 });
  await runAsync(kernel.shutdown());
});

// Fids of diod are paths: once something was moved, a directory in which a name is missing is
// looked for again, and may have another fid from then on.
test('names are made where others look for what is missing, after a rename', async (context) => {
  const { kernel, sys } = await mounted(context, { cache: 'none' });
  const touch = async (path: string): Promise<void> => {
    await sys.close(await sys.openat(-100, path, O_RDWR | O_CREAT | O_EXCL, 0o644));
  };
  await sys.mkdirat(-100, '/d', 0o755, 0);
  await touch('/d/old');
  await sys.renameat2(-100, '/d/old', -100, '/d/new', 0);
  let isDone = false;
  const make = async (): Promise<void> => {
    for (let round = 0; round < 300; round++) {
      await touch('/d/file');
      await sys.unlinkat(-100, '/d/file', 0);
    }
    isDone = true;
  };
  const look = async (): Promise<void> => {
    while (!isDone) {
      await expect(sys.fstatat(-100, '/d/missing', 0)).rejects.toBe(linuxerr.ENOENT);
    }
  };
  await Promise.all([make(), look(), look()]);
  await runAsync(kernel.shutdown());
});

test('whenever an open of a FIFO is interrupted, it ends', async (context) => {
  const { kernel, sys } = await mounted(context, { cache: 'none' });
  await sys.mkdirat(-100, '/d', 0o755, 0);
  await sys.mknodat(-100, '/d/fifo', S_IFIFO | 0o644, 0);
  const program = await runAsync(kernel.createTask({ creds: new Credentials(0, 0, []) }));
  for (let turns = 0; turns < 60; turns++) {
    const opening = runAsync(program.sys.openat(-100, '/d/fifo', O_RDONLY, 0), program.task);
    const ended = expect(opening, `after ${turns} turns`).rejects.toBe(linuxerr.EINTR);
    for (let turn = 0; turn < turns; turn++) await nextMacrotask();
    program.task.interrupt();
    await ended;
  }
  await runAsync(kernel.shutdown());
});
