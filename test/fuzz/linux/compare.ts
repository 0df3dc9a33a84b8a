// Runs one history on both sides and finds the first thing they differ in.

import { type BurrowResult, runOnBurrow, type Variant } from './burrow-side.ts';
import type { LinuxSide } from './linux-side.ts';
import { type Leniency, Normalizer } from './normalize.ts';
import { printHistory } from './print.ts';
import type { SideResult, Step } from './step.ts';

/** Both sides did not do the same. */
class Difference extends Error {
  override readonly name = 'Difference';
}

function leniencyFor(history: readonly Step[]): Leniency {
  const ticks = history.filter(({ call }) => call === 'tick').length;
  return { atime: ticks * 2 < history.length };
}

/** Errors: Difference. */
function compareResults(
  history: readonly Step[],
  ours: BurrowResult,
  linux: SideResult,
  leniency: Leniency,
): void {
  const [mine, theirs] = [new Normalizer(ours, leniency), new Normalizer(linux, leniency)];
  const calls = history.filter(({ call }) => call !== 'tick');
  const wanted: string[] = [];
  for (const [index, step] of calls.entries()) {
    if (index >= ours.undefinedFrom) return;
    const on = { inotify: ours.onInotify.has(index), directory: ours.onDirectory.has(index) };
    const [our, their] = [ours.results[index], linux.results[index]];
    if (our === undefined || their === undefined) throw new Error('an outcome is missing');
    if ('bug' in their) throw new Error(String(their.bug));
    const outcome = mine.step(step, our, on);
    wanted.push(theirs.step(step, their, on));
    if (outcome === wanted.at(-1)) continue;
    throw new Difference(
      `${outcome} here, not as in the last line:\n${printHistory(history, wanted)}`,
    );
  }
  const [ourTree, theirTree] = [mine.tree(), theirs.tree()];
  const size = Math.max(ourTree.length, theirTree.length);
  for (let index = 0; index < size; index++) {
    if (ourTree[index] === theirTree[index]) continue;
    const lines = `${String(ourTree[index])}\nhere, but on Linux\n${String(theirTree[index])}`;
    throw new Difference(`${lines}\nafter:\n${printHistory(history, wanted)}`);
  }
}

/** Errors: Difference; Error for a call that waits. */
export async function compareSides(
  linux: LinuxSide,
  variant: Variant,
  history: readonly Step[],
): Promise<void> {
  // Linux is at it while we are.
  const [theirs, ours] = await Promise.allSettled([
    linux.run(history),
    runOnBurrow(variant, history),
  ]);
  if (theirs.status === 'rejected') throw theirs.reason;
  if (ours.status === 'rejected') {
    throw new Difference(`${String((ours.reason as Error).stack)}\n${printHistory(history, [])}`);
  }
  compareResults(history, ours.value, theirs.value, leniencyFor(history));
}
