// What the kernel worker tells a program's own worker: its arguments, its user, its preopens.

import { AT_FDCWD, O_DIRECTORY, O_RDONLY } from '../src/abi/fcntl.ts';
import type { Task } from '../src/kernel/task.ts';
import { runAsync } from '../src/lib/op.ts';
import type { Syscalls } from '../src/syscalls/table.ts';
import type { ProgramSpec, SpawnRequest } from './protocol.ts';

/** Opens the preopens, in order, from descriptor 3 on. Errors: those of opening a directory. */
export async function programSpec(
  request: SpawnRequest,
  task: Task,
  sys: Syscalls,
): Promise<ProgramSpec> {
  const preopens: ProgramSpec['preopens'][number][] = [];
  for (const [name, path] of request.preopens) {
    const fd = await runAsync(sys.openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0));
    const { vd } = task.fds.get(fd);
    const isRoot = vd.mount === task.root.mount && vd.dentry === task.root.dentry;
    preopens.push({ fd, name, isRoot });
  }
  const { uid, gid, env, name, argv, cwd } = request;
  const user = {
    uid,
    gid,
    name: env['USER'] ?? (uid === 0 ? 'root' : `user${uid}`),
    home: env['HOME'] ?? '/',
  };
  return { name, argv, env, cwd, user, preopens };
}
