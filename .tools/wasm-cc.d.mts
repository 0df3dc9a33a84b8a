// Types of wasm-cc.mjs for the tests.

export interface Compilation {
  /** C files. */
  readonly sources: readonly string[];
  /** The file to make; its folder is made if need be. */
  readonly output: string;
  /** Compiler flags; folders in -I must be absolute. */
  readonly flags?: readonly string[];
}

/** Which compiler makes wasm here: found out once, installed if need be. */
export function wasmToolchain(): Promise<'debian' | 'yowasp'>;
/** Makes a wasm32-wasi program. */
export function compileWasm(compilation: Compilation): Promise<void>;
/** Makes a program for this machine. */
export function compileNative(compilation: Compilation): Promise<void>;
