// Inline tasks: programs that run in the kernel worker itself.
//
// A system call is a plain function call. One that has to wait suspends the program through JSPI
// (WebAssembly.Suspending); the program's imports go through an adapter so that only such calls pay
// for it (src/wasi/adapter.ts). Many inline tasks are coroutines of one thread. A program that
// computes without making calls holds up the kernel; one that makes calls is suspended every few
// milliseconds.

import type { Clock } from '../src/lib/clock.ts';
import { type Op, resumeAsync, type Wait } from '../src/lib/op.ts';
import { adapterName, makeAdapter, WOULD_WAIT } from '../src/wasi/adapter.ts';
import { type Exit, exitOf, ProgramExit, type SignalName } from '../src/wasi/exit.ts';
import {
  importsFor,
  instantiateProgram,
  programEnded,
  startFunctionOf,
} from '../src/wasi/instantiate.ts';
import type { GuestImport, Wasi } from '../src/wasi/wasi.ts';
import type { Task } from '../src/kernel/task.ts';
import { nextMacrotask } from '../src/lib/macrotask.ts';

/** JavaScript Promise Integration, which TypeScript's library doesn't know yet. */
interface Jspi {
  readonly Suspending: new (run: () => Promise<number>) => WebAssembly.ImportValue;
  promising(run: () => void): () => Promise<void>;
}

export function findJspi(): Jspi | undefined {
  const { Suspending, promising } = WebAssembly as unknown as Partial<Jspi>;
  if (Suspending === undefined || promising === undefined) return undefined;
  return { Suspending, promising };
}

/**
 * A program that makes calls lets the kernel's event loop run this often. Commits and other tasks
 * depend on it.
 */
const SLICE_MS = 8;
/** Calls between two looks at the clock. */
const CALLS_PER_LOOK = 32;

export interface InlineOptions {
  readonly jspi: Jspi;
  readonly module: WebAssembly.Module;
  readonly wasi: Wasi;
  readonly task: Task;
  readonly clock: Clock;
  readonly name: string;
  /** The signal that ended the task, once it has. */
  readonly endSignal: () => SignalName;
}

type Pending =
  | { readonly kind: 'waiting'; readonly op: Op<number>; readonly wait: Wait }
  | { readonly kind: 'done'; readonly value: number };

class InlineTask {
  readonly #options: InlineOptions;
  #pending: Pending | undefined;
  #callCount = 0;
  #sliceStart: number;

  constructor(options: InlineOptions) {
    this.#options = options;
    this.#sliceStart = options.clock.monotonicMs();
  }

  async run(): Promise<void> {
    const { jspi, module, wasi } = this.#options;
    const all = wasi.functions;
    const wanted = new Set(WebAssembly.Module.imports(module).map(adapterName));
    const functions = all.filter(
      (each) => each.name !== 'proc_exit' && wanted.has(adapterName(each)),
    );
    const plain: WebAssembly.ModuleImports = {};
    for (const each of functions) plain[adapterName(each)] = this.#plain(each);
    const adapterModule = await WebAssembly.compile(makeAdapter(functions));
    const adapter = await WebAssembly.instantiate(adapterModule, {
      plain,
      wait: { wait: new jspi.Suspending(() => this.#wait()) },
    });
    // proc_exit has no result and never waits: it is called directly.
    const imports = importsFor(
      module,
      all,
      (each) => adapter.exports[adapterName(each)] ?? this.#plain(each),
    );
    const instance = await instantiateProgram(module, imports, this.#options.clock);
    wasi.attach(instance);
    await jspi.promising(startFunctionOf(instance))();
  }

  /** Runs a call as far as it goes without waiting. */
  #plain({ run }: GuestImport): (...args: never[]) => number {
    return (...args) => {
      if (this.#options.task.isEnded) throw this.#killed();
      const op = run(...args);
      const result = op.next();
      if (result.done !== true) {
        this.#pending = { kind: 'waiting', op, wait: result.value };
        return WOULD_WAIT;
      }
      if (!this.#isSliceOver()) return result.value;
      this.#pending = { kind: 'done', value: result.value };
      return WOULD_WAIT;
    };
  }

  #isSliceOver(): boolean {
    if (++this.#callCount % CALLS_PER_LOOK !== 0) return false;
    return this.#options.clock.monotonicMs() - this.#sliceStart > SLICE_MS;
  }

  /** What the program is suspended for. */
  async #wait(): Promise<number> {
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending === undefined) throw new TypeError('suspended without a reason');
    const { task, clock } = this.#options;
    let value: number;
    if (pending.kind === 'done') {
      ({ value } = pending);
      await nextMacrotask();
    } else {
      value = await resumeAsync(pending.op, pending.wait, task);
    }
    if (task.isEnded) throw this.#killed();
    // Waits are often over within the same macrotask: that doesn't count as having let the event
    // loop run.
    if (pending.kind === 'done') this.#sliceStart = clock.monotonicMs();
    return value;
  }

  #killed(): ProgramExit {
    return new ProgramExit({ signal: this.#options.endSignal() });
  }
}

/** Runs a program to its end. Never rejects. */
export async function runInline(options: InlineOptions): Promise<Exit> {
  try {
    await new InlineTask(options).run();
    return { code: 0, signal: null, error: null };
  } catch (error) {
    return exitOf(error, options.name);
  } finally {
    programEnded();
  }
}
