// Defragmenter: writes data anew, as few large extents, that was written in many small parts. Then
// reading it takes few records, and records go that had little left in them that is still used.
// Linux: e4defrag(8), btrfs's autodefrag.
//
// It looks at windows of objects, each as large as an extent can be. Which ones, writes and lookups
// tell. Somebody else says when its turn is and how much it may write. A window that was written to
// a moment ago is left for later: it would only be broken up again.
//
// What is read stays the same at any time: a turn is a commit like others, and holds what is in the
// tree at that moment. Nothing is done where it would take space: while trees or views share what
// it would write a second time, and on a medium that is nearly full.

import { LinuxError } from '../../abi/errno.ts';
import { assertDefined } from '../../lib/assert.ts';
import type { Op } from '../../lib/op.ts';
import type { Batch } from '../store.ts';
import { type CommitPlan, planBatch, type Planner } from './commit-plan.ts';
import { Extent } from './node.ts';
import { OWN_RECORD_UNITS_MIN, type Piece, piecesOf, SHARED_RECORD_UNITS } from './objects.ts';
import { PLACE_UNITS_MAX, UNIT_SIZE } from './page-device.ts';
import type { PieceReader } from './piece-reader.ts';
import type { Tree } from './tree.ts';

const WINDOW_UNITS = PLACE_UNITS_MAX;
/** A window is due when nobody has written to it for so many turns. */
const QUIET_TURNS = 10;
/** Windows that are remembered. */
const WINDOWS_MAX = 1024;
/** Fewer extents than this, one after the other, are left. */
const EXTENTS_MIN = 8;
/** So many are to become one at least. */
const GAIN_MIN = 2;
/** In a turn, if there is nothing to write. */
const LOOKED_AT_MAX = 32;

interface Window {
  readonly object: number;
  readonly index: number;
  /** Of the last write to it, or before the first. */
  turn: number;
}

/** Extents that follow one on the other. */
interface Stretch {
  readonly pieces: readonly Piece[];
  /** In units. */
  readonly from: number;
  readonly to: number;
}

export interface DefragmenterOptions {
  readonly tree: Tree;
  readonly pieces: PieceReader;
  /** Errors: those of Store.commit(). */
  readonly commit: (plan: Planner) => Op<void>;
  /** Is there space for what is written a second time? Others may share what was there before. */
  readonly hasSpace: () => boolean;
  /** Is nobody at it who is done before long, and needs what was there before? */
  readonly isQuiet: () => boolean;
}

export class Defragmenter {
  readonly #options: DefragmenterOptions;
  readonly #windows = new Map<string, Window>();
  #turn = 0;
  #last: Window | undefined;
  /** Called when there is something to look at, and there was nothing before. */
  onWanted: (() => void) | undefined;

  constructor(options: DefragmenterOptions) {
    this.#options = options;
  }

  /** Is there something to look at? */
  get isWanted(): boolean {
    return this.#windows.size > 0;
  }

  /** A batch is to be committed. */
  written({ writes }: Batch): void {
    for (const { object, run } of writes) {
      // What begins an object is new, and what is long is an extent of its own.
      if (run.offset === 0 || run.bytes.length >= OWN_RECORD_UNITS_MIN * UNIT_SIZE) continue;
      this.#note(object, run.offset / UNIT_SIZE).turn = this.#turn;
    }
  }

  /** Pieces of an object were looked up. */
  found(object: number, pieces: readonly Piece[]): void {
    if (pieces.length < EXTENTS_MIN) return;
    for (const { unit } of pieces) this.#note(object, unit);
  }

