// Step: one system call of one process, as plain data that depends on nothing that happened before:
// both sides can run a history on their own. Descriptors are the numbers themselves, since the
// lowest free one is part of the standard.

import {
  SYSCALLS,
  type Flock,
  type PollFd,
  type SyscallName,
} from '../../../src/syscalls/table.ts';
import type { Timespec } from '../../../src/lib/clock.ts';
import type { SubjectCredentials } from '../../conformance/process.ts';

/** Stands for bytes: `length` of the pattern from where `seed` says. */
export interface DataArgument {
  readonly seed: number;
  readonly length: number;
}

/** Stands for a buffer to fill. */
export interface BufferArgument {
  readonly room: number;
}

export type StepArgument =
  number | string | Timespec | DataArgument | BufferArgument | Flock | readonly PollFd[];

export interface Step {
  /** Index in PROCESSES. */
  readonly who: number;
  /** `tick`: what is stamped from now on is later than all before. */
  readonly call: SyscallName | 'tick';
  readonly args: readonly StepArgument[];
}

/** Names as the cases have them. */
export const PROCESS_NAMES = ['root', 'user', 'other'] as const;

export const PROCESSES: readonly Required<SubjectCredentials>[] = [
  { uid: 0, gid: 0, groups: [] },
  { uid: 1000, gid: 1000, groups: [2000] },
  { uid: 1001, gid: 1001, groups: [2001] },
];

/** 0, 1 and 2 are taken on both sides. */
export const FIRST_FD = 3;

/** What a step came to on one side: histories.py says what the values look like. */
export type Outcome = { readonly value: unknown } | { readonly errno: number };

/** One name in the final tree. */
export type TreeEntry = [
  path: string,
  stat: Record<string, unknown>,
  contents: string | number,
  xattrs: Record<string, number>,
];

export interface SideResult {
  readonly results: readonly Outcome[];
  /** The moments between what was stamped before a tick and after; the first is the start. */
  readonly ticks: readonly (readonly [sec: number, nsec: number])[];
  readonly pids: readonly number[];
  readonly tree: readonly TreeEntry[];
}

const PATTERN_SIZE = 1 << 18;
const PATTERN_SEED_STEP = 1021;

/** The same as make_pattern() of histories.py. */
function makePattern(): Uint8Array {
  const pattern = new Uint8Array(PATTERN_SIZE);
  let state = 1n;
  for (let index = 0; index < PATTERN_SIZE; index++) {
    state = (state * 1_103_515_245n + 12_345n) & 0x7fff_ffffn;
    pattern[index] = 1 + (Number(state >> 16n) % 255);
  }
  return pattern;
}

const PATTERN = makePattern();

export function makeData({ seed, length }: DataArgument): Uint8Array {
  const start = seed * PATTERN_SEED_STEP;
  return PATTERN.subarray(start, start + length);
}

/** The arguments of a step with what they stand for. `make` makes bytes and buffers. */
export function materialize<T>(
  { call, args }: Step,
  make: {
    readonly data: (argument: DataArgument) => T;
    readonly buffer: (argument: BufferArgument) => T;
    readonly time: (argument: Timespec) => T;
  },
): (T | StepArgument)[] {
  if (call === 'tick') return [];
  const kinds = SYSCALLS[call].args;
  return args.map((argument, index) => {
    switch (kinds[index]) {
      case 'bytes':
        return make.data(argument as DataArgument);
      case 'buffer':
        return make.buffer(argument as BufferArgument);
      case 'timespec':
        return make.time(argument as Timespec);
      default:
        return argument;
    }
  });
}
