// /dev: the devices, and the names that stand for a task's own descriptors.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  O_APPEND,
  O_CREAT,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  SEEK_END,
  SEEK_SET,
} from '../../../src/abi/fcntl.ts';
import { DT_CHR, DT_DIR, DT_LNK, makeDev, S_IFCHR, S_IFMT } from '../../../src/abi/stat.ts';
import { ROOT_CREDENTIALS } from '../../../src/auth/credentials.ts';
import { ByteQueue } from '../../../src/lib/byte-queue.ts';
import { type Actor, fails, Scene } from '../../support/scene.ts';

let scene: Scene;
let t: Actor;

beforeEach(async () => {
  scene = await Scene.open();
  await scene.mount('/dev', { type: 'devfs' });
  t = await scene.newActor();
});

afterEach(() => scene.close());

/** The next descriptor of the task, reading from a queue. */
function install(queue: ByteQueue, isTerminal = false): number {
  const options = { flags: O_RDWR, isTerminal, input: queue, output: queue };
  return t.task.fds.install(scene.kernel.openStream(options, ROOT_CREDENTIALS));
}

test('has the names and numbers that Linux has', async () => {
  const fd = await t.open('/dev', O_RDONLY);
  const types = new Map((await t.readDirents(fd)).map(({ name, type }) => [name, type]));
  expect(Object.fromEntries(types)).toEqual({
    '.': DT_DIR,
    '..': DT_DIR,
    fd: DT_DIR,
    full: DT_CHR,
    inotify: DT_CHR,
    null: DT_CHR,
    random: DT_CHR,
    stderr: DT_LNK,
    stdin: DT_LNK,
    stdout: DT_LNK,
    tty: DT_CHR,
    urandom: DT_CHR,
    zero: DT_CHR,
  });
  const { mode, rdev } = await t.stat('/dev/null');
  expect([mode & S_IFMT, mode & 0o777, rdev]).toEqual([S_IFCHR, 0o666, makeDev(1, 3)]);
});

describe.each(['null', 'zero', 'full', 'random', 'urandom'])('/dev/%s', (name) => {
  test('is opened in every way, and seeks nowhere', async () => {
    const fd = await t.open(`/dev/${name}`, O_RDWR | O_CREAT | O_TRUNC | O_APPEND);
    expect(await t.lseek(fd, 100, SEEK_SET)).toBe(0);
    expect(await t.lseek(fd, 0, SEEK_END)).toBe(0);
    await fails('EINVAL', t.ftruncate(fd, 0));
    await fails('EINVAL', t.truncate(`/dev/${name}`, 0));
    await fails('ENODEV', t.fallocate(fd, 0, 0, 1));
    await fails('ENOTDIR', t.getdents(fd));
  });

  test('can be written on a read-only mount', async () => {
    await scene.run(scene.kernel.remount('/dev', { readOnly: true }));
    const fd = await t.open(`/dev/${name}`, O_WRONLY);
    expect(await t.write(fd, '')).toBe(0);
    await t.access(`/dev/${name}`, 2);
    await scene.run(scene.kernel.remount('/dev', {}));
  });
});

test('null takes everything and gives nothing', async () => {
  const fd = await t.open('/dev/null', O_RDWR);
  expect(await t.write(fd, 'gone')).toBe(4);
  expect(await t.pwrite(fd, 'gone', 100)).toBe(4);
  expect(await t.read(fd, 10)).toHaveLength(0);
  expect(await t.pread(fd, 10, 5)).toHaveLength(0);
});

test('zero and full give zeros; full takes nothing', async () => {
  for (const name of ['zero', 'full']) {
    const fd = await t.open(`/dev/${name}`, O_RDWR);
    const bytes = new Uint8Array(5).fill(9);
    expect(await scene.run(t.sys.read(fd, bytes))).toBe(5);
    expect([...bytes]).toEqual([0, 0, 0, 0, 0]);
  }
  expect(await t.write(await t.open('/dev/zero', O_WRONLY), 'x')).toBe(1);
  const full = await t.open('/dev/full', O_WRONLY);
  await fails('ENOSPC', t.write(full, 'x'));
  expect(await t.write(full, '')).toBe(0);
});

