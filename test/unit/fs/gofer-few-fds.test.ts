// A gofer's client on a server that has few descriptors for it: what it keeps only for speed is
// given up, and no program is any the worse for it.

import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import {
  AT_FDCWD,
  LOCK_EX,
  LOCK_NB,
  O_APPEND,
  O_CREAT,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
} from '../../../src/abi/fcntl.ts';
import { IN_CREATE, IN_MODIFY } from '../../../src/abi/inotify.ts';
import { decodeUtf8, encodeUtf8 } from '../../../src/lib/text.ts';
import { MESSAGES } from '../../../src/lisafs/messages.ts';
import type { Receiver, Transport } from '../../../src/transport/transport.ts';
import { Credentials } from '../../../src/auth/credentials.ts';
import { runAsync } from '../../../src/lib/op.ts';
import { asyncSyscallsOf } from '../../conformance/burrow-subject.ts';
import type { AsyncSyscalls } from '../../conformance/process.ts';
import { atEnd, clientOf, endGofers, gofer } from '../../support/gofer-kernels.ts';
import type { TestGofer } from '../../support/gofers.ts';
import { bootKernel } from '../../support/kernels.ts';
import { LisafsClient } from '../../support/lisafs-client.ts';

afterEach(endGofers);

/** Of the server: a client has 32 at most. */
const FDS_MAX = 64;
const DIRS = Array.from({ length: 20 }, (_, index) => `dir-${index}`);
const FILES = Array.from({ length: 15 }, (_, index) => `file-${index}`);
const PATHS = DIRS.flatMap((dir) => FILES.map((file) => `/${dir}/${file}`));

const WAYS = [
  { protocol: 'lisafs', cache: 'exclusive' },
  { protocol: 'lisafs', cache: 'writethrough' },
  { protocol: 'lisafs', cache: 'shared' },
  { protocol: '9p2000.L', cache: 'exclusive' },
  { protocol: '9p2000.L', cache: 'shared' },
] as const;

async function put(sys: AsyncSyscalls, path: string, text: string, flags = 0): Promise<void> {
  const fd = await sys.openat(AT_FDCWD, path, O_CREAT | O_WRONLY | flags, 0o644);
  await sys.write(fd, encodeUtf8(text));
  await sys.close(fd);
}

async function textOf(sys: AsyncSyscalls, path: string): Promise<string> {
  const fd = await sys.openat(AT_FDCWD, path, O_RDONLY, 0);
  const text = await textOfFd(sys, fd);
  await sys.close(fd);
  return text;
}

async function textOfFd(sys: AsyncSyscalls, fd: number): Promise<string> {
  const buffer = new Uint8Array(1000);
  return decodeUtf8(buffer.subarray(0, await sys.pread(fd, buffer, 0)));
}

async function namesIn(sys: AsyncSyscalls, path: string): Promise<string[]> {
  const fd = await sys.openat(AT_FDCWD, path, O_RDONLY, 0);
  const names: string[] = [];
  for (;;) {
    const entries = await sys.getdents(fd, 4096);
    if (entries.length === 0) break;
    names.push(...entries.map(({ name }) => name));
  }
  await sys.close(fd);
  return names.filter((name) => name !== '.' && name !== '..').toSorted();
}

/** On the host. */
async function makeTree(folder: string): Promise<void> {
  for (const dir of DIRS) {
    await mkdir(join(folder, dir));
    for (const file of FILES) await writeFile(join(folder, dir, file), `${dir}/${file}`);
  }
}

/** The same by a program, which does one thing after the other with each file. */
async function makeTreeBy(sys: AsyncSyscalls): Promise<void> {
  for (const dir of DIRS) {
    await sys.mkdirat(AT_FDCWD, `/${dir}`, 0o755, 0);
    for (const file of FILES) await put(sys, `/${dir}/${file}`, `${dir}/${file}`);
  }
}

