// What the threads say to each other. The page calls the kernel worker through comlink
// (KernelService); the kernel and its process workers exchange the messages below, and system calls
// over shared memory (worker/syscall-channel.ts).

import type { BootOptions, ExitStatus, Isolation, MountOptions, MountSpec } from '../src/api.ts';
import type { UmountOptions } from '../src/api-links.ts';
import type { SnapshotInfo } from '../src/api-snapshots.ts';
import type { MountInfo } from '../src/api-storage.ts';
import type { ArchiveFormat, ArchiveProgress, ArchiveSummary } from '../src/archive/options.ts';
import type {
  CheckProgress,
  CheckResult,
  ImageProgress,
  ImageSummary,
  RepairOptions,
  RepairResult,
} from '../src/image/options.ts';
import type { Exit } from '../src/wasi/exit.ts';
import type { User } from '../src/wasi/host-functions.ts';
import type { AskToken } from './gofer-tokens.ts';

/** Why a call failed, in a form that can be cloned. */
export type Failure =
  | { readonly kind: 'errno'; readonly code: string; readonly detail?: string }
  | { readonly kind: 'error'; readonly message: string; readonly reason: string | undefined };

/**
 * One shape for both outcomes: comlink would take a union apart. `value` counts if there is no
 * failure.
 */
export interface Outcome<T> {
  readonly value: T;
  readonly failure: Failure | undefined;
}

export type ProgramSource =
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'module'; readonly module: WebAssembly.Module };

/** Where one of the standard streams leads. Streams are transferred. */
export type StdioSource =
  | { readonly kind: 'null' }
  | { readonly kind: 'readable'; readonly stream: ReadableStream<Uint8Array> }
  | {
      readonly kind: 'writable';
      readonly stream: WritableStream<Uint8Array>;
      /** The page reads it through proc.stdout: the program's end doesn't wait for that. */
      readonly isPipe: boolean;
    }
  | { readonly kind: 'terminal'; readonly index: number }
  | { readonly kind: 'file'; readonly path: string; readonly append: boolean };

/** The page's end of a connection to a socket in the tree. Streams are transferred. */
export interface ConnectionStreams {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
}

export interface TerminalStreams {
  readonly input: ReadableStream<Uint8Array>;
  readonly output: WritableStream<Uint8Array>;
}

export interface SpawnRequest {
  readonly program: ProgramSource;
  readonly name: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly umask: number;
  readonly preopens: readonly (readonly [name: string, path: string])[];
  readonly stdio: readonly StdioSource[];
  readonly terminals: readonly TerminalStreams[];
  readonly isolation: Isolation;
}

/** `call`: a number by which it can be interrupted. Streams are transferred. */
export interface ExportRequest {
  readonly call: number;
  readonly path: string;
  readonly format: ArchiveFormat;
  readonly target: WritableStream<Uint8Array>;
}

export interface ImportRequest {
  readonly call: number;
  readonly path: string;
  readonly source: ReadableStream<Uint8Array> | Blob;
  readonly format: ArchiveFormat | undefined;
  readonly preserveOwner: boolean;
}

/** What is to be done with snapshots: Snapshots of the public API, as messages. */
export type SnapshotRequest =
  | {
      readonly kind: 'create';
      readonly path: string;
      readonly name: string;
      readonly isWritable: boolean;
    }
  | { readonly kind: 'list'; readonly path: string }
  | { readonly kind: 'delete'; readonly path: string; readonly name: string }
  | {
      readonly kind: 'rollback';
      readonly path: string;
      readonly name: string;
      /** Undefined: the kernel finds a name. */
      readonly keepAs: string | null | undefined;
    };

export interface SnapshotAnswer {
  /** Of 'list'. */
  readonly list: SnapshotInfo[];
  /** Of 'rollback': the snapshot of what was before. */
  readonly keptAs: string | null;
}

export interface CheckRequest {
  readonly call: number;
  readonly path: string;
}

export interface ExportImageRequest {
  readonly call: number;
  readonly path: string;
  readonly gzip: boolean;
  readonly target: WritableStream<Uint8Array>;
}