test('random gives other bytes every time', async () => {
  const fd = await t.open('/dev/urandom', O_RDONLY);
  const [first, second] = [await t.read(fd, 32), await t.read(fd, 32)];
  expect([...first]).not.toEqual([...second]);
});

describe('/dev/fd', () => {
  test('opens a file anew: with an offset and flags of its own', async () => {
    await t.createFile('/f', 'contents');
    const fd = await t.open('/f', O_RDONLY);
    await t.readText(fd, 3);
    expect(await t.readFile(`/dev/fd/${fd}`)).toBe('contents');
    const writer = await t.open(`/dev/fd/${fd}`, O_WRONLY | O_APPEND);
    await t.write(writer, '!');
    expect(await t.readText(fd)).toBe('tents!');
  });

  test('opens a file that has no name any more', async () => {
    await t.createFile('/f', 'contents');
    const fd = await t.open('/f', O_RDONLY);
    await t.unlink('/f');
    expect(await t.readFile(`/dev/fd/${fd}`)).toBe('contents');
  });

  test('O_TRUNC cuts the file it stands for', async () => {
    await t.createFile('/f', 'contents');
    const fd = await t.open('/f', O_RDONLY);
    await t.close(await t.open(`/dev/fd/${fd}`, O_WRONLY | O_TRUNC | O_CREAT));
    expect((await t.fstat(fd)).size).toBe(0);
  });

  test('checks the permissions of the file', async () => {
    await t.createFile('/f', 'x', 0o444);
    const user = await scene.newActor({ uid: 1000 });
    const fd = await user.open('/f', O_RDONLY);
    await fails('EACCES', user.open(`/dev/fd/${fd}`, O_WRONLY));
  });

  test('shares a pipe', async () => {
    const queue = new ByteQueue();
    const fd = install(queue);
    const other = await t.open(`/dev/fd/${fd}`, O_RDONLY);
    queue.write(new Uint8Array([0x61, 0x62]));
    expect(await t.readText(other, 1)).toBe('a');
    await t.close(other);
    expect(queue.isReadClosed).toBe(false);
    expect(await t.readText(fd, 1)).toBe('b');
  });

  test('a descriptor that is not open is ENOENT, and so is what is no number', async () => {
    await fails('ENOENT', t.open('/dev/fd/7', O_RDONLY));
    await fails('ENOENT', t.open('/dev/fd/4096', O_RDONLY));
    for (const name of ['x', '-1', '01', '1x', '1.0']) {
      await fails('ENOENT', t.stat(`/dev/fd/${name}`));
    }
  });

  test('works on a read-only /dev', async () => {
    await t.createFile('/f', 'x');
    const fd = await t.open('/f', O_RDONLY);
    await scene.run(scene.kernel.remount('/dev', { readOnly: true }));
    await t.close(await t.open(`/dev/fd/${fd}`, O_WRONLY));
    await scene.run(scene.kernel.remount('/dev', {}));
  });

  test('the standard streams have names', async () => {
    await t.createFile('/in', 'input');
    await t.open('/in', O_RDONLY);
    const output = install(new ByteQueue());
    expect(output).toBe(1);
    await fails('ENOENT', t.open('/dev/stderr', O_WRONLY));
    expect(await t.readFile('/dev/stdin')).toBe('input');
    const stdout = await t.open('/dev/stdout', O_WRONLY);
    await t.write(stdout, 'out');
    expect(await t.readText(output)).toBe('out');
  });
});

test("/dev/tty is the task's terminal, if it has one", async () => {
  await fails('ENXIO', t.open('/dev/tty', O_RDWR));
  const queue = new ByteQueue();
  install(queue, true);
  const fd = await t.open('/dev/tty', O_RDWR);
  await t.write(fd, 'seen');
  expect(queue.size).toBe(4);
});

test('/dev/inotify refuses the masks that inotify_add_watch refuses', async () => {
  const fd = await t.open('/dev/inotify', O_RDWR);
  await fails('EINVAL', t.write(fd, 'ADD 0 /\n'));
  await fails('EINVAL', t.write(fd, 'ADD IN_CREATE|IN_MASK_ADD|IN_MASK_CREATE /\n'));
  await t.write(fd, 'ADD IN_CREATE /\n');
});
