// A task of our kernel as what a Subject acts with: each Op is run to its end.

import type { AsyncSyscalls } from './process.ts';
import type { Op } from '../../src/lib/op.ts';
import type { SyscallName, Syscalls } from '../../src/syscalls/table.ts';
import { runAsync } from '../../src/lib/op.ts';
import { SYSCALLS } from '../../src/syscalls/table.ts';

export function asyncSyscallsOf(task: Syscalls): AsyncSyscalls {
  const names = Object.keys(SYSCALLS) as SyscallName[];
  const call =
    (name: SyscallName) =>
    async (...args: readonly unknown[]) => {
      const start = task[name] as (...values: readonly unknown[]) => Op<unknown>;
      return runAsync(start.apply(task, args as unknown[]));
    };
  const calls: unknown = Object.fromEntries(names.map((name) => [name, call(name)]));
  // The functions derive from the same table as the type does.
  return calls as AsyncSyscalls;
}
