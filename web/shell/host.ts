// What the shell needs around it: a filesystem, a way to start programs, a terminal to write to.
// The playground supplies these (web/main.ts); unit tests supply a fake.

import type { FileSystem, Process, SpawnOptions, Terminal } from '../../src/index.ts';

export type ShellFileSystem = Pick<
  FileSystem,
  | 'appendFile'
  | 'chmod'
  | 'lstat'
  | 'open'
  | 'readFile'
  | 'readdir'
  | 'readlink'
  | 'realpath'
  | 'stat'
  | 'utimes'
  | 'writeFile'
>;

/** Programs that can be installed when they are first used. */
export interface ProgramSource {
  /** Every command that an available program offers, its aliases too. */
  commands(): readonly string[];
  /** The program that offers `command`, or undefined. */
  find(command: string): AvailableProgram | undefined;
  /** The path of `command` once it is installed. Rejects if that fails or is interrupted. */
  install(command: string, signal: AbortSignal): Promise<string>;
  /** What the `programs` command prints. */
  describe(): Promise<string>;
}

export interface AvailableProgram {
  readonly name: string;
  /** Arguments that come before the user's. */
  readonly args: readonly string[];
}

export interface TerminalOptions {
  /** False for a program that doesn't read what is typed: its input ends at once. */
  readonly hasInput: boolean;
}

export interface ShellHost {
  readonly fs: ShellFileSystem;
  readonly programs: ProgramSource;
  spawn(program: string, options: SpawnOptions): Promise<Process>;
  /** A terminal for one program. */
  openTerminal(options: TerminalOptions): Terminal;
  /** Shows text; lines end in '\n'. Resolves when there is room for more. */
  write(text: string): Promise<void>;
  /** Clears the screen and what scrolled off it. */
  clear(): void;
  /** The size of the terminal in characters. */
  size(): { readonly columns: number; readonly rows: number };
  /** Lines entered so far, the oldest first. */
  history(): readonly string[];
  clearHistory(): void;
}
