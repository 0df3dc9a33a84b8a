// What the C programs in test/wasi don't get to: arguments and environment beyond ASCII, clocks,
// preopens that are not the root, streams, and the functions of host_fs and host_user.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { O_RDWR } from '../../../src/abi/fcntl.ts';
import { ROOT_CREDENTIALS } from '../../../src/auth/credentials.ts';
import { ByteQueue } from '../../../src/lib/byte-queue.ts';
import { decodeUtf8 } from '../../../src/lib/text.ts';
import { runAsync } from '../../../src/lib/op.ts';
import { type Guest, startGuest, WASI } from '../../support/guest.ts';
import { type Actor, Scene } from '../../support/scene.ts';

let scene: Scene;
let t: Actor;

beforeEach(async () => {
  scene = await Scene.open();
  t = await scene.newActor();
});

afterEach(() => scene.close());

/** The strings that args_get or environ_get hand out. */
function strings(guest: Guest, what: 'args' | 'environ'): string[] {
  const [count, size] = [guest.allocate(4), guest.allocate(4)];
  expect(guest.call(`${what}_sizes_get`, count, size)).toBe(WASI.SUCCESS);
  const total = guest.view.getUint32(size, true);
  const pointers = guest.allocate(4 * guest.view.getUint32(count, true));
  const text = guest.allocate(total);
  const behind = guest.allocate(8);
  expect(guest.call(`${what}_get`, pointers, text)).toBe(WASI.SUCCESS);
  expect(guest.view.getUint32(behind, true)).toBe(0);
  expect(guest.view.getUint32(pointers, true)).toBe(text);
  return decodeUtf8(guest.bytes(text, total)).split('\0').slice(0, -1);
}

test('arguments and environment are UTF-8, and as long as they are said to be', async () => {
  const guest = await startGuest(scene, t, {
    args: ['program', 'zwölf', '', '𝄞'],
    env: { NAME: 'Jürgen', EMPTY: '' },
  });
  expect(strings(guest, 'args')).toEqual(['program', 'zwölf', '', '𝄞']);
  expect(strings(guest, 'environ')).toEqual(['NAME=Jürgen', 'EMPTY=']);
});

describe('clocks', () => {
  const REALTIME = 0;
  const MONOTONIC = 1;
  const PROCESS_CPUTIME = 2;

  test('the time of day is the one that files get', async () => {
    const guest = await startGuest(scene, t);
    scene.clock.advance(1234);
    await t.createFile('/f');
    const at = guest.allocate(8);
    expect(guest.call('clock_time_get', REALTIME, 1n, at)).toBe(WASI.SUCCESS);
    const stat = guest.allocate(64);
    guest.call('path_filestat_get', 0, 0, ...guest.text('f'), stat);
    expect(guest.view.getBigUint64(at, true)).toBe(guest.view.getBigUint64(stat + 48, true));
  });

  test('processor time is at most the time since the start', async () => {
    const guest = await startGuest(scene, t);
    scene.clock.advance(50);
    const at = guest.allocate(8);
    expect(guest.call('clock_time_get', PROCESS_CPUTIME, 0n, at)).toBe(WASI.SUCCESS);
    expect(guest.view.getBigUint64(at, true)).toBe(50_000_000n);
    expect(guest.call('clock_time_get', 4, 0n, at)).toBe(WASI.INVAL);
    expect(guest.call('clock_res_get', 4, at)).toBe(WASI.INVAL);
    expect(guest.call('clock_res_get', MONOTONIC, at)).toBe(WASI.SUCCESS);
    expect(guest.view.getBigUint64(at, true)).toBeGreaterThan(0n);
  });
});

describe('a preopen that is not the root', () => {
  let guest: Guest;
  const BOX = 0;

  beforeEach(async () => {
    await t.mkdir('/box');
    await t.createFile('/box/f', 'mine');
    await t.createFile('/secret', 'not yours');
    await t.symlink('/secret', '/box/absolute');
    await t.symlink('../secret', '/box/up');
    guest = await startGuest(scene, t, { directories: { '/box': '/data' } });
  });

  test('has the name it was given', () => {
    const at = guest.allocate(8);
    expect(guest.call('fd_prestat_get', BOX, at)).toBe(WASI.SUCCESS);
    expect([guest.view.getUint8(at), guest.view.getUint32(at + 4, true)]).toEqual([0, 5]);
    const name = guest.allocate(8);
    expect(guest.call('fd_prestat_dir_name', BOX, name, 5)).toBe(WASI.SUCCESS);
    expect(decodeUtf8(guest.bytes(name, 5))).toBe('/data');
    expect(guest.call('fd_prestat_dir_name', BOX, name, 4)).not.toBe(WASI.SUCCESS);
    expect(guest.call('fd_prestat_get', 1, at)).toBe(WASI.BADF);
  });

  test.each(['../secret', '/secret', '/box/f', 'absolute', 'up', '..', 'f/../../secret'])(
    '%s is not to be had',
    (path) => {
      const stat = guest.allocate(64);
      const result = guest.call('path_filestat_get', BOX, 1, ...guest.text(path), stat);
      expect([WASI.NOTCAPABLE, 54]).toContain(result);
    },
  );

  test('no link to an absolute path can be made or followed', async () => {
    const link = guest.text('link');
    expect(guest.call('path_symlink', ...guest.text('/secret'), BOX, ...link)).toBe(
      WASI.NOTCAPABLE,
    );
    expect(guest.call('path_symlink', ...guest.text('../secret'), BOX, ...link)).toBe(0);
    const opened = guest.allocate(4);
    const open = (flags: number): number =>
      guest.call('path_open', BOX, flags, ...link, 0, 2n, 2n, 0, opened);
    expect(open(1)).toBe(WASI.NOTCAPABLE);
    expect(open(0)).not.toBe(WASI.SUCCESS);
    expect(await t.readlink('/box/link')).toBe('../secret');
  });

  test('directories opened in it have the same bounds', async () => {
    await t.mkdir('/box/d');
    const opened = guest.allocate(4);
    expect(guest.call('path_open', BOX, 0, ...guest.text('d'), 2, 0n, 0n, 0, opened)).toBe(
      WASI.SUCCESS,
    );
    const dir = guest.view.getUint32(opened, true);
    const stat = guest.allocate(64);
    for (const path of ['..', '../f', '../../secret']) {
      const result = guest.call('path_filestat_get', dir, 1, ...guest.text(path), stat);
      expect(result, path).toBe(WASI.NOTCAPABLE);
    }
    const [from, to] = [guest.text('f'), guest.text('../moved')];
    expect(guest.call('path_rename', BOX, ...from, dir, ...to)).toBe(WASI.NOTCAPABLE);
    expect(guest.call('path_rename', BOX, ...from, dir, ...guest.text('f'))).toBe(0);
  });
});

