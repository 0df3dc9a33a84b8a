// OriginQuota: what the browser says of the origin's space, as that of a disk.

import { type Op, waitFor } from '../../lib/op.ts';
import type { StoreUsage } from '../store.ts';

export type Estimate = () => Promise<StorageEstimate>;

export class OriginQuota {
  readonly #estimate: Estimate | undefined;
  /** What the browser said first. */
  #first: { readonly quota: number; readonly available: number } | undefined;

  constructor(estimate: Estimate | undefined) {
    this.#estimate = estimate;
  }

  /** All there is if the browser doesn't tell. */
  *usage(): Op<StoreUsage> {
    const unlimited = { used: 0, available: Number.MAX_SAFE_INTEGER };
    if (this.#estimate === undefined) return unlimited;
    // A browser that refuses to tell is like one that has no limit.
    const told = this.#estimate().catch((): StorageEstimate => ({}));
    const { usage, quota } = yield* waitFor(told);
    if (usage === undefined || quota === undefined) return unlimited;
    const available = Math.max(0, quota - usage);
    this.#first ??= { quota, available };
    // Chromium leaves always the same, whatever is used, so that sites can't tell users apart by
    // it. What it left at first is then taken for the size of the disk.
    const isStatic = available === this.#first.available;
    const size = isStatic ? this.#first.quota : quota;
    return { used: usage, available: Math.max(0, size - usage) };
  }
}