/** Everything that a program is told. */
async function useTree(sys: AsyncSyscalls): Promise<unknown[]> {
  const told: unknown[] = [];
  for (const dir of ['/', ...DIRS.map((each) => `/${each}`)]) told.push(await namesIn(sys, dir));
  const watching = await sys.inotify_init1(0);
  for (const dir of DIRS.slice(0, 4)) {
    told.push(await sys.inotify_add_watch(watching, `/${dir}`, IN_CREATE | IN_MODIFY));
  }
  for (const path of PATHS) told.push((await sys.fstatat(AT_FDCWD, path, 0)).size);
  for (const path of PATHS) told.push(await textOf(sys, path));
  for (const [index, path] of PATHS.entries()) {
    if (index % 3 === 0) await put(sys, path, 'anew', O_TRUNC);
    if (index % 3 === 1) await put(sys, path, ' more', O_APPEND);
  }
  for (const dir of DIRS) {
    await sys.mkdirat(AT_FDCWD, `/${dir}/sub`, 0o755, 0);
    await sys.symlinkat('file-0', AT_FDCWD, `/${dir}/link`, 0);
    await sys.linkat(AT_FDCWD, `/${dir}/file-1`, AT_FDCWD, `/${dir}/sub/hard`, 0);
    await sys.renameat2(AT_FDCWD, `/${dir}/file-2`, AT_FDCWD, `/${dir}/sub/moved`, 0);
    await sys.unlinkat(AT_FDCWD, `/${dir}/file-3`, 0);
  }
  await sys.sync();
  for (const dir of DIRS) {
    told.push(await namesIn(sys, `/${dir}`), await namesIn(sys, `/${dir}/sub`));
    for (const name of ['file-0', 'link', 'sub/hard', 'sub/moved', 'file-14']) {
      told.push(await textOf(sys, `/${dir}/${name}`));
    }
  }
  await sys.close(watching);
  return told;
}

async function local(): Promise<AsyncSyscalls> {
  const kernel = await bootKernel({ type: 'tmpfs' });
  atEnd(() => runAsync(kernel.shutdown()));
  const { sys } = await runAsync(kernel.createTask({ creds: new Credentials(0, 0, []) }));
  return asyncSyscallsOf(sys);
}

/** How often a server has said by lisafs that there is no room. */
class Refusals {
  count = 0;

  wrap(transport: Transport): Transport {
    return new Proxy(transport, {
      get: (target, key): unknown => {
        if (key === 'start') {
          return (receiver: Receiver) => {
            target.start({
              onMessage: (message) => {
                const view = new DataView(message.buffer, message.byteOffset, message.length);
                const isError = view.getUint16(4, true) === MESSAGES.Error.mid;
                const errno = message.length >= 20 && isError ? view.getUint32(16, true) : 0;
                if (errno === linuxerr.EMFILE.errno) this.count++;
                receiver.onMessage(message);
              },
              onClose: (info) => {
                receiver.onClose(info);
              },
            });
          };
        }
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? (value as () => unknown).bind(target) : value;
      },
    });
  }
}

async function client(
  served: TestGofer,
  cache: (typeof WAYS)[number]['cache'],
  protocol: (typeof WAYS)[number]['protocol'] = 'lisafs',
) {
  const refusals = new Refusals();
  const version = protocol === 'lisafs' ? 'lisafs' : '9P2000.L';
  const { process } = await clientOf(served, {
    cache,
    version,
    connect: async (asked) => refusals.wrap(await served.connect(asked)),
  });
  return { sys: (await process()).sys, refusals };
}

