// Space: which places are free. A commit takes from what was free before it; what it gives up is
// free once it has ended well.
//
// On the medium: pages that list the runs that were free at some commit, and in the superblock what
// was taken and given back since. The pages are read when the first commit needs them. What there
// is beyond `end` has never been used.

import { linuxerr } from '../../abi/errno.ts';
import { assert, assertDefined } from '../../lib/assert.ts';
import type { Op } from '../../lib/op.ts';
import type { Checksum } from './node-cache.ts';
import { type Child, Reader, Writer } from './node.ts';
import {
  mendPlace,
  type PageDevice,
  type Place,
  PLACE_UNITS_MAX,
  unitsOf,
  wholePlace,
} from './page-device.ts';

/** Free units. */
interface Run {
  readonly address: number;
  readonly units: number;
}

/** What the superblock says of the space. */
export interface SpaceState {
  /** No unit from here on has ever been used. */
  readonly end: number;
  readonly pages: readonly Child[];
  /** Since the pages were written, in order. */
  readonly log: readonly SpaceChange[];
}

export interface SpaceChange extends Run {
  readonly isFree: boolean;
}

export const EMPTY_SPACE: SpaceState = { end: 0, pages: [], log: [] };

/** The log is folded into pages when it gets longer than this. */
const LOG_LENGTH_MAX = 500;
const RUN_BYTES = 10;
const RUNS_PER_PAGE = 2800;
/** Runs looked at for one place, before it is put at the end. */
const SEARCH_STEPS_MAX = 500;

export interface SpaceCommit {
  readonly state: SpaceState;
  /** As DeviceBatch.reusableUnits. */
  readonly reusableUnits: number;
  /** Pages of runs. */
  readonly writes: readonly { readonly address: number; readonly bytes: Uint8Array }[];
  readonly frees: readonly Place[];
}

export class Space {
  readonly #appendsOnly: boolean;
  #state: SpaceState;
  /** In ascending order, never touching; undefined: not read yet. */
  #runs: Run[] | undefined;
  /** Where the last search ended. */
  #cursor = 0;
  #end: number;
  /** Taken by the commit under way. */
  #taken: Run[] = [];

  /** `appendsOnly`: what is free stays so, and everything goes behind the end. */
  constructor(state: SpaceState, { appendsOnly = false }: { appendsOnly?: boolean } = {}) {
    this.#appendsOnly = appendsOnly;
    this.#state = state;
    this.#end = state.end;
  }

  get state(): SpaceState {
    return this.#state;
  }

  /** What is free below `end`, once it was read. */
  get runs(): readonly Run[] {
    return this.#runs ?? [];
  }

