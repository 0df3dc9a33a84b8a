// A kernel that has a folder mounted by one of two servers, which share their locks by a real
// Redis. Its server is killed, and the one address it knows leads to the other from then on, as a
// load balancer does it. Both servers are processes of the real command.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createClient } from '@redis/client';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { linuxerr } from '../../../src/abi/errno.ts';
import {
  AT_FDCWD,
  F_GETLK,
  F_SETLK,
  F_SETLKW,
  F_UNLCK,
  F_WRLCK,
  LOCK_EX,
  LOCK_NB,
  LOCK_SH,
  LOCK_UN,
  O_CREAT,
  O_RDWR,
} from '../../../src/abi/fcntl.ts';
import {
  IN_CREATE,
  IN_DELETE,
  IN_Q_OVERFLOW,
  INOTIFY_EVENT_SIZE,
} from '../../../src/abi/inotify.ts';
import type { CacheMode } from '../../../src/fs/gofer/options.ts';
import { RealClock } from '../../../src/lib/clock.ts';
import { decodeUtf8, encodeUtf8 } from '../../../src/lib/text.ts';
import { FRAME_SIZE_MAX } from '../../../src/lisafs/frame.ts';
import { protocolsFor } from '../../../src/transport/gofer-url.ts';
import { connectWebSocket } from '../../../src/transport/web-socket.ts';
import type { AsyncSyscalls } from '../../conformance/process.ts';
import { CuttingProxy } from '../../support/cutting-proxy.ts';
import { atEnd, clientOf, endGofers, type Process } from '../../support/gofer-kernels.ts';
import { lockOf } from '../../support/record-locks.ts';
import { useRedis } from '../../support/redis.ts';
import { randomFrom } from '../../wire/message-checks.ts';
import { type Command, useCommand } from '../cli/support.ts';

const SHARING = ['shared', 'writethrough'] as const;

interface Opened extends Process {
  readonly fd: number;
}

interface Two {
  readonly prefix: string;
  /** By the address that leads to the first server until it is killed. */
  readonly moving: Process;
  /** By the second one all the time. */
  readonly other: Process;
  readonly proxy: CuttingProxy;
  /** SIGKILL; nothing is at the address from then on. */
  killFirst(): Promise<void>;
  /** The address leads to the second one. Returns when the kernel has gone on there. */
  moveOn(): Promise<void>;
}

const redis = useRedis();

function connectionTo(url: string) {
  const options = { clock: new RealClock(), messageSizeMax: FRAME_SIZE_MAX, WebSocket };
  const protocols = { protocols: ['lisafs'], extraProtocols: protocolsFor(undefined) };
  const connect = () => connectWebSocket(url, { ...options, ...protocols, timeoutMs: 10_000 });
  return { url, connect };
}

const portOf = async (command: Command): Promise<number> =>
  Number(new URL((await command.address()).url).port);

const RANGE = { length: 10 };

/** A record lock on the first ten bytes. */
const lock = ({ sys, fd }: Opened, type: number): Promise<void> =>
  sys.setlk(fd, F_SETLK, lockOf(type, RANGE));

async function opened(process: Process): Promise<Opened> {
  const fd = await process.sys.openat(AT_FDCWD, '/file', O_CREAT | O_RDWR, 0o644);
  return { ...process, fd };
}

/** Both locks of a file that somebody else has, asked for again and again until it is stopped. */
class Contender {
  /** How often it was refused both. */
  refusals = 0;
  #isStopped = false;
  #ended: Promise<void>;
  #wake = (): void => undefined;

  constructor(of: Opened) {
    this.#ended = this.#contend(of);
  }

