// Defragmenter: writes data anew, as few large extents, that was written in many small parts. Then
// reading it takes few records, and records go that had little left in them that is still used.
// Linux: e4defrag(8), btrfs's autodefrag.
//
// It looks at windows of objects, each as large as an extent can be. Which ones, writes and lookups
// tell. Somebody else says when its turn is and how much it may write. A window that was written to
// a moment ago is left for later: it would only be broken up again. And so that a few writes again
// and again don't cost many times as much, a quarter of a window has to be written to before it is
// looked at the second time.
//
// What is read stays the same at any time: a turn is a commit like others, of what is in the tree
// at that moment. It is strict, as what it moves may have been. Nothing is done where it would take
// space for long, while trees or views share what it would write again; nor where it would take the
// room that others have reserved.

import { LinuxError, linuxerr } from '../../abi/errno.ts';
import { assertDefined } from '../../lib/assert.ts';
import type { Op } from '../../lib/op.ts';
import type { Batch } from '../store.ts';
import { EMPTY_BATCH } from './commit-log.ts';
import { type CommitContext, type CommitPlan, planBatch, type Planner } from './commit-plan.ts';
import { Extent } from './node.ts';
import { OWN_RECORD_UNITS_MIN, type Piece, piecesOf, SHARED_RECORD_UNITS } from './objects.ts';
import { PLACE_UNITS_MAX, UNIT_SIZE } from './page-device.ts';
import type { PieceReader } from './piece-reader.ts';
import type { Tree } from './tree.ts';

const WINDOW_UNITS = PLACE_UNITS_MAX;
/** A window is due when nobody has written to it for so many turns. */
const QUIET_TURNS = 10;
/** Windows that are remembered. */
const WINDOWS_MAX = 16_384;
/** Before a window is looked at again, so much has to be written to it. */
const WRITTEN_UNITS_MIN = WINDOW_UNITS / 4;
/** What a commit takes: the window, and nodes. */
const ROOM_BYTES = 2 * WINDOW_UNITS * UNIT_SIZE;
/** Fewer extents than this, one after the other, are left. */
const EXTENTS_MIN = 8;
/** So many are to become one at least. */
const GAIN_MIN = 2;
/** In a turn, if there is nothing to write. */
const LOOKED_AT_MAX = 32;

interface Window {
  readonly object: number;
  readonly index: number;
  /** Of the last write to it. */
  turn: number;
  /** Written in small parts since it was looked at. */
  units: number;
  /** A lookup found it in many parts, and nobody has looked at it yet. */
  isFound: boolean;
  wasLookedAt: boolean;
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
  /** Holds so much of the medium beside what others count on. False if there isn't as much. */
  readonly hold: (bytes: number) => Op<boolean>;
  /** Does nobody need what was there before? */
  readonly isQuiet: () => boolean;
}

export class Defragmenter {
  readonly #options: DefragmenterOptions;
  readonly #windows = new Map<string, Window>();
  #turn = 0;
  #last: Window | undefined;
  #isBlocked = false;
  /** Called when there is something to look at. */
  onWanted: (() => void) | undefined;

  constructor(options: DefragmenterOptions) {
    this.#options = options;
  }

