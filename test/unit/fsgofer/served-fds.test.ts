// Descriptors of the host that a lisafs client holds: how many there may be, and that none is left
// when its client has gone, or didn't wait for it.

import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { linuxerr } from '../../../src/abi/errno.ts';
import { O_RDONLY, O_RDWR } from '../../../src/abi/fcntl.ts';
import { STATX_SIZE } from '../../../src/abi/stat.ts';
import { HostExport } from '../../../src/fsgofer/host-export.ts';
import { type Interruption, type Op, runAsync } from '../../../src/lib/op.ts';
import { CLIENT_FD_MIN } from '../../../src/lisafs/records.ts';
import { OWNER, untilClosed, useServedTree } from './served-support.ts';
import { clock, openPathsIn, useTree, WAYS } from './support.ts';

const NOW = { sec: 0, nsec: 0 };

const openCount = (): number => readdirSync('/proc/self/fd').length;

describe('budgets', () => {
  const { tree, serve } = useServedTree();

  function fill(count: number): string[] {
    const names = Array.from({ length: count }, (_, index) => `file-${index}`);
    for (const name of names) writeFileSync(tree().in(name), name);
    return names;
  }

  test('one client’s is its own, however often it mounts, and nothing leaks', async () => {
    const names = fill(20);
    const { connect, hostExport } = await serve({ clientFdsMax: 10 });
    const before = openCount();
    const greedy = await connect();
    const fds: number[] = [];
    await expect(
      (async () => {
        for (const name of names) fds.push(await greedy.fd(name));
      })(),
    ).rejects.toBe(linuxerr.EMFILE);
    // The root takes one.
    expect([fds.length, openCount() - before]).toEqual([9, 10]);
    await expect(greedy.mount()).rejects.toBe(linuxerr.EMFILE);
    await expect(greedy.create('new')).rejects.toBe(linuxerr.EMFILE);
    await expect(greedy.mkdir('new')).rejects.toBe(linuxerr.EMFILE);
    await expect(greedy.open(O_RDONLY, names[0]!)).rejects.toBe(linuxerr.EMFILE);
    const dirFD = greedy.rootFD;
    const list = greedy.call('ListDir', { dirFD, cookie: 0, maxBytes: 10_000, flags: 3 });
    await expect(list).rejects.toBe(linuxerr.EMFILE);
    expect(openCount() - before).toBe(10);
    // What could not be told wasn't made.
    expect(readdirSync(tree().root).toSorted()).toEqual(names.toSorted());
    // Others have their own.
    const modest = await connect();
    expect(await modest.read(await modest.open(O_RDONLY, names[0]!))).toBe(names[0]);
    await greedy.call('Close', { fds: fds.slice(0, 2) });
    await untilClosed(hostExport, 1 + 8 + 3);
    expect(await greedy.read(await greedy.open(O_RDONLY, names[1]!))).toBe(names[1]);
    for (const client of [greedy, modest]) await client.leave();
    await untilClosed(hostExport, 1);
    expect(openCount()).toBe(before);
  });

  test('that of all is ENFILE, and a walk that fails leaves nothing', async () => {
    mkdirSync(tree().in('a', 'b', 'c', 'd', 'e'), { recursive: true });
    const { connect, hostExport } = await serve({ fdsMax: 8, clientFdsMax: 100 });
    const [one, two] = [await connect(), await connect()];
    expect(hostExport.fdCount).toBe(3);
    await expect(one.walk('a', 'b', 'c', 'd', 'e')).rejects.toBe(linuxerr.EMFILE);
    await untilClosed(hostExport, 3);
    await one.walk('a', 'b');
    await two.walk('a');
    for (const greedy of [one, two]) {
      await expect(greedy.walk('a')).rejects.toBe(linuxerr.EMFILE);
    }
    await connect();
    const last = await connect();
    expect(hostExport.fdCount).toBe(8);
    await expect(connect()).rejects.toBe(linuxerr.ENFILE);
    await last.leave();
    await untilClosed(hostExport, 7);
    await connect();
  });

  test('what was reserved for a client is there for what it makes', async () => {
    fill(1);
    const limits = { fdsMax: 20, clientFdsMax: 10 };
    const { connect, hostExport } = await serve(limits, (served) => ({ reserve: served.reserve }));
    const one = await connect({ hasSession: true });
    expect(await one.call('Reserve', { total: 4 })).toEqual({ total: 4 });
    const takeAll = async (): Promise<void> => {
      for (;;) await one.fd('file-0');
    };
    await expect(takeAll()).rejects.toBe(linuxerr.EMFILE);
    const file = { dirFD: one.rootFD, ...OWNER, mode: 0o644, flags: O_RDWR };
    for (const [index, name] of ['a', 'b'].entries()) {
      const clientFD = CLIENT_FD_MIN + 2 * index;
      const ids = { clientFD, clientOpenFD: clientFD + 1 };
      await one.call('CreateWrite', { ...file, ...ids, name, data: new Uint8Array(0) });
    }
    await expect(one.create('c')).rejects.toBe(linuxerr.EMFILE);
    expect(hostExport.fdCount).toBe(1 + 10);
    // Its size can be changed all the same.
    const size = { mask: STATX_SIZE, mode: 0, uid: 0, gid: 0, size: 5, atime: NOW, mtime: NOW };
    await one.call('SetStat', { fd: CLIENT_FD_MIN, ...size });
    expect(readFileSync(tree().in('a'))).toHaveLength(5);
    // When a close is answered there is room.
    await one.call('Close', { fds: [CLIENT_FD_MIN, CLIENT_FD_MIN + 1] });
    expect(hostExport.fdCount).toBe(1 + 8);
    await one.leave();
    await untilClosed(hostExport, 1);
  });

  test('clients that take all they get leave something for the next one', async () => {
    fill(1);
    const { connect, hostExport } = await serve({ fdsMax: 65, clientFdsMax: 32 });
    const counts: number[] = [];
    for (let count = 0; count < 4; count++) {
      const before = hostExport.fdCount;
      const greedy = await connect();
      const takeAll = async (): Promise<void> => {
        for (;;) await greedy.fd('file-0');
      };
      await expect(takeAll()).rejects.toBe(linuxerr.EMFILE);
      counts.push(hostExport.fdCount - before);
    }
    expect(counts).toEqual([32, 16, 8, 4]);
  });
});

