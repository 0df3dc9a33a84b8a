// Locks by 9P2000.L: at servers that make less of them than ours, and when a link breaks.

import { readFile } from 'node:fs/promises';
import { afterEach, describe, expect, test, type TestContext } from 'vitest';
import { type LinuxError, linuxerr } from '../../../src/abi/errno.ts';
import {
  AT_FDCWD,
  F_GETLK,
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
  O_RDONLY,
  O_RDWR,
} from '../../../src/abi/fcntl.ts';
import type { ConnectGofer } from '../../../src/fs/gofer/mount-gofer.ts';
import { FileLocks, type LockOwner } from '../../../src/locks/file-locks.ts';
import { WireWriter } from '../../../src/lib/wire-buffer.ts';
import { decodeFrame, encodeError, encodeR, MSIZE_MAX } from '../../../src/p9/frame.ts';
import { MESSAGES } from '../../../src/p9/messages.ts';
import { LOCK_ERROR, LOCK_GRACE, LOCK_SUCCESS, LOCK_TYPE_UNLCK } from '../../../src/p9/records.ts';
import type { Receiver, Transport } from '../../../src/transport/transport.ts';
import type { RemoteStatus } from '../../../src/vfs/remote-link.ts';
import { randomFrom } from '../../wire/message-checks.ts';
import { startDiod, type TestDiod, whyNoDiod } from '../../support/diod.ts';
import {
  clientOf,
  endGofers,
  gofer,
  type GoferClient,
  type Process,
} from '../../support/gofer-kernels.ts';
import { lockOf, type Range } from '../../support/record-locks.ts';

afterEach(endGofers);

const MOUNT = { version: '9P2000.L', cache: 'shared' } as const;

interface Opened extends Process {
  readonly fd: number;
}

async function opened(client: GoferClient, flags = O_CREAT | O_RDWR): Promise<Opened> {
  const process = await client.process();
  return { ...process, fd: await process.sys.openat(AT_FDCWD, '/file', flags, 0o666) };
}

const lock = ({ sys, fd }: Opened, type: number, range: Range = {}): Promise<void> =>
  sys.setlk(fd, F_SETLK, lockOf(type, range));

const lockWaiting = ({ run, fd }: Opened, type: number, range: Range = {}): Promise<void> =>
  run((sys) => sys.setlk(fd, F_SETLKW, lockOf(type, range)));

const placeOf = ({ kernel }: GoferClient): unknown => kernel.mounts[0]?.link?.locks;

