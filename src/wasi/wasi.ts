// Wasi: one program's imports, over the system calls of its task.
//
// browser_wasi_shim's WASI class supplies what has nothing to do with files: arguments,
// environment, random numbers. Everything else is ours. Whoever runs the program decides
// how an Op is run that has to wait (blocking in a worker of its own, or suspending the program):
// see imports().

import { WASI, wasi as preview1 } from '@bjorn3/browser_wasi_shim';
import { LinuxError, linuxerr } from '../abi/errno.ts';
import { type Clock, timespecToNs } from '../lib/clock.ts';
import type { Op } from '../lib/op.ts';
import { utf8Length } from '../lib/text.ts';
import type { Syscalls } from '../syscalls/table.ts';
import { BURROW_CALLS, BurrowFunctions, burrowSignature } from './burrow-functions.ts';
import { ALL_RIGHTS, Descriptors } from './descriptors.ts';
import type { WasiContext } from './context.ts';
import { wasiErrnoOf } from './errno.ts';
import { ProgramExit, signalOfWasi } from './exit.ts';
import { GuestMemory } from './guest-memory.ts';
import { HostFunctions, type User } from './host-functions.ts';
import { PathFunctions } from './path-functions.ts';
import { pollOneoff } from './poll.ts';
import {
  type GuestFunction,
  HOST_SIGNATURES,
  PREVIEW1_SIGNATURES,
  type Preview1Name,
} from './signatures.ts';
import { WorkingDirectory } from './working-directory.ts';

export interface WasiOptions {
  readonly sys: Syscalls;
  readonly clock: Clock;
  /** argv, argv[0] included. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Open directory descriptors and the names they have in the program. */
  readonly preopens: readonly {
    readonly fd: number;
    readonly name: string;
    readonly isRoot: boolean;
  }[];
  /** Absolute path of the working directory beneath the task's root. */
  readonly cwd: string;
  readonly user: User;
}

/** What a cross-origin isolated page gets; others have less, and no way to tell. */
const CLOCK_RESOLUTION_NS = 5000n;

/** A named function with its signature, ready to be wrapped as an import. */
export interface GuestImport {
  readonly module: string;
  readonly name: string;
  readonly parameters: string;
  readonly run: GuestFunction;
}

/**
 * Before the program is there, no address is good. The shim looks at the buffer only, and a real
 * memory is scarce: instantiate.ts.
 */
const NO_MEMORY = { buffer: new ArrayBuffer(0) } as WebAssembly.Memory;

export class Wasi {
  readonly memory = new GuestMemory();
  readonly #shim: WASI;
  readonly #args: readonly string[];
  readonly #clock: Clock;
  /** When the program was started, by the monotonic clock. */
  readonly #startMs: number;
  readonly #context: WasiContext;
  readonly #files: PathFunctions;
  readonly #host: HostFunctions;
  readonly #burrow: BurrowFunctions;

