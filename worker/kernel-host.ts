// KernelHost: the kernel worker's side of KernelService: the kernel, its programs and kernel.fs.

import { transfer } from 'comlink';
import type { BootOptions, ExitStatus, MountOptions, MountSpec } from '../src/api.ts';
import type { UmountOptions } from '../src/api-links.ts';
import type { MountInfo } from '../src/api-storage.ts';
import type { ArchiveSummary } from '../src/archive/options.ts';
import { ArchiveError } from '../src/archive/archive-error.ts';
import { LinuxError, linuxerr } from '../src/abi/errno.ts';
import { Credentials } from '../src/auth/credentials.ts';
import type {
  CheckResult,
  ImageSummary,
  RepairOptions,
  RepairResult,
} from '../src/image/options.ts';
import { LinuxFileService } from '../src/kernel/linux-file-service.ts';
import { Kernel, type KernelPlatform } from '../src/kernel/kernel.ts';
import type { Task } from '../src/kernel/task.ts';
import { assert, InvariantError } from '../src/lib/assert.ts';
import { RealClock } from '../src/lib/clock.ts';
import { type Interruption, type Op, runAsync } from '../src/lib/op.ts';
import { openIdbDevice, openIdbStore } from '../src/store/idb-store.ts';
import { StoreError } from '../src/store/store-error.ts';
import type { Syscalls } from '../src/syscalls/table.ts';
import type { StoreHolder } from '../src/vfs/filesystem.ts';
import type { RemoteStatus } from '../src/vfs/remote-link.ts';
import { InotifyInstance } from '../src/vfs/inotify.ts';
import { type Exit, ProgramExit, type SignalName } from '../src/wasi/exit.ts';
import { UnsuitableModule } from '../src/wasi/instantiate.ts';
import { Wasi } from '../src/wasi/wasi.ts';
import { DEFAULT_MOUNTS } from './default-mounts.ts';
import { findJspi, runInline } from './inline-task.ts';
import { ArchiveHost } from './archive-host.ts';
import { linkState, mountInfo } from './mount-info.ts';
import { Jobs } from './jobs.ts';
import { ModuleCache, type Progress } from './module-cache.ts';
import { ProcessPool } from './process-pool.ts';
import type {
  BootRequest,
  CheckRequest,
  ConnectionStreams,
  ExportImageRequest,
  ExportRequest,
  Failure,
  ImportImageRequest,
  ImportRequest,
  KernelService,
  KillSignal,
  OnArchiveProgress,
  OnCheckProgress,
  OnImageProgress,
  Outcome,
  ProgramSpec,
  SnapshotAnswer,
  SnapshotRequest,
  SpawnRequest,
} from './protocol.ts';
import { programSpec } from './program-spec.ts';
import { answerSnapshots } from './snapshot-host.ts';
import { SocketListener } from './socket-host.ts';
import { openStdio } from './stdio.ts';
import { connectToGofer } from './connect-gofer.ts';
import { type AskToken, joinToken } from './gofer-tokens.ts';
import { StoreHost } from './store-host.ts';
import { ChannelServer, makeChannel } from './syscall-channel.ts';
import { openTabs } from './tabs.ts';

/** A program that was started and whose exit somebody may still ask for. */
interface Process {
  readonly exited: Promise<ExitStatus>;
  readonly kill: (signal: SignalName) => void;
}

/** A quarter of an idbfs's cache is for names and attributes, the rest for data. */
const METADATA_CACHE_SHARE = 0.25;
const CACHE_SIZE_DEFAULT = 64 << 20;

const clock = new RealClock();

/** crypto fills no more than this at once, and no shared memory. */
const RANDOM_PIECE = 65536;

function fillRandom(buffer: Uint8Array): void {
  const piece = new Uint8Array(Math.min(RANDOM_PIECE, buffer.length));
  for (let at = 0; at < buffer.length; at += piece.length) {
    buffer.set(crypto.getRandomValues(piece).subarray(0, buffer.length - at), at);
  }
}

