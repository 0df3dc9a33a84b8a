// KernelClient: the page's side of the kernel: boot(), spawn(), fs. Calls go to the kernel worker
// through comlink, which knows nothing of workers that die: every pending call is rejected here
// when that happens.

import { proxy, releaseProxy, type Remote, transfer, wrap } from 'comlink';
import type {
  BootOptions,
  ExitStatus,
  FileSystem,
  Isolation,
  Kernel,
  MountOptions,
  MountSpec,
  Process,
  Program,
  SocketConnection,
  SocketServer,
  SpawnOptions,
} from '../src/api.ts';
import type { UmountOptions } from '../src/api-links.ts';
import type { SnapshotInfo } from '../src/api-snapshots.ts';
import type { MountInfo, StorageInfo } from '../src/api-storage.ts';
import type { ArchiveSummary, ExportOptions, ImportOptions } from '../src/archive/options.ts';
import { DEFAULT_MOUNTS } from './default-mounts.ts';
import type {
  CheckOptions,
  CheckResult,
  ExportImageOptions,
  ImageSummary,
  ImportImageOptions,
  RepairOptions,
  RepairResult,
} from '../src/image/options.ts';
import { exportArchive, importArchive } from './archive-client.ts';
import { KernelError } from './fs-error.ts';
import { FileSystemClient } from './file-system.ts';
import { splitTokens } from './gofer-tokens.ts';
import { valueOf } from './outcome.ts';
import { askToPersist, storageInfo } from './origin-storage.ts';
import { check, exportImage, importImage, repair } from './store-client.ts';
import { Plumbing } from './plumbing.ts';
import type {
  KernelService,
  KillSignal,
  Outcome,
  ProgramSource,
  SpawnRequest,
} from './protocol.ts';
import { SnapshotsClient } from './snapshot-client.ts';

/** Names of the worker's messages about itself; comlink's have no such names. */
const PANIC = 'burrow-panic';
const ALIVE = 'burrow-alive';

/** Page-side state of the kernel worker: its service, and what to do when it dies. */
class KernelWorker {
  readonly #worker: Worker;
  readonly #service: Remote<KernelService>;
  /** What rejects the calls under way, and what else is to be told of the end. */
  readonly #pending = new Set<(reason: Error) => void>();
  /** Why there is no kernel any more. */
  #end: Error | undefined;

  constructor() {
    this.#worker = new Worker(new URL('./kernel.worker.ts', import.meta.url), {
      type: 'module',
      name: 'burrow-kernel',
    });
    this.#service = wrap<KernelService>(this.#worker);
    this.#worker.addEventListener('error', (event) => {
      const detail = event.message === '' ? 'its worker could not be loaded' : event.message;
      this.terminate(new KernelError(`the kernel has stopped: ${detail}`, 'stopped'));
    });
    this.#worker.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      if (typeof data !== 'object' || data === null) return;
      const { type, message, lock } = data as { type?: unknown; message?: unknown; lock?: unknown };
      if (type === ALIVE) this.#watch(String(lock));
      if (type !== PANIC) return;
      const text = `the kernel has stopped because of a bug in Burrow: ${String(message)}`;
      this.terminate(new KernelError(text, 'stopped'));
    });
  }

  /** No event tells of a worker that ends in silence; but then it no longer holds its lock. */
  #watch(lock: string): void {
    void navigator.locks.request(lock, () => {
      this.terminate(new KernelError('the kernel has stopped: its worker has ended', 'stopped'));
    });
  }

  /** Calls the service. Errors: KernelError when the worker dies or has died. */
  call<T>(run: (service: Remote<KernelService>) => Promise<T>): Promise<T> {
    const end = this.#end;
    if (end !== undefined) return Promise.reject(end);
    return new Promise<T>((resolve, reject) => {
      this.#pending.add(reject);
      run(this.#service)
        .then(resolve, reject)
        .finally(() => {
          this.#pending.delete(reject);
        });
    });
  }

  /** Calls `listener` when there is no kernel any more. Returns a function that withdraws. */
  onEnd(listener: (reason: Error) => void): () => void {
    this.#pending.add(listener);
    return () => {
      this.#pending.delete(listener);
    };
  }

  terminate(reason: Error): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    for (const tell of this.#pending) tell(reason);
    this.#pending.clear();
    this.#service[releaseProxy]();
    this.#worker.terminate();
  }
}

function defaultIsolation(): Isolation {
  return globalThis.crossOriginIsolated ? 'worker' : 'inline';
}

/** Errors: KernelError for an isolation the page can't have. */
function checkIsolation(isolation: Isolation): Isolation {
  if (isolation === 'worker' && !globalThis.crossOriginIsolated) {
    throw new KernelError(
      "isolation 'worker' needs a cross-origin isolated page: serve it with the headers " +
        'Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp, ' +
        "or use isolation 'inline'",
    );
  }
  return isolation;
}

/**
 * Starts a kernel: a worker with the mounts of `options`.
 *
 * Errors: KernelError with a reason if a store can't be opened (another tab has it, the browser
 * lost it …); FsError if something can't be mounted; the signal's reason.
 */
