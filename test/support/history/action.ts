// Action: a system call as plain data, so that a history of them can be generated, printed and run
// on several filesystems. Outcome: what came of one, likewise plain.

import { LinuxError } from '../../../src/abi/errno.ts';
import type { Timespec } from '../../../src/lib/clock.ts';
import type { Op } from '../../../src/lib/op.ts';
import type { SyscallName, Syscalls } from '../../../src/syscalls/table.ts';

/** Stands for bytes to write: `length` of them, made from `seed`, none of them zero. */
export interface DataArgument {
  readonly seed: number;
  readonly length: number;
}

/** Stands for a buffer to read into. */
export interface BufferArgument {
  readonly buffer: number;
}

export type ActionArgument = number | string | Timespec | DataArgument | BufferArgument;

export interface Action {
  readonly call: SyscallName;
  readonly args: readonly ActionArgument[];
}

/** The name of an errno, or the result as text. */
export type Outcome = string;

export function makeData({ seed, length }: DataArgument): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = 1 + ((seed * 37 + at * 11 + (at >> 8)) % 255);
  return bytes;
}

/** FNV-1a, over whole words as far as there are any. */
export function digest(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let hash = 0x811c9dc5 ^ bytes.length;
  let at = 0;
  for (; at + 4 <= bytes.length; at += 4) {
    hash = Math.imul(hash ^ view.getUint32(at), 0x01000193);
    hash ^= hash >>> 15;
  }
  for (; at < bytes.length; at++) hash = Math.imul(hash ^ view.getUint8(at), 0x01000193);
  return (hash >>> 0).toString(16);
}

function materialize(argument: ActionArgument): unknown {
  if (typeof argument !== 'object') return argument;
  if ('buffer' in argument) return new Uint8Array(argument.buffer);
  return 'seed' in argument ? makeData(argument) : argument;
}

/** The result, and what was put into a buffer. */
function outcomeOf(action: Action, args: readonly unknown[], result: unknown): Outcome {
  const isRead = action.call === 'read' || action.call === 'pread';
  const buffer = isRead ? (args[1] as Uint8Array) : undefined;
  const contents = buffer === undefined ? '' : ` ${digest(buffer.subarray(0, Number(result)))}`;
  return JSON.stringify(result ?? 'done') + contents;
}

export function act(call: Action['call'], ...args: Action['args']): Action {
  return { call, args };
}

/** Makes the call. */
export function* perform(sys: Syscalls, action: Action): Op<Outcome> {
  const args = action.args.map(materialize);
  const call = sys[action.call] as (...args: readonly unknown[]) => Op<unknown>;
  try {
    return outcomeOf(action, args, yield* call.apply(sys, args));
  } catch (error) {
    if (error instanceof LinuxError) return error.code;
    throw error;
  }
}

export function printAction({ call, args }: Action): string {
  return `${call}(${args.map((argument) => JSON.stringify(argument)).join(', ')})`;
}