describe.each(WAYS)('$protocol, $cache', ({ protocol, cache }) => {
  test('a tree that is larger is used as a local one', async () => {
    const served = await gofer({ fdsMax: FDS_MAX });
    await makeTree(served.folder);
    const { sys, refusals } = await client(served, cache, protocol);
    const here = await local();
    await makeTreeBy(here);
    expect(await useTree(sys)).toEqual(await useTree(here));
    expect(served.fdCount()).toBeLessThanOrEqual(FDS_MAX / 2 + 1);
    expect(served.errors).toEqual([]);
    // It knows after the first few that there are no more.
    expect(refusals.count).toBeLessThan(100);
    for (const dir of DIRS) {
      const names = await readdir(join(served.folder, dir));
      expect(names.toSorted()).toEqual(await namesIn(here, `/${dir}`));
      const text = await readFile(join(served.folder, dir, 'sub', 'hard'), 'utf8');
      expect(text).toBe(await textOf(here, `/${dir}/sub/hard`));
    }
  });

  test('a tree that is larger is made', async () => {
    const served = await gofer({ fdsMax: FDS_MAX });
    const { sys } = await client(served, cache, protocol);
    await makeTreeBy(sys);
    await sys.sync();
    for (const path of PATHS) {
      expect(await readFile(join(served.folder, path), 'utf8')).toBe(path.slice(1));
    }
    expect(served.errors).toEqual([]);
  });

  test('files that are open are used on', async () => {
    const served = await gofer({ fdsMax: FDS_MAX });
    await makeTree(served.folder);
    const { sys } = await client(served, cache, protocol);
    const removed = await sys.openat(AT_FDCWD, '/dir-0/file-0', O_RDWR, 0);
    await sys.unlinkat(AT_FDCWD, '/dir-0/file-0', 0);
    const written = await sys.openat(AT_FDCWD, '/dir-0/file-1', O_RDWR, 0);
    await sys.pwrite(written, encodeUtf8('DIR'), 0);
    for (const path of PATHS.slice(2)) expect(await textOf(sys, path)).toBe(path.slice(1));
    expect(await textOfFd(sys, removed)).toBe('dir-0/file-0');
    await sys.pwrite(written, encodeUtf8('!'), 5);
    await sys.fsync(written);
    expect(await readFile(join(served.folder, 'dir-0/file-1'), 'utf8')).toBe('DIR-0!file-1');
  });

  test('EMFILE when there are more open files than that, and not afterwards', async () => {
    const served = await gofer({ fdsMax: FDS_MAX });
    await makeTree(served.folder);
    const { sys } = await client(served, cache, protocol);
    const fds: number[] = [];
    const openAll = async (): Promise<void> => {
      for (const path of PATHS) fds.push(await sys.openat(AT_FDCWD, path, O_RDWR, 0));
    };
    await expect(openAll()).rejects.toBe(linuxerr.EMFILE);
    // Two each, and the directories on the way.
    expect(fds.length).toBeGreaterThan(10);
    for (const fd of fds) await sys.close(fd);
    for (const path of PATHS) expect(await textOf(sys, path)).toBe(path.slice(1));
  });
});

test('what is locked stays locked for others', async () => {
  const served = await gofer({ fdsMax: 4 * FDS_MAX });
  await makeTree(served.folder);
  const one = await client(served, 'shared');
  const other = await client(served, 'shared');
  const path = '/dir-3/file-3';
  const locked = await one.sys.openat(AT_FDCWD, path, O_RDWR, 0);
  await one.sys.flock(locked, LOCK_EX);
  for (const each of PATHS) await textOf(one.sys, each);
  const asking = await other.sys.openat(AT_FDCWD, path, O_RDWR, 0);
  const asked = other.sys.flock(asking, LOCK_EX | LOCK_NB);
  await expect(asked).rejects.toBe(linuxerr.EAGAIN);
});

test('many at once wait for each other', async () => {
  const served = await gofer({ fdsMax: FDS_MAX });
  await makeTree(served.folder);
  const { sys } = await client(served, 'shared');
  const texts = await Promise.all(PATHS.slice(0, 100).map((path) => textOf(sys, path)));
  expect(texts).toEqual(PATHS.slice(0, 100).map((path) => path.slice(1)));
});

test('who takes all there is leaves enough for the next, and the one after', async () => {
  const served = await gofer({ fdsMax: 4 * FDS_MAX });
  await makeTree(served.folder);
  for (let count = 0; count < 2; count++) {
    const hostile = await LisafsClient.connect(served.url);
    atEnd(() => hostile.leave());
    const { controlFD: dirFD } = await hostile.mount();
    const takeAll = async (): Promise<void> => {
      for (;;) await hostile.call('Walk', { dirFD, path: ['dir-0'] });
    };
    await expect(takeAll()).rejects.toBe(linuxerr.EMFILE);
  }
  for (const cache of ['exclusive', 'shared'] as const) {
    const { sys } = await client(served, cache);
    for (const path of PATHS) expect(await textOf(sys, path)).toBe(path.slice(1));
    await put(sys, `/dir-0/${cache}`, 'new');
    await sys.sync();
    expect(await readFile(join(served.folder, 'dir-0', cache), 'utf8')).toBe('new');
  }
});
