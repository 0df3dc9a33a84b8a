// One case of preview1: a sentence that holds, and the calls that show it.

import type { Program } from './program.ts';

export interface Preview1Case {
  readonly title: string;
  /** Why Node's WASI can't be asked (it needs our kernel), or answers otherwise. */
  readonly node?: NodeNote;
  readonly run: (program: Program) => Promise<void>;
}

export type NodeNote =
  | { readonly cannot: string }
  /** The case is expected to fail there. */
  | { readonly differs: string };

/** For cases that need a second task, mounts, streams or a clock of ours. */
export const OURS: NodeNote = { cannot: 'it needs our kernel' };

export const differs = (why: string): NodeNote => ({ differs: why });