  /** Is nothing at this address? Only once it was read. */
  isFree(address: number): boolean {
    if (address >= this.#end) return true;
    const runs = this.runs;
    const index = indexOf(runs, address);
    const before = runs[index - 1];
    const isWithin = before !== undefined && address < before.address + before.units;
    return isWithin || runs[index]?.address === address;
  }

  /** The last free run that begins at `unit` or before it. */
  runAt(unit: number): Run | undefined {
    const runs = this.#runs ?? [];
    return runs[indexOf(runs, unit + 1) - 1];
  }

  /** Below `end`. Only once it was read. */
  get freeUnits(): number {
    return (this.#runs ?? []).reduce((sum, { units }) => sum + units, 0);
  }

  /** Reads what is free. Errors: EIO. */
  *load(device: PageDevice, checksum: Checksum): Op<void> {
    if (this.#runs !== undefined) return;
    const { pages, log } = this.#state;
    const runs: Run[] = [];
    const found = pages.length === 0 ? [] : yield* device.read(pages.map(wholePlace));
    for (const [i, bytes] of found.entries()) {
      const page = assertDefined(pages[i]);
      const isWhole = (read: Uint8Array): boolean => checksum(read) === page.checksum;
      const isGood = bytes !== undefined && isWhole(bytes);
      const whole = isGood ? bytes : yield* mendPlace(device, page, isWhole);
      if (whole === undefined) throw linuxerr.EIO;
      const reader = new Reader(whole);
      while (reader.offset < whole.length && !reader.hasFailed) {
        const run = { address: reader.u48(), units: reader.u32() };
        if (run.units > 0) runs.push(run);
      }
    }
    for (const { isFree, ...run } of log) {
      if (isFree) addRun(runs, run);
      else removeRun(runs, run);
    }
    this.#runs = runs;
  }

  /** The address of that many units together. */
  allocate(units: number): number {
    const runs = this.#runs;
    assert(runs !== undefined, 'the space was read');
    const stepsMax = this.#appendsOnly ? 0 : SEARCH_STEPS_MAX;
    for (let steps = Math.min(runs.length, stepsMax); steps > 0; steps--) {
      if (this.#cursor >= runs.length) this.#cursor = 0;
      const run = runs[this.#cursor];
      if (run !== undefined && run.units >= units) {
        if (run.units === units) runs.splice(this.#cursor, 1);
        else runs[this.#cursor] = { address: run.address + units, units: run.units - units };
        return this.#take({ address: run.address, units });
      }
      this.#cursor++;
    }
    const address = this.#end;
    this.#end += units;
    return this.#take({ address, units });
  }

  #take(run: Run): number {
    const last = this.#taken.at(-1);
    // What was free and what was never used stay apart.
    const isApart = run.address === this.#state.end;
    if (last !== undefined && last.address + last.units === run.address && !isApart) {
      this.#taken[this.#taken.length - 1] = { ...last, units: last.units + run.units };
    } else this.#taken.push(run);
    return run.address;
  }

  /** The commit under way gives up `frees`. What it is to write. */
  finish(
    frees: readonly Place[],
    { checksum, generation }: { readonly checksum: Checksum; readonly generation: number },
  ): SpaceCommit {
    const { pages, log } = this.#state;
    const isFolded = log.length + this.#taken.length + frees.length > LOG_LENGTH_MAX;
    const allFrees = isFolded ? [...frees, ...pages] : frees;
    const given: Run[] = [];
    for (const { address, sizeBytes } of allFrees) {
      addRun(given, { address, units: unitsOf(sizeBytes) });
    }
    if (!isFolded) {
      const changes = [
        ...this.#taken.map((run) => ({ ...run, isFree: false })),
        ...given.map((run) => ({ ...run, isFree: true })),
      ];
      const state = { end: this.#end, pages, log: [...log, ...changes] };
      return {
        state,
        writes: [],
        frees,
        reusableUnits: reusable([...(this.#runs ?? []), ...given]),
      };
    }
    // Taking room for the pages leaves as many runs or fewer.
    const runsMax = (this.#runs?.length ?? 0) + given.length;
    const places: number[] = [];
    for (let left = runsMax; left > 0; left -= RUNS_PER_PAGE) {
      places.push(this.allocate(unitsOf(Math.min(left, RUNS_PER_PAGE) * RUN_BYTES)));
    }
    const runs = [...(this.#runs ?? [])];
    for (const run of given) addRun(runs, run);
    const writes: { address: number; bytes: Uint8Array }[] = [];
    const newPages: Child[] = [];
    places.forEach((address, i) => {
      const room = Math.min(runsMax - i * RUNS_PER_PAGE, RUNS_PER_PAGE);
      const bytes = encodeRuns(runs.slice(i * RUNS_PER_PAGE, (i + 1) * RUNS_PER_PAGE), room);
      writes.push({ address, bytes });
      newPages.push({ address, sizeBytes: bytes.length, checksum: checksum(bytes), generation });
    });
    const state = { end: this.#end, pages: newPages, log: [] };
    return { state, writes, frees: allFrees, reusableUnits: reusable(runs) };
  }

  /** The commit has ended well. */
  commit({ state, frees }: SpaceCommit): void {
    this.#state = state;
    this.#taken = [];
    for (const { address, sizeBytes } of frees) {
      addRun(this.#runs ?? [], { address, units: unitsOf(sizeBytes) });
    }
  }

  /** The commit has failed, or was never made. */
  abort(): void {
    const { end } = this.#state;
    for (const run of this.#taken) if (run.address < end) addRun(this.#runs ?? [], run);
    this.#taken = [];
    this.#end = this.#state.end;
  }
}

/** Of so many runs, small places may take the beginning. */
const RUNS_BROKEN = 2;

/** What the longest places find room in, whatever small ones are written besides. */
function reusable(runs: readonly Run[]): number {
  let places = -RUNS_BROKEN;
  for (const { units } of runs) places += Math.floor(units / PLACE_UNITS_MAX);
  return Math.max(0, places) * PLACE_UNITS_MAX;
}

/** Of the size of `room` runs, of which those that aren't needed have no units. */
function encodeRuns(runs: readonly Run[], room: number): Uint8Array {
  const writer = new Writer(room * RUN_BYTES);
  for (const { address, units } of runs) {
    writer.u48(address);
    writer.u32(units);
  }
  return writer.bytes;
}

/** Index of the first run that begins at `address` or after it. */
function indexOf(runs: readonly Run[], address: number): number {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((runs[middle]?.address ?? 0) < address) low = middle + 1;
    else high = middle;
  }
  return low;
}

function addRun(runs: Run[], { address, units }: Run): void {
  const index = indexOf(runs, address);
  const [before, after] = [runs[index - 1], runs[index]];
  assert(before === undefined || before.address + before.units <= address, 'freed twice');
  assert(after === undefined || address + units <= after.address, 'freed twice');
  const joinsBefore = before !== undefined && before.address + before.units === address;
  const joinsAfter = after !== undefined && address + units === after.address;
  const first = joinsBefore ? before.address : address;
  const end = joinsAfter ? after.address + after.units : address + units;
  const start = joinsBefore ? index - 1 : index;
  runs.splice(start, Number(joinsBefore) + Number(joinsAfter), {
    address: first,
    units: end - first,
  });
}

/** Takes units out that are all within one run. */
function removeRun(runs: Run[], { address, units }: Run): void {
  let index = indexOf(runs, address);
  if (runs[index]?.address !== address) index--;
  const run = runs[index];
  // Beyond what was ever used when the pages were written: they are no run.
  if (run === undefined || run.address + run.units <= address) return;
  assert(address + units <= run.address + run.units, 'taken from within a run');
  const rest: Run[] = [];
  if (run.address < address) rest.push({ address: run.address, units: address - run.address });
  const end = run.address + run.units;
  if (address + units < end) rest.push({ address: address + units, units: end - address - units });
  runs.splice(index, 1, ...rest);
}