  #note(object: number, unit: number): Window {
    const index = Math.floor(unit / WINDOW_UNITS);
    if (this.#last?.object === object && this.#last.index === index) return this.#last;
    const key = `${object} ${index}`;
    let window = this.#windows.get(key);
    if (window === undefined) {
      window = { object, index, turn: this.#turn - QUIET_TURNS };
      this.#windows.set(key, window);
      this.#dropFirstIfMany();
      if (this.#windows.size === 1) this.onWanted?.();
    }
    this.#last = window;
    return window;
  }

  #dropFirstIfMany(): void {
    if (this.#windows.size <= WINDOWS_MAX) return;
    const [first] = this.#windows.keys();
    this.#windows.delete(assertDefined(first));
  }

  /**
   * Does some of what there is to do. Returns how many bytes it has written, not more than
   * `bytesMax`.
   */
  *turn(bytesMax: number): Op<number> {
    this.#turn++;
    // Who reads will tell again.
    if (!this.#options.hasSpace()) this.#forget();
    if (!this.#options.isQuiet()) return 0;
    let written = 0;
    for (let looked = 0; looked < LOOKED_AT_MAX; looked++) {
      if (written + WINDOW_UNITS * UNIT_SIZE > bytesMax) break;
      const window = this.#takeDue();
      if (window === undefined) break;
      written += yield* this.#defragment(window);
    }
    return written;
  }

  #forget(): void {
    this.#windows.clear();
    this.#last = undefined;
  }

  #takeDue(): Window | undefined {
    for (const [key, window] of this.#windows) {
      if (window.turn + QUIET_TURNS > this.#turn) continue;
      this.#windows.delete(key);
      this.#last = undefined;
      return window;
    }
    return undefined;
  }

  /** Returns how many bytes it has written. A medium that fails will tell whoever writes next. */
  *#defragment({ object, index }: Window): Op<number> {
    const { tree, pieces, commit, hasSpace, isQuiet } = this.#options;
    const from = index * WINDOW_UNITS;
    const window = { object, from, to: from + WINDOW_UNITS };
    let bytes = 0;
    try {
      // Most are as they should be.
      if ((yield* fragmentsOf(tree, window)).length === 0 || !isQuiet()) return 0;
      yield* commit(function* (context): Op<CommitPlan | undefined> {
        if (!hasSpace() || !isQuiet()) return undefined;
        const batch = yield* batchFor(tree, window, pieces);
        for (const { run } of batch.writes) bytes += run.bytes.length;
        return bytes === 0 ? undefined : yield* planBatch(context, { tree, batch, sharedUpTo: 0 });
      });
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
      return 0;
    }
    return bytes;
  }
}

interface UnitsOfObject {
  readonly object: number;
  readonly from: number;
  readonly to: number;
}

function* batchFor(tree: Tree, window: UnitsOfObject, reader: PieceReader): Op<Batch> {
  const writes: Batch['writes'][number][] = [];
  for (const { pieces, from, to } of yield* fragmentsOf(tree, window)) {
    const runs = yield* reader.read(pieces, from, to);
    // What is damaged stays as it is: it is known by its checksum.
    if (runs === undefined) continue;
    const bytes = new Uint8Array((to - from) * UNIT_SIZE);
    for (const run of runs) bytes.set(run.bytes, run.offset - from * UNIT_SIZE);
    writes.push({ object: window.object, run: { offset: from * UNIT_SIZE, bytes } });
  }
  return { items: [], discards: [], writes };
}

/** What is in parts and need not be. */
function* fragmentsOf(tree: Tree, { object, from, to }: UnitsOfObject): Op<Stretch[]> {
  const stretches: Stretch[] = [];
  let pieces: Piece[] = [];
  let [start, end] = [from, from];
  const add = (): void => {
    if (isFragmented(pieces.length, end - start)) stretches.push({ pieces, from: start, to: end });
    pieces = [];
  };
  for (const piece of yield* piecesOf(tree, object, from, to)) {
    const { unit, value } = piece;
    if (!(value instanceof Extent) || unit > end) add();
    if (!(value instanceof Extent)) continue;
    if (pieces.length === 0) start = Math.max(unit, from);
    pieces.push(piece);
    end = Math.min(unit + value.unitCount, to);
  }
  add();
  return stretches;
}

function isFragmented(extents: number, units: number): boolean {
  const after = units < OWN_RECORD_UNITS_MIN ? Math.ceil(units / SHARED_RECORD_UNITS) : 1;
  return extents >= Math.max(EXTENTS_MIN, GAIN_MIN * (after + 1));
}
