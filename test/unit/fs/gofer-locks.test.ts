// Locks on a gofer's files: two kernels exclude each other, and what becomes of them when the
// server is started anew.

import { afterEach, describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import {
  AT_FDCWD,
  F_GETLK,
  F_OFD_SETLK,
  F_RDLCK,
  F_SETLK,
  F_SETLKW,
  F_UNLCK,
  F_WRLCK,
  LOCK_EX,
  LOCK_NB,
  LOCK_SH,
  LOCK_UN,
  O_CREAT,
  O_DIRECTORY,
  O_RDONLY,
  O_RDWR,
} from '../../../src/abi/fcntl.ts';
import { FileLocks, type LockOwner } from '../../../src/locks/file-locks.ts';
import { encodeUtf8 } from '../../../src/lib/text.ts';
import { randomFrom } from '../../wire/message-checks.ts';
import { atEnd, clientOf, endGofers, gofer, type Process } from '../../support/gofer-kernels.ts';
import { startGofer, type TestGofer } from '../../support/gofers.ts';
import { lockOf, type Range } from '../../support/record-locks.ts';

afterEach(endGofers);

const MODES = ['shared', 'none', 'writethrough'] as const;
const VERSIONS = ['lisafs', '9P2000.L'] as const;

interface Mount {
  readonly version: (typeof VERSIONS)[number];
  readonly cache: (typeof MODES)[number];
}

const MOUNTS: readonly Mount[] = VERSIONS.flatMap((version) =>
  MODES.map((cache) => ({ version, cache })),
);
/** Of two clients; those of different protocols know nothing of each other but by the server. */
const PAIRS = [
  ...MOUNTS.map((mount) => ({ ...mount, other: mount.version })),
  { version: '9P2000.L', cache: 'shared', other: 'lisafs' },
  { version: 'lisafs', cache: 'shared', other: '9P2000.L' },
] as const;

interface Opened extends Process {
  readonly fd: number;
}

async function opened(process: Process, path = '/file', flags = O_CREAT | O_RDWR): Promise<Opened> {
  return { ...process, fd: await process.sys.openat(AT_FDCWD, path, flags, 0o644) };
}

async function twoOn(
  server: TestGofer,
  { version, cache, other }: (typeof PAIRS)[number],
): Promise<[Opened, Opened]> {
  const first = await clientOf(server, { cache, version });
  const second = await clientOf(server, { cache, version: other });
  return [await opened(await first.process()), await opened(await second.process())];
}

const lock = ({ sys, fd }: Opened, type: number, range?: Range): Promise<void> =>
  sys.setlk(fd, F_SETLK, lockOf(type, range));

const lockWaiting = ({ run, fd }: Opened, type: number, range?: Range): Promise<void> =>
  run((sys) => sys.setlk(fd, F_SETLKW, lockOf(type, range)));

describe.each(PAIRS)('$cache, $version and $other: two kernels exclude each other', (pair) => {
  test('by record locks, and F_GETLK tells of the other one', async () => {
    const [a, b] = await twoOn(await gofer(), pair);
    await lock(a, F_WRLCK, { start: 10, length: 5 });
    await expect(lock(b, F_RDLCK, { start: 14 })).rejects.toBe(linuxerr.EAGAIN);
    await lock(b, F_WRLCK, { start: 15 });
    const found = await b.sys.getlk(b.fd, F_GETLK, lockOf(F_WRLCK));
    expect(found).toMatchObject({ type: F_WRLCK, start: 10, length: 5 });
    // Of a process of another kernel.
    expect(found.pid).toBeLessThan(0);
    const free = await b.sys.getlk(b.fd, F_GETLK, lockOf(F_WRLCK, { start: 0, length: 10 }));
    expect(free.type).toBe(F_UNLCK);
  });

  test('by locks of a description', async () => {
    const [a, b] = await twoOn(await gofer(), pair);
    await a.sys.setlk(a.fd, F_OFD_SETLK, lockOf(F_RDLCK));
    await b.sys.setlk(b.fd, F_OFD_SETLK, lockOf(F_RDLCK));
    const exclusive = b.sys.setlk(b.fd, F_OFD_SETLK, lockOf(F_WRLCK));
    await expect(exclusive).rejects.toBe(linuxerr.EAGAIN);
    await a.sys.close(a.fd);
    await b.sys.setlk(b.fd, F_OFD_SETLK, lockOf(F_WRLCK));
  });

  test('by flock, on directories as well', async () => {
    const server = await gofer();
    const [a, b] = await twoOn(server, pair);
    await a.sys.flock(a.fd, LOCK_SH);
    await b.sys.flock(b.fd, LOCK_SH);
    await expect(b.sys.flock(b.fd, LOCK_EX | LOCK_NB)).rejects.toBe(linuxerr.EAGAIN);
    await a.sys.flock(a.fd, LOCK_UN);
    await b.sys.flock(b.fd, LOCK_EX | LOCK_NB);
    const first = await opened(a, '/', O_RDONLY | O_DIRECTORY);
    const second = await opened(b, '/', O_RDONLY | O_DIRECTORY);
    await first.sys.flock(first.fd, LOCK_EX);
    await expect(second.sys.flock(second.fd, LOCK_SH | LOCK_NB)).rejects.toBe(linuxerr.EAGAIN);
    await first.sys.close(first.fd);
    await second.sys.flock(second.fd, LOCK_SH | LOCK_NB);
  });

  test('who waits gets the lock when it is given up', async () => {
    const [a, b] = await twoOn(await gofer(), pair);
    await lock(a, F_WRLCK);
    let isHad = false;
    const waiting = lockWaiting(b, F_WRLCK).then(() => {
      isHad = true;
    });
    await lock(a, F_WRLCK, { start: 5, length: 1 });
    expect(isHad).toBe(false);
    await lock(a, F_UNLCK);
    await waiting;
    await expect(lock(a, F_RDLCK)).rejects.toBe(linuxerr.EAGAIN);
  });

  test('record locks go when the process closes the file, whichever descriptor', async () => {
    const [a, b] = await twoOn(await gofer(), pair);
    await lock(a, F_WRLCK);
    const other = await a.sys.openat(AT_FDCWD, '/file', O_RDONLY, 0);
    await a.sys.close(other);
    await lockWaiting(b, F_WRLCK);
  });

  test('a deadlock across kernels is told', async () => {
    const [a, b] = await twoOn(await gofer(), pair);
    await lock(a, F_WRLCK, { start: 0, length: 1 });
    await lock(b, F_WRLCK, { start: 1, length: 1 });
    const waits = lockWaiting(a, F_WRLCK, { start: 1, length: 1 });
    const refused = lockWaiting(b, F_WRLCK, { start: 0, length: 1 });
    const first = await Promise.race([
      waits.then(
        () => 'had',
        (error: unknown) => error,
      ),
      refused.then(
        () => 'had',
        (error: unknown) => error,
      ),
    ]);
    expect(first).toBe(linuxerr.EDEADLK);
    for (const each of [a, b]) await lock(each, F_UNLCK);
    await Promise.allSettled([waits, refused]);
  });

  test('EINTR is told whenever it comes', async () => {
    const [a, b] = await twoOn(await gofer(), pair);
    await lock(a, F_WRLCK);
    const waiting = lockWaiting(b, F_WRLCK);
    b.interrupt();
    await expect(waiting).rejects.toBe(linuxerr.EINTR);
  });

  test('EINTR gives up a lock that is waited for', async () => {
    const server = await gofer();
    const [a, b] = await twoOn(server, pair);
    // By now it is known what the server makes of locks.
    await b.sys.getlk(b.fd, F_GETLK, lockOf(F_WRLCK));
    await lock(a, F_WRLCK);
    const waiting = lockWaiting(b, F_WRLCK);
    // Until the server knows of it.
    await b.sys.fstatfs(b.fd);
    b.interrupt();
    await expect(waiting).rejects.toBe(linuxerr.EINTR);
    await lock(a, F_UNLCK);
    // It isn't granted to anybody who doesn't want it any more.
    await lock(a, F_WRLCK);
    await lock(a, F_UNLCK);
    await lock(b, F_WRLCK);
  });
});

test.each(VERSIONS)('%s: what is in the way here is known without a question', async (version) => {
  const client = await clientOf(await gofer(), { cache: 'shared', version });
  const a = await opened(await client.process());
  const b = await opened(await client.process());
  await lock(a, F_WRLCK);
  client.link.reset();
  await expect(lock(b, F_WRLCK)).rejects.toBe(linuxerr.EAGAIN);
  expect(client.link.requests).toBe(0);
});

test.each(VERSIONS)('%s: in exclusive mode locks are nobody else’s business', async (version) => {
  const client = await clientOf(await gofer(), { cache: 'exclusive', version });
  const a = await opened(await client.process());
  await a.sys.fsync(a.fd);
  client.link.reset();
  await lock(a, F_WRLCK);
  await a.sys.flock(a.fd, LOCK_EX);
  expect(client.link.requests).toBe(0);
});

/** Processes of both kernels, each an owner of the model. */
test.each([1, 2, 3, 4])('random locks are as in one table, seed %i', async (seed) => {
  const random = randomFrom(seed);
  const server = await gofer();
  const kernels = [
    await clientOf(server, { cache: 'shared' }),
    await clientOf(server, { cache: 'writethrough', version: '9P2000.L' }),
  ];
  const owners: { process: Opened; owner: LockOwner }[] = [];
  for (const kernel of [...kernels, ...kernels]) {
    const process = await opened(await kernel.process());
    owners.push({ process, owner: { lockPid: owners.length + 1 } });
  }
  const model = new FileLocks();
  for (let step = 0; step < 150; step++) {
    const { process, owner } = owners[random(owners.length)]!;
    const type = [F_RDLCK, F_WRLCK, F_UNLCK, F_UNLCK][random(4)]!;
    const start = random(20);
    const length = random(10);
    const request = { type, start, end: length === 0 ? Infinity : start + length };
    let expected: unknown;
    try {
      model.setRange(owner, request);
    } catch (error) {
      expected = error;
    }
    const result = await lock(process, type, { start, length }).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(result, `step ${step}`).toBe(expected);
  }
});

describe('a server that is started anew', () => {
  interface Restart {
    readonly a: Opened;
    readonly first: TestGofer;
    /** Starts it again; `a` comes back only with comeBack(). */
    restart(): Promise<TestGofer>;
    comeBack(): void;
  }

  async function restartable(mount: Mount): Promise<Restart> {
    const first = await startGofer();
    let server = first;
    atEnd(() => server.close());
    let mayCome = Promise.resolve();
    let comeBack = (): void => undefined;
    const client = await clientOf(first, {
      ...mount,
      connect: async (link) => {
        await mayCome;
        return server.connect(link);
      },
    });
    const a = await opened(await client.process());
    await a.sys.write(a.fd, encodeUtf8('text'));
    return {
      a,
      first,
      restart: async () => {
        mayCome = new Promise((resolve) => {
          comeBack = resolve;
        });
        await first.stop();
        server = await startGofer({ folder: first.folder, port: first.port });
        return server;
      },
      comeBack: () => {
        comeBack();
      },
    };
  }

  test.each(MOUNTS)('$cache, $version: locks are taken again', async (mount) => {
    const { a, restart, comeBack } = await restartable(mount);
    await lock(a, F_WRLCK, { start: 0, length: 10 });
    await lock(a, F_RDLCK, { start: 20, length: 10 });
    await a.sys.flock(a.fd, LOCK_EX);
    const server = await restart();
    comeBack();
    await a.sys.fstatfs(a.fd);
    const b = await opened(await (await clientOf(server, mount)).process());
    await expect(lock(b, F_RDLCK, { start: 9, length: 1 })).rejects.toBe(linuxerr.EAGAIN);
    await expect(lock(b, F_WRLCK, { start: 20, length: 1 })).rejects.toBe(linuxerr.EAGAIN);
    await lock(b, F_WRLCK, { start: 10, length: 10 });
    await expect(b.sys.flock(b.fd, LOCK_SH | LOCK_NB)).rejects.toBe(linuxerr.EAGAIN);
    await a.sys.close(a.fd);
    await lockWaiting(b, F_WRLCK);
    await b.sys.flock(b.fd, LOCK_EX);
  });

  test.each(MOUNTS)('$cache, $version: what others have taken is lost, and told', async (mount) => {
    const { a, restart, comeBack } = await restartable(mount);
    await lock(a, F_WRLCK);
    const server = await restart();
    const b = await opened(await (await clientOf(server, mount)).process());
    await lock(b, F_WRLCK);
    comeBack();
    await a.sys.fstatfs(a.fd);
    const buffer = new Uint8Array(4);
    await expect(a.sys.pread(a.fd, buffer, 0)).rejects.toBe(linuxerr.EIO);
    await expect(a.sys.write(a.fd, buffer)).rejects.toBe(linuxerr.EIO);
    await expect(a.sys.ftruncate(a.fd, 0)).rejects.toBe(linuxerr.EIO);
    await expect(lock(a, F_RDLCK)).rejects.toBe(linuxerr.EIO);
    // Another description is none the worse.
    const other = await opened(a, '/file', O_RDONLY);
    expect(await other.sys.pread(other.fd, buffer, 0)).toBe(4);
    // Once it is given up all is well again.
    await lock(a, F_UNLCK);
    expect(await a.sys.pread(a.fd, buffer, 0)).toBe(4);
    await lock(b, F_UNLCK);
    await lock(a, F_WRLCK);
  });

  test.each(MOUNTS)('$cache, $version: who waited for a lock goes on waiting', async (mount) => {
    const { a, first, restart, comeBack } = await restartable(mount);
    const holder = await clientOf(first, mount);
    const b = await opened(await holder.process());
    await lock(b, F_WRLCK);
    const waiting = lockWaiting(a, F_WRLCK);
    await a.sys.fstatfs(a.fd);
    await restart();
    comeBack();
    await b.sys.fstatfs(b.fd);
    await lock(b, F_UNLCK);
    await waiting;
    await expect(lock(b, F_RDLCK)).rejects.toBe(linuxerr.EAGAIN);
  });
});
