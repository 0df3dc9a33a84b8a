// World: what a host of preview1 supplies for a case: a program's imports and memory, and hands
// outside of its preopens.
//
//   /secret, /box/, /other/      /box and /other are preopens, /box is where a case works

import { wasi } from '@bjorn3/browser_wasi_shim';
import type { Preview1Name } from '../../../src/wasi/signatures.ts';
import type { Actor, Scene } from '../../support/scene.ts';
import type { Guest } from '../../support/guest.ts';

/** Acts on files from outside, by absolute paths. */
export interface Outside {
  mkdir(path: string): Promise<void>;
  write(path: string, text: string): Promise<void>;
  read(path: string): Promise<string>;
  symlink(target: string, path: string): Promise<void>;
  readlink(path: string): Promise<string>;
  rename(from: string, to: string): Promise<void>;
  list(path: string): Promise<string[]>;
}

/** What only our own kernel lets a case do. */
export interface Kernelspace {
  readonly scene: Scene;
  /** The program's task. */
  readonly task: Actor;
  readonly guest: Guest;
}

export interface World {
  readonly memory: WebAssembly.Memory;
  readonly box: number;
  readonly other: number;
  readonly outside: Outside;
  /** Undefined on other hosts. */
  readonly kernel: Kernelspace | undefined;
  /** An errno of preview1, or undefined for success where the host says it that way. */
  call(name: Preview1Name, args: readonly (number | bigint)[]): Promise<number | undefined>;
  close(): Promise<void>;
}

export const SECRET = 'not yours';

/** Makes what every case finds. */
export async function furnish(outside: Outside): Promise<void> {
  await outside.write('/secret', SECRET);
  await outside.mkdir('/box');
  await outside.mkdir('/other');
}

const ERRNO_NAMES = new Map(
  Object.entries(wasi)
    .filter(([name]) => name.startsWith('ERRNO_'))
    .map(([name, number]) => [number as number, name.slice('ERRNO_'.length)]),
);

/** "BADF" for 8. */
export function errnoName(errno: number | undefined): string {
  return ERRNO_NAMES.get(errno ?? wasi.ERRNO_SUCCESS) ?? String(errno);
}