export async function boot(options: BootOptions = {}): Promise<Kernel> {
  const { signal, persist = true, onHolderChange, onLinkChange, ...rest } = options;
  signal?.throwIfAborted();
  const isolation = checkIsolation(options.isolation ?? defaultIsolation());
  const worker = new KernelWorker();
  const onAbort = (): void => {
    const reason: unknown = signal?.reason;
    worker.terminate(reason instanceof Error ? reason : new KernelError('booting was aborted'));
  };
  signal?.addEventListener('abort', onAbort);
  try {
    const { mounts, asked, ask } = splitTokens(rest.mounts ?? {});
    const outcome = await worker.call((service) =>
      service.boot(
        { ...rest, mounts, askedTokens: asked, isolation },
        onHolderChange === undefined ? undefined : proxy(onHolderChange),
        onLinkChange === undefined ? undefined : proxy(onLinkChange),
        asked.length === 0 ? undefined : proxy(ask),
      ),
    );
    valueOf(outcome, 'mount');
    if (persist) askToPersist(Object.values({ ...DEFAULT_MOUNTS, ...rest.mounts }));
    return new KernelClient(worker, isolation, persist);
  } catch (error) {
    worker.terminate(new KernelError('the kernel did not start', 'stopped'));
    throw error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

class KernelClient implements Kernel {
  readonly fs: FileSystem;
  readonly isolation: Isolation;
  readonly #worker: KernelWorker;
  readonly #persist: boolean;
  readonly #snapshots: SnapshotsClient;
  #lastCall = 0;

  constructor(worker: KernelWorker, isolation: Isolation, persist: boolean) {
    this.#worker = worker;
    this.#snapshots = new SnapshotsClient(worker);
    this.isolation = isolation;
    this.#persist = persist;
    this.fs = new FileSystemClient(async (name, args, syscall, details = {}) => {
      const { path, dest, signal } = details;
      const outcome = await (signal === undefined
        ? worker.call((service) => service.fs(name, args))
        : this.#callWith(signal, name, args));
      return valueOf(outcome, syscall, path, dest);
    });
  }

  /** Calls what may wait for long. Errors: the signal's reason once it aborts. */
  async #callWith(
    signal: AbortSignal,
    name: string,
    args: readonly unknown[],
  ): Promise<Outcome<unknown>> {
    signal.throwIfAborted();
    const call = ++this.#lastCall;
    const interrupt = (): void => {
      void this.#worker.call((service) => service.interrupt(call)).catch(() => undefined);
    };
    signal.addEventListener('abort', interrupt);
    try {
      const outcome = await this.#worker.call((service) => service.fs(name, args, call));
      const { failure } = outcome;
      if (failure?.kind === 'errno' && failure.code === 'EINTR') signal.throwIfAborted();
      return outcome;
    } finally {
      signal.removeEventListener('abort', interrupt);
    }
  }

  async spawn(program: Program, options: SpawnOptions = {}): Promise<Process> {
    const isolation = checkIsolation(options.isolation ?? this.isolation);
    const plumbing = new Plumbing(options, this.#worker);
    const name = nameOf(program);
    const request: SpawnRequest = {
      program: sourceOf(program),
      name,
      argv: [options.argv0 ?? name, ...(options.args ?? [])],
      env: { PWD: options.cwd ?? '/', ...options.env },
      cwd: options.cwd ?? '/',
      uid: options.uid ?? 0,
      gid: options.gid ?? 0,
      groups: options.groups ?? [],
      umask: options.umask ?? 0o022,
      preopens: Object.entries(options.preopens ?? { '/': '/' }),
      stdio: plumbing.stdio,
      terminals: plumbing.terminals,
      isolation,
    };
    const { onProgress } = options;
    const outcome = await this.#worker.call((service) =>
      service.spawn(
        transfer(request, plumbing.transferables),
        onProgress === undefined ? undefined : proxy(onProgress),
      ),
    );
    const pid = valueOf(outcome, 'spawn', typeof program === 'string' ? program : undefined);
    return new ProcessClient(this.#worker, pid, plumbing);
  }

  async mount(path: string, spec: MountSpec): Promise<void> {
    const { mounts, asked, ask } = splitTokens({ [path]: spec });
    const askToken = asked.length === 0 ? undefined : proxy(ask);
    const outcome = await this.#worker.call((service) =>
      service.mount(path, mounts[path] ?? spec, askToken),
    );
    valueOf(outcome, 'mount', path);
    if (this.#persist) askToPersist([spec]);
  }

  async umount(path: string, options: UmountOptions = {}): Promise<void> {
    const outcome = await this.#worker.call((service) => service.umount(path, options));
    valueOf(outcome, 'umount', path);
  }

  async reconnect(path: string): Promise<void> {
    valueOf(await this.#worker.call((service) => service.reconnect(path)), 'reconnect', path);
  }

  async remount(path: string, options: MountOptions): Promise<void> {
    valueOf(await this.#worker.call((service) => service.remount(path, options)), 'mount', path);
  }

  async listen(
    path: string,
    options: { mode?: number; signal?: AbortSignal } = {},
  ): Promise<SocketServer> {
    options.signal?.throwIfAborted();
    const mode = options.mode ?? 0o777;
    const outcome = await this.#worker.call((service) => service.listen(path, mode));
    const server = new SocketServerClient(this.#worker, valueOf(outcome, 'bind', path), path);
    options.signal?.addEventListener('abort', () => void server.close(), { once: true });
    return server;
  }

  exportArchive(path: string, options: ExportOptions): ReadableStream<Uint8Array> {
    return exportArchive(this.#worker, ++this.#lastCall, path, options);
  }

  importArchive(
    path: string,
    source: ReadableStream<Uint8Array> | Blob | Uint8Array,
    options: ImportOptions = {},
  ): Promise<ArchiveSummary> {
    return importArchive(this.#worker, ++this.#lastCall, path, { ...options, source });
  }

  snapshot(path: string, name: string, options?: { writable?: boolean }): Promise<void> {
    return this.#snapshots.snapshot(path, name, options);
  }

  snapshots(path: string): Promise<SnapshotInfo[]> {
    return this.#snapshots.snapshots(path);
  }

  deleteSnapshot(path: string, name: string): Promise<void> {
    return this.#snapshots.deleteSnapshot(path, name);
  }

  rollback(
    path: string,
    name: string,
    options?: { keepAs?: string | null },
  ): Promise<string | null> {
    return this.#snapshots.rollback(path, name, options);
  }

  check(path: string, options: CheckOptions = {}): Promise<CheckResult> {
    return check(this.#worker, ++this.#lastCall, path, options);
  }

  repair(source: string, options: RepairOptions = {}): Promise<RepairResult> {
    return repair(this.#worker, source, options);
  }

  exportImage(path: string, options: ExportImageOptions = {}): ReadableStream<Uint8Array> {
    return exportImage(this.#worker, ++this.#lastCall, path, options);
  }

  importImage(
    source: string,
    image: ReadableStream<Uint8Array> | Blob | Uint8Array,
    options: ImportImageOptions = {},
  ): Promise<ImageSummary> {
    return importImage(this.#worker, ++this.#lastCall, source, { ...options, image });
  }

  mounts(): Promise<MountInfo[]> {
    return this.#worker.call((service) => service.mounts());
  }

  storage(): Promise<StorageInfo> {
    return storageInfo();
  }

  async sync(): Promise<void> {
    valueOf(await this.#worker.call((service) => service.sync()), 'sync');
  }

  async shutdown(): Promise<void> {
    try {
      valueOf(await this.#worker.call((service) => service.shutdown()), 'umount');
    } finally {
      this.#worker.terminate(new KernelError('the kernel has been shut down', 'stopped'));
    }
  }
}

class SocketServerClient implements SocketServer {
  readonly path: string;
  readonly #worker: KernelWorker;
  readonly #id: number;

  constructor(worker: KernelWorker, id: number, path: string) {
    this.#worker = worker;
    this.#id = id;
    this.path = path;
  }

  async close(): Promise<void> {
    await this.#worker.call((service) => service.closeListener(this.#id));
  }

  async *[Symbol.asyncIterator](): AsyncIterator<SocketConnection> {
    try {
      for (;;) {
        const connection = await this.#worker.call((service) => service.accept(this.#id));
        if (connection === null) return;
        yield connection;
      }
    } finally {
      await this.close();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

class ProcessClient implements Process {
  readonly pid: number;
  readonly stdin: WritableStream<Uint8Array> | null;
  readonly stdout: ReadableStream<Uint8Array> | null;
  readonly stderr: ReadableStream<Uint8Array> | null;
  readonly exited: Promise<ExitStatus>;
  readonly #worker: KernelWorker;

  constructor(worker: KernelWorker, pid: number, plumbing: Plumbing) {
    this.pid = pid;
    this.stdin = plumbing.stdin;
    this.stdout = plumbing.stdout;
    this.stderr = plumbing.stderr;
    this.#worker = worker;
    this.exited = worker.call((service) => service.exited(pid));
    // Whoever doesn't ask for the exit status needn't handle the kernel's death either.
    this.exited.catch(() => undefined);
  }

  async kill(signal: KillSignal = 'SIGKILL'): Promise<void> {
    await this.#worker.call((service) => service.kill(this.pid, signal));
  }
}

function sourceOf(program: Program): ProgramSource {
  if (program instanceof WebAssembly.Module) return { kind: 'module', module: program };
  if (program instanceof URL) return { kind: 'url', url: program.href };
  if (program instanceof ArrayBuffer) return { kind: 'bytes', bytes: new Uint8Array(program) };
  if (program instanceof Uint8Array) return { kind: 'bytes', bytes: program };
  if (/^[a-z][a-z0-9+.-]*:/i.test(program)) return { kind: 'url', url: program };
  return { kind: 'path', path: program };
}

/** What argv[0] is by default: the last component without ".wasm". */
function nameOf(program: Program): string {
  const text = program instanceof URL ? program.pathname : program;
  if (typeof text !== 'string') return 'program';
  return (
    text
      .replace(/[?#].*$/, '')
      .replace(/^.*\//, '')
      .replace(/\.wasm$/, '') || 'program'
  );
}