  constructor(options: WasiOptions) {
    const env = Object.entries(options.env).map(([name, value]) => `${name}=${value}`);
    this.#shim = new WASI([...options.args], env, [], { debug: false });
    this.#shim.inst = { exports: { memory: NO_MEMORY } };
    this.#args = options.args;
    this.#clock = options.clock;
    this.#startMs = options.clock.monotonicMs();
    const descriptors = new Descriptors();
    for (const { fd, name, isRoot } of options.preopens) {
      const preopen = { name, isRoot };
      descriptors.add(fd, { base: ALL_RIGHTS, inheriting: ALL_RIGHTS }, { preopen });
    }
    const hasCwd = options.cwd !== '/' && options.preopens.some(({ isRoot }) => isRoot);
    this.#context = {
      memory: this.memory,
      sys: options.sys,
      descriptors,
      cwd: hasCwd
        ? new WorkingDirectory(options.cwd, options.args.slice(1), options.sys)
        : undefined,
    };
    this.#files = new PathFunctions(this.#context);
    this.#host = new HostFunctions(this.#context, options.user);
    this.#burrow = new BurrowFunctions(this.#context);
  }

  /** Connects the imports to the program that was instantiated with them. */
  attach(instance: WebAssembly.Instance): void {
    const { memory } = instance.exports;
    if (!(memory instanceof WebAssembly.Memory)) return;
    this.memory.attach(memory);
    // The shim looks at its instance's memory only.
    this.#shim.inst = { exports: { memory } };
  }

  /** Every function a program may import. */
  get functions(): GuestImport[] {
    const preview1Functions = this.#preview1();
    const all: GuestImport[] = (Object.keys(PREVIEW1_SIGNATURES) as Preview1Name[]).map((name) => ({
      module: 'wasi_snapshot_preview1',
      name,
      parameters: PREVIEW1_SIGNATURES[name],
      run: preview1Functions[name],
    }));
    for (const [module, signatures] of Object.entries(HOST_SIGNATURES)) {
      for (const [name, parameters] of Object.entries(signatures)) {
        const host = this.#host as unknown as Record<string, GuestFunction>;
        const run = host[name];
        if (run !== undefined) all.push({ module, name, parameters, run: run.bind(this.#host) });
      }
    }
    for (const name of BURROW_CALLS) {
      const parameters = burrowSignature(name);
      all.push({ module: 'burrow', name, parameters, run: this.#burrow.function(name) });
    }
    return all;
  }

  #preview1(): Record<Preview1Name, GuestFunction> {
    const files = this.#files;
    const shim = this.#shim.wasiImport;
    const result = {} as Record<Preview1Name, GuestFunction>;
    for (const name of Object.keys(PREVIEW1_SIGNATURES) as Preview1Name[]) {
      const own = (files as unknown as Record<string, unknown>)[name];
      if (typeof own === 'function') {
        result[name] = toErrno((own as (...args: never[]) => Op<void>).bind(files));
      } else {
        const borrowed = shim[name] as ShimFunction;
        result[name] = toErrno((...args) => callShim(borrowed, args));
      }
    }
    return { ...result, ...this.#own() };
  }

  /** Where neither the shim nor the file functions will do. */
  #own(): Partial<Record<Preview1Name, GuestFunction>> {
    return {
      args_sizes_get: toErrno(this.#argsSizesGet.bind(this)),
      clock_res_get: toErrno(this.#clockResGet.bind(this)),
      clock_time_get: toErrno(this.#clockTimeGet.bind(this)),
      random_get: toErrno(this.#randomGet.bind(this)),
      poll_oneoff: toErrno((input: number, output: number, count: number, result: number) =>
        pollOneoff(this.#context, this.#clock, { input, output, count, result }),
      ),
      *proc_exit(code: number): Op<number> {
        throw new ProgramExit({ code });
      },
      *proc_raise(signal: number): Op<number> {
        const name = signalOfWasi(signal);
        if (signal === preview1.SIGNAL_NONE) return preview1.ERRNO_SUCCESS;
        if (name === undefined) return preview1.ERRNO_INVAL;
        throw new ProgramExit({ signal: name });
      },
    };
  }

  /**
   * The shim counts UTF-16 units, too few for text beyond ASCII, which it then writes past the
   * program's buffer.
   */
  *#argsSizesGet(countPointer: number, sizePointer: number): Op<void> {
    const size = this.#args.reduce((sum, arg) => sum + utf8Length(arg) + 1, 0);
    this.memory.setU32(countPointer, this.#args.length);
    this.memory.setU32(sizePointer, size);
  }

  *#clockResGet(id: number, result: number): Op<void> {
    this.#nanoseconds(id);
    this.memory.setU64(result, CLOCK_RESOLUTION_NS);
  }

  /** The clock that files get their times from. */
  *#clockTimeGet(id: number, _precision: bigint, result: number): Op<void> {
    this.memory.setU64(result, this.#nanoseconds(id));
  }

  /** Errors: EINVAL. */
  #nanoseconds(id: number): bigint {
    const monotonicMs = this.#clock.monotonicMs();
    switch (id) {
      case preview1.CLOCKID_REALTIME:
        return timespecToNs(this.#clock.now());
      case preview1.CLOCKID_MONOTONIC:
        return BigInt(Math.round(monotonicMs * 1e6));
      // Nobody says how long it has run: not longer than since it was started.
      case preview1.CLOCKID_PROCESS_CPUTIME_ID:
      case preview1.CLOCKID_THREAD_CPUTIME_ID:
        return BigInt(Math.round((monotonicMs - this.#startMs) * 1e6));
      default:
        throw linuxerr.EINVAL;
    }
  }

  /** The shim takes a range that lies outside of the memory for an empty one. */
  *#randomGet(pointer: number, length: number): Op<void> {
    this.memory.checkWritable(pointer, length >>> 0);
    yield* callShim(this.#shim.wasiImport['random_get'] as ShimFunction, [pointer, length]);
  }
}

type ShimFunction = (...args: never[]) => number | undefined;

/** Runs a function of the shim, whose accesses outside of the memory are RangeErrors. */
function* callShim(run: ShimFunction, args: readonly unknown[]): Op<void> {
  let result: number | undefined;
  try {
    // Pointers are unsigned; the shim takes them as they come.
    result = run(...(args.map((arg) => (typeof arg === 'number' ? arg >>> 0 : arg)) as never[]));
  } catch (error) {
    if (error instanceof RangeError) throw linuxerr.EFAULT;
    throw error;
  }
  if (result === preview1.ERRNO_NOSYS) throw linuxerr.EINVAL;
}

/** The WASI way to return: an errno. */
function toErrno(run: (...args: never[]) => Op<void>): GuestFunction {
  return function* (...args: never[]): Op<number> {
    try {
      yield* run(...args);
      return preview1.ERRNO_SUCCESS;
    } catch (error) {
      if (error instanceof LinuxError) return wasiErrnoOf(error);
      throw error;
    }
  };
}
