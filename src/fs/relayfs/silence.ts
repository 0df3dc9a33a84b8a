// Silence: whether the holder answers, as far as somebody waits for it. One that is frozen or hangs
// still has its lock.

import type { Clock } from '../../lib/clock.ts';

/** How often it is looked at, in ms. */
const LOOK_MS = 2000;
/** A holder that has answered nothing at so many looks in a row is silent: it was asked before. */
const LOOKS = 4;

export interface SilenceOptions {
  readonly clock: Clock;
  /** Is there a holder that owes an answer? */
  readonly isWaiting: () => boolean;
  /** Asks what is answered at once. */
  readonly ask: () => void;
  readonly onChanged: () => void;
}

export class Silence {
  readonly #options: SilenceOptions;
  #cancelTimer: (() => void) | undefined;
  /** Looks since it was heard of last. */
  #looks = 0;

  constructor(options: SilenceOptions) {
    this.#options = options;
  }

  get isSilent(): boolean {
    return this.#looks >= LOOKS;
  }

  /** Somebody waits for the holder. */
  begin(): void {
    this.#cancelTimer ??= this.#options.clock.setTimer(LOOK_MS, () => {
      this.#cancelTimer = undefined;
      this.#look();
    });
  }

  #look(): void {
    const { isWaiting, ask, onChanged } = this.#options;
    if (!isWaiting()) return;
    this.#looks++;
    if (this.#looks === LOOKS) onChanged();
    // Others may take their time; this is answered at once.
    if (this.#looks === 1) ask();
    this.begin();
  }

  /** The holder has said something. */
  heard(): void {
    const wasSilent = this.isSilent;
    this.#looks = 0;
    if (wasSilent) this.#options.onChanged();
  }

  /** There is no holder, or nothing is asked of it any more. */
  end(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#looks = 0;
  }
}
