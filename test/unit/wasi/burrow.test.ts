// The module `burrow` and host_fs: their conventions, and that a program which was given a part of
// the tree stays there. What the calls do, the C programs in test/wasi show.

import { afterEach, beforeEach, expect, test } from 'vitest';
import { AT_FDCWD, O_CREAT, O_RDWR, O_TMPFILE } from '../../../src/abi/fcntl.ts';
import { allLinuxErrors, linuxerr } from '../../../src/abi/errno.ts';
import { BURROW_CALLS, burrowSignature } from '../../../src/wasi/burrow-functions.ts';
import { wasiErrnoOf } from '../../../src/wasi/errno.ts';
import { type Guest, startGuest } from '../../support/guest.ts';
import { type Actor, Scene } from '../../support/scene.ts';

let scene: Scene;
let t: Actor;

beforeEach(async () => {
  scene = await Scene.open();
  t = await scene.newActor();
  await t.mkdir('/box');
  await t.mkdir('/box/dir');
  await t.createFile('/secret', 'text', 0o600);
  await t.createFile('/box/file', 'text', 0o644);
  await t.symlink('/secret', '/box/way-out');
  await t.symlink('../../secret', '/box/dir/way-up');
});

afterEach(() => scene.close());

const failure = (error: (typeof linuxerr)[keyof typeof linuxerr]): number =>
  -(4096 + wasiErrnoOf(error));

const boxed = (): Promise<Guest> => startGuest(scene, t, { directories: { '/box': '/' } });

test('no result of a call is what means "would wait" in an inline task', () => {
  for (const error of allLinuxErrors) expect(failure(error)).toBeLessThan(-1);
});

test('signatures have a parameter for each argument and each place of a result', () => {
  expect(burrowSignature('openat')).toBe('iiiii');
  expect(burrowSignature('copy_file_range')).toBe('iIiIIii');
  expect(burrowSignature('getcwd')).toBe('ii');
  expect(burrowSignature('statx')).toBe('iiiiii');
  expect(burrowSignature('poll')).toBe('iiI');
  expect(new Set(BURROW_CALLS).size).toBe(BURROW_CALLS.length);
});

test('bad pointers are EFAULT, bad text EILSEQ, and nothing is thrown', async () => {
  const guest = await startGuest(scene, t);
  const last = guest.size - 1;
  expect(guest.call('openat', AT_FDCWD, last, 10, 0, 0)).toBe(failure(linuxerr.EFAULT));
  expect(guest.call('statx', AT_FDCWD, ...guest.text('/'), 0, 0, last)).toBe(
    failure(linuxerr.EFAULT),
  );
  expect(guest.call('getlk', 0, 5, last)).toBe(failure(linuxerr.EFAULT));
  expect(guest.call('pipe2', 0, last)).toBe(failure(linuxerr.EFAULT));
  expect(guest.call('poll', last, 2, 0n)).toBe(failure(linuxerr.EFAULT));
  const at = guest.allocate(2);
  guest.bytes(at, 2).set([0xff, 0xfe]);
  expect(guest.call('chdir', at, 2)).toBe(failure(linuxerr.EILSEQ));
});

test('a pipe that nobody reads kills whoever sends a file into it', async () => {
  const guest = await startGuest(scene, t);
  const at = guest.allocate(8);
  expect(guest.call('pipe2', 0, at)).toBe(0);
  const [reader, writer] = [guest.view.getInt32(at, true), guest.view.getInt32(at + 4, true)];
  const source = guest.call('openat', AT_FDCWD, ...guest.text('/secret'), 0, 0);
  expect(guest.call('sendfile', writer, source, 0n, 3n, at)).toBe(0);
  expect(guest.call('fd_close', reader)).toBe(0);
  const killed: unknown = expect.objectContaining({ signal: 'SIGPIPE', code: 141 });
  expect(() => guest.call('sendfile', writer, source, 0n, 3n, at)).toThrow(killed);
});

test('a program with the whole tree reaches all of it', async () => {
  const guest = await startGuest(scene, t);
  expect(guest.call('fchmodat', AT_FDCWD, ...guest.text('/secret'), 0o640, 0)).toBe(0);
  expect((await t.stat('/secret')).mode & 0o777).toBe(0o640);
  const room = guest.allocate(64);
  expect(guest.call('getcwd', room, 64)).toBe(1);
});

test('a program with a part of the tree is told so, and changes nothing outside', async () => {
  const guest = await boxed();
  const outside = ['/secret', '/way-out', '/dir/way-up', '/../secret', '/dir/../../secret'];
  for (const path of outside.slice(1)) {
    const text = guest.text(path);
    expect(guest.call('fchmodat', AT_FDCWD, ...text, 0o777, 0), path).toBe(
      failure(linuxerr.ENOTCAPABLE),
    );
    expect(guest.call('openat', AT_FDCWD, ...text, O_RDWR, 0), path).toBe(
      failure(linuxerr.ENOTCAPABLE),
    );
    expect(guest.call('path_mode', ...text, 1), path).toBe(0);
    expect(guest.call('chmod', ...text, 0o777), path).toBe(wasiErrnoOf(linuxerr.ENOTCAPABLE));
  }
  // Beneath its "/" there is no such file.
  expect(guest.call('openat', AT_FDCWD, ...guest.text('/secret'), O_RDWR, 0)).toBe(
    failure(linuxerr.ENOENT),
  );
  expect((await t.stat('/secret')).mode & 0o777).toBe(0o600);
});

test('what names no directory to stay beneath is not for it', async () => {
  const guest = await boxed();
  const none = guest.text('');
  const root = guest.text('/');
  const calls: [string, unknown[]][] = [
    ['chdir', root],
    ['chroot', root],
    ['mount', [...none, ...root, ...guest.text('tmpfs'), 0, ...none]],
    ['umount2', [...root, 0]],
    ['inotify_add_watch', [guest.call('inotify_init1', 0), ...root, 0x100]],
    ['setxattr', [...root, ...guest.text('user.a'), ...none, 0, 0]],
    ['statfs', [...root, guest.allocate(72)]],
  ];
  for (const [name, args] of calls) {
    expect(guest.call(name, ...args), name).toBe(failure(linuxerr.ENOTCAPABLE));
  }
});

test('it can use what it is given: names, and files without one', async () => {
  const guest = await boxed();
  const flags = O_RDWR | O_CREAT;
  const fd = guest.call('openat', AT_FDCWD, ...guest.text('/new'), flags, 0o640);
  expect(fd).toBeGreaterThan(0);
  expect((await t.stat('/box/new')).mode & 0o777).toBe(0o640);
  const unnamed = guest.call('openat', AT_FDCWD, ...guest.text('/dir'), O_TMPFILE | O_RDWR, 0o600);
  expect(unnamed).toBeGreaterThan(fd);
  expect(guest.call('fchmodat', AT_FDCWD, ...guest.text('file'), 0o600, 0)).toBe(0);
  expect((await t.stat('/box/file')).mode & 0o777).toBe(0o600);
  const names = [...guest.text('/file'), AT_FDCWD, ...guest.text('/dir/moved')];
  expect(guest.call('renameat2', AT_FDCWD, ...names, 0)).toBe(0);
  expect(await t.exists('/box/dir/moved')).toBe(true);
});