describe('diod has one lock on a file for each fid', () => {
  async function served({ skip, onTestFinished }: TestContext): Promise<TestDiod> {
    const reason = whyNoDiod();
    skip(reason !== undefined, reason);
    const diod = await startDiod();
    onTestFinished(async () => {
      await endGofers();
      await diod.close();
    });
    return diod;
  }

  async function twoOn(diod: TestDiod): Promise<[GoferClient, GoferClient]> {
    const mount = { ...MOUNT, aname: diod.folder };
    return [await clientOf(diod, mount), await clientOf(diod, mount)];
  }

  test('two kernels exclude each other, from all of it', async (context) => {
    const clients = await twoOn(await served(context));
    const [a, b] = [await opened(clients[0]), await opened(clients[1])];
    expect(clients.map(placeOf)).toEqual(['unknown', 'unknown']);
    await lock(a, F_WRLCK, { start: 0, length: 10 });
    expect(placeOf(clients[0])).toBe('file');
    await expect(lock(b, F_RDLCK, { start: 50, length: 10 })).rejects.toBe(linuxerr.EAGAIN);
    await expect(b.sys.flock(b.fd, LOCK_SH | LOCK_NB)).rejects.toBe(linuxerr.EAGAIN);
    // Whose it is, and which part of it, diod doesn't say.
    const found = await b.sys.getlk(b.fd, F_GETLK, lockOf(F_WRLCK, {}));
    expect(found).toMatchObject({ type: F_WRLCK, start: 0, length: 0, pid: -1 });
    await lock(a, F_UNLCK);
    await lock(b, F_RDLCK);
    await lock(a, F_RDLCK);
    await expect(lock(a, F_WRLCK)).rejects.toBe(linuxerr.EAGAIN);
    await lock(b, F_UNLCK);
    await lock(a, F_WRLCK);
    expect(clients.map(placeOf)).toEqual(['file', 'file']);
  });

  test('processes of one kernel have their parts of it', async (context) => {
    const clients = await twoOn(await served(context));
    const [a, c] = [await opened(clients[0]), await opened(clients[0])];
    const b = await opened(clients[1]);
    await lock(a, F_WRLCK, { start: 0, length: 10 });
    await lock(c, F_WRLCK, { start: 10, length: 10 });
    await expect(lock(c, F_RDLCK, { start: 5, length: 1 })).rejects.toBe(linuxerr.EAGAIN);
    await c.sys.flock(c.fd, LOCK_EX);
    // diod would give up all there is.
    await lock(c, F_UNLCK);
    await c.sys.flock(c.fd, LOCK_UN);
    await expect(lock(b, F_RDLCK, { start: 0, length: 1 })).rejects.toBe(linuxerr.EAGAIN);
    await a.sys.close(a.fd);
    await lockWaiting(b, F_WRLCK);
  });

  test.for([1, 2])(
    'random locks of one kernel are as in one table, seed %i',
    async (seed, context) => {
      const random = randomFrom(seed);
      const [first, second] = await twoOn(await served(context));
      const model = new FileLocks();
      const owners: { process: Opened; owner: LockOwner }[] = [];
      for (let count = 1; count <= 3; count++) {
        owners.push({ process: await opened(first), owner: { lockPid: count } });
      }
      const other = await opened(second);
      for (let step = 0; step < 100; step++) {
        const { process, owner } = owners[random(owners.length)]!;
        const type = [F_RDLCK, F_WRLCK, F_UNLCK, F_UNLCK][random(4)]!;
        const start = random(20);
        const length = random(10);
        const outcome = lock(process, type, { start, length }).catch((error: unknown) => error);
        const request = { type, start, end: length === 0 ? Infinity : start + length };
        let expected: unknown;
        try {
          model.setRange(owner, request);
        } catch (error) {
          expected = error;
        }
        expect(await outcome, `step ${step}`).toBe(expected);
        // Whatever there is, the other kernel is kept out by it; and by nothing else.
        const theirs = await lock(other, F_WRLCK).catch((error: unknown) => error);
        expect(theirs, `step ${step}`).toBe(model.isEmpty ? undefined : linuxerr.EAGAIN);
        if (model.isEmpty) await lock(other, F_UNLCK);
      }
    },
  );

  test('a lock that can’t be had leaves what there was', async (context) => {
    const clients = await twoOn(await served(context));
    const [a, b] = [await opened(clients[0]), await opened(clients[1])];
    await lock(a, F_RDLCK, { start: 0, length: 10 });
    await lock(b, F_RDLCK, { start: 0, length: 10 });
    // flock(2) of the host gives the shared lock up before it fails; it is taken again.
    await expect(lock(a, F_WRLCK, { start: 5, length: 10 })).rejects.toBe(linuxerr.EAGAIN);
    await expect(lock(b, F_WRLCK, { start: 0, length: 1 })).rejects.toBe(linuxerr.EAGAIN);
    const c = await opened(clients[0]);
    await expect(lock(c, F_WRLCK, { start: 9, length: 1 })).rejects.toBe(linuxerr.EAGAIN);
    const found = await c.sys.getlk(c.fd, F_GETLK, lockOf(F_WRLCK, {}));
    expect(found).toMatchObject({ type: F_RDLCK, start: 0, length: 10 });
  });

  test('a deadlock within a kernel is told, and EINTR ends waiting', async (context) => {
    const clients = await twoOn(await served(context));
    const [a, c] = [await opened(clients[0]), await opened(clients[0])];
    const b = await opened(clients[1]);
    await lock(a, F_WRLCK, { start: 0, length: 1 });
    await lock(c, F_WRLCK, { start: 1, length: 1 });
    const waiting = lockWaiting(a, F_WRLCK, { start: 1, length: 1 });
    await expect(lockWaiting(c, F_WRLCK, { start: 0, length: 1 })).rejects.toBe(linuxerr.EDEADLK);
    await lock(c, F_UNLCK);
    await waiting;
    const refused = lockWaiting(b, F_WRLCK);
    // Until diod has said no.
    await expect(lock(b, F_RDLCK)).rejects.toBe(linuxerr.EAGAIN);
    b.interrupt();
    await expect(refused).rejects.toBe(linuxerr.EINTR);
    await lock(a, F_UNLCK);
    await lock(a, F_WRLCK);
  });

  test('after the link broke locks are taken again', async (context) => {
    const diod = await served(context);
    const clients = await twoOn(diod);
    const [a, b] = [await opened(clients[0]), await opened(clients[1])];
    await lock(a, F_WRLCK);
    diod.breakLinks();
    await a.sys.fstatfs(a.fd);
    await expect(lock(b, F_RDLCK)).rejects.toBe(linuxerr.EAGAIN);
    await lock(a, F_UNLCK);
    await lock(b, F_RDLCK);
  });

  test('what another has taken while there was no link is lost', async (context) => {
    const diod = await served(context);
    let mayCome = Promise.resolve();
    let comeBack = (): void => undefined;
    const connect: ConnectGofer = async (link) => {
      await mayCome;
      return diod.connect(link);
    };
    const mount = { ...MOUNT, aname: diod.folder };
    const a = await opened(await clientOf(diod, { ...mount, connect }));
    await lock(a, F_WRLCK);
    mayCome = new Promise((resolve) => {
      comeBack = resolve;
    });
    diod.breakLinks();
    const b = await opened(await clientOf(diod, mount));
    await lockWaiting(b, F_WRLCK);
    comeBack();
    await a.sys.fstatfs(a.fd);
    const buffer = new Uint8Array(1);
    await expect(a.sys.write(a.fd, buffer)).rejects.toBe(linuxerr.EIO);
    await expect(lock(a, F_RDLCK)).rejects.toBe(linuxerr.EIO);
    await lock(a, F_UNLCK);
    expect(await a.sys.write(a.fd, buffer)).toBe(1);
    await lock(b, F_UNLCK);
    await lock(a, F_WRLCK);
  });
});