  async #contend(of: Opened): Promise<void> {
    while (!this.#isStopped) {
      await expect(lock(of, F_WRLCK)).rejects.toBe(linuxerr.EAGAIN);
      await expect(of.sys.flock(of.fd, LOCK_SH | LOCK_NB)).rejects.toBe(linuxerr.EAGAIN);
      const found = await of.sys.getlk(of.fd, F_GETLK, lockOf(F_WRLCK, RANGE));
      expect(found).toMatchObject({ type: F_WRLCK, start: 0, length: 10 });
      this.refusals++;
      this.#wake();
    }
  }

  /** Until it has been refused some more times. */
  async some(): Promise<void> {
    const enough = this.refusals + 3;
    while (this.refusals < enough) {
      const refused = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      // If it is given a lock, that is told here.
      await Promise.race([refused, this.#ended]);
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#ended;
  }
}

/** Those of one read. */
async function readEvents(sys: AsyncSyscalls, fd: number): Promise<[mask: number, name: string][]> {
  const buffer = new Uint8Array(65_536);
  const count = await sys.read(fd, buffer);
  const view = new DataView(buffer.buffer);
  const events: [number, string][] = [];
  for (let at = 0; at < count;) {
    const length = view.getUint32(at + 12, true);
    const name = buffer.subarray(at + INOTIFY_EVENT_SIZE, at + INOTIFY_EVENT_SIZE + length);
    events.push([view.getUint32(at + 4, true), decodeUtf8(name).replace(/\0+$/, '')]);
    at += INOTIFY_EVENT_SIZE + length;
  }
  return events;
}

describe('a kernel whose server is killed goes on at the other', () => {
  const { folder, serve } = useCommand();

  afterEach(endGofers);

  const served = (name: string): string => join(folder(), 'served', name);

  async function two(cache: CacheMode): Promise<Two> {
    const prefix = redis().newPrefix();
    const args = ['--no-auth', '--redis', redis().url, '--redis-prefix', prefix];
    const [first, second] = [serve(...args), serve(...args)];
    const proxy = await CuttingProxy.open();
    atEnd(() => proxy.close());
    proxy.target = await portOf(first);
    const kernel = await clientOf(connectionTo(`ws://127.0.0.1:${proxy.port}/`), { cache });
    const other = await clientOf(connectionTo((await second.address()).url), { cache: 'shared' });
    const moving = await kernel.process();
    return {
      ...{ prefix, moving, proxy },
      other: await other.process(),
      killFirst: async () => {
        proxy.target = undefined;
        first.child.kill('SIGKILL');
        await first.ended;
      },
      moveOn: async () => {
        proxy.target = await portOf(second);
        await moving.sys.statfs('/');
      },
    };
  }

  /** As when a minute has gone by in which no server has renewed any lease. */
  async function endLeases(prefix: string): Promise<number> {
    const client = createClient({ url: redis().url });
    await client.connect();
    const sessions = await client.zRange(`${prefix}:leases`, 0, -1);
    const over = sessions.map((value) => ({ score: 0, value }));
    if (over.length > 0) await client.zAdd(`${prefix}:leases`, over);
    await client.close();
    return sessions.length;
  }

  describe.each(SHARING)('%s', (cache) => {
    async function locked() {
      const started = await two(cache);
      const a = await opened(started.moving);
      await a.sys.write(a.fd, encodeUtf8('synced'));
      await a.sys.fsync(a.fd);
      await lock(a, F_WRLCK);
      await a.sys.flock(a.fd, LOCK_EX);
      return { ...started, a, b: await opened(started.other) };
    }

    test('with its locks, which nobody else gets at any time', async () => {
      const { a, b, killFirst, moveOn } = await locked();
      const contender = new Contender(b);
      await contender.some();
      let isHad = false;
      const waiting = b
        .run((sys) => sys.setlk(b.fd, F_SETLKW, lockOf(F_WRLCK, RANGE)))
        .then(() => {
          isHad = true;
        });
      await killFirst();
      await contender.some();
      await moveOn();
      await contender.some();
      expect(readFileSync(served('file'), 'utf8')).toBe('synced');
      await a.sys.pwrite(a.fd, encodeUtf8('S'), 0);
      await a.sys.fsync(a.fd);
      expect(readFileSync(served('file'), 'utf8')).toBe('Synced');
      await contender.stop();
      expect(isHad).toBe(false);
      await lock(a, F_UNLCK);
      await waiting;
      await expect(lock(a, F_WRLCK)).rejects.toBe(linuxerr.EAGAIN);
      await a.sys.flock(a.fd, LOCK_UN);
      await b.sys.flock(b.fd, LOCK_EX | LOCK_NB);
    });

    test('and is told that its locks are lost, if another has them by then', async () => {
      const { a, b, prefix, killFirst, moveOn } = await locked();
      await killFirst();
      expect(await endLeases(prefix)).toBe(1);
      await lock(b, F_WRLCK);
      await b.sys.flock(b.fd, LOCK_EX | LOCK_NB);
      await moveOn();
      const buffer = new Uint8Array(6);
      await expect(a.sys.pread(a.fd, buffer, 0)).rejects.toBe(linuxerr.EIO);
      await expect(a.sys.pwrite(a.fd, buffer, 0)).rejects.toBe(linuxerr.EIO);
      await lock(a, F_UNLCK);
      await a.sys.flock(a.fd, LOCK_UN);
      expect(await a.sys.pread(a.fd, buffer, 0)).toBe(6);
      expect(decodeUtf8(buffer)).toBe('synced');
      await expect(lock(a, F_WRLCK)).rejects.toBe(linuxerr.EAGAIN);
      await lock(b, F_UNLCK);
      await lock(a, F_WRLCK);
    });

    test('and has its locks again, if the lease ended and nobody wanted them', async () => {
      const { b, prefix, killFirst, moveOn } = await locked();
      await killFirst();
      expect(await endLeases(prefix)).toBe(1);
      await moveOn();
      const contender = new Contender(b);
      await contender.some();
      await contender.stop();
    });
  });

  test.each(['exclusive', ...SHARING] as const)(
    '%s: with the files it has open, but one that has no name',
    async (cache) => {
      const { moving, killFirst, moveOn } = await two(cache);
      const { sys } = moving;
      const create = async (path: string): Promise<number> => {
        const fd = await sys.openat(AT_FDCWD, path, O_CREAT | O_RDWR, 0o644);
        await sys.write(fd, encodeUtf8(path));
        await sys.fsync(fd);
        return fd;
      };
      const [kept, moved, nameless] = [await create('/1'), await create('/2'), await create('/3')];
      await sys.renameat2(AT_FDCWD, '/2', AT_FDCWD, '/moved', 0);
      await sys.unlinkat(AT_FDCWD, '/3', 0);
      await sys.sync();
      await killFirst();
      await moveOn();
      const lost = sys.pwrite(nameless, encodeUtf8('x'), 0).then(() => sys.fsync(nameless));
      await expect(lost).rejects.toBe(linuxerr.ESTALE);
      // A sync tells it once.
      await sys.sync().catch(() => undefined);
      await sys.sync();
      await sys.close(nameless);
      for (const [fd, name] of [
        [kept, '1'],
        [moved, 'moved'],
      ] as const) {
        await sys.pwrite(fd, encodeUtf8(', more'), 2);
        await sys.fsync(fd);
        expect(readFileSync(served(name), 'utf8').slice(2)).toBe(', more');
      }
    },
  );

  describe.each(['exclusive', ...SHARING] as const)('%s', (cache) => {
    test.each([1, 2])('with all that was synced, wherever it was killed, seed %i', async (seed) => {
      const random = randomFrom(seed);
      const { moving, proxy, killFirst, moveOn } = await two(cache);
      const { sys } = moving;
      const synced = new Map<string, string>();
      let moves: Promise<void> | undefined;
      for (let index = 0; index < 40 || moves === undefined; index++) {
        const [name, text] = [`f${index}`, `${index} `.repeat(1 + random(400))];
        // In the middle of whatever it is.
        if (index === 10) {
          proxy.after(1 + random(3000), () => {
            moves = killFirst().then(moveOn);
          });
        }
        try {
          const fd = await sys.openat(AT_FDCWD, `/${name}`, O_CREAT | O_RDWR, 0o644);
          await sys.write(fd, encodeUtf8(text));
          await sys.fsync(fd);
          await sys.close(fd);
          synced.set(name, text);
        } catch (error) {
          // What was under way just then.
          if (error !== linuxerr.EIO && error !== linuxerr.ESTALE) throw error;
          expect(moves).toBeDefined();
        }
        if (synced.has(name)) expect(readFileSync(served(name), 'utf8')).toBe(text);
      }
      await moves;
      expect(synced.size).toBeGreaterThan(30);
      // What failed is told to who syncs everything, too, and once.
      await sys.sync().catch((error: unknown) => {
        expect(error).toBe(linuxerr.EIO);
      });
      await sys.sync();
      for (const [name, text] of synced) {
        expect(readFileSync(served(name), 'utf8')).toBe(text);
        const buffer = new Uint8Array(text.length + 1);
        const fd = await sys.openat(AT_FDCWD, `/${name}`, O_RDWR, 0);
        expect(decodeUtf8(buffer.subarray(0, await sys.pread(fd, buffer, 0)))).toBe(text);
        await sys.close(fd);
      }
    });
  });

  test('with its watches: of what the host and the other’s clients do', async () => {
    const { moving, other, killFirst, moveOn } = await two('shared');
    const { sys } = moving;
    const fd = await sys.inotify_init1(0);
    await sys.inotify_add_watch(fd, '/', IN_CREATE | IN_DELETE);
    writeFileSync(served('before'), '');
    expect(await readEvents(sys, fd)).toEqual([[IN_CREATE, 'before']]);
    await killFirst();
    await moveOn();
    // Something may have been missed, and nothing is from here on.
    expect(await readEvents(sys, fd)).toEqual([[IN_Q_OVERFLOW, '']]);
    writeFileSync(served('host'), '');
    expect(await readEvents(sys, fd)).toEqual([[IN_CREATE, 'host']]);
    await other.sys.unlinkat(AT_FDCWD, '/host', 0);
    expect(await readEvents(sys, fd)).toEqual([[IN_DELETE, 'host']]);
    await other.sys.mkdirat(AT_FDCWD, '/other', 0o755, 0);
    const [[mask, name] = [0, '']] = await readEvents(sys, fd);
    expect([mask & IN_CREATE, name]).toEqual([IN_CREATE, 'other']);
  });
});
