// clang as one process: WASI has no way to start another program, so what clang would start itself
// is run here, one command after the other (see web/programs/clang-driver.ts).

import type { ExitStatus, Process, SpawnOptions } from '../../src/index.ts';
import { messagesIn, needsPlan, parsePlan, planArgs } from '../programs/clang-driver.ts';
import { describeError } from '../shell/errors.ts';
import { baseName, joinPath } from '../shell/paths.ts';

/** What clang needs of a kernel. */
export interface ClangKernel {
  spawn(program: string, options: SpawnOptions): Promise<Process>;
  readonly fs: {
    chmod(path: string, mode: number): Promise<void>;
    stat(path: string): Promise<{ readonly mode: number }>;
    unlink(path: string): Promise<void>;
  };
}

const FAILED: ExitStatus = { code: 1, signal: null, error: null };

/** Starts clang, or what it would start. `path` is the module that holds all of LLVM. */
export async function spawnClang(
  kernel: ClangKernel,
  path: string,
  options: SpawnOptions,
): Promise<Process> {
  const args = options.args ?? [];
  if (!needsPlan(args)) return kernel.spawn(path, options);
  const colours = isTerminal(options.stderr) ? ['-fcolor-diagnostics'] : [];
  const planner = await kernel.spawn(path, {
    ...options,
    args: planArgs([...colours, ...args]),
    stdin: 'null',
    stdout: 'null',
    stderr: 'pipe',
  });
  return new ClangProcess(kernel, path, options, planner);
}

class ClangProcess implements Process {
  readonly pid: number;
  readonly stdin = null;
  readonly stdout: ReadableStream<Uint8Array> | null;
  readonly stderr: ReadableStream<Uint8Array> | null;
  readonly exited: Promise<ExitStatus>;
  readonly #kernel: ClangKernel;
  readonly #path: string;
  readonly #options: SpawnOptions;
  readonly #output: Sink;
  readonly #errors: Sink;
  #current: Process;
  #killed: ExitStatus | null = null;

  constructor(kernel: ClangKernel, path: string, options: SpawnOptions, planner: Process) {
    this.#kernel = kernel;
    this.#path = path;
    this.#options = options;
    this.#current = planner;
    this.pid = planner.pid;
    this.#output = openSink(options.stdout);
    const isShared = options.stdout === options.stderr && isTerminal(options.stdout);
    this.#errors = isShared ? this.#output : openSink(options.stderr);
    this.stdout = this.#output.readable;
    this.stderr = this.#errors.readable;
    this.exited = this.#run(planner).finally(async () => {
      await this.#output.close();
      if (!isShared) await this.#errors.close();
    });
  }

  async kill(signal?: 'SIGKILL' | 'SIGINT' | 'SIGTERM'): Promise<void> {
    this.#killed = { code: 130, signal: signal ?? 'SIGKILL', error: null };
    await this.#current.kill(signal);
  }

  async #run(planner: Process): Promise<ExitStatus> {
    const text = await new Response(planner.stderr).text();
    const planned = await planner.exited;
    const messages = messagesIn(text);
    if (messages !== '') await this.#errors.write(new TextEncoder().encode(messages));
    const plan = planned.code === 0 ? parsePlan(text) : null;
    if (plan === null) return planned;
    try {
      let status = planned;
      for (const [index, command] of plan.commands.entries()) {
        if (this.#killed !== null) return this.#killed;
        status = await this.#runCommand(command, index === 0);
        if (status.code !== 0) return status;
      }
      await this.#makeExecutable(plan.commands.at(-1) ?? []);
      return status;
    } catch (error) {
      return { ...FAILED, error: describeError(error) };
    } finally {
      // A command that failed may not have made its output.
      for (const path of plan.temporaries)
        await this.#kernel.fs.unlink(path).catch(() => undefined);
    }
  }

  async #runCommand(command: readonly string[], isFirst: boolean): Promise<ExitStatus> {
    const [argv0 = 'clang', ...args] = command;
    const { stdin } = this.#options;
    const child = await this.#kernel.spawn(this.#path, {
      ...this.#options,
      argv0,
      args,
      stdin: isFirst && stdin !== undefined ? inputOf(stdin) : 'null',
      stdout: this.#output.target,
      stderr: this.#errors.target,
    });
    this.#current = child;
    await Promise.all([this.#output.take(child.stdout), this.#errors.take(child.stderr)]);
    return child.exited;
  }

  /** The linker would do this itself, but WASI can't change modes. */
  async #makeExecutable(command: readonly string[]): Promise<void> {
    const index = command.indexOf('-o');
    const output = index < 0 ? undefined : command[index + 1];
    if (baseName(command[0] ?? '') !== 'wasm-ld' || output === undefined) return;
    const path = output.startsWith('/') ? output : joinPath(this.#options.cwd ?? '/', output);
    const { mode } = await this.#kernel.fs.stat(path);
    // Whoever may read it may run it, as with a umask.
    await this.#kernel.fs.chmod(path, (mode & 0o777) | ((mode & 0o444) >> 2));
  }
}

type OutputTarget = SpawnOptions['stdout'];

function isTerminal(target: OutputTarget): boolean {
  return typeof target === 'object' && 'output' in target;
}

/** A terminal's streams can be handed over only once: the commands get just the input. */
function inputOf(stdin: NonNullable<SpawnOptions['stdin']>): NonNullable<SpawnOptions['stdin']> {
  return typeof stdin === 'object' && 'output' in stdin ? stdin.input : stdin;
}

/** Where the outputs of several processes go, one after the other. */
interface Sink {
  /** What each process is given. */
  readonly target: NonNullable<OutputTarget>;
  /** What the caller reads, if it asked for a pipe. */
  readonly readable: ReadableStream<Uint8Array> | null;
  /** Passes on what a process writes to its pipe. */
  take(stream: ReadableStream<Uint8Array> | null): Promise<void>;
  write(chunk: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

function openSink(target: OutputTarget): Sink {
  if (target === 'null' || target === 'inherit') return passThrough(target);
  // The shell has emptied the file; every command adds to it.
  if (typeof target === 'object' && 'file' in target)
    return passThrough({ ...target, append: true });
  const pipe = new TransformStream<Uint8Array, Uint8Array>();
  const isPipe = target === undefined || target === 'pipe';
  const writable = isPipe ? pipe.writable : 'output' in target ? target.output : target;
  const writer = writable.getWriter();
  return {
    target: 'pipe',
    readable: isPipe ? pipe.readable : null,
    take: async (stream) => {
      if (stream === null) return;
      try {
        for await (const chunk of stream) await writer.write(chunk);
      } catch {
        // Nobody reads any more. Leaving the loop has cancelled the stream: the program learns it.
      }
    },
    write: (chunk) => writer.write(chunk),
    // Whoever read may be gone.
    close: () => writer.close().catch(() => undefined),
  };
}

function passThrough(target: NonNullable<OutputTarget>): Sink {
  const nothing = (): Promise<void> => Promise.resolve();
  return { target, readable: null, take: nothing, write: nothing, close: nothing };
}