  /** Is there something to look at? */
  get isWanted(): boolean {
    return [...this.#windows.values()].some(isWanted);
  }

  /** Something was in the way in the last turn, and may be for long. */
  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  /** A batch is to be committed. */
  written({ writes }: Batch): void {
    for (const { object, run } of writes) {
      // What begins an object is new, and what is long is an extent of its own.
      if (run.offset === 0 || run.bytes.length >= OWN_RECORD_UNITS_MIN * UNIT_SIZE) continue;
      const window = this.#windowOf(object, run.offset / UNIT_SIZE);
      if (window === undefined) continue;
      window.turn = this.#turn;
      window.units += Math.ceil(run.bytes.length / UNIT_SIZE);
      if (isWanted(window)) this.onWanted?.();
    }
  }

  /** Pieces of an object were looked up. */
  found(object: number, pieces: readonly Piece[]): void {
    for (let at = EXTENTS_MIN - 1; at < pieces.length; at++) {
      const { unit } = assertDefined(pieces[at]);
      // So many before it are in the same window.
      const first = assertDefined(pieces[at - EXTENTS_MIN + 1]);
      if (indexOf(first.unit) !== indexOf(unit)) continue;
      const window = this.#windowOf(object, unit);
      if (window === undefined || window.wasLookedAt || window.isFound) continue;
      window.isFound = true;
      this.onWanted?.();
    }
  }

  /** Undefined if there are too many already. */
  #windowOf(object: number, unit: number): Window | undefined {
    const index = indexOf(unit);
    if (this.#last?.object === object && this.#last.index === index) return this.#last;
    const key = keyOf(object, index);
    let window = this.#windows.get(key);
    if (window === undefined) {
      if (!this.#hasPlace()) return undefined;
      const turn = this.#turn - QUIET_TURNS;
      window = { object, index, turn, units: 0, isFound: false, wasLookedAt: false };
      this.#windows.set(key, window);
    }
    this.#last = window;
    return window;
  }

  /** The oldest goes, if there is nothing to do with it. */
  #hasPlace(): boolean {
    if (this.#windows.size < WINDOWS_MAX) return true;
    const [oldest] = this.#windows;
    if (oldest === undefined || isWanted(oldest[1])) return false;
    return this.#windows.delete(oldest[0]);
  }

  /**
   * Does some of what there is to do. Returns how many bytes it has written, not more than
   * `bytesMax`.
   */
  *turn(bytesMax: number): Op<number> {
    this.#turn++;
    this.#isBlocked = false;
    let written = 0;
    for (let looked = 0; looked < LOOKED_AT_MAX; looked++) {
      if (written + WINDOW_UNITS * UNIT_SIZE > bytesMax) break;
      const window = this.#firstDue();
      if (window === undefined) break;
      const { units, isFound, wasLookedAt } = window;
      Object.assign(window, { units: 0, isFound: false, wasLookedAt: true });
      const bytes = yield* this.#defragment(window);
      if (bytes === undefined) {
        Object.assign(window, { units: window.units + units, isFound, wasLookedAt });
        this.#moveToEnd(window);
        this.#isBlocked = true;
        break;
      }
      written += bytes;
    }
    return written;
  }

  /** What is in its way may not be in that of others. */
  #moveToEnd(window: Window): void {
    const key = keyOf(window.object, window.index);
    this.#windows.delete(key);
    this.#windows.set(key, window);
  }

  #firstDue(): Window | undefined {
    for (const window of this.#windows.values()) {
      if (isWanted(window) && window.turn + QUIET_TURNS <= this.#turn) return window;
    }
    return undefined;
  }

  /**
   * Returns how many bytes of data it has written; undefined if something is in the way. A medium
   * that fails will tell whoever writes next.
   */
  *#defragment({ object, index }: Window): Op<number | undefined> {
    const { tree, commit, hold, isQuiet } = this.#options;
    const from = index * WINDOW_UNITS;
    const window = { object, from, to: from + WINDOW_UNITS };
    // Most are as they should be.
    const fragments = yield* orNothing(fragmentsOf(tree, window));
    if (fragments === undefined || fragments.length === 0) return 0;
    let bytes: number | undefined;
    try {
      if (!isQuiet() || !(yield* hold(ROOM_BYTES)) || !isQuiet()) return undefined;
      const plan = (context: CommitContext): Op<CommitPlan | undefined> =>
        orNothing(this.#plan(context, window));
      yield* commit(function* (context) {
        if (!isQuiet()) return undefined;
        const planned = yield* plan(context);
        bytes = (planned?.records ?? []).reduce((sum, { bytes: { length } }) => sum + length, 0);
        return planned;
      });
      return bytes;
    } catch (error) {
      if (!(error instanceof LinuxError)) throw error;
      return undefined;
    }
  }

  *#plan(context: CommitContext, window: UnitsOfObject): Op<CommitPlan | undefined> {
    const { tree, pieces } = this.#options;
    const batch = yield* batchFor(tree, window, pieces);
    if (batch.writes.length === 0) return undefined;
    return yield* planBatch(context, { tree, batch, sharedUpTo: 0 });
  }
}

function keyOf(object: number, index: number): string {
  return `${object} ${index}`;
}

function indexOf(unit: number): number {
  return Math.floor(unit / WINDOW_UNITS);
}

function isWanted({ isFound, units }: Window): boolean {
  return isFound || units >= WRITTEN_UNITS_MIN;
}

/** Undefined where what it takes is damaged. */
function* orNothing<T>(op: Op<T>): Op<T | undefined> {
  try {
    return yield* op;
  } catch (error) {
    if (error !== linuxerr.EIO) throw error;
    return undefined;
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
  return { ...EMPTY_BATCH, writes };
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
