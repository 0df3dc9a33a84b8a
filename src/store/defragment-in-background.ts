// When a store is defragmented: a little each second, while there is something to do.

import type { Clock } from '../lib/clock.ts';
import { runAsync } from '../lib/op.ts';
import type { Engine } from './engine/engine.ts';

const TURN_MS = 1000;
const BYTES_PER_TURN = 4 << 20;
/** Where something is in the way: no room, a snapshot, half a mirror. */
const BLOCKED_MS = 60_000;

export function defragmentInBackground(engine: Engine, clock: Clock): void {
  const { defragmenter } = engine;
  const schedule = (): void => {
    clock.setTimer(defragmenter.isBlocked ? BLOCKED_MS : TURN_MS, () => void turn());
  };
  const turn = async (): Promise<void> => {
    if (!engine.isOpen) return;
    await runAsync(defragmenter.turn(BYTES_PER_TURN));
    if (defragmenter.isWanted) schedule();
    else defragmenter.onWanted = begin;
  };
  const begin = (): void => {
    defragmenter.onWanted = undefined;
    schedule();
  };
  defragmenter.onWanted = begin;
}
