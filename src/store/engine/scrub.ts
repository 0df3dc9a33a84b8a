// Scrub: reads everything that is stored on both sides of a mirror and puts what is damaged on one
// of them right from the other. Without it damage of the side that isn't read would stay unnoticed
// until that side is all there is.

import { type Op, runAsync } from '../../lib/op.ts';
import type { ScrubReport } from '../store-view.ts';
import type { Checksum } from './node-cache.ts';
import { type PageDevice, wholePlace } from './page-device.ts';
import { PlaceWalk, spacePagesOf, type VisitedPlace } from './place-walk.ts';
import type { RootBlock } from './root-block.ts';

export interface ScrubOptions {
  /** Both sides together. */
  readonly mirror: PageDevice & { readonly block: RootBlock };
  readonly checksum: Checksum;
  readonly stepBytes: number;
  /**
   * Runs `step` between two commits, when both sides have the same; false if they don't: the scrub
   * ends then.
   */
  readonly between: (step: (sides: readonly PageDevice[]) => Op<void>) => Op<boolean>;
  readonly pause: () => Promise<void>;
}

/** Errors: EIO if both sides fail. */
export async function scrub(options: ScrubOptions): Promise<ScrubReport> {
  const { mirror, checksum, stepBytes, between, pause } = options;
  const counts = { mended: 0, lost: 0 };
  const current = (): RootBlock => mirror.block;
  const walk = new PlaceWalk({ device: mirror, checksum, current, generation: Infinity });
  let isLast = false;
  while (!isLast) {
    const isComplete = await runAsync(
      between(function* (sides) {
        let places = yield* walk.next(stepBytes);
        if (places === undefined) {
          isLast = true;
          places = spacePagesOf(mirror.block, checksum);
        }
        yield* compare(sides, places, counts);
      }),
    );
    if (!isComplete) return { isComplete, ...counts };
    await pause();
  }
  return { isComplete: true, ...counts };
}

function* compare(
  sides: readonly PageDevice[],
  places: readonly VisitedPlace[],
  counts: { mended: number; lost: number },
): Op<void> {
  const copies: (readonly (Uint8Array | undefined)[])[] = [];
  for (const side of sides) copies.push(yield* side.read(places.map(wholePlace)));
  for (const [i, place] of places.entries()) {
    const whole = copies.map((copy) => {
      const bytes = copy[i];
      return bytes !== undefined && place.isWhole(bytes) ? bytes : undefined;
    });
    const good = whole.find((bytes) => bytes !== undefined);
    if (good === undefined) counts.lost++;
    for (const [j, side] of sides.entries()) {
      if (good === undefined || whole[j] !== undefined) continue;
      yield* side.rewrite(place.address, good);
      counts.mended++;
    }
  }
}