export interface ImportImageRequest {
  readonly call: number;
  readonly source: string;
  readonly overwrite: boolean;
  readonly image: ReadableStream<Uint8Array> | Blob;
}

export type OnCheckProgress = (progress: CheckProgress) => void;
export type OnImageProgress = (progress: ImageProgress) => void;
export type OnArchiveProgress = (progress: ArchiveProgress) => void;

export type KillSignal = 'SIGKILL' | 'SIGINT' | 'SIGTERM';

/** What of BootOptions the worker is told. */
export interface BootRequest extends Omit<
  BootOptions,
  'signal' | 'persist' | 'onHolderChange' | 'onLinkChange'
> {
  /** Mount points of gofers whose tokens are to be asked for. */
  readonly askedTokens: readonly string[];
}

export interface KernelService {
  boot(
    options: BootRequest,
    // Each an argument of its own: comlink looks for functions nowhere else.
    onHolderChange: BootOptions['onHolderChange'],
    onLinkChange: BootOptions['onLinkChange'],
    askToken: AskToken | undefined,
  ): Promise<Outcome<void>>;
  /** Calls an operation of FileService; `call` is a number by which it can be interrupted. */
  fs(name: string, args: readonly unknown[], call?: number): Promise<Outcome<unknown>>;
  /** What a call waits for is given up: it fails with EINTR. So does an export or import. */
  interrupt(call: number): void;
  /** Resolves when the target has everything, and is closed. */
  exportArchive(
    request: ExportRequest,
    onProgress: OnArchiveProgress | undefined,
  ): Promise<Outcome<void>>;
  importArchive(
    request: ImportRequest,
    onProgress: OnArchiveProgress | undefined,
  ): Promise<Outcome<ArchiveSummary>>;
  snapshots(request: SnapshotRequest): Promise<Outcome<SnapshotAnswer>>;
  check(
    request: CheckRequest,
    onProgress: OnCheckProgress | undefined,
  ): Promise<Outcome<CheckResult>>;
  repair(source: string, options: RepairOptions): Promise<Outcome<RepairResult>>;
  /** Resolves when the target has everything, and is closed. */
  exportImage(
    request: ExportImageRequest,
    onProgress: OnImageProgress | undefined,
  ): Promise<Outcome<void>>;
  importImage(
    request: ImportImageRequest,
    onProgress: OnImageProgress | undefined,
  ): Promise<Outcome<ImageSummary>>;
  /** Makes a socket at a path and listens there. Resolves with a number for accept(). */
  listen(path: string, mode: number): Promise<Outcome<number>>;
  /** Resolves with null once the listener is closed. */
  accept(listener: number): Promise<ConnectionStreams | null>;
  closeListener(listener: number): void;
  spawn(
    request: SpawnRequest,
    onProgress: ((loaded: number, total: number) => void) | undefined,
  ): Promise<Outcome<number>>;
  exited(pid: number): Promise<ExitStatus>;
  kill(pid: number, signal: KillSignal): void;
  /** `askToken` if the token of a gofer is to be asked for. */
  mount(path: string, spec: MountSpec, askToken: AskToken | undefined): Promise<Outcome<void>>;
  umount(path: string, options: UmountOptions): Promise<Outcome<void>>;
  reconnect(path: string): Promise<Outcome<void>>;
  remount(path: string, options: MountOptions): Promise<Outcome<void>>;
  mounts(): MountInfo[];
  sync(): Promise<Outcome<void>>;
  shutdown(): Promise<Outcome<void>>;
}

/** Everything a process worker needs to run a program, besides its system calls. */
export interface ProgramSpec {
  readonly name: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly user: User;
  readonly preopens: readonly {
    readonly fd: number;
    readonly name: string;
    readonly isRoot: boolean;
  }[];
}

/** Kernel → process worker. */
export interface RunMessage {
  readonly module: WebAssembly.Module;
  readonly channel: SharedArrayBuffer;
  readonly program: ProgramSpec;
}

/** Process worker → kernel: the program has ended. */
export interface ExitMessage {
  readonly exit: Exit;
}
