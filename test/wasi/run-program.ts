// Runs a WASI program on a kernel in this process, without threads: a call that has to wait blocks,
// while its input is supplied, its output taken away, and the clock's timers kept.

import type { Kernel } from '../../src/kernel/kernel.ts';
import { AT_FDCWD, O_DIRECTORY, O_RDONLY, O_WRONLY } from '../../src/abi/fcntl.ts';
import { ROOT_CREDENTIALS } from '../../src/auth/credentials.ts';
import { ByteQueue } from '../../src/lib/byte-queue.ts';
import { RealClock } from '../../src/lib/clock.ts';
import { type Op, runSync } from '../../src/lib/op.ts';
import { decodeUtf8, encodeUtf8 } from '../../src/lib/text.ts';
import { type Exit, exitOf } from '../../src/wasi/exit.ts';
import { importsFor, startFunctionOf } from '../../src/wasi/instantiate.ts';
import { Wasi } from '../../src/wasi/wasi.ts';

/** A clock whose timers go off when somebody waits for them, and not otherwise. */
export class BlockingClock extends RealClock {
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>();

  override setTimer(ms: number, callback: () => void): () => void {
    const timer = { at: this.monotonicMs() + ms, callback };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  /** Sleeps until the next timer goes off. False if there is none. */
  sleep(): boolean {
    const [next] = [...this.#timers].sort((a, b) => a.at - b.at);
    if (next === undefined) return false;
    const nothing = new Int32Array(new SharedArrayBuffer(4));
    while (this.monotonicMs() < next.at) {
      Atomics.wait(nothing, 0, 0, next.at - this.monotonicMs());
    }
    this.#timers.delete(next);
    next.callback();
    return true;
  }
}

/** One end of a program's standard stream, and what has gone through it. */
class Output {
  readonly queue = new ByteQueue();
  #text: Uint8Array[] = [];

  /** Takes what there is. False if there is nothing. */
  drain(): boolean {
    const buffer = new Uint8Array(this.queue.size);
    if (this.queue.read(buffer) > 0) this.#text.push(buffer);
    return buffer.length > 0;
  }

  get text(): string {
    this.drain();
    return this.#text.map((part) => decodeUtf8(part)).join('');
  }
}

class Input {
  readonly queue = new ByteQueue();
  #rest: Uint8Array;

  constructor(text: string) {
    this.#rest = encodeUtf8(text);
  }

  /** Puts as much as there is room for. */
  fill(): boolean {
    const count = this.queue.write(this.#rest);
    this.#rest = this.#rest.subarray(count);
    if (this.#rest.length === 0) this.queue.closeWrite();
    return count > 0;
  }
}

export interface ProgramResult extends Exit {
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramOptions {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: string;
}

/** The kernel's clock must be `clock`. */
export async function runProgram(
  { kernel, clock }: { readonly kernel: Kernel; readonly clock: BlockingClock },
  module: WebAssembly.Module,
  options: ProgramOptions,
): Promise<ProgramResult> {
  const { task, sys } = runSync(kernel.createTask({}));
  const [input, stdout, stderr] = [new Input(options.stdin), new Output(), new Output()];
  input.fill();
  const isTerminal = false;
  const streams = [
    { flags: O_RDONLY, isTerminal, input: input.queue },
    { flags: O_WRONLY, isTerminal, output: stdout.queue },
    { flags: O_WRONLY, isTerminal, output: stderr.queue },
  ];
  for (const each of streams) task.fds.install(kernel.openStream(each, ROOT_CREDENTIALS));
  const root = runSync(sys.openat(AT_FDCWD, '/', O_RDONLY | O_DIRECTORY, 0));

  const runBlocking = (op: Op<number>): number => {
    for (;;) {
      const result = op.next();
      if (result.done === true) return result.value;
      let isWoken = false;
      const cancel = result.value.subscribe(() => {
        isWoken = true;
      });
      const hasMoved = [input.fill(), stdout.drain(), stderr.drain()].includes(true);
      while (!hasMoved && !isWoken) {
        if (!clock.sleep()) throw new Error(`${options.name} waits for nothing`);
      }
      cancel();
    }
  };
  const { args, env } = options;
  const user = { uid: 0, gid: 0, name: 'root', home: '/' };
  const preopens = [{ fd: root, name: '/', isRoot: true }];
  const argv = [options.name, ...args];
  const wasi = new Wasi({ sys, clock, args: argv, env, preopens, cwd: '/', user });
  let exit: Exit = { code: 0, signal: null, error: null };
  try {
    const imports = importsFor(
      module,
      wasi.functions,
      ({ run }) =>
        (...callArgs: never[]) =>
          runBlocking(run(...callArgs)),
    );
    const instance = await WebAssembly.instantiate(module, imports);
    wasi.attach(instance);
    startFunctionOf(instance)();
  } catch (error) {
    exit = exitOf(error, options.name);
  }
  kernel.endTask(task);
  return { ...exit, stdout: stdout.text, stderr: stderr.text };
}
