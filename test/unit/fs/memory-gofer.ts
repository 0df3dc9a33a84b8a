// What the tests of a gofer's client share: one that is mounted from a server of a tree in memory,
// whose answers a test keeps back as long as it likes.

import { linuxerr } from '../../../src/abi/errno.ts';
import { AT_FDCWD, O_CREAT, O_RDONLY, O_RDWR } from '../../../src/abi/fcntl.ts';
import { S_IFDIR, S_IFREG } from '../../../src/abi/stat.ts';
import { Credentials } from '../../../src/auth/credentials.ts';
import type { GoferOptions } from '../../../src/fs/gofer/mount-options.ts';
import type { LocalDentry } from '../../../src/fs/shared/inode.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import type { Task } from '../../../src/kernel/task.ts';
import type { TaskSyscalls } from '../../../src/kernel/task-syscalls.ts';
import { RealClock } from '../../../src/lib/clock.ts';
import { type Op, runAsync } from '../../../src/lib/op.ts';
import { decodeUtf8, encodeUtf8 } from '../../../src/lib/text.ts';
import { PAYLOAD_SIZE_MAX } from '../../../src/lisafs/frame.ts';
import { type MessageName, messageNameOf } from '../../../src/lisafs/messages.ts';
import { Server } from '../../../src/lisafs/server.ts';
import type { KernelMountOptions } from '../../../src/kernel/filesystem-types.ts';
import { LoopbackLink } from '../../../src/transport/loopback.ts';
import type { Receiver, Transport } from '../../../src/transport/transport.ts';
import { bootKernel } from '../../support/kernels.ts';
import { MemoryTree } from '../lisafs/memory-tree.ts';
import { settle } from '../lisafs/raw-client.ts';

export type MemoryInode = MemoryTree['top'];

/** Of a frame, with either header. */
function nameOfFrame(frame: Uint8Array): MessageName | undefined {
  return messageNameOf(new DataView(frame.buffer, frame.byteOffset).getUint16(4, true));
}

/** Counts requests, and keeps back answers of some kinds. */
class AnswerGate {
  readonly requests: MessageName[] = [];
  /** Changes what the server sends before it comes. */
  alter: ((frame: Uint8Array) => void) | undefined;
  readonly #held = new Map<MessageName, (() => void)[]>();

  wrap(transport: Transport): Transport {
    return new Proxy(transport, {
      get: (target, key): unknown => {
        if (key === 'send') {
          return (message: Uint8Array) => {
            const name = nameOfFrame(message);
            if (name !== undefined) this.requests.push(name);
            target.send(message);
          };
        }
        if (key === 'start') {
          return (receiver: Receiver) => {
            target.start({
              onMessage: (message) => {
                this.#receive(message.slice(), receiver);
              },
              onClose: (info) => {
                receiver.onClose(info);
              },
            });
          };
        }
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? (value as () => unknown).bind(target) : value;
      },
    });
  }

