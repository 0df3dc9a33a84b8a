// Runs of an object's data as they come from the store: cut to what is wanted, and without what has
// become a hole since.

export interface StoredRun {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Memory of this size is kept for any part of it, in bytes: small ones come out of one. */
const KEPT_WHOLE_MAX = 128 * 1024;
/** Of more, so much may be of no use. */
const WASTE_FACTOR = 2;

/** A store may have read a large record for a small run: the rest of it is not to stay with it. */
export function withoutSurroundings(run: StoredRun): StoredRun {
  const { byteLength } = run.bytes.buffer;
  if (byteLength <= KEPT_WHOLE_MAX || byteLength <= run.bytes.length * WASTE_FACTOR) return run;
  return { offset: run.offset, bytes: run.bytes.slice() };
}

/** What is left of a run when holes have been punched that the store doesn't know of yet. */
export function withoutHoles(
  run: StoredRun,
  holes: readonly { readonly from: number; readonly to: number }[],
): StoredRun[] {
  let parts = [run];
  for (const { from, to } of holes) {
    parts = parts.flatMap((part) => [...cutRun(part, 0, from), ...cutRun(part, to, Infinity)]);
  }
  return parts;
}

/** Where runs that follow each other end. */
export function endOf(runs: readonly StoredRun[], start: number): number {
  return runs.reduce((end, { bytes }) => end + bytes.length, start);
}

/** The bytes of runs that follow each other: a copy, unless they lie together in memory as well. */
export function bytesTogether(runs: readonly StoredRun[], size: number): Uint8Array {
  const [first] = runs;
  if (first !== undefined && runs.every((run, index) => liesBehind(runs[index - 1], run))) {
    const { buffer, byteOffset } = first.bytes;
    return new Uint8Array(buffer, byteOffset, size);
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const run of runs) {
    bytes.set(run.bytes, at);
    at += run.bytes.length;
  }
  return bytes;
}

function liesBehind(before: StoredRun | undefined, { bytes }: StoredRun): boolean {
  if (before === undefined) return true;
  const { buffer, byteOffset, length } = before.bytes;
  return bytes.buffer === buffer && bytes.byteOffset === byteOffset + length;
}

/** The part of a run within [from, to), a chunk's range. */
export function cutRun(run: StoredRun, from: number, to: number): StoredRun[] {
  const start = Math.max(from, run.offset);
  const end = Math.min(to, run.offset + run.bytes.length);
  if (start >= end) return [];
  return [{ offset: start, bytes: run.bytes.subarray(start - run.offset, end - run.offset) }];
}