describe.each(WAYS)('$name', ({ access, calls }) => {
  const { tree, serve } = useServedTree();

  test('a client that goes leaves nothing open, whatever it had', async () => {
    mkdirSync(tree().in('directory', 'inner'), { recursive: true });
    writeFileSync(tree().in('directory', 'file'), 'hello');
    symlinkSync('file', tree().in('directory', 'link'));
    const { connect, hostExport } = await serve({ access, calls });
    const rootFdCount = hostExport.fdCount;
    const before = openCount();
    const client = await connect();
    const dirFD = await client.fd('directory');
    await client.open(O_RDWR, 'directory', 'file');
    await client.open(O_RDONLY, 'directory');
    await client.fd('directory', 'link');
    await client.create('new');
    await client.call('ListDir', { dirFD, cookie: 0, maxBytes: 200, flags: 1 });
    await client.call('Close', { fds: [dirFD] });
    expect(openCount()).toBeGreaterThan(before);
    // While it asks for more.
    for (let index = 0; index < 10; index++) {
      client.send('Walk', { dirFD: client.rootFD, path: ['directory', 'file'] });
    }
    await client.leave();
    await untilClosed(hostExport, rootFdCount);
    expect(openCount()).toBe(before);
  });
});

describe.each(WAYS)('interrupted: $name', ({ access, calls }) => {
  const tree = useTree();

  /** Interrupts an Op when it waits. */
  function interrupted<T>(op: Op<T>): Promise<T> {
    const interruption: Interruption = {
      subscribe: (onInterrupt) => {
        queueMicrotask(() => {
          onInterrupt(linuxerr.EINTR);
        });
        return () => undefined;
      },
    };
    return runAsync(op, interruption);
  }

  test('what comes too late is closed, and a change is made all the same', async () => {
    mkdirSync(tree().in('directory'));
    writeFileSync(tree().in('file'), 'hello');
    const limits = { fdsMax: 100, clientFdsMax: 100 };
    const hostExport = await HostExport.open(tree().root, { clock, access, calls, ...limits });
    const before = hostExport.fdCount;
    await expect(interrupted(hostExport.pin({}))).rejects.toBe(linuxerr.EINTR);
    await untilClosed(hostExport, before);
    const { file: root } = await runAsync(hostExport.pin({}));
    const { file } = await runAsync(root.walk('file'));
    const { file: directory } = await runAsync(root.walk('directory'));
    const held = hostExport.fdCount;
    const abandoned = [
      () => root.walk('file'),
      () => root.statAt('file'),
      () => file.open(O_RDWR),
      () => directory.open(O_RDONLY),
      () => file.stat(),
    ];
    for (const each of abandoned) {
      await expect(interrupted<unknown>(each())).rejects.toBe(linuxerr.EINTR);
    }
    await untilClosed(hostExport, held);
    const made = await interrupted(root.create('new', { ...OWNER, mode: 0o600 }, O_RDWR));
    expect(await interrupted(made.opened.write(Uint8Array.of(65), 0))).toBe(1);
    await interrupted(root.unlink('file', 0));
    expect(readdirSync(tree().root).toSorted()).toEqual(['directory', 'new']);
    const listing = await runAsync(directory.open(O_RDONLY));
    const asked = interrupted(listing.list(2));
    await expect(asked).rejects.toBe(linuxerr.EINTR);
    // Their closing waits for what is still under way.
    for (const each of [listing, directory, made.opened, made.file, file, root]) {
      await runAsync(each.close());
    }
    await untilClosed(hostExport, before);
    await hostExport.close();
    expect(openPathsIn(tree().path)).toEqual([]);
  });

  test('a file is closed while it is looked for, and after', async () => {
    mkdirSync(tree().in('directory'));
    writeFileSync(tree().in('directory', 'file'), 'hello');
    const options = { clock, access, calls, fdsMax: 100, clientFdsMax: 100, isRoot: true };
    const hostExport = await HostExport.open(tree().root, options);
    const before = hostExport.fdCount;
    const { file: root } = await runAsync(hostExport.pin({}));
    const { file: directory } = await runAsync(root.walk('directory'));
    const { file } = await runAsync(directory.walk('file'));
    const late = Promise.allSettled([
      // The host is asked twice.
      interrupted<unknown>(file.open(O_RDWR)),
      interrupted<unknown>(directory.walk('file')),
      interrupted<unknown>(directory.open(O_RDONLY)),
    ]);
    for (const each of [file, directory, root]) await runAsync(each.close());
    const rejected = { status: 'rejected', reason: linuxerr.EINTR };
    expect(await late).toEqual([rejected, rejected, rejected]);
    await untilClosed(hostExport, before);
    await hostExport.close();
  });
});