  #receive(message: Uint8Array, receiver: Receiver): void {
    this.alter?.(message);
    const name = nameOfFrame(message);
    const held = name === undefined ? undefined : this.#held.get(name);
    const deliver = (): void => {
      receiver.onMessage(message);
    };
    if (held === undefined) deliver();
    else held.push(deliver);
  }

  /** From now on until open(). */
  hold(name: MessageName): void {
    this.#held.set(name, []);
  }

  heldCount(name: MessageName): number {
    return this.#held.get(name)?.length ?? 0;
  }

  /** Lets one answer through, the first. */
  release(name: MessageName): void {
    this.#held.get(name)?.shift()?.();
  }

  open(name: MessageName): void {
    const held = this.#held.get(name) ?? [];
    this.#held.delete(name);
    for (const deliver of held) deliver();
  }

  openAll(): void {
    for (const name of [...this.#held.keys()]) this.open(name);
  }

  count(name: MessageName): number {
    return this.requests.filter((each) => each === name).length;
  }
}

/** A program: its calls, which can be interrupted. */
export class Program {
  readonly sys: TaskSyscalls;
  readonly #task: Task;

  constructor({ task, sys }: { readonly task: Task; readonly sys: TaskSyscalls }) {
    this.#task = task;
    this.sys = sys;
  }

  run<T>(op: Op<T>): Promise<T> {
    return runAsync(op, this.#task);
  }

  interrupt(): void {
    this.#task.interrupt();
  }

  open(path: string, flags = O_RDONLY, mode = 0o644): Promise<number> {
    return this.run(this.sys.openat(AT_FDCWD, path, flags, mode));
  }

  close(fd: number): Promise<void> {
    return this.run(this.sys.close(fd));
  }

  stat(path: string): Promise<{ mode: number; nlink: number; uid: number; size: number }> {
    return this.run(this.sys.fstatat(AT_FDCWD, path, 0));
  }

  unlink(path: string, flags = 0): Promise<void> {
    return this.run(this.sys.unlinkat(AT_FDCWD, path, flags));
  }

  mkdir(path: string): Promise<void> {
    return this.run(this.sys.mkdirat(AT_FDCWD, path, 0o755, 0));
  }

  async write(path: string, text: string): Promise<void> {
    const fd = await this.open(path, O_CREAT | O_RDWR);
    await this.run(this.sys.write(fd, encodeUtf8(text)));
    await this.close(fd);
  }

  async readFd(fd: number): Promise<string> {
    const buffer = new Uint8Array(10_000);
    const count = await this.run(this.sys.pread(fd, buffer, 0));
    return decodeUtf8(buffer.subarray(0, count));
  }

  async read(path: string): Promise<string> {
    const fd = await this.open(path);
    try {
      return await this.readFd(fd);
    } finally {
      await this.close(fd);
    }
  }

  async list(path: string): Promise<string[]> {
    const fd = await this.open(path);
    const names: string[] = [];
    for (;;) {
      const entries = await this.run(this.sys.getdents(fd, 65_536));
      if (entries.length === 0) break;
      names.push(...entries.map(({ name }) => name));
    }
    await this.close(fd);
    return names.filter((name) => name !== '.' && name !== '..').toSorted();
  }
}

export class MemoryGofer {
  readonly tree = new MemoryTree();
  readonly gate = new AnswerGate();
  readonly errors: unknown[] = [];
  readonly #clock = new RealClock();
  #boots = 1;
  #server = this.#newServer();
  #link: LoopbackLink | undefined;
  #sessionCount = 0;
  #kernel: Kernel | undefined;

  #newServer(): Server {
    return new Server({
      root: () => this.tree.root(),
      clock: this.#clock,
      randomBytes: (size) => new Uint8Array(size).fill(++this.#sessionCount),
      bootVerifier: new Uint8Array([this.#boots]),
      onError: (error) => this.errors.push(error),
    });
  }

  readonly #connect = (): Promise<Transport> => {
    const link = new LoopbackLink({
      clock: this.#clock,
      messageSizeMax: PAYLOAD_SIZE_MAX + 16,
    });
    this.#link = link;
    this.#server.accept(link.server);
    return Promise.resolve(this.gate.wrap(link.client));
  };

  async mount(options: GoferOptions & KernelMountOptions): Promise<void> {
    const spec = { type: 'gofer', source: 'ws://memory/', options } as const;
    this.#kernel = await bootKernel(spec, { connectGofer: this.#connect });
  }

  get kernel(): Kernel {
    return this.#kernel!;
  }

  /** The root of what is mounted, as far as it is in memory. */
  get root(): LocalDentry {
    const { root } = this.kernel.vfs.namespace;
    return root.dentry as LocalDentry;
  }

  async program(uid = 0): Promise<Program> {
    const creds = new Credentials(uid, uid, []);
    return new Program(await runAsync(this.kernel.createTask({ creds })));
  }

  /** The server is started anew: FDs and sessions are gone. */
  restart({ withHost = false } = {}): void {
    if (withHost) this.#boots++;
    this.#server.stop();
    this.#server = this.#newServer();
    this.#link?.notice();
  }

  /** Of the host. */
  file(name: string, text = '', dir: MemoryInode = this.tree.top): MemoryInode {
    const inode = this.tree.newInode(S_IFREG | 0o644);
    inode.data = encodeUtf8(text);
    dir.names.set(name, inode);
    return inode;
  }

  directory(name: string, dir: MemoryInode = this.tree.top): MemoryInode {
    const inode = this.tree.newInode(S_IFDIR | 0o777);
    dir.names.set(name, inode);
    return inode;
  }

  /** What the server has open, once everything has come. */
  async pinned(): Promise<number> {
    await settle();
    await settle();
    return this.tree.pinned;
  }

  async close(): Promise<void> {
    this.gate.openAll();
    await runAsync(this.kernel.shutdown());
    this.#server.stop();
    await settle();
    if (this.errors.length > 0) throw this.errors[0];
  }
}

/** What a call that was interrupted comes to. */
export async function orInterrupted<T>(call: Promise<T>): Promise<T | 'interrupted'> {
  try {
    return await call;
  } catch (error) {
    if (error === linuxerr.EINTR) return 'interrupted';
    throw error;
  }
}

/** Waits until it is so; links take some time to be made anew. */
export async function until(isSo: () => boolean): Promise<void> {
  for (let turn = 0; turn < 10_000; turn++) {
    if (isSo()) return;
    await new Promise((resolve) => {
      setTimeout(resolve, 1);
    });
  }
  throw new Error('it never is');
}
