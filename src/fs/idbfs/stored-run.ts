// Parts of what a store has of a file, where the file has changed since.

import type { Run } from '../../store/store.ts';

/** What is left of a run when holes have been punched that the store doesn't know of yet. */
export function withoutHoles(
  run: Run,
  holes: readonly { readonly from: number; readonly to: number }[],
): Run[] {
  let parts = [run];
  for (const { from, to } of holes) {
    parts = parts.flatMap((part) => [...cutRun(part, 0, from), ...cutRun(part, to, Infinity)]);
  }
  return parts;
}

/** The part of a run within [from, to), a chunk's range. */
export function cutRun(run: Run, from: number, to: number): Run[] {
  const start = Math.max(from, run.offset);
  const end = Math.min(to, run.offset + run.bytes.length);
  if (start >= end) return [];
  return [{ offset: start, bytes: run.bytes.subarray(start - run.offset, end - run.offset) }];
}
