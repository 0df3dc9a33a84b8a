// Scenario: what is there at first, and what is then done at once.

import { LinuxError } from '../../src/abi/errno.ts';
import type { Op } from '../../src/lib/op.ts';
import type { Action, Outcome } from '../support/history/action.ts';
import { printAction } from '../support/history/action.ts';
import type { Session } from '../support/history/session.ts';

/** What is no system call: mount(2) and umount(2). */
export interface Deed {
  readonly title: string;
  run(session: Session): Op<Outcome>;
}

export type Step = Action | Deed;

export interface Scenario {
  /** A fact. */
  readonly title: string;
  /** Made before; the descriptors are closed again. */
  readonly tree: readonly Action[];
  /** What each task has open; of all, made in this order. */
  readonly opened?: readonly Action[];
  /** What is mounted before. */
  readonly mounted?: readonly Deed[];
  /** What each task does, one after the other; all tasks at once. */
  readonly programs: readonly (readonly Step[])[];
  /** All programs are threads of one task: they share its descriptors. */
  readonly isOneTask?: boolean;
  /** How often a commit may begin by itself, at any moment. Default: never. */
  readonly commitsMax?: number;
  /** Bytes of changes from which writers have to wait. Default: more than there are. */
  readonly dirtyLimit?: number;
  /** Takes minutes: left out unless everything is asked for. */
  readonly isLarge?: boolean;
  /** Called after each step. */
  readonly watch?: Watch;
}

/** One call as it was made. */
export interface TimedOutcome {
  /** The steps it began and ended in; -1 as long as it hasn't ended. */
  readonly began: number;
  ended: number;
  outcome: Outcome | undefined;
}

/** What a scenario's own check is told after each step. */
export interface Watched {
  /** The calls made so far, program by program. */
  readonly calls: readonly (readonly TimedOutcome[])[];
  /** What a crash would leave, as lines. */
  readonly committedTree: string;
}

/** Returns what is wrong. */
export type Watch = (watched: Watched) => string | undefined;

/** How much idbfs keeps in memory. */
export type Caching = 'roomy' | 'tiny';

export function isDeed(step: Step): step is Deed {
  return 'run' in step;
}

export function printStep(step: Step): string {
  return isDeed(step) ? step.title : printAction(step);
}

/** What `run` returns, or the name of the error. */
export function* asOutcome<Yielded>(
  run: () => Generator<Yielded, Outcome, void>,
): Generator<Yielded, Outcome, void> {
  try {
    return yield* run();
  } catch (error) {
    if (error instanceof LinuxError) return error.code;
    throw error;
  }
}