test('reading and writing many buffers is one call each', async () => {
  const queue = new ByteQueue();
  const stream = { flags: O_RDWR, isTerminal: false, input: queue, output: queue };
  const fd = t.task.fds.install(scene.kernel.openStream(stream, ROOT_CREDENTIALS));
  const guest = await startGuest(scene, t);
  const data = guest.text('abcdefgh')[0];
  const iovs = guest.allocate(24);
  const lengths = [3, 0, 5];
  lengths.forEach((length, index) => {
    guest.view.setUint32(iovs + index * 8, data + (index === 2 ? 3 : 0), true);
    guest.view.setUint32(iovs + index * 8 + 4, length, true);
  });
  const result = guest.allocate(4);
  expect(guest.call('fd_write', fd, iovs, 3, result)).toBe(WASI.SUCCESS);
  expect(guest.view.getUint32(result, true)).toBe(8);
  guest.bytes(data, 8).fill(0);
  expect(guest.call('fd_read', fd, iovs, 3, result)).toBe(WASI.SUCCESS);
  expect(decodeUtf8(guest.bytes(data, 8))).toBe('abcdefgh');
});

test('a read that waits puts its bytes there when they have come', async () => {
  const queue = new ByteQueue();
  const stream = { flags: O_RDWR, isTerminal: true, input: queue, output: queue };
  const fd = t.task.fds.install(scene.kernel.openStream(stream, ROOT_CREDENTIALS));
  const guest = await startGuest(scene, t);
  const data = guest.allocate(8);
  const result = guest.allocate(4);
  const read = runAsync(guest.op('fd_read', [fd, ...guest.iovec(data, 8), result]));
  queue.write(new Uint8Array([0x68, 0x69]));
  expect(await read).toBe(WASI.SUCCESS);
  expect(guest.view.getUint32(result, true)).toBe(2);
  expect(decodeUtf8(guest.bytes(data, 2))).toBe('hi');
});

describe('host_fs and host_user', () => {
  test('tell modes, change them, and know terminals', async () => {
    await t.createFile('/f', '', 0o640);
    await t.symlink('f', '/s');
    const queue = new ByteQueue();
    const stream = { flags: O_RDWR, isTerminal: true, input: queue, output: queue };
    const terminal = t.task.fds.install(scene.kernel.openStream(stream, ROOT_CREDENTIALS));
    const guest = await startGuest(scene, t);
    expect(guest.call('path_mode', ...guest.text('/f'), 1)).toBe(0o100640);
    expect(guest.call('path_mode', ...guest.text('s'), 0)).toBe(0o120777);
    expect(guest.call('path_mode', ...guest.text('missing'), 1)).toBe(0);
    expect(guest.call('chmod', ...guest.text('s'), 0o600)).toBe(WASI.SUCCESS);
    expect(guest.call('path_mode', ...guest.text('f'), 1)).toBe(0o100600);
    expect(guest.call('chmod', ...guest.text('missing'), 0)).toBe(WASI.NOENT);
    expect(guest.call('fd_mode', terminal)).toBe(0o020620);
    expect(guest.call('fd_mode', 99)).toBe(0);
    const at = guest.allocate(4);
    expect(guest.call('isatty', terminal, at)).toBe(WASI.SUCCESS);
    expect(guest.view.getUint32(at, true)).toBe(1);
    expect(guest.call('isatty', 99, at)).toBe(WASI.BADF);
  });

  test('know the user and root', async () => {
    const user = { uid: 1000, gid: 100, name: 'me', home: '/home/me' };
    const guest = await startGuest(scene, t, { user });
    const [buffer, length] = [guest.allocate(200), guest.allocate(4)];
    const line = (uid: number): string => {
      expect(guest.call('getpwuid', uid, buffer, 200, length)).toBe(WASI.SUCCESS);
      return decodeUtf8(guest.bytes(buffer, guest.view.getUint32(length, true)));
    };
    expect(line(1000)).toBe('me:x:1000:100:me:/home/me:/bin/sh');
    expect(line(0)).toMatch(/^root:x:0:0:/);
    expect(guest.call('getpwuid', 5, buffer, 200, length)).toBe(WASI.NOENT);
    expect(guest.call('getpwuid', 0, buffer, 3, length)).toBe(68);
  });
});