/** What a server says to Tlock: an error, a status, or undefined if it is to say so itself. */
type Said = LinuxError | number | undefined;

/** Answers Tlock by itself, and Tgetlock as a server that knows of no locks. */
function sayingOfLocks(transport: Transport, sayNext: () => Said): Transport {
  let receiver: Receiver | undefined;
  const answers = (message: Uint8Array): Uint8Array | undefined => {
    const { type, tag, body } = decodeFrame(message, MSIZE_MAX);
    const options = { tag, msize: MSIZE_MAX };
    const [isLock, isGetlock] = [type === MESSAGES.lock.type, type === MESSAGES.getlock.type];
    const said = isLock || isGetlock ? sayNext() : undefined;
    if (said === undefined) return undefined;
    if (typeof said !== 'number') return encodeError(new WireWriter(), options, said);
    if (isLock) return encodeR(new WireWriter(), options, 'lock', { status: said });
    const asked = MESSAGES.getlock.T.decode(body);
    return encodeR(new WireWriter(), options, 'getlock', { ...asked, type: LOCK_TYPE_UNLCK });
  };
  return new Proxy(transport, {
    get: (target, key): unknown => {
      if (key === 'start') {
        return (told: Receiver) => {
          receiver = told;
          target.start(told);
        };
      }
      if (key === 'send') {
        return (message: Uint8Array, onSent?: () => void) => {
          const answer = answers(message);
          if (answer === undefined) target.send(message, onSent);
          else queueMicrotask(() => receiver?.onMessage(answer));
        };
      }
      const value: unknown = Reflect.get(target, key);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

test('a server that has begun anew is asked again by who waits', async () => {
  const server = await gofer();
  const says: Said[] = [LOCK_GRACE, LOCK_ERROR, LOCK_GRACE];
  const connect: ConnectGofer = async (link) =>
    sayingOfLocks(await server.connect(link), () => says.shift());
  const client = await clientOf(server, { ...MOUNT, connect });
  const a = await opened(client);
  await expect(lock(a, F_WRLCK)).rejects.toBe(linuxerr.EAGAIN);
  await expect(lock(a, F_WRLCK)).rejects.toBe(linuxerr.ENOLCK);
  expect(placeOf(client)).toBe('unknown');
  await lockWaiting(a, F_WRLCK);
  expect([says.length, placeOf(client)]).toEqual([0, 'server']);
  says.push(LOCK_ERROR);
  await expect(lock(a, F_RDLCK, { start: 5, length: 1 })).rejects.toBe(linuxerr.ENOLCK);
});

test('very many may wait, and who gives a lock up gets through', async () => {
  const server = await gofer();
  const [first, second] = [await clientOf(server, MOUNT), await clientOf(server, MOUNT)];
  const a = await opened(first);
  await lock(a, F_WRLCK);
  // More than the server has under way for a client.
  const waiting: Promise<void>[] = [];
  for (let count = 0; count < 70; count++) {
    waiting.push(lockWaiting(await opened(second), F_RDLCK, { start: count, length: 1 }));
  }
  const b = await opened(second);
  await lock(b, F_WRLCK, { start: 100, length: 1 }).catch(() => undefined);
  await lock(a, F_UNLCK);
  await Promise.all(waiting);
  await expect(lock(a, F_WRLCK)).rejects.toBe(linuxerr.EAGAIN);
});

/** A link that its client takes to be gone while the server takes it to be there. */
class HalfLink {
  #receiver: Receiver | undefined;
  #isCut = false;

  wrap(transport: Transport): Transport {
    return new Proxy(transport, {
      get: (target, key): unknown => {
        if (key === 'isOpen') return !this.#isCut && target.isOpen;
        if (key === 'start') {
          return (told: Receiver) => {
            this.#receiver = told;
            target.start({
              onMessage: (message) => {
                if (!this.#isCut) told.onMessage(message);
              },
              onClose: (info) => {
                if (!this.#isCut) told.onClose(info);
              },
            });
          };
        }
        const value: unknown = Reflect.get(target, key);
        if (typeof value !== 'function') return value;
        return (...values: unknown[]): unknown =>
          this.#isCut ? undefined : (Reflect.apply(value, target, values) as unknown);
      },
    });
  }

  cut(): void {
    this.#isCut = true;
    this.#receiver?.onClose({ code: 1006, reason: '', isLocal: false });
  }
}

test('a link that the server takes to be there isn’t in the way of its own client', async () => {
  const server = await gofer();
  const links: HalfLink[] = [];
  const connect: ConnectGofer = async (link) => {
    const half = new HalfLink();
    links.push(half);
    return half.wrap(await server.connect(link));
  };
  const a = await opened(await clientOf(server, { ...MOUNT, connect }));
  const b = await opened(await clientOf(server, MOUNT));
  await lock(a, F_WRLCK, { start: 0, length: 10 });
  await a.sys.flock(a.fd, LOCK_EX);
  links[0]!.cut();
  await a.sys.fstatfs(a.fd);
  expect(links.length).toBe(2);
  // It has them all still.
  await a.sys.write(a.fd, new Uint8Array(1));
  await expect(lock(b, F_RDLCK)).rejects.toBe(linuxerr.EAGAIN);
  await expect(b.sys.flock(b.fd, LOCK_SH | LOCK_NB)).rejects.toBe(linuxerr.EAGAIN);
  await lock(a, F_UNLCK);
  await lock(b, F_RDLCK);
});

/** What README.md tells of, and is seen here or in gofer-locks.test.ts. */
const PLACES: Readonly<Record<RemoteStatus['locks'], true>> = {
  server: true,
  file: true,
  here: true,
  unknown: true,
};

test('README.md says what each state of locks means', async () => {
  const readme = await readFile('src/fs/gofer/README.md', 'utf8');
  const table = /\n\| `locks`.*\n\|.*\n((?:\|.*\n)+)/.exec(readme)?.[1] ?? '';
  const rows = [...table.matchAll(/^\| `(\w+)`/gm)].map(([, place]) => place);
  expect(rows).toEqual(Object.keys(PLACES));
});

describe.each([
  { server: 'says EOPNOTSUPP', said: linuxerr.EOPNOTSUPP },
  { server: 'says ENOSYS', said: linuxerr.ENOSYS },
  { server: 'grants everything, as QEMU’s', said: LOCK_SUCCESS },
])('a server without locks, which $server', ({ said }) => {
  test('locks are this kernel’s alone, which is told once', async () => {
    const server = await gofer();
    const connect: ConnectGofer = async (link) =>
      sayingOfLocks(await server.connect(link), () => said);
    const told: unknown[] = [];
    const client = await clientOf(server, {
      ...MOUNT,
      connect,
      onLinkChanged: ({ locks }) => told.push(locks),
    });
    const [a, b] = [await opened(client), await opened(client)];
    const reader = await opened(client, O_RDONLY);
    told.length = 0;
    await lock(a, F_WRLCK, { start: 0, length: 10 });
    expect(told).toEqual(['here']);
    await expect(lock(b, F_RDLCK)).rejects.toBe(linuxerr.EAGAIN);
    await reader.sys.flock(reader.fd, LOCK_EX);
    await expect(b.sys.flock(b.fd, LOCK_SH | LOCK_NB)).rejects.toBe(linuxerr.EAGAIN);
    const waiting = lockWaiting(b, F_WRLCK);
    client.link.reset();
    await lock(a, F_UNLCK);
    await waiting;
    const found = await a.sys.getlk(a.fd, F_GETLK, lockOf(F_WRLCK, {}));
    expect(found).toMatchObject({ type: F_WRLCK, start: 0, length: 0 });
    expect(found.pid).toBeGreaterThan(0);
    expect(client.link.requests).toBe(0);
    expect(told).toEqual(['here']);
    expect(placeOf(client)).toBe('here');
  });
});
