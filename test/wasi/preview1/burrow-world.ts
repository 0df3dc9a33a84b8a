// A world on our own kernel.

import { AT_FDCWD, O_DIRECTORY, O_RDONLY, O_RDWR, O_WRONLY } from '../../../src/abi/fcntl.ts';
import { ROOT_CREDENTIALS } from '../../../src/auth/credentials.ts';
import type { KernelMountSpec } from '../../../src/kernel/filesystem-types.ts';
import { ByteQueue } from '../../../src/lib/byte-queue.ts';
import { runAsync } from '../../../src/lib/op.ts';
import type { Store } from '../../../src/store/store.ts';
import { Guest } from '../../support/guest.ts';
import { type Actor, Scene } from '../../support/scene.ts';
import { furnish, type Outside, type World } from './world.ts';

function outsideOf(actor: Actor): Outside {
  return {
    mkdir: (path) => actor.mkdir(path),
    write: (path, text) => actor.createFile(path, text),
    read: (path) => actor.readFile(path),
    symlink: (target, path) => actor.symlink(target, path),
    readlink: (path) => actor.readlink(path),
    rename: (from, to) => actor.rename(from, to),
    list: async (path) => (await actor.list(path)).sort(),
  };
}

/** Descriptors 0 to 2 are streams, 3 and 4 the preopens, 5 the preopen of the root. */
export const ROOT = 5;

const PREOPENS = [
  ['/box', '/box'],
  ['/other', '/other'],
  ['/', '/'],
] as const;

export async function openBurrow(root: KernelMountSpec, store?: Store): Promise<World> {
  const scene = await Scene.open(root, store === undefined ? {} : { store });
  const outside = outsideOf(await scene.newActor());
  await furnish(outside);
  const task = await scene.newActor();
  const streams = [
    { flags: O_RDONLY, isTerminal: false, input: new ByteQueue() },
    { flags: O_WRONLY, isTerminal: false, output: new ByteQueue() },
    { flags: O_RDWR, isTerminal: true, input: new ByteQueue(), output: new ByteQueue() },
  ];
  for (const each of streams) {
    task.task.fds.install(scene.kernel.openStream(each, ROOT_CREDENTIALS));
  }
  const preopens = [];
  for (const [path, name] of PREOPENS) {
    const opened = task.sys.openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
    preopens.push({ fd: await runAsync(opened), name, isRoot: path === '/' });
  }
  const guest = await Guest.start({
    sys: task.sys,
    clock: scene.clock,
    args: ['program', 'argument'],
    env: { NAME: 'value' },
    preopens,
    cwd: '/',
    user: { uid: 0, gid: 0, name: 'root', home: '/root' },
  });
  return {
    memory: guest.memory,
    box: 3,
    other: 4,
    outside,
    kernel: { scene, task, guest },
    call: (name, args) => runAsync(guest.op(name, args)),
    close: () => scene.close(),
  };
}
