// Which program a command's name means.

import type { Builtin } from './builtins.ts';
import { findBuiltin, listBuiltins } from './builtins.ts';
import { compareCodePoints } from './glob.ts';
import type { AvailableProgram, ShellHost } from './host.ts';
import { joinPath } from './paths.ts';
import type { ShellState } from './state.ts';

const S_IXALL = 0o111;

/** Where installed programs are kept; an entry of the manifest belongs to the file there. */
export const INSTALL_DIRECTORY = '/bin';

export type Resolution =
  | { readonly kind: 'builtin'; readonly builtin: Builtin }
  | {
      readonly kind: 'program';
      readonly path: string;
      /** The manifest's entry, if the path is where it installs. */
      readonly available: AvailableProgram | undefined;
    }
  | { readonly kind: 'available'; readonly available: AvailableProgram }
  | { readonly kind: 'missing'; readonly status: 126 | 127; readonly message: string };

/** Finds what `name` runs: a builtin, a file, something to install, or why it runs nothing. */
export async function resolveCommand(
  name: string,
  state: ShellState,
  host: ShellHost,
): Promise<Resolution> {
  if (name.includes('/')) return resolveFile(name, state, host);
  const builtin = findBuiltin(name);
  if (builtin !== undefined && !builtin.isFallback) return { kind: 'builtin', builtin };
  for (const directory of state.searchPath()) {
    const path = joinPath(directory, name);
    if (!(await isProgram(path, host))) continue;
    const isOurs = directory === INSTALL_DIRECTORY;
    return { kind: 'program', path, available: isOurs ? host.programs.find(name) : undefined };
  }
  const available = host.programs.find(name);
  if (available !== undefined) return { kind: 'available', available };
  if (builtin !== undefined) return { kind: 'builtin', builtin };
  return { kind: 'missing', status: 127, message: await notFound(name, state, host) };
}

async function resolveFile(name: string, state: ShellState, host: ShellHost): Promise<Resolution> {
  const path = name.startsWith('/') ? name : joinPath(state.cwd, name);
  const stats = await host.fs.stat(path).catch(() => null);
  if (stats === null) {
    return { kind: 'missing', status: 127, message: `${name}: no such file or directory` };
  }
  if (stats.isDirectory()) {
    return { kind: 'missing', status: 126, message: `${name}: is a directory` };
  }
  if ((stats.mode & S_IXALL) === 0) {
    const hint = `run “chmod +x ${name}” if it is a program`;
    return { kind: 'missing', status: 126, message: `${name}: permission denied (${hint})` };
  }
  const inInstallDirectory = /^\/bin\/([^/]+)$/.exec(path)?.[1];
  const available =
    inInstallDirectory === undefined ? undefined : host.programs.find(inInstallDirectory);
  return { kind: 'program', path, available };
}

async function isProgram(path: string, host: ShellHost): Promise<boolean> {
  const stats = await host.fs.stat(path).catch(() => null);
  return stats !== null && stats.isFile() && (stats.mode & S_IXALL) !== 0;
}

/** Every name that would run something, sorted. */
export async function listCommands(state: ShellState, host: ShellHost): Promise<string[]> {
  const names = new Set<string>([...listBuiltins(), ...host.programs.commands()]);
  for (const directory of state.searchPath()) {
    const entries = await host.fs.readdir(directory).catch((): string[] => []);
    for (const name of entries) names.add(name);
  }
  return [...names].sort(compareCodePoints);
}

async function notFound(name: string, state: ShellState, host: ShellHost): Promise<string> {
  const similar = (await listCommands(state, host)).find((known) => isSimilar(name, known));
  if (similar !== undefined) return `${name}: command not found (did you mean “${similar}”?)`;
  return `${name}: command not found (type “programs” to see what there is)`;
}

/** True if one changed, added, removed or swapped character makes the two the same. */
export function isSimilar(a: string, b: string): boolean {
  if (a.length < 2 || b.length < 2 || Math.abs(a.length - b.length) > 1) return false;
  let start = 0;
  while (start < a.length && a.charAt(start) === b.charAt(start)) start += 1;
  const restA = a.slice(start);
  const restB = b.slice(start);
  const isSwap =
    restA.slice(2) === restB.slice(2) &&
    restA.charAt(0) === restB.charAt(1) &&
    restA.charAt(1) === restB.charAt(0);
  return (
    isSwap ||
    restA.slice(1) === restB.slice(1) ||
    restA.slice(1) === restB ||
    restA === restB.slice(1)
  );
}
