// Giving a module its imports, with a clear message for what is missing, and a memory.
//
// Memories are scarce: Chromium reserves 10 GiB of addresses for each, however small, and a tab has
// 1 TiB for all its threads. What a program leaves takes its part until it is collected, and little
// garbage in each of several threads is no reason for that.

import type { GuestImport } from './wasi.ts';
import { linuxerr } from '../abi/errno.ts';
import type { Clock } from '../lib/clock.ts';
import { collectGarbage } from '../lib/garbage.ts';
import { wasiErrnoOf } from './errno.ts';

/** So many programs leave their memories in a thread before they are collected. */
const UNCOLLECTED_MAX = 8;
/** Where there is none, there may be one when others are collected, or their threads have ended. */
const RETRY_MS = 100;
const RETRIES_MAX = 20;

let uncollected = 0;

/** A module that can't be run here. The message is for the user. */
export class UnsuitableModule extends Error {
  override readonly name = 'UnsuitableModule';
}

/**
 * The import object for `module`. `wrap` turns each function into what wasm calls.
 *
 * Modules other than WASI's may want functions nobody has: those of the host_ modules answer
 * ENOSYS, so that a program runs as long as it doesn't need them.
 *
 * Errors: UnsuitableModule naming every import that is missing.
 */
export function importsFor(
  module: WebAssembly.Module,
  functions: readonly GuestImport[],
  wrap: (guestImport: GuestImport) => WebAssembly.ImportValue,
): WebAssembly.Imports {
  const known = new Map(functions.map((each) => [`${each.module}.${each.name}`, each]));
  const imports: Record<string, WebAssembly.ModuleImports> = {};
  const missing: string[] = [];
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    const own = (imports[from] ??= {});
    const found = kind === 'function' ? known.get(`${from}.${name}`) : undefined;
    if (found !== undefined) own[name] = wrap(found);
    else if (kind === 'function' && from.startsWith('host_')) own[name] = answerNoSuchCall;
    else missing.push(`${from}.${name} (${kind})`);
  }
  if (missing.length > 0) throw new UnsuitableModule(describeMissing(missing));
  return imports;
}

function answerNoSuchCall(): number {
  return wasiErrnoOf(linuxerr.ENOSYS);
}

function describeMissing(missing: readonly string[]): string {
  const list = missing.slice(0, 5).join(', ') + (missing.length > 5 ? ', …' : '');
  const hint = missing.some((name) => name.startsWith('wasi_unstable.'))
    ? 'it was built for an older WASI (wasi_unstable); build it for wasi_snapshot_preview1'
    : missing.some((name) => name.startsWith('wasi:'))
      ? 'it is a preview2 component; a preview1 module is needed'
      : missing.some((name) => name.startsWith('env.'))
        ? 'it was not linked as a WASI program (Emscripten output needs its own loader)'
        : 'it needs imports that WASI preview1 does not have';
  return `the module can't be run: ${hint}. Missing: ${list}`;
}

/** Errors: UnsuitableModule if it isn't a WASI command. */
export function startFunctionOf(instance: WebAssembly.Instance): () => void {
  const start = instance.exports['_start'];
  if (typeof start === 'function') return start as () => void;
  throw new UnsuitableModule(
    "the module can't be run: it has no _start function. It is a library, not a WASI command",
  );
}

/** Errors: RangeError if there is no memory for it, and none comes up in two seconds. */
export async function instantiateProgram(
  module: WebAssembly.Module,
  imports: WebAssembly.Imports,
  clock: Clock,
): Promise<WebAssembly.Instance> {
  for (let retries = 0; ; retries++) {
    try {
      return await WebAssembly.instantiate(module, imports);
    } catch (error) {
      if (!isWithoutMemory(error) || retries === RETRIES_MAX) throw error;
    }
    collectGarbage();
    await new Promise<void>((resolve) => clock.setTimer(RETRY_MS, resolve));
  }
}

/** And not one that has begun to run, and used up its stack in its start section. */
function isWithoutMemory(error: unknown): boolean {
  return error instanceof RangeError && /memory/i.test(error.message);
}

/** To be called when a program has ended in this thread. */
export function programEnded(): void {
  if (++uncollected < UNCOLLECTED_MAX) return;
  uncollected = 0;
  collectGarbage();
}
