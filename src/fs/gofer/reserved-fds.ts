// ReservedFds: room that the server keeps for FDs which requests are going to make whose answers
// nobody waits for. Such a request must not fail because there are too many FDs: what is sent
// behind it takes for granted that it was done.

import type { LisafsClient } from '../../lisafs/client.ts';

/** FDs that room is asked for at a time: few at first, more for who makes many files. */
const AHEAD_MIN = 16;
const AHEAD_MAX = 512;

export class ReservedFds {
  readonly #client: LisafsClient;
  #session = 0;
  /** Since the session began: ids that there was room for, and ids that were chosen. */
  #keptTotal = 0;
  #chosenTotal = 0;
  #ahead = AHEAD_MIN;
  /** Not asked again before so many were chosen: there is no more room at the moment. */
  #askFrom = 0;
  /** The last request that asked for more, until it is answered. */
  #asking: object | undefined;

  constructor(client: LisafsClient) {
    this.#client = client;
  }

  /** Is there room for so many? If not, it is asked for. */
  has(count: number): boolean {
    this.#renew();
    const left = this.#keptTotal - this.#chosenTotal;
    if (left < count + this.#ahead / 2) this.#ask();
    return left >= count;
  }

  /** So many ids are chosen: of the session there is now. */
  choose(count: number): void {
    this.#renew();
    this.#chosenTotal += count;
  }

  /** Gives back what isn't needed yet. Returns how much that was. */
  giveUp(): number {
    this.#renew();
    const left = Math.max(0, this.#keptTotal - this.#chosenTotal);
    const isAsking = this.#asking !== undefined;
    this.#ahead = AHEAD_MIN;
    this.#askFrom = this.#chosenTotal + AHEAD_MIN;
    this.#keptTotal = this.#chosenTotal;
    this.#asking = undefined;
    if (left > 0 || isAsking) this.#send(this.#chosenTotal);
    return left;
  }

  #renew(): void {
    const { session } = this.#client;
    if (session === this.#session) return;
    this.#session = session;
    this.#keptTotal = this.#chosenTotal = this.#askFrom = 0;
    this.#asking = undefined;
  }

  #ask(): void {
    const isTooEarly = this.#asking !== undefined || this.#chosenTotal < this.#askFrom;
    if (isTooEarly || !this.#client.supports('Reserve')) return;
    // It was all used up: who makes many needs more at a time.
    if (this.#keptTotal > 0) this.#ahead = Math.min(AHEAD_MAX, this.#ahead * 2);
    const asked = this.#chosenTotal + this.#ahead;
    const asking = (this.#asking = {});
    this.#send(asked, (total) => {
      // What was given back meanwhile isn't there.
      if (this.#asking !== asking) return;
      this.#asking = undefined;
      this.#keptTotal = total;
      if (total < asked) this.#askFrom = this.#chosenTotal + this.#ahead;
    });
  }

  #send(total: number, onKept: (total: number) => void = () => undefined): void {
    const { session } = this.#client;
    const values = (): { total: number } => ({
      total: session === this.#client.session ? total : 0,
    });
    this.#client.send('Reserve', values).onSettled((_error, value) => {
      onKept(session === this.#client.session ? (value?.total ?? 0) : 0);
    });
  }
}
