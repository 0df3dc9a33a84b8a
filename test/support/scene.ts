// Scene: a kernel with tasks for a test, and what has to hold when it is over: nobody refers to
// anything any more.

import { expect } from 'vitest';
import { Credentials, ROOT_CREDENTIALS } from '../../src/auth/credentials.ts';
import type { KernelMountSpec } from '../../src/kernel/filesystem-types.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import type { Task } from '../../src/kernel/task.ts';
import type { TaskSyscalls } from '../../src/kernel/task-syscalls.ts';
import type { ErrnoName } from '../../src/abi/errno.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { type Op, runAsync } from '../../src/lib/op.ts';
import { asyncSyscallsOf } from '../conformance/burrow-subject.ts';
import { Subject } from '../conformance/subject.ts';
import { bootKernel, type KernelOptions } from './kernels.ts';
import { leakedReferences } from './references.ts';

/** A task with its system calls as promises. */
export class Actor extends Subject {
  readonly task: Task;
  readonly sys: TaskSyscalls;

  constructor({ task, sys }: { task: Task; sys: TaskSyscalls }) {
    super(asyncSyscallsOf(sys));
    this.task = task;
    this.sys = sys;
  }
}

export class Scene {
  readonly kernel: Kernel;
  readonly clock: FakeClock;
  readonly #tasks: Task[] = [];

  private constructor(kernel: Kernel, clock: FakeClock) {
    this.kernel = kernel;
    this.clock = clock;
  }

  static async open(
    root: KernelMountSpec = { type: 'tmpfs' },
    options: Omit<KernelOptions, 'clock'> = {},
  ): Promise<Scene> {
    const clock = new FakeClock();
    return new Scene(await bootKernel(root, { ...options, clock }), clock);
  }

  async newActor(options: { uid?: number; cwd?: string; umask?: number } = {}): Promise<Actor> {
    const { uid = 0, ...rest } = options;
    const creds = uid === 0 ? ROOT_CREDENTIALS : new Credentials(uid, uid);
    const made = await runAsync(this.kernel.createTask({ creds, ...rest }));
    this.#tasks.push(made.task);
    return new Actor(made);
  }

  run<T>(op: Op<T>): Promise<T> {
    return runAsync(op);
  }

  mount(path: string, spec: KernelMountSpec): Promise<void> {
    return runAsync(this.kernel.mount(path, spec));
  }

  umount(path: string): Promise<void> {
    return runAsync(this.kernel.umount(path));
  }

  /** Ends all tasks and looks for references that are left. */
  async close(): Promise<void> {
    for (const task of this.#tasks) this.kernel.endTask(task);
    expect(leakedReferences(this.kernel.vfs)).toEqual([]);
    await runAsync(this.kernel.shutdown());
  }
}

/** The promise rejects with an error of this code. */
export async function fails(code: ErrnoName, promise: Promise<unknown>): Promise<void> {
  await expect(promise).rejects.toMatchObject({ code });
}
