// What kernel-page.html puts on its global object for the functions that specs run there.

import type { BootOptions, Kernel, Process, Program, SpawnOptions } from '../../../src/index.ts';
import { boot, FsError, KernelError } from '../../../src/index.ts';
import * as modules from './tiny-modules.ts';

/** An error as it can be handed to the spec. */
export interface Failure {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly errno?: number;
  readonly syscall?: string;
  readonly path?: string;
  readonly dest?: string;
  readonly reason?: string;
}

/** What a program did. */
export interface Outcome {
  readonly code: number;
  readonly signal: string | null;
  readonly error: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StartOptions extends Omit<BootOptions, 'mounts'> {
  readonly media?: 'mirrored' | 'indexeddb';
}

export interface InPage {
  readonly boot: typeof boot;
  readonly modules: typeof modules;
  /** Boots a kernel on the store `source` and makes it the page's kernel. */
  start(source: string, options?: StartOptions): Promise<Kernel>;
  /** How a promise is rejected; 'fulfilled' if it isn't. */
  failureOf(promise: Promise<unknown>): Promise<Failure | 'fulfilled'>;
  /** Where the server has a program. */
  program(name: string): URL;
  /** Runs a program to its end. */
  run(program: Program, options?: SpawnOptions): Promise<Outcome>;
  /** What a stream gives until it ends. */
  read(stream: ReadableStream<Uint8Array> | null): Promise<string>;
  /** Gives a program's input `text` and ends it. */
  feed(process: Process, text: string): Promise<void>;
}

declare global {
  var kernel: Kernel;
  var inPage: InPage;
}

async function start(source: string, options: StartOptions = {}): Promise<Kernel> {
  const { media = 'mirrored', ...rest } = options;
  const mounts = { '/': { type: 'idbfs', source, options: { media } } } as const;
  globalThis.kernel = await boot({ ...rest, mounts });
  return globalThis.kernel;
}

async function failureOf(promise: Promise<unknown>): Promise<Failure | 'fulfilled'> {
  try {
    await promise;
    return 'fulfilled';
  } catch (error) {
    if (error instanceof FsError) {
      const { name, message, code, errno, syscall, path, dest } = error;
      return withoutUndefined({ name, message, code, errno, syscall, path, dest });
    }
    if (error instanceof KernelError) {
      const { name, message, reason } = error;
      return withoutUndefined({ name, message, reason });
    }
    if (error instanceof Error) return { name: error.name, message: error.message };
    throw error;
  }
}

/** JSON has no undefined, and an absent field should read as one. */
function withoutUndefined(failure: {
  readonly [K in keyof Failure]: Failure[K] | undefined;
}): Failure {
  return Object.fromEntries(
    Object.entries(failure).filter(([, value]) => value !== undefined),
  ) as unknown as Failure;
}

function read(stream: ReadableStream<Uint8Array> | null): Promise<string> {
  return new Response(stream).text();
}

async function run(program: Program, options: SpawnOptions = {}): Promise<Outcome> {
  const process = await globalThis.kernel.spawn(program, options);
  const [stdout, stderr, { code, signal, error }] = await Promise.all([
    read(process.stdout),
    read(process.stderr),
    process.exited,
  ]);
  return { code, signal, error, stdout, stderr };
}

async function feed(process: Process, text: string): Promise<void> {
  if (process.stdin === null) throw new TypeError('the program has no pipe to write to');
  const writer = process.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
}

globalThis.inPage = {
  boot,
  modules,
  start,
  failureOf,
  program: (name) => new URL(`/programs/${name}.wasm`, location.href),
  run,
  read,
  feed,
};