function randomFraction(): number {
  return (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32;
}

function random48(): number {
  const [low = 0, high = 0] = crypto.getRandomValues(new Uint32Array(2));
  return (high % 2 ** 16) * 2 ** 32 + low;
}

const platformParts: KernelPlatform = {
  clock,
  fillRandom,
  tabs: openTabs(),
  openStore: (source, options, lock) =>
    openIdbStore({
      source,
      session: random48(),
      clock,
      lock,
      cacheBytes: Math.floor((options.cacheSize ?? CACHE_SIZE_DEFAULT) * METADATA_CACHE_SHARE),
      lockTimeoutMs: options.lockTimeout,
      onDataLoss: options.onDataLoss,
      media: options.media,
    }),
  connectGofer: connectToGofer(clock),
  openDevice: (source) => openIdbDevice({ source, session: random48(), clock, forRepair: true }),
};

export class KernelHost implements KernelService {
  readonly #onPanic: (error: unknown) => void;
  readonly #modules = new ModuleCache();
  readonly #pool = new ProcessPool();
  readonly #processes = new Map<number, Process>();
  #kernel: Kernel | undefined;
  #files: LinuxFileService | undefined;
  #sys: Syscalls | undefined;
  /** Calls of kernel.fs that can be interrupted, by number. */
  readonly #interrupts = new Map<number, () => void>();
  readonly #jobs = new Jobs(clock);
  readonly #archives = new ArchiveHost(this.#jobs);
  readonly #stores = new StoreHost(this.#jobs);
  readonly #listeners = new Map<number, SocketListener>();
  #lastListener = 0;

  /** `onPanic` is told of a broken invariant: the worker must not go on. */
  constructor(onPanic: (error: unknown) => void) {
    this.#onPanic = onPanic;
  }

  boot(
    options: BootRequest,
    onHolderChange?: BootOptions['onHolderChange'],
    onLinkChange?: BootOptions['onLinkChange'],
    askToken?: AskToken,
  ): Promise<Outcome<void>> {
    return this.#outcome(async () => {
      const mounts = { ...DEFAULT_MOUNTS, ...options.mounts };
      for (const path of options.askedTokens) {
        const spec = mounts[path];
        assert(spec !== undefined && askToken !== undefined, 'a token of no mount');
        mounts[path] = joinToken(path, spec, askToken);
      }
      const { '/': root, ...others }: Record<string, MountSpec> = mounts;
      assert(root !== undefined);
      const { inotifyQueueMax } = options;
      const onHolderChanged = (source: string, holder: StoreHolder): void => {
        onHolderChange?.({ source, holder });
      };
      const onLinkChanged = (source: string, status: RemoteStatus): void => {
        onLinkChange?.({ source, link: linkState(status) });
      };
      const platform = { ...platformParts, onHolderChanged, onLinkChanged };
      const kernel = await runAsync(Kernel.boot(platform, root, { inotifyQueueMax }));
      try {
        // Mount points before what lies beneath them.
        const paths = Object.entries(others).sort(([a], [b]) => depthOf(a) - depthOf(b));
        for (const [path, spec] of paths) await runAsync(kernel.mount(path, spec));
        const { task, sys } = await runAsync(kernel.createTask({}));
        this.#sys = sys;
        this.#files = new LinuxFileService(sys, randomFraction, (fd) => {
          const file = task.fds.get(fd);
          assert(file instanceof InotifyInstance, 'a watch without an inotify instance');
          return file;
        });
      } catch (error) {
        await runAsync(kernel.shutdown());
        throw error;
      }
      this.#kernel = kernel;
      if (options.isolation === 'worker') this.#pool.prepare();
    });
  }

  #booted(): { kernel: Kernel; files: LinuxFileService; sys: Syscalls } {
    const [kernel, files, sys] = [this.#kernel, this.#files, this.#sys];
    if (kernel === undefined || files === undefined || sys === undefined) {
      throw new Error('the kernel has been shut down');
    }
    return { kernel, files, sys };
  }

  /** Runs something whose failure is the caller's business; broken invariants stop the kernel. */
  async #outcome<T>(run: () => Promise<T>): Promise<Outcome<T>> {
    try {
      return { value: await run(), failure: undefined };
    } catch (error) {
      return { value: undefined as T, failure: this.#failureOf(error) };
    }
  }

  #failureOf(error: unknown): Failure {
    if (error instanceof LinuxError) return { kind: 'errno', code: error.code };
    if (error instanceof ArchiveError) {
      return { kind: 'errno', code: error.code, detail: error.message };
    }
    if (error instanceof StoreError) {
      return { kind: 'error', message: error.message, reason: error.reason };
    }
    if (error instanceof InvariantError) this.#onPanic(error);
    const message = error instanceof Error ? error.message : String(error);
    return { kind: 'error', message, reason: undefined };
  }

  fs(name: string, args: readonly unknown[], call?: number): Promise<Outcome<unknown>> {
    return this.#outcome(async () => {
      const { files } = this.#booted();
      const operation = (files as unknown as Record<string, (...args: unknown[]) => Op<unknown>>)[
        name
      ];
      if (operation === undefined) throw linuxerr.ENOSYS;
      const op = operation.apply(files, [...args]);
      return await (call === undefined ? runAsync(op) : this.#runInterruptibly(op, call));
    }).then(transferBytes);
  }

  async #runInterruptibly(op: Op<unknown>, call: number): Promise<unknown> {
    const interruption: Interruption = {
      subscribe: (onInterrupt) => {
        this.#interrupts.set(call, () => {
          onInterrupt(linuxerr.EINTR);
        });
        return () => this.#interrupts.delete(call);
      },
    };
    return await runAsync(op, interruption);
  }

  interrupt(call: number): void {
    this.#interrupts.get(call)?.();
    this.#jobs.interrupt(call);
  }

  // Archives.

  exportArchive(
    request: ExportRequest,
    onProgress: OnArchiveProgress | undefined,
  ): Promise<Outcome<void>> {
    return this.#outcome(() => this.#archives.export(this.#booted().kernel, request, onProgress));
  }

  importArchive(
    request: ImportRequest,
    onProgress: OnArchiveProgress | undefined,
  ): Promise<Outcome<ArchiveSummary>> {
    return this.#outcome(() => this.#archives.import(this.#booted().kernel, request, onProgress));
  }

  // Whole stores.

  check(
    request: CheckRequest,
    onProgress: OnCheckProgress | undefined,
  ): Promise<Outcome<CheckResult>> {
    return this.#outcome(() => this.#stores.check(this.#booted().kernel, request, onProgress));
  }

  repair(source: string, options: RepairOptions): Promise<Outcome<RepairResult>> {
    return this.#outcome(() => this.#stores.repair(this.#booted().kernel, source, options));
  }

  exportImage(
    request: ExportImageRequest,
    onProgress: OnImageProgress | undefined,
  ): Promise<Outcome<void>> {
    return this.#outcome(() =>
      this.#stores.exportImage(this.#booted().kernel, request, onProgress),
    );
  }

  importImage(
    request: ImportImageRequest,
    onProgress: OnImageProgress | undefined,
  ): Promise<Outcome<ImageSummary>> {
    return this.#outcome(() =>
      this.#stores.importImage(this.#booted().kernel, request, onProgress),
    );
  }

  // Sockets.

  listen(path: string, mode: number): Promise<Outcome<number>> {
    return this.#outcome(async () => {
      const { kernel } = this.#booted();
      const listener = new SocketListener();
      await runAsync(kernel.bind(path, { mode, endpoint: listener }));
      this.#listeners.set(++this.#lastListener, listener);
      return this.#lastListener;
    });
  }

  async accept(id: number): Promise<ConnectionStreams | null> {
    const streams = (await this.#listeners.get(id)?.accept()) ?? null;
    return streams === null ? null : transfer(streams, [streams.readable, streams.writable]);
  }

  closeListener(id: number): void {
    this.#listeners.get(id)?.close();
    this.#listeners.delete(id);
  }

  // Programs.

  spawn(request: SpawnRequest, onProgress: Progress | undefined): Promise<Outcome<number>> {
    return this.#outcome(async () => {
      const { kernel, files, sys: kernelSys } = this.#booted();
      const creds = new Credentials(request.uid, request.gid, request.groups);
      const load = { kernel, sys: kernelSys, files, creds, onProgress };
      const module = await this.#modules.load(request.program, load);
      const { cwd, umask } = request;
      const { task, sys } = await runAsync(kernel.createTask({ creds, cwd, umask }));
      try {
        const context = { kernel, task, sys };
        const flushed = await openStdio(context, request.stdio, request.terminals);
        const program = await programSpec(request, task, sys);
        this.#start(request, { module, task, sys, program, flushed });
      } catch (error) {
        kernel.endTask(task);
        throw error;
      }
      return task.pid;
    });
  }

  #start(
    request: SpawnRequest,
    run: {
      readonly module: WebAssembly.Module;
      readonly task: Task;
      readonly sys: Syscalls;
      readonly program: ProgramSpec;
      readonly flushed: () => Promise<void>;
    },
  ): void {
    const { task, flushed } = run;
    const { kernel } = this.#booted();
    let kill: (signal: SignalName) => void = () => undefined;
    const killed = new Promise<Exit>((resolve) => {
      kill = (signal) => {
        const { code } = new ProgramExit({ signal });
        endSignal = signal;
        resolve({ code, signal, error: null });
      };
    });
    let endSignal: SignalName = 'SIGKILL';
    const started =
      request.isolation === 'worker'
        ? this.#startThread(run)
        : this.#startInline(run, () => endSignal);
    const exited = Promise.race([started.exited, killed]).then(async (exit) => {
      kernel.endTask(task);
      started.stop();
      await flushed();
      return exit;
    });
    this.#processes.set(task.pid, { exited, kill });
  }

  #startThread(run: {
    readonly module: WebAssembly.Module;
    readonly task: Task;
    readonly sys: Syscalls;
    readonly program: ProgramSpec;
  }): { exited: Promise<Exit>; stop: () => void } {
    const channel = makeChannel();
    const server = new ChannelServer(channel, {
      sys: run.sys,
      interruption: run.task,
      onPanic: this.#onPanic,
    });
    let hasEnded = false;
    const process = this.#pool.run({ module: run.module, channel, program: run.program });
    const exited = process.exited.then((exit) => {
      hasEnded = true;
      return exit;
    });
    return {
      exited,
      stop: () => {
        server.stop();
        if (!hasEnded) process.terminate();
      },
    };
  }

  #startInline(
    run: {
      readonly module: WebAssembly.Module;
      readonly task: Task;
      readonly sys: Syscalls;
      readonly program: ProgramSpec;
    },
    endSignal: () => SignalName,
  ): { exited: Promise<Exit>; stop: () => void } {
    const jspi = findJspi();
    if (jspi === undefined) {
      throw new UnsuitableModule(
        'this page can run no programs: it is not cross-origin isolated (serve it with the ' +
          'headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: ' +
          'require-corp), and the browser has no JSPI (WebAssembly.Suspending), which would do ' +
          'without them',
      );
    }
    const { module, task, sys } = run;
    const { argv: args, env, cwd, user, preopens, name } = run.program;
    const wasi = new Wasi({ sys, clock, args, env, cwd, user, preopens });
    const exited = runInline({ jspi, module, wasi, task, clock, name, endSignal });
    return { exited, stop: () => undefined };
  }

  async exited(pid: number): Promise<ExitStatus> {
    const process = this.#processes.get(pid);
    if (process === undefined) throw new Error(`no process ${pid}`);
    const exit = await process.exited;
    this.#processes.delete(pid);
    return exit;
  }

  kill(pid: number, signal: KillSignal): void {
    this.#processes.get(pid)?.kill(signal);
  }

  // Mounts.

  mount(path: string, spec: MountSpec, askToken?: AskToken): Promise<Outcome<void>> {
    const whole = askToken === undefined ? spec : joinToken(path, spec, askToken);
    return this.#outcome(() => runAsync(this.#booted().kernel.mount(path, whole)));
  }

  umount(path: string, { force = false }: UmountOptions): Promise<Outcome<void>> {
    return this.#outcome(() => runAsync(this.#booted().kernel.umount(path, { isForced: force })));
  }

  reconnect(path: string): Promise<Outcome<void>> {
    return this.#outcome(() => runAsync(this.#booted().kernel.reconnect(path)));
  }

  remount(path: string, options: MountOptions): Promise<Outcome<void>> {
    return this.#outcome(() => runAsync(this.#booted().kernel.remount(path, options)));
  }

  snapshots(request: SnapshotRequest): Promise<Outcome<SnapshotAnswer>> {
    return this.#outcome(() => runAsync(answerSnapshots(this.#booted().kernel, request)));
  }

  mounts(): MountInfo[] {
    const { kernel } = this.#booted();
    kernel.measureLinks();
    return kernel.mounts.map(mountInfo);
  }

  sync(): Promise<Outcome<void>> {
    return this.#outcome(() => runAsync(this.#booted().sys.sync()));
  }

  shutdown(): Promise<Outcome<void>> {
    return this.#outcome(async () => {
      const { kernel } = this.#booted();
      for (const { kill } of this.#processes.values()) kill('SIGKILL');
      await Promise.all([...this.#processes.values()].map(({ exited }) => exited));
      await this.#jobs.shutdown();
      this.#pool.terminateAll();
      this.#kernel = undefined;
      await runAsync(kernel.shutdown());
    });
  }
}

/** Bytes the kernel has read for the page alone are handed over, not copied. */
function transferBytes(outcome: Outcome<unknown>): Outcome<unknown> {
  const { value } = outcome;
  return value instanceof Uint8Array ? transfer(outcome, [value.buffer]) : outcome;
}

function depthOf(path: string): number {
  return path.split('/').filter((part) => part !== '').length;
}
