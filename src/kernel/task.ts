// Task: a program as the kernel sees it: its rights, its place in the tree and its descriptors.
// Mirrors gVisor pkg/sentry/kernel/task.go; Linux: struct task_struct, fs_struct.
//
// References: a task holds one on its root and its working directory, and its descriptors'.

import { linuxerr } from '../abi/errno.ts';
import type { Credentials } from '../auth/credentials.ts';
import type { Interruption } from '../lib/op.ts';
import { decRefVd, incRefVd, type VirtualDentry } from '../vfs/dentry.ts';
import type { VirtualFilesystem } from '../vfs/virtual-filesystem.ts';
import { FdTable } from './fd-table.ts';

export interface TaskOptions {
  readonly pid: number;
  readonly vfs: VirtualFilesystem;
  readonly creds: Credentials;
  readonly root: VirtualDentry;
  readonly cwd: VirtualDentry;
  readonly umask: number;
}

export class Task implements Interruption {
  readonly pid: number;
  readonly vfs: VirtualFilesystem;
  readonly creds: Credentials;
  readonly fds: FdTable;
  umask: number;
  #root: VirtualDentry;
  #cwd: VirtualDentry;
  #isEnded = false;
  readonly #interrupts = new Set<(reason: Error) => void>();

  constructor(options: TaskOptions) {
    this.pid = options.pid;
    this.vfs = options.vfs;
    this.creds = options.creds;
    this.fds = new FdTable(options.pid);
    this.#root = options.root;
    this.#cwd = options.cwd;
    this.umask = options.umask;
    incRefVd(this.#root);
    incRefVd(this.#cwd);
  }

  get root(): VirtualDentry {
    return this.#root;
  }

  get cwd(): VirtualDentry {
    return this.#cwd;
  }

  setRoot(vd: VirtualDentry): void {
    incRefVd(vd);
    decRefVd(this.#root);
    this.#root = vd;
  }

  setCwd(vd: VirtualDentry): void {
    incRefVd(vd);
    decRefVd(this.#cwd);
    this.#cwd = vd;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Told to stop waiting when the task ends. */
  subscribe(onInterrupt: (reason: Error) => void): () => void {
    this.#interrupts.add(onInterrupt);
    return () => {
      this.#interrupts.delete(onInterrupt);
    };
  }

  /**
   * Ends the task: interrupts what waits (EINTR), closes its descriptors, leaves its directories.
   * Idempotent.
   */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.interrupt();
    this.fds.closeAll();
    decRefVd(this.#cwd);
    decRefVd(this.#root);
  }

  /** A signal with a handler: what waits ends with EINTR. */
  interrupt(): void {
    for (const interrupt of [...this.#interrupts]) interrupt(linuxerr.EINTR);
  }
}
